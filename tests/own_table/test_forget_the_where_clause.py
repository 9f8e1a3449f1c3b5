"""A client forgets the WHERE clause, or loads a file over the table: its own table is not guarded, but the
statement says how many decisions it made, and one call takes them back."""

import threading
import time

import psycopg
import pytest
from support.orms import TABLE, DjangoTicket
from support.orms import Django as DjangoMapper
from support.own_table import TEXTS, OwnTable
from support.sessions import refused
from support.waiting import timed

MANY = 60
STAGED = """CREATE TEMP TABLE staged AS SELECT id, 'sales' AS label FROM ticket"""


@pytest.fixture
def tickets(database):
    """More rows than pg_triage.max_rows_per_correction, with labels of people and without."""
    tickets = OwnTable(database, TABLE[TABLE.index("(") + 1 : TABLE.rindex(")")])
    fill(database, MANY)
    database.run("UPDATE ticket SET category = 'support' WHERE id % 7 = 0")
    database.session.notices.clear()
    yield tickets
    tickets.agrees()


def fill(database, rows):
    database.run(
        f"INSERT INTO ticket (id, body) SELECT n, '{TEXTS['billing']} ' || n FROM generate_series(1, {rows}) n"
    )


def contents(database):
    return database.rows(
        """SELECT t.id, t.category, r.human_label FROM ticket t
             JOIN triage.review r ON r.source = 'public.ticket' AND r.email_key = t.id::text ORDER BY t.id"""
    )


def undone(tickets, warning, before, decisions=MANY):
    """What the warning says is true, and what it proposes helps."""
    assert f"{decisions} emails in public.ticket" in warning and "pg_triage.max_rows_per_correction" in warning
    call = warning[warning.index("SELECT triage.undo_batch(") : warning.index(")", warning.index("undo_batch(")) + 1]
    database = tickets.database
    assert database.column("SELECT DISTINCT category FROM ticket") == ["sales"]
    tickets.agrees()
    assert database.value(call) == decisions
    assert contents(database) == before


def test_in_psql(tickets):
    before = contents(tickets.database)
    result = tickets.database.psql("UPDATE ticket SET category = 'sales'")
    (warning,) = [line for line in result.stderr.splitlines() if "WARNING" in line]
    undone(tickets, warning, before)


def test_in_django(tickets):
    before = contents(tickets.database)
    django = DjangoMapper(tickets.database)
    assert DjangoTicket.objects.using(django.alias).update(category="sales") == MANY
    (warning,) = django.notices
    django.close()
    undone(tickets, warning, before)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ticket t SET category = s.label FROM staged s WHERE s.id = t.id",
        """INSERT INTO ticket AS t (id, category) SELECT id, label FROM staged
           ON CONFLICT (id) DO UPDATE SET category = excluded.category""",
        """MERGE INTO ticket t USING staged s ON s.id = t.id WHEN MATCHED THEN UPDATE SET category = s.label""",
        "WITH u AS (UPDATE ticket SET category = 'sales' RETURNING 1) SELECT count(*) FROM u",
    ],
)
def test_with_a_staging_table(tickets, statement):
    before = contents(tickets.database)
    session = tickets.database.connect()
    session.run(STAGED)
    session.run(statement)
    (warning,) = session.notices
    undone(tickets, warning, before)


def test_copied_labels_that_are_recorded(database):
    tickets = OwnTable(database, attach="record_given_labels => true")
    before = [(n, "billing", None) for n in range(MANY)]
    session = database.connect()
    with session.cursor().copy("COPY ticket (id, body, category) FROM STDIN") as copy:
        for n in range(MANY):
            copy.write_row((n, TEXTS["billing"], "sales"))
    (warning,) = session.notices
    undone(tickets, warning, before)
    tickets.agrees()


@pytest.mark.parametrize("partitioned", [False, True])
def test_what_is_announced(database, partitioned):
    tickets = OwnTable(database, after="PARTITION BY LIST (id)" if partitioned else "")
    if partitioned:
        database.run("CREATE TABLE rest PARTITION OF ticket DEFAULT")
    fill(database, MANY)
    session = database.connect(settings={"pg_triage.max_rows_per_correction": 10})
    session.run("UPDATE ticket SET body = body || '!'")
    session.run("UPDATE ticket SET category = 'sales' WHERE id <= 10")
    session.run("UPDATE ticket SET category = 'sales' WHERE id <= 10")
    assert session.notices == [], "not what is few, nor what is no decision"
    session.run("UPDATE ticket SET category = 'sales' WHERE id <= 21")
    assert "11 emails" in session.notices[0]
    session.run("BEGIN; UPDATE ticket SET category = 'billing' WHERE id = 1; UPDATE ticket SET category = 'support'")
    assert f"{MANY} emails" in session.notices[1], "each statement for itself"
    session.run("ROLLBACK")
    tickets.agrees()


def test_a_later_decision_keeps_a_batch_from_being_taken_back(tickets):
    database = tickets.database
    database.run("UPDATE ticket SET category = 'sales'")
    batch = database.value("SELECT max(batch_id) FROM triage.decision")
    later = database.value(f"SELECT triage.correct({tickets.review(9)}, 'billing')")
    with refused("55000", str(later)):
        database.run(f"SELECT triage.undo_batch({batch})")


@pytest.mark.timeout(120)
def test_five_thousand_are_taken_back_quickly_with_progress_and_can_be_cancelled(database):
    tickets = OwnTable(database)
    fill(database, 5000)
    database.run("UPDATE ticket SET category = 'sales'")
    batch = database.value("SELECT max(batch_id) FROM triage.decision")
    session = database.connect()
    threading.Thread(target=lambda: (time.sleep(0.5), session.cancel())).start()
    with timed() as cancelled, pytest.raises(psycopg.errors.QueryCanceled):
        session.run(f"SELECT triage.undo_batch({batch})")
    assert cancelled.seconds < 0.5 + 0.3
    assert database.value("SELECT count(*) FROM triage.review WHERE human_label = 'sales'") == 5000
    session.notices.clear()
    with timed() as took:
        assert session.value(f"SELECT triage.undo_batch({batch})") == 5000
    print(f"5,000 decisions taken back in {took.seconds:.1f} s")
    assert took.seconds < 15
    assert session.notices == [f"{n} of 5000 decisions taken back" for n in (1000, 2000, 3000, 4000, 5000)]
    tickets.agrees()
