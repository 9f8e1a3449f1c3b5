"""A hot standby classifies without writing, follows activations and corrections, refuses to
decide, and learns and works after promotion."""

import pytest
from support.mails import deploy
from support.odd_and_even import OTHER_LABEL, assert_same_answers, fill
from support.server import new_server
from support.sessions import refused
from support.standby import standby_of
from support.waiting import wait_for
from support.worker import HANDLED, LAUNCHER, PATIENCE, PRELOAD, Workplace, processes, status, wait_for_process

ASKED = "SELECT pg_is_in_recovery(), classify_email('neverseen')"
CORRECT = f"UPDATE mail SET label = {OTHER_LABEL} WHERE id = 100"


@pytest.fixture(scope="module")
def primary():
    with new_server("primary") as primary:
        yield primary


@pytest.fixture(scope="module")
def mails(primary):
    with primary.database("mails") as mails:
        fill(mails)
        mails.run("INSERT INTO mail (id, body) VALUES (100, 'neverseen')")
        yield mails


@pytest.fixture(scope="module")
def standby(primary, mails):
    with standby_of(primary) as standby:
        yield standby


@pytest.fixture
def reader(standby):
    """An open session of the standby."""
    standby.catch_up()
    with standby.connect("mails") as reader:
        yield reader


def test_it_answers_with_compacted_and_pending_decisions(mails, reader):
    assert reader.value("SELECT pg_is_in_recovery()")
    assert_same_answers(mails, reader)


def test_it_looks_for_suspect_labels(reader):
    assert reader.value("SELECT count(*) FROM triage.suspect_labels") == 0


def test_an_open_session_notices_a_correction_but_not_one_that_is_rolled_back(mails, standby, reader):
    before = reader.row(ASKED)
    mails.run(f"BEGIN; {CORRECT}; ROLLBACK")
    standby.catch_up()
    assert reader.row(ASKED) == before
    mails.run(CORRECT)
    standby.catch_up()
    corrected = mails.value("SELECT label FROM mail WHERE id = 100")
    assert reader.row(ASKED) == (True, corrected)
    assert before != (True, corrected)


def test_a_transaction_that_keeps_its_snapshot_keeps_its_answer(mails, standby, reader):
    reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
    before = reader.row(ASKED)
    mails.run(CORRECT)
    standby.catch_up()
    assert reader.row(ASKED) == before
    reader.run("COMMIT")
    assert reader.row(ASKED) != before


def test_compaction_changes_nothing_over_there(mails, standby, reader):
    assert mails.value("SELECT triage.compact('default')") > 0
    standby.catch_up()
    assert_same_answers(mails, reader)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE mail SET label = 'even' WHERE id = 1",
        "SELECT triage.accept(1)",
        "SELECT triage.compact('default')",
        deploy("three"),
    ],
)
def test_it_refuses_what_would_write(reader, statement):
    with refused("25006", "read-only"):
        reader.run(statement)


def test_an_open_session_follows_an_activation_and_after_promotion_it_deploys(mails, standby, reader):
    mails.run(f"BEGIN; {deploy('never')}; ROLLBACK")
    mails.run(deploy("two"))
    standby.catch_up()
    assert reader.value("SELECT classify_email('invoice')") == "two"
    standby.promote()
    with standby.connect("mails") as writer:
        writer.run(deploy("three"))
    assert reader.value("SELECT classify_email('invoice')") == "three"
    assert mails.value("SELECT classify_email('invoice')") == "two", "the old primary is not touched"


def test_the_worker_begins_with_promotion():
    with new_server("worker_primary", PRELOAD, "autovacuum=off") as primary:
        Workplace(primary, "copied").create()
        wait_for_process(primary, LAUNCHER)
        with standby_of(primary, PRELOAD) as standby:
            copy = Workplace(standby, "copied")
            # As soon as the database may be entered, the status can say why nothing runs.
            wait_for(lambda: "standby" in (copy.value(status("problem")) or ""), PATIENCE)
            assert processes(standby, LAUNCHER) == []
            standby.promote()
            wait_for_process(standby, LAUNCHER)
            copy.decide()
            copy.wait(HANDLED)
