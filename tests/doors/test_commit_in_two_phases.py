"""A decision in a prepared transaction is nobody's until it is committed, and a prepared compaction
changes no answer."""

import pytest
from support.mails import deploy
from support.server import new_server

QUESTION = "SELECT classify_email('parcel lost')"


@pytest.fixture(scope="module")
def preparing_server():
    """A server that prepares transactions."""
    with new_server("two_phases", "max_prepared_transactions=2") as server:
        yield server


@pytest.fixture
def ticket(preparing_server):
    """A database with an attached table."""
    with preparing_server.database() as database:
        database.run(deploy("one"))
        database.run("SELECT triage.add_label('default', 'two')")
        database.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, label text)")
        database.run("SELECT triage.attach('ticket', ARRAY['body'], 'label')")
        database.run("INSERT INTO ticket VALUES (1, 'parcel lost')")
        yield database
        # A test that fails leaves it, and its database could not be dropped.
        for name in database.column("SELECT gid FROM pg_prepared_xacts"):
            database.run(f"ROLLBACK PREPARED '{name}'")


def test_a_prepared_decision(ticket):
    one, two = ticket.connect(), ticket.connect()
    before = one.value(QUESTION)
    assert before != "two"
    assert two.value(QUESTION) == before
    for end, wanted in (("ROLLBACK", before), ("COMMIT", "two")):
        one.run("BEGIN")
        one.run("UPDATE ticket SET label = 'two' WHERE id = 1")
        assert one.value(QUESTION) == "two", "seen by its own transaction"
        one.run("PREPARE TRANSACTION 'p'")
        assert [one.value(QUESTION), two.value(QUESTION)] == [before] * 2, "not seen while it is prepared"
        two.run(f"{end} PREPARED 'p'")
        assert [one.value(QUESTION), two.value(QUESTION)] == [wanted] * 2, "seen as it ended"


def test_a_prepared_compaction(ticket):
    ticket.run("UPDATE ticket SET label = 'two' WHERE id = 1")
    one, two = ticket.connect(), ticket.connect()
    one.run("BEGIN")
    assert one.value("SELECT triage.compact('default')") > 0
    one.run("PREPARE TRANSACTION 'p'")
    assert two.value("SELECT triage.compact('default')") is None, "it keeps others from compacting"
    assert [one.value(QUESTION), two.value(QUESTION)] == ["two"] * 2
    one.run("COMMIT PREPARED 'p'")
    with ticket.connect() as fresh:
        assert [session.value(QUESTION) for session in (one, two, fresh)] == ["two"] * 3
    assert ticket.value("SELECT count(*) FROM triage_internal.pending") == 0
