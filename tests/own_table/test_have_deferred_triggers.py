"""A table has foreign keys or triggers that wait for COMMIT, as every foreign key of Django's does. A row that
is inserted and decided about in one transaction has them wait twice."""

import pytest
from support.own_table import TEXTS, OwnTable
from support.sessions import error_of

DEFERRED = {
    "foreign key": "ALTER TABLE ticket ADD FOREIGN KEY (customer) REFERENCES customer DEFERRABLE INITIALLY DEFERRED",
    "trigger": """CREATE CONSTRAINT TRIGGER count AFTER INSERT OR UPDATE ON ticket
                  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION count_it()""",
}
DOORS = {
    "function": "SELECT triage.correct({review}, 'sales')",
    "triage.review": "UPDATE triage.review SET human_label = 'sales' WHERE review_id = {review}",
    "queue view": "UPDATE triage.ticket_queue SET human_label = 'sales' WHERE review_id = {review}",
    "own table": "UPDATE ticket SET category = 'sales' WHERE id = 1",
}


@pytest.fixture(params=DEFERRED)
def owned(database, request):
    """A table of a role of its own."""
    database.role("pt_owner", "triage_trainer")
    database.role("pt_clerk", "triage_reviewer")
    database.run("CREATE TABLE customer (id int PRIMARY KEY); INSERT INTO customer VALUES (1)")
    database.run("CREATE TABLE counted (who text); GRANT INSERT ON counted TO PUBLIC")
    database.run(
        "CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN INSERT INTO counted VALUES (current_user); RETURN NULL; END$$"
    )
    columns = "id bigint PRIMARY KEY, body text, category text, customer int DEFAULT 1"
    table = OwnTable(database, columns, attach="record_given_labels => true")
    database.run(DEFERRED[request.param])
    for name in "ticket", "customer":
        database.run(f"ALTER TABLE {name} OWNER TO pt_owner")
    database.run("GRANT INSERT, SELECT ON ticket TO pt_clerk")
    return table


@pytest.mark.parametrize("door", DOORS)
def test_the_owner_decides_about_a_row_of_the_same_transaction(owned, database, door):
    owner = database.connect("pt_owner")
    owner.run("BEGIN")
    owner.run("INSERT INTO ticket (id, body) VALUES (1, %s)", TEXTS["billing"])
    review = owner.value("SELECT review_id FROM triage.review WHERE source = 'public.ticket'")
    owner.run(DOORS[door].format(review=review))
    owner.run("COMMIT")
    assert owned.label(1) == "sales"
    owned.agrees()
    assert set(database.column("SELECT who FROM counted")) <= {"pt_owner"}


@pytest.mark.parametrize("who", ["pt_owner", "pt_clerk"])
@pytest.mark.parametrize("given", ["Sales", " sales ", "SALES"])
def test_a_given_label_is_spelled_without_writing_the_row_twice(owned, database, who, given):
    session = database.connect(who)
    session.run("INSERT INTO ticket (id, body, category) VALUES (1, %s, %s)", TEXTS["billing"], given)
    assert owned.label(1) == "sales"
    assert owned.ledger(1) == [("correct", "sales", "insert")]
    assert database.value("SELECT count(*) FROM counted") <= 1
    owned.agrees()


def test_what_waits_for_commit_runs_with_no_rights_but_those_of_who_commits(owned, database):
    """Of a table of somebody else nothing may be left behind that would run with the clerk's rights."""
    owned.new(1)
    database.run("DELETE FROM counted")
    clerk = database.connect("pt_clerk")
    error = error_of(clerk, "UPDATE triage.review SET human_label = 'sales' WHERE source = 'public.ticket'")
    assert error is None or "deferred trigger" in str(error)
    assert database.column("SELECT who FROM counted") == []
    owned.agrees()
