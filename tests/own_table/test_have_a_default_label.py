"""The label column has a default, as a new ticket is "new": attach() says that such rows are not classified, and
`default_is_empty => true` lets the default count as no label."""

import pytest

MODEL = """SELECT triage.deploy('default', train_classifier(body, label)) FROM (VALUES
    ('invoice', 'billing'), ('invoice money', 'billing'), ('password', 'support'), ('password login', 'support'))
    AS mail (body, label)"""

COLUMNS = {
    "text": ("", "category text NOT NULL DEFAULT 'new'", ""),
    "enum": ("CREATE TYPE kind AS ENUM ('new', 'billing', 'support')", "category kind DEFAULT 'new'", ""),
    "domain": ("CREATE DOMAIN kind AS text DEFAULT 'new'", "category kind", ""),
    "char": ("", "category char(10) DEFAULT 'new'", ""),
    "id": (
        "CREATE TABLE names (id int PRIMARY KEY, name text); "
        "INSERT INTO names VALUES (0, 'new'), (1, 'billing'), (2, 'support')",
        "category int NOT NULL DEFAULT 0 REFERENCES names",
        ", label_table => 'names'",
    ),
}


@pytest.fixture(params=COLUMNS)
def tickets(request, database):
    return Tickets(database, *COLUMNS[request.param])


class Tickets:
    def __init__(self, database, before, column, attach):
        self.database, self.more = database, attach
        if before:
            database.run(before)
        database.run(f"CREATE TABLE ticket (id int PRIMARY KEY, body text, {column})")
        self.is_id = bool(attach)

    def attach(self, more=""):
        self.database.run(f"SELECT triage.attach('ticket', ARRAY['body'], 'category'{self.more}{more})")

    def insert(self, *bodies):
        for body in bodies:
            self.database.run("INSERT INTO ticket (id, body) SELECT count(*) + 1, %s FROM ticket", body)

    def labels(self):
        name = "(SELECT n.name FROM names n WHERE n.id = category)" if self.is_id else "category::text"
        return self.database.column(f"SELECT {name} FROM ticket ORDER BY id")

    def reviews(self):
        return self.database.rows("SELECT predicted_label, human_label FROM triage.review ORDER BY email_key")


def test_attach_says_that_nothing_would_be_labelled(tickets, database):
    database.run(MODEL)
    tickets.attach()
    told = [notice for notice in database.session.notices if "default_is_empty => true" in notice]
    assert len(told) == 1, database.session.notices
    tickets.insert("invoice")
    assert tickets.labels() == ["new"]


def test_it_counts_as_no_label(tickets, database):
    database.run(MODEL)
    tickets.attach(", default_is_empty => true")
    assert not [notice for notice in database.session.notices if "default" in notice and "attach with" in notice]
    tickets.insert("invoice", "password")
    assert tickets.labels() == ["billing", "support"]
    assert tickets.reviews() == [("billing", None), ("support", None)]
    value = "2" if tickets.is_id else "'support'"
    database.run(f"UPDATE ticket SET category = {value} WHERE id = 1")
    assert tickets.reviews()[0] == ("billing", "support")
    # To set it is to take the decision back.
    database.run("UPDATE ticket SET category = DEFAULT WHERE id = 1")
    assert tickets.reviews()[0] == ("billing", None)
    assert tickets.labels()[0] == "billing"


def test_rows_that_have_it_wait(tickets, database):
    tickets.attach(", default_is_empty => true")
    tickets.insert("invoice", "password")
    assert tickets.labels() == ["new", "new"]
    assert tickets.reviews() == [(None, None), (None, None)]
    database.run(MODEL)
    assert database.value("SELECT triage.classify_pending('ticket')") == 2
    assert tickets.labels() == ["billing", "support"]
    assert tickets.reviews() == [("billing", None), ("support", None)]
    # Another door, and back: not to NULL, which the column may not take.
    (review,) = database.column("SELECT review_id FROM triage.review WHERE predicted_label = 'billing'")
    database.run(f"SELECT triage.correct({review}, 'support')")
    assert tickets.labels() == ["support", "support"]


def test_an_undone_decision_leaves_the_default(tickets, database):
    for label in ("billing", "support"):
        database.run("SELECT triage.add_label('default', %s)", label)
    tickets.attach(", default_is_empty => true")
    tickets.insert("invoice")
    database.run("SELECT triage.correct(review_id, 'billing') FROM triage.review")
    assert tickets.labels() == ["billing"]
    database.run("SELECT triage.undo(decision_id) FROM triage.decision")
    assert tickets.labels() == ["new"]
