"""What a foreign key does to the label of a row stays so, and is no decision: SET NULL and SET DEFAULT take it
away, CASCADE renames it, or deletes the row."""

import pytest

MODEL = """SELECT triage.deploy('default', train_classifier(body, label)) FROM (VALUES
    ('invoice', 'billing'), ('invoice money', 'billing'), ('password', 'support'), ('password login', 'support'),
    ('lottery', 'spam'), ('lottery prize', 'spam')) AS mail (body, label)"""


@pytest.fixture(params=["names", "ids", "partitions"])
def tickets(request, database):
    return Tickets(database, request.param)


class Tickets:
    """Table ticket, the label of which refers to table names."""

    def __init__(self, database, kind):
        self.database, self.kind = database, kind
        database.run(MODEL)
        key = "id int" if kind == "ids" else "id text"
        database.run(f"CREATE TABLE names ({key} PRIMARY KEY, name text UNIQUE)")
        for number, name in enumerate(["billing", "support", "spam"]):
            self.add(number, name)

    def add(self, number, name):
        key = f"{number}" if self.kind == "ids" else f"'{name}'"
        self.database.run(f"INSERT INTO names VALUES ({key}, '{name}')")

    def attach(self, reference, default=None):
        kind = "int" if self.kind == "ids" else "text"
        partitioned = "PARTITION BY RANGE (id)" if self.kind == "partitions" else ""
        default = "" if default is None else f"DEFAULT {default}"
        self.database.run(
            f"CREATE TABLE ticket (id int PRIMARY KEY, body text, category {kind} {default} "
            f"REFERENCES names {reference}) {partitioned}"
        )
        if partitioned:
            self.database.run("CREATE TABLE low PARTITION OF ticket FOR VALUES FROM (0) TO (2)")
            self.database.run("CREATE TABLE high PARTITION OF ticket FOR VALUES FROM (2) TO (100)")
        table = ", label_table => 'names'" if self.kind == "ids" else ""
        self.database.run(f"SELECT triage.attach('ticket', ARRAY['body'], 'category'{table})")
        self.database.run("INSERT INTO ticket VALUES (1, 'lottery', NULL), (2, 'invoice', NULL), (3, 'lottery', NULL)")
        # A person finds that the third one is not what it seems.
        self.decide(3, "billing")
        self.decide(3, "spam")
        return self

    def decide(self, number, name):
        self.database.run(
            f"UPDATE ticket SET category = (SELECT id FROM names WHERE name = '{name}') WHERE id = {number}"
        )

    def names(self):
        return self.database.column("SELECT n.name FROM ticket t LEFT JOIN names n ON n.id = t.category ORDER BY t.id")

    def reviews(self):
        return self.database.rows(
            "SELECT predicted_label, human_label, queue_reason, unclassified_reason LIKE '%taken away by foreign key%' "
            "FROM triage.review WHERE source = 'public.ticket' ORDER BY email_key"
        )

    def ledger(self):
        return self.database.rows("SELECT kind, old_label, new_label FROM triage.decision ORDER BY decision_id")


def test_set_null_stays_so(tickets, database):
    tickets.attach("ON DELETE SET NULL")
    before = tickets.ledger()
    database.run("DELETE FROM names WHERE name = 'spam'")
    assert tickets.names() == [None, "billing", None]
    assert tickets.ledger() == before
    reviews = tickets.reviews()
    # In the queue again, with what was predicted and said.
    assert reviews[0] == ("spam", None, "unclassified", True)
    assert reviews[2] == ("spam", "spam", "unclassified", True)
    assert reviews[1][2:] == ("confident", None) or reviews[1][2:] == ("uncertain", None)


def test_what_was_taken_away_can_be_decided_anew(tickets, database):
    tickets.attach("ON DELETE SET NULL")
    database.run("DELETE FROM names WHERE name = 'spam'")
    tickets.decide(3, "support")
    assert tickets.names()[2] == "support"
    assert tickets.reviews()[2][:3] == ("spam", "support", None)
    # Waiting rows are predicted anew, decided ones are people's.
    assert database.value("SELECT triage.classify_pending('ticket')") == 1
    assert None not in tickets.names()
    predicted, human, queue_reason, taken = tickets.reviews()[0]
    assert predicted == tickets.names()[0] != "spam"
    assert (human, taken) == (None, None)
    assert queue_reason != "unclassified"


def test_set_default_stays_so(tickets, database):
    tickets.add(9, "other")
    database.run("SELECT triage.add_label('default', 'other')")
    default = "9" if tickets.kind == "ids" else "'other'"
    tickets.attach("ON DELETE SET DEFAULT")
    database.run(f"ALTER TABLE ticket ALTER category SET DEFAULT {default}")
    before = tickets.ledger()
    database.run("DELETE FROM names WHERE name = 'spam'")
    assert tickets.names() == ["other", "billing", "other"]
    assert tickets.ledger() == before
    assert tickets.reviews()[0] == ("spam", None, "unclassified", True)


def test_cascading_deletes_break_nothing(tickets, database):
    tickets.attach("ON DELETE CASCADE")
    before = tickets.ledger()
    database.run("DELETE FROM names WHERE name = 'spam'")
    assert tickets.names() == ["billing"]
    assert tickets.ledger() == before
    database.run("INSERT INTO ticket (id, body) VALUES (4, 'lottery')")
    assert tickets.names()[1] in ("billing", "support")


def test_a_cascading_update_is_one_rename(tickets, database):
    tickets.attach("ON UPDATE CASCADE")
    database.run("INSERT INTO ticket (id, body) SELECT n, 'lottery' FROM generate_series(10, 60) AS n")
    before = [(kind, old, new) for kind, old, new in tickets.ledger()]
    if tickets.kind == "ids":
        database.run("UPDATE names SET id = 77, name = 'junk' WHERE name = 'spam'")
    else:
        database.run("UPDATE names SET id = 'junk', name = 'junk' WHERE name = 'spam'")
    assert set(tickets.names()) == {"billing", "junk"}
    renamed = [(kind, *("junk" if label == "spam" else label for label in labels)) for kind, *labels in before]
    assert tickets.ledger() == renamed
    assert tickets.reviews()[0][:2] == ("junk", None)
    assert tickets.reviews()[-1][:2] in [("junk", None), ("junk", "junk")]
    assert database.column("SELECT kind FROM triage.label_changes") == ["rename"]
    assert database.column("SELECT label FROM triage.label ORDER BY 1") == ["billing", "junk", "support"]
    assert database.value("SELECT classify_email('lottery')") == "junk"
    state = "SELECT encode(sha256(email_state_send(triage.{}('default'))), 'hex')"
    assert database.value(state.format("learned_state")) == database.value(state.format("replayed_state"))


def test_an_id_that_cascades_changes_no_label(database):
    tickets = Tickets(database, "ids").attach("ON UPDATE CASCADE")
    before, reviews = tickets.ledger(), tickets.reviews()
    database.run("UPDATE names SET id = 77 WHERE name = 'spam'")
    assert tickets.names() == ["spam", "billing", "spam"]
    assert (tickets.ledger(), tickets.reviews()) == (before, reviews)
    database.run("INSERT INTO ticket (id, body) VALUES (4, 'lottery')")
    assert database.value("SELECT category FROM ticket WHERE id = 4") == 77


def test_several_rows_of_the_table_go_at_once(tickets, database):
    tickets.attach("ON DELETE SET NULL")
    before = tickets.ledger()
    database.run("DELETE FROM names WHERE name IN ('spam', 'billing')")
    assert tickets.names() == [None, None, None]
    assert tickets.ledger() == before
    assert [review[2] for review in tickets.reviews()] == ["unclassified"] * 3


def test_a_trigger_that_does_what_a_foreign_key_would_is_one(tickets, database):
    tickets.attach("DEFERRABLE")
    database.run(
        "CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN UPDATE ticket SET category = NULL WHERE category = OLD.id; RETURN OLD; END$$"
    )
    database.run("CREATE TRIGGER clear AFTER DELETE ON names FOR EACH ROW EXECUTE FUNCTION clear()")
    before = tickets.ledger()
    database.run("BEGIN; SET CONSTRAINTS ALL DEFERRED; DELETE FROM names WHERE name = 'spam'; COMMIT")
    assert tickets.names() == [None, "billing", None]
    assert tickets.ledger() == before


def test_a_trigger_of_the_table_that_clears_a_label_is_none(tickets, database):
    """It takes a decision back, as an UPDATE does: what the row refers to is still there."""
    tickets.attach("ON DELETE SET NULL")
    database.run("CREATE TABLE command (id int)")
    database.run(
        "CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN UPDATE ticket SET category = NULL WHERE id = NEW.id; RETURN NEW; END$$"
    )
    database.run("CREATE TRIGGER clear AFTER INSERT ON command FOR EACH ROW EXECUTE FUNCTION clear()")
    database.run("INSERT INTO command VALUES (3)")
    assert tickets.reviews()[2][:2] == ("spam", None)
    assert tickets.names()[2] == "spam"
