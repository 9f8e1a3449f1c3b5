"""A prediction never breaks an INSERT: what a constraint or the type of the label column does not allow
is not written. The best label that is allowed is, or the row waits and its review says why."""

import threading

import pytest
from support.sessions import refused
from support.waiting import wait_for

MODEL = """SELECT triage.deploy('default', train_classifier(body, label)) FROM (VALUES
    ('invoice', 'billing'), ('invoice bike', 'billing'), ('password', 'support'), ('password login', 'support'),
    ('bike', 'mobility'), ('bike leasing', 'mobility')) AS mail (body, label)"""

# How the table of labels without "mobility" is said, before the table and in the column.
WITHOUT_MOBILITY = {
    "check": ("", "text CHECK (category IN ('billing', 'support'))"),
    "check that is not valid": ("", "text"),
    "check of several columns": ("", "text, open boolean DEFAULT true, CHECK (category <> 'mobility' OR NOT open)"),
    "check that fails": ("", "text CHECK (CASE category WHEN 'mobility' THEN 1 / (length(category) - 8) END IS NULL)"),
    "check of a generated column": (
        "",
        "text, shout text GENERATED ALWAYS AS (upper(category)) STORED, CHECK (shout <> 'MOBILITY')",
    ),
    "foreign key": (
        "CREATE TABLE names (name text PRIMARY KEY); INSERT INTO names VALUES ('billing'), ('support')",
        "text REFERENCES names",
    ),
    "foreign key of several columns": (
        "CREATE TABLE names (tenant int, name text, PRIMARY KEY (tenant, name)); "
        "INSERT INTO names VALUES (1, 'billing'), (1, 'support'), (2, 'mobility')",
        "text, tenant int DEFAULT 1, FOREIGN KEY (tenant, category) REFERENCES names",
    ),
    "enum": ("CREATE TYPE kind AS ENUM ('billing', 'support')", "kind"),
    "domain": ("CREATE DOMAIN kind AS text CHECK (VALUE IN ('billing', 'support'))", "kind"),
    "length": ("", "varchar(7)"),
    "length of char": ("", "char(7)"),
}
BIKE = "INSERT INTO ticket (id, body) VALUES (1, 'bike leasing'), (2, 'invoice')"


@pytest.fixture(params=WITHOUT_MOBILITY)
def ticket(request, database):
    """Table ticket, attached, whose category cannot be "mobility"."""
    before, column = WITHOUT_MOBILITY[request.param]
    database.run(MODEL)
    if before:
        database.run(before)
    database.run(f"CREATE TABLE ticket (id int PRIMARY KEY, body text, category {column})")
    if "not valid" in request.param:
        database.run("INSERT INTO ticket VALUES (0, 'old', 'mobility')")
        database.run("ALTER TABLE ticket ADD CHECK (category IN ('billing', 'support')) NOT VALID")
    database.session.notices.clear()
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    return request.param


def of(database, key):
    return database.row(
        "SELECT predicted_label, unclassified_reason, queue_reason FROM triage.review "
        f"WHERE source = 'public.ticket' AND email_key = '{key}'"
    )


def test_the_best_allowed_label_is_written(database, ticket):
    # "support" has 7 letters, and "billing"; "mobility" has 8.
    database.run(BIKE)
    labels = dict(database.rows("SELECT id, category::text FROM ticket WHERE id > 0"))
    assert labels[1] in ("billing", "support")
    assert labels[2] == "billing"
    assert of(database, 1)[:2] == (labels[1], None)


def test_attach_says_which_labels_the_column_cannot_hold(database, ticket):
    told = [notice for notice in database.session.notices if "mobility" in notice]
    # Of several columns it depends on the row.
    assert bool(told) == ("several" not in ticket), database.session.notices


def test_waiting_rows_get_the_best_allowed_label(database, ticket):
    database.run("SELECT triage.detach('ticket')")
    database.run(BIKE)
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    assert database.value("SELECT triage.classify_pending('ticket')") == 2
    labels = dict(database.rows("SELECT id, category::text FROM ticket WHERE id > 0"))
    assert labels[1] in ("billing", "support")
    assert of(database, 1)[0] == labels[1]


def nothing_allowed(database):
    database.run(MODEL)
    database.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, category text CHECK (category = 'x'))")
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")


def test_a_row_waits_if_no_label_is_allowed(database):
    nothing_allowed(database)
    database.session.notices.clear()
    database.run(BIKE)
    assert database.column("SELECT category FROM ticket") == [None, None]
    predicted, reason, queue_reason = of(database, 1)
    assert (predicted, queue_reason) == (None, "unclassified")
    assert 'label "mobility" violates check constraint "ticket_category_check"' in reason
    assert len([notice for notice in database.session.notices if "rows stay without a label" in notice]) == 1
    # Once it is allowed, the reason is gone.
    database.run("ALTER TABLE ticket DROP CONSTRAINT ticket_category_check")
    assert database.value("SELECT triage.classify_pending('ticket')") == 2
    assert of(database, 1)[:2] == ("mobility", None)


def test_on_error_it_may_fail_instead(database):
    nothing_allowed(database)
    database.run("SET pg_triage.on_error = error")
    with refused("23000", "ticket_category_check"):
        database.run(BIKE)


def test_a_partition_may_be_narrower(database):
    database.run(MODEL)
    database.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, category text) PARTITION BY RANGE (id)")
    database.run("CREATE TABLE low PARTITION OF ticket (CHECK (category <> 'mobility')) FOR VALUES FROM (0) TO (10)")
    # Its columns have other numbers.
    database.run(
        "CREATE TABLE high (gone int, category text CHECK (category <> 'billing'), body text, id int NOT NULL)"
    )
    database.run("ALTER TABLE high DROP gone")
    database.run("ALTER TABLE ticket ATTACH PARTITION high FOR VALUES FROM (10) TO (20)")
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    database.run("INSERT INTO ticket SELECT n, 'bike leasing' FROM unnest(ARRAY[1, 11]) AS n")
    database.run("INSERT INTO ticket SELECT n, 'invoice' FROM unnest(ARRAY[2, 12]) AS n")
    labels = dict(database.rows("SELECT id, category FROM ticket"))
    assert labels[11] == "mobility" != labels[1]
    assert labels[2] == "billing" != labels[12]
    assert None not in labels.values()


def test_a_row_decides_what_a_check_of_several_columns_allows(database):
    database.run(MODEL)
    database.run(
        "CREATE TABLE ticket (id int PRIMARY KEY, body text, category text, private boolean, "
        "CHECK (NOT private OR category <> 'mobility'))"
    )
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    database.run("INSERT INTO ticket SELECT n, 'bike leasing', NULL, n % 2 = 0 FROM generate_series(1, 20) AS n")
    found = database.rows("SELECT DISTINCT private, category = 'mobility' FROM ticket ORDER BY 1")
    assert found == [(False, True), (True, False)]


def test_a_name_that_another_session_takes_away_is_not_written(database):
    """The label that is referred to is locked, so that nobody takes it away before the row is stored."""
    database.run(MODEL)
    database.run("CREATE TABLE names (name text PRIMARY KEY)")
    database.run("INSERT INTO names VALUES ('billing'), ('support'), ('mobility')")
    database.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, category text REFERENCES names)")
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    other = database.connect()
    database.run("INSERT INTO ticket VALUES (1, 'bike leasing')")
    other.run("DELETE FROM ticket")
    other.run("DELETE FROM names WHERE name = 'mobility'")
    database.run("INSERT INTO ticket VALUES (2, 'bike leasing')")
    assert database.value("SELECT category FROM ticket") in ("billing", "support")
    # In one transaction, too.
    database.run("BEGIN")
    database.run("INSERT INTO names VALUES ('mobility')")
    database.run("INSERT INTO ticket VALUES (3, 'bike leasing')")
    database.run("DELETE FROM ticket WHERE id = 3")
    database.run("DELETE FROM names WHERE name = 'mobility'")
    database.run("INSERT INTO ticket VALUES (4, 'bike leasing')")
    database.run("COMMIT")
    assert "mobility" not in database.column("SELECT category FROM ticket")


def test_add_label_says_which_tables_cannot_hold_it(database):
    nothing_allowed(database)
    database.session.notices.clear()
    database.run("SELECT triage.add_label('default', 'returns')")
    assert any('label "returns" violates check constraint' in notice for notice in database.session.notices)
    database.session.notices.clear()
    database.run("SELECT triage.add_label('default', 'x')")
    assert not database.session.notices


def test_it_waits_for_who_takes_the_name_away(database):
    """Whether that name may be written is known when the other transaction has ended."""
    database.run(MODEL)
    database.run("CREATE TABLE names (name text PRIMARY KEY)")
    database.run("INSERT INTO names VALUES ('billing'), ('support'), ('mobility')")
    database.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, category text REFERENCES names)")
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    for number, end in enumerate(["ROLLBACK", "COMMIT"]):
        other, writer = database.connect(), database.connect()
        other.run("BEGIN")
        other.run("DELETE FROM names WHERE name = 'mobility'")
        insert = threading.Thread(
            target=lambda: writer.run(f"INSERT INTO ticket VALUES ({number}, 'bike leasing')")  # noqa: B023
        )
        insert.start()
        waits = f"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {writer.pid}"
        wait_for(lambda: database.value(waits), 20)  # noqa: B023
        other.run(end)
        insert.join(20)
        assert not insert.is_alive()
        if end == "ROLLBACK":
            assert database.value("DELETE FROM ticket RETURNING category") == "mobility"
    assert database.value("SELECT category FROM ticket") in ("billing", "support")
