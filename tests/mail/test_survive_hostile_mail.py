"""Mail that was made to hurt (tests/attacks), and real mail in all its brokenness: every message is
read, classified and stored, whoever hands it over, and nobody else notices anything.

    PYTHONPATH=tests python3 -m attacks SHAPE BYTES SEED        prints the message of a failed test"""

import re
import tarfile
from pathlib import Path

import attacks
import psycopg
import pytest
from support.hostile_mail import MEGABYTE, HostileMail, hostile_server
from support.server import Bystander
from support.system import CORPORA

# Each is true if all is well with the messages of these ids.
WAYS = {
    "parse_email": "SELECT count(*) = count(DISTINCT id) AND count(*) = 1 + %(last)s - %(first)s FROM hostile, parse_email(raw) {where}",
    "classify_email": "SELECT bool_and(classify_email(raw) = classify_email(email_text(raw))) FROM hostile {where}",
    "triage.ingest": "SELECT bool_and(triage.ingest(raw) = triage.ingest(raw, 'inbox')) FROM hostile {where}",
    # A mail without any text waits for it.
    "an attached table": """WITH new AS (INSERT INTO ticket (body) SELECT email_text(raw) FROM hostile {where}
                                         RETURNING body, category)
                            SELECT bool_and((category IS NOT NULL) = (body ~ '\\S')) FROM new""",
}
WHERE = "WHERE id BETWEEN %(first)s AND %(last)s"


@pytest.fixture(scope="module")
def hostile():
    with hostile_server() as server, server.database() as database:
        hostile = HostileMail(database)
        hostile.bystander = Bystander(database)
        yield hostile


@pytest.fixture(scope="module")
def sessions(hostile):
    """Who takes which way: whoever hands mail over may do this and nothing else."""
    admin = hostile.database.connect()
    writer = hostile.database.connect(hostile.database.role("pt_writer", "triage_writer"))
    return {way: writer if way == "triage.ingest" else admin for way in WAYS}


def trouble(session, way, ids):
    """What is wrong with which of these messages, each way by itself if something is."""
    try:
        [well] = session.execute(WAYS[way].format(where=WHERE), {"first": ids[0], "last": ids[-1]}).fetchone()
    except psycopg.Error as error:
        well = str(error)
    if well is True:
        return []
    if len(ids) == 1:
        return [(ids[0], well)]
    return [found for one in ids for found in trouble(session, way, [one])]


def test_there_are_at_least_500_hostile_messages():
    assert sum(1 for _ in attacks.attacks()) >= 500


@pytest.mark.parametrize("shape", attacks.SHAPES)
def test_a_hostile_message_is_taken_every_way(hostile, sessions, shape):
    messages = [(f"{size} bytes, seed {seed}", attacks.make(shape, size, seed)) for size, seed in attacks.SMALL]
    ids = hostile.store(messages)
    for way in WAYS:
        assert [(way, messages[n - 1][0], what) for n, what in trouble(sessions[way], way, ids)] == []


@pytest.mark.parametrize(
    "archive, least",
    [
        pytest.param(name, least, marks=pytest.mark.corpora(name))
        for name, least in {"mime_suites.tar.gz": 900, "spamassassin.tar.gz": 6000}.items()
    ],
)
def test_real_mail_is_taken_every_way(hostile, sessions, archive, least):
    ids = hostile.store(messages_in(CORPORA / archive))
    assert len(ids) >= least
    for way in WAYS:
        together = [ids[n : n + 500] for n in range(0, len(ids), 500)]
        wrong = [found for some in together for found in trouble(sessions[way], way, some)]
        names = dict(hostile.database.rows("SELECT id, name FROM hostile WHERE id = ANY (%s)", [n for n, _ in wrong]))
        assert [(way, names[n], what) for n, what in wrong] == []


def messages_in(archive):
    """(name, raw message) of each."""
    with tarfile.open(archive) as members:
        for member in members:
            if member.isfile() and Path(member.name).name not in ("MANIFEST.jsonl", "README.md", "LICENSE"):
                yield member.name, members.extractfile(member).read()


@pytest.mark.parametrize(
    "name",
    ["x" * MEGABYTE, "é" * 1000, "\u202e \t\x01", "'; DROP TABLE hostile; --"],
    ids=["a megabyte", "not ASCII", "cannot be seen", "SQL"],
)
def test_a_mailbox_may_have_any_name(sessions, name):
    """It may come from an address that anybody can write."""
    assert sessions["triage.ingest"].value("SELECT triage.ingest('From: a@example.org', %s)", name) > 0


def test_nobody_else_noticed_anything(hostile):
    hostile.bystander.check()
    log = hostile.database.server.log_text()
    assert "database system is ready to accept connections" in log
    bad = re.compile(r"terminated by|PANIC|panicked|server process .* exited")
    assert [line for line in log.splitlines() if bad.search(line)] == []
