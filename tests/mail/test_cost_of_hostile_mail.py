"""Whoever sends a message cannot make it dear: time is linear in its size, memory bounded, a cancel
ends it at once, and what is stored already does not count."""

import random
import re

import attacks
import pytest
from support.hostile_mail import (
    MEGABYTE,
    OVERSHOOT,
    HostileMail,
    growth,
    hostile_server,
    seconds_too_late,
)
from support.processor import needs_proc, processor_milliseconds
from support.server import Bystander
from support.waiting import timed

pytestmark = needs_proc

# Ten times the size may take this many times as long.
GROWTH = 13
# Times below are noise, in milliseconds.
NOISE = 1.0
# A session may grow by ten times the message, and this.
MEMORY = 64 * MEGABYTE

# As much as a superuser may allow: limits would hide that time grows too fast.
WIDE = {
    "pg_triage.max_header_bytes": "16MB",
    "pg_triage.max_text_bytes": "16MB",
    "pg_triage.max_mime_parts": 100_000,
    "pg_triage.max_mime_depth": 100,
}


@pytest.fixture(scope="module")
def hostile():
    with hostile_server() as server, server.database() as database:
        hostile = HostileMail(database)
        hostile.bystander = Bystander(database)
        yield hostile


# ---- linear time --------------------------------------------------------------------------------------

# name: (call, bytes of the small message)
CALLS = {
    "parse_email": ("SELECT count(*) FROM hostile, parse_email(raw) WHERE id = %s", 200_000),
    "classify_email": ("SELECT classify_email(raw) FROM hostile WHERE id = %s", 100_000),
}


@pytest.fixture(scope="module")
def readers(hostile):
    """A session for each call."""
    return {
        "parse_email": hostile.database.connect(settings=WIDE),
        "classify_email": hostile.database.connect(),
    }


def least_milliseconds(session, call, ids, tries):
    """Of each message."""
    return [
        min(times) for times in zip(*([processor_milliseconds(session, call, n) for n in ids] for _ in range(tries)))
    ]


@pytest.mark.parametrize("function", CALLS)
@pytest.mark.parametrize("shape", attacks.SHAPES)
def test_ten_times_the_size_takes_ten_times_as_long(hostile, readers, shape, function):
    call, small = CALLS[function]
    session = readers[function]
    # What is only just too large for a cache looks like too much: so larger sizes decide.
    for size, tries in (small, 2), (5 * small, 4), (small, 12):
        ids = hostile.store_shape(shape, size, 10 * size)
        one, ten = least_milliseconds(session, call, ids, tries)
        if ten <= GROWTH * max(one, NOISE):
            break
    assert ten <= GROWTH * max(one, NOISE), f"{one:.1f} ms for {size} bytes, {ten:.1f} ms for ten times as many"
    if ten > 1000 * OVERSHOOT:
        assert seconds_too_late(session, ten * random.Random(shape).random(), call, ids[1]) <= OVERSHOOT


# ---- memory -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", attacks.SHAPES)
def test_a_message_takes_bounded_memory(hostile, shape):
    ids = hostile.store_shape(shape, MEGABYTE)
    grown = growth(hostile.database, "SELECT triage.ingest(raw) > 0 FROM hostile WHERE id = %s", ids[0])
    assert grown <= 10 * MEGABYTE + MEMORY


# ---- huge messages ------------------------------------------------------------------------------------

HUGE_SHAPES = [
    "one line",
    "line breaks",
    "random body",
    "large attachment",
    "attached line",
    "one long field",
    "empty parts",
    "nested messages",
    "messages in messages and then long",
    "tags",
    "quoted-printable in one line",
    "base64 of NULs",
]
HUGE_CALLS = {
    "parse_email": "SELECT count(*) FROM hostile, parse_email(raw) WHERE id = %s",
    "classify_email": "SELECT count(classify_email(raw)) FROM hostile WHERE id = %s",
    "triage.ingest": "SELECT count(triage.ingest(raw, clock_timestamp()::text)) FROM hostile WHERE id = %s",
}


@pytest.mark.parametrize("size", [8_000_000, pytest.param(64_000_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("shape", HUGE_SHAPES)
def test_a_huge_message_takes_bounded_memory_and_can_be_cancelled(hostile, shape, size):
    ids = hostile.store_shape(shape, size)
    chance = random.Random(f"{shape} {size}")
    with hostile.database.connect() as session:
        for call in HUGE_CALLS.values():
            with timed() as t:
                assert growth(hostile.database, call, ids[0]) <= 10 * size + MEMORY, call
            for _ in range(2):
                milliseconds = 1000 * t.seconds * chance.random()
                assert seconds_too_late(session, milliseconds, call, ids[0]) <= OVERSHOOT, call


# ---- a large inbox --------------------------------------------------------------------------------------

STORED = 50_000


@pytest.fixture
def inbox(hostile):
    """An empty inbox, and a session to look at it; statistics are never made."""
    hostile.database.run(
        "SET session_replication_role = replica; DELETE FROM triage.email; RESET session_replication_role"
    )
    with hostile.database.connect() as session:
        answers(session, "warm")
        yield session


def answers(session, name):
    """What 300 messages take that each refer to one which is not there, in milliseconds."""
    return processor_milliseconds(
        session,
        f"""SELECT count(triage.ingest(convert_to(format(
                       E'Message-ID: <{name}%s@example.org>\\nReferences: <to-{name}%s@example.org>\\n\\ntext %1$s', n, n), 'UTF8')))
              FROM generate_series(1, 300) AS n""",
    )


def fill(hostile, message_id, thread_id):
    """As if STORED messages had come in earlier, at a hundredth of the time."""
    hostile.database.run(
        f"""SET session_replication_role = replica;
            INSERT INTO triage.email (mailbox, message_id, thread_id, content_hash, body)
              SELECT 'inbox', {message_id}, {thread_id}, 'earlier' || n, 'text' FROM generate_series(1, {STORED}) AS n;
            RESET session_replication_role"""
    )


def dearest(session, message_ids, references):
    """Most milliseconds that one of these three messages takes."""
    return max(
        processor_milliseconds(
            session,
            "SELECT triage.ingest(%s)",
            f"Message-ID: <{message_ids.format(n)}>\nReferences: <{references.format(n + 1)}>\n\ntext".encode(),
        )
        for n in range(3)
    )


def test_a_message_costs_the_same_whatever_is_stored(hostile, inbox):
    small = answers(inbox, "small")
    fill(hostile, "n || '@example.com'", "n")
    assert answers(inbox, "large") < 2 * small


def test_one_message_does_not_move_all_others(hostile, inbox):
    """All answer a message that has not come yet. Whoever sends it can claim that it answers one
    that has not come either, and so on."""
    inbox.run(
        "SELECT triage.ingest(E'Message-ID: <one@example.com>\\nReferences: <root-0@example.org>\\n\\ntext'::bytea)"
    )
    thread = inbox.value("SELECT thread_id FROM triage.email WHERE message_id = 'one@example.com'")
    fill(hostile, "n || '@example.net'", thread)
    assert dearest(inbox, "root-{}@example.org", "root-{}@example.org") < 100


def test_an_id_that_many_messages_have_costs_no_more(hostile, inbox):
    fill(hostile, "'same@example.org'", 7)
    assert dearest(inbox, "last-{}@example.org", "same@example.org") < 100


# ---- the end ----------------------------------------------------------------------------------------------


def test_nobody_else_noticed_anything(hostile):
    hostile.bystander.check()
    log = hostile.database.server.log_text()
    assert "database system is ready to accept connections" in log
    bad = re.compile(r"terminated by|PANIC|panicked|server process .* exited")
    assert [line for line in log.splitlines() if bad.search(line)] == []
