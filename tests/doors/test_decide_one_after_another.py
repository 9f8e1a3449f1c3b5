"""Decisions that sessions add to what they know stay few: a single decision looks now and then whether
there are many, and moves them into the base."""

import pytest
from support.server import Database

# More than this many are moved, and within a transaction block, which would hold the lock, four times
# as many.
COMPACT_AFTER = 10
# One decision in so many looks.
LOOKS = 16
PENDING = "SELECT count(*) FROM triage_internal.pending WHERE classifier = 'default'"
COMPACTED = "SELECT coalesce(sum(decisions), 0)::int FROM triage_internal.base WHERE classifier = 'default'"


@pytest.fixture
def desk(database: Database):
    """Two hundred mails, each of which has a label."""
    database.run(
        "SELECT triage.deploy('default', train_classifier(body, label)) FROM (VALUES ('one two', 'a'), ('four five', 'b')) AS mail (body, label)"
    )
    database.run("CREATE TABLE mail (id int PRIMARY KEY, body text, label text)")
    database.run("SELECT triage.attach('mail', ARRAY['body'], 'label')")
    database.run("INSERT INTO mail SELECT i, 'one ' || i FROM generate_series(1, 200) AS i")
    database.run(f"SET pg_triage.compact_after = {COMPACT_AFTER}")
    return database


def decide(session, mail: int, door: str) -> None:
    if door == "table":
        session.run("UPDATE mail SET label = 'b' WHERE id = %s", mail)
    else:
        session.run("SELECT triage.correct(review_id, 'b') FROM triage.review WHERE email_key = %s", str(mail))


@pytest.mark.parametrize("door", ["table", "function"])
def test_single_decisions_leave_few_pending(desk, door):
    most = 0
    for mail in range(1, 101):
        decide(desk, mail, door)
        most = max(most, desk.value(PENDING))
    assert COMPACT_AFTER < most < COMPACT_AFTER + LOOKS
    assert desk.value(PENDING) + desk.value(COMPACTED) == 100


def test_clients_that_connect_for_each_decision_leave_few_pending_too(desk):
    for mail in range(1, 201):
        with desk.connect(settings={"pg_triage.compact_after": COMPACT_AFTER}) as session:
            decide(session, mail, "table")
    # Which of them look is drawn: that none of 190 does happens once in 200,000 times.
    assert desk.value(COMPACTED) > 0
    assert desk.value(PENDING) + desk.value(COMPACTED) == 200


def test_a_block_may_leave_four_times_as_many(desk):
    with desk.connect(settings={"pg_triage.compact_after": COMPACT_AFTER}) as session:
        session.run("BEGIN")
        most = 0
        for mail in range(1, 101):
            decide(session, mail, "table")
            most = max(most, session.value(PENDING))
        assert 4 * COMPACT_AFTER < most < 4 * COMPACT_AFTER + LOOKS
        session.run("COMMIT")
    for mail in range(101, 101 + LOOKS):
        decide(desk, mail, "table")
    assert desk.value(PENDING) < COMPACT_AFTER + LOOKS


def test_nobody_waits_for_somebody_else_who_compacts(desk):
    other = desk.connect()
    other.run("BEGIN")
    decide(other, 200, "table")
    assert other.value("SELECT triage.compact('default')") == 1
    for mail in range(1, 41):
        decide(desk, mail, "table")
    assert desk.value(PENDING) == 40, "the lock is only tried"
    other.run("COMMIT")
    for mail in range(41, 41 + LOOKS):
        decide(desk, mail, "table")
    assert desk.value(PENDING) < LOOKS
