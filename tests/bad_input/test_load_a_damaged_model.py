"""Flipped bits and truncations of a model are refused, by its text and its binary form. (The unit
tests of the classifier flip every bit.)"""

import base64
import re
import struct

import psycopg
import pytest
from support.mails import MAILS
from support.sessions import refused


@pytest.fixture(scope="module")
def good(module_database):
    """The bytes of a model."""
    module_database.run("SELECT triage.load_sample()")
    return module_database.value(
        f"SELECT email_model_send(train_classifier(body, label)) FROM {MAILS} WHERE email_id % 60 = 0"
    )


def flipped(good, bit):
    """A copy with one other bit."""
    damaged = bytearray(good)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


@pytest.fixture(scope="module")
def cases(good):
    """Pairs: what was done, and the bytes."""
    # All of the header bit by bit, and of the rest a sample.
    bits = [*range(0, 8 * len(good), 97), *range(8 * 48)]
    assert len(bits) >= 2000
    cases = [(f"bit {bit}", flipped(good, bit)) for bit in bits]
    cases += [(f"cut at {n}/200", good[: len(good) * n // 200]) for n in range(200)]
    cases += [("a byte more", good + b"\0"), ("eight bytes more", good + b"\0" * 8), ("twice", good + good)]
    return cases


def binary(session, value):
    """Binary COPY, which calls email_model_recv."""
    row = struct.pack("!hi", 1, len(value)) + value + struct.pack("!h", -1)
    with session.cursor() as cursor, cursor.copy("COPY received FROM STDIN (FORMAT binary)") as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + row)


def text(session, value):
    """The text form, which calls email_model_in."""
    session.run(f"SELECT '{base64.b64encode(value).decode()}'::email_model IS NULL")


def outcome(session, form, value):
    """The SQLSTATE, or "stored"."""
    try:
        form(session, value)
    except psycopg.Error as error:
        return error.sqlstate
    return "stored"


def allowed(what):
    """Bytes 8 and 9 are the format version: another release could have written that."""
    bit = re.fullmatch(r"bit (\d+)", what)
    return ("22P03", "0A000") if bit and 64 <= int(bit[1]) < 80 else ("22P03",)


@pytest.mark.parametrize("form", [binary, text])
def test_damaged_models_are_refused_and_the_session_survives(module_database, good, cases, form):
    with module_database.connect() as session:
        session.run("CREATE TEMP TABLE received (model email_model)")
        assert outcome(session, form, good) == "stored", "the model itself is accepted"
        found = [(what, outcome(session, form, value)) for what, value in cases]
        assert [(what, state) for what, state in found if state not in allowed(what)] == []
        assert session.notices == []
        assert outcome(session, form, good) == "stored"


def test_what_is_no_model_at_all_is_refused(module_database, good):
    with refused("22P02", "email_model"):
        module_database.run("SELECT 'not base64!'::email_model")
    with refused("22P03"):
        module_database.run("SELECT ''::email_model")
    with refused("22P03"):
        module_database.run("SELECT 'AAAA'::email_state")
    with refused("22P03"):
        module_database.run(f"SELECT classify_with('{base64.b64encode(good[:-8]).decode()}', 'x')")
