"""A table has triggers and rules of its own that set, change, take back or suppress labels. Every way to
decide then ends in an error that says what to do, or in a label, a review and a ledger that agree."""

import pytest
from support.own_table import TEXTS, OwnTable
from support.sessions import error_of, refused

COLUMNS = "id bigint PRIMARY KEY, body text, category text, dept int, seen int DEFAULT 0"
DEPARTMENTS = "(ARRAY['billing', 'sales', 'support'])[NEW.dept]"
# What a trigger does with the row before it is written.
BEFORE = {
    "sets it by another column": f"IF NEW.dept IS NOT NULL THEN NEW.category := {DEPARTMENTS}; END IF",
    "changes it to something else": "IF NEW.category = 'sales' THEN NEW.category := 'support'; END IF",
    "spells it its own way": "NEW.category := upper(NEW.category)",
    "resets it": "NEW.category := OLD.category",
    "takes it away": "NEW.category := NULL",
    "suppresses the update": "RETURN NULL",
    "makes it one that is not known": "NEW.category := 'nonsense'",
}
# And after it.
AFTER = {
    "updates it again": "UPDATE ticket SET category = 'support' WHERE id = NEW.id AND category <> 'support'",
    "sets it back": "UPDATE ticket SET category = 'billing' WHERE id = NEW.id AND category = 'sales'",
    "takes it away": "UPDATE ticket SET category = NULL WHERE id = NEW.id AND seen = 0 AND category = 'sales'",
    "saves all of it": "UPDATE ticket SET category = 'billing', seen = 1 WHERE id = NEW.id AND seen = 0",
    "counts": "UPDATE ticket SET seen = seen + 1 WHERE id = NEW.id AND seen < 3",
}
KINDS = {"BEFORE": BEFORE, "AFTER": AFTER}
# A new row has no other before it.
OF_NEW_ROWS = [(t, w) for t, kinds in KINDS.items() for w in kinds if w != "resets it"]
DOORS = {
    "own table": "UPDATE ticket SET category = '{label}' WHERE id = {key}",
    "whole row": "UPDATE ticket SET body = body || '!', category = '{label}' WHERE id = {key}",
    "upsert": """INSERT INTO ticket AS t (id, body, category) VALUES ({key}, 'x', '{label}')
                 ON CONFLICT (id) DO UPDATE SET category = excluded.category""",
    "merge": """MERGE INTO ticket t USING (VALUES ({key}, '{label}')) s (id, l) ON s.id = t.id
                WHEN MATCHED THEN UPDATE SET category = s.l""",
    "function": "SELECT triage.correct({review}, '{label}')",
    "triage.review": "UPDATE triage.review SET human_label = '{label}' WHERE review_id = {review}",
    "queue view": "UPDATE triage.ticket_queue SET human_label = '{label}' WHERE review_id = {review}",
    "accept": "SELECT triage.accept({review})",
}
TAKEN_BACK = {
    "own table": "UPDATE ticket SET category = NULL WHERE id = {key}",
    "function": "SELECT triage.undo(decision_id) FROM triage.review WHERE review_id = {review}",
    "batch": """SELECT triage.undo_batch(batch_id) FROM triage.review JOIN triage.decision d USING (decision_id)
                 WHERE d.review_id = {review}""",
    "triage.review": "UPDATE triage.review SET human_label = NULL WHERE review_id = {review}",
}


FIXES = ("name that comes before", "lets the label through", "allowed:", "triage.correct(")


def trigger(database, body, name="zzz_own", timing="BEFORE", events="UPDATE"):
    """Makes a trigger; that of this name fires after ours, one named a_own before."""
    returned = "" if body.startswith("RETURN") else "; RETURN NEW"
    database.run(
        f"""CREATE FUNCTION own_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}{returned}; END $$;
            CREATE TRIGGER {name} {timing} {events} ON ticket FOR EACH ROW EXECUTE FUNCTION own_{name}()"""
    )


@pytest.fixture
def tickets(database):
    """Whatever was done, the tables agree in the end."""
    tickets = OwnTable(database, COLUMNS)
    yield tickets
    tickets.agrees()


def attempt(tickets, sql, label="sales", key=1):
    """Does it; a refusal is one that says what to do."""
    review = tickets.review(key)
    error = error_of(tickets.database.session, sql.format(key=key, review=review, label=label))
    if error is not None:
        assert error.sqlstate in ("27000", "23503"), error
        message = error.diag.message_primary
        assert any(fix in message for fix in FIXES), message
    tickets.agrees()
    return error


@pytest.mark.parametrize("name", ["a_own", "zzz_own"])
@pytest.mark.parametrize("what", BEFORE)
def test_a_trigger_before_the_row(tickets, what, name):
    for key in range(len(DOORS)):
        tickets.new(key)
    trigger(tickets.database, BEFORE[what], name)
    for key, sql in enumerate(DOORS.values()):
        error = attempt(tickets, sql, key=key)
        assert error is None or what != "sets it by another column", error
    if what == "sets it by another column":
        tickets.database.run("UPDATE ticket SET dept = 2 WHERE id = 1")
        tickets.agrees()
        tickets.database.run("UPDATE ticket SET dept = 3, body = 'x' WHERE id = 1")
        assert tickets.human(1) == "support"


@pytest.mark.parametrize("name", ["a_own", "zzz_own"])
@pytest.mark.parametrize("what", AFTER)
def test_a_trigger_after_the_row(tickets, what, name):
    for key in range(len(DOORS)):
        tickets.new(key)
    trigger(tickets.database, AFTER[what], name, "AFTER")
    for key, (door, sql) in enumerate(DOORS.items()):
        error = attempt(tickets, sql, key=key)
        assert error is None or door == "triage.review", error


@pytest.mark.parametrize("timing, what", [(t, w) for t, kinds in KINDS.items() for w in kinds])
def test_a_decision_that_is_taken_back(tickets, timing, what):
    for key in range(len(TAKEN_BACK)):
        tickets.new(key)
        assert attempt(tickets, DOORS["function"], key=key) is None
    trigger(tickets.database, KINDS[timing][what], timing=timing)
    for key, sql in enumerate(TAKEN_BACK.values()):
        attempt(tickets, sql, key=key)


# ---- insertions -------------------------------------------------------------------------------


@pytest.mark.parametrize("attach", ["", "record_given_labels => true"])
@pytest.mark.parametrize("name", ["a_own", "zzz_own"])
@pytest.mark.parametrize("timing, what", OF_NEW_ROWS)
def test_a_new_row(database, attach, name, timing, what):
    tickets = OwnTable(database, COLUMNS, attach=attach)
    trigger(database, KINDS[timing][what], name, timing, "INSERT")
    for key, label in [(1, None), (2, "sales"), (3, "billing")]:
        database.run("INSERT INTO ticket (id, body, category) VALUES (%s, %s, %s)", key, TEXTS["sales"], label)
        tickets.agrees()
    if (timing, what) == ("AFTER", "updates it again"):
        assert [tickets.human(key) for key in (1, 2, 3)] == ["support"] * 3
    database.run(f"DROP TRIGGER {name} ON ticket")
    for key in database.column("SELECT id FROM ticket WHERE category IN ('billing', 'sales')"):
        database.run(f"UPDATE ticket SET category = 'support' WHERE id = {key}")
    tickets.agrees()


def test_rows_that_wait_for_a_model_keep_what_a_trigger_makes_of_it(database):
    tickets = OwnTable(database, COLUMNS)
    database.run("ALTER TABLE ticket DISABLE TRIGGER USER")
    database.run("INSERT INTO ticket (id, body) SELECT n, 'invoice payment' FROM generate_series(1, 3) n")
    database.run("ALTER TABLE ticket ENABLE TRIGGER USER")
    trigger(database, "IF NEW.id = 2 THEN NEW.category := NULL; END IF")
    assert database.value("SELECT triage.classify_pending('ticket')") == 2
    assert any("keeps the label" in notice for notice in database.session.notices)
    assert [tickets.label(key) for key in (1, 2, 3)] == ["billing", None, "billing"]
    tickets.agrees()


# ---- nested, other tables, rules ---------------------------------------------------------------


def test_a_trigger_of_another_table_decides(tickets):
    tickets.database.run(
        """CREATE TABLE closed (ticket bigint, why text);
           CREATE FUNCTION close() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               UPDATE ticket SET category = NEW.why WHERE id = NEW.ticket; RETURN NEW; END $$;
           CREATE TRIGGER close BEFORE INSERT ON closed FOR EACH ROW EXECUTE FUNCTION close()"""
    )
    for key in (1, 2):
        tickets.new(key)
    tickets.database.run("INSERT INTO closed VALUES (1, 'sales'), (2, 'support'), (1, 'support')")
    assert [label for _, label, _ in tickets.ledger(1)] == ["sales", "support"]
    with refused("23503", "allowed:"):
        tickets.database.run("INSERT INTO closed VALUES (2, 'sales'), (1, 'nonsense')")
    assert tickets.human(2) == "support"


def test_rows_pass_a_label_on(tickets):
    """Each to the next one, a trigger within a trigger."""
    trigger(
        tickets.database,
        "UPDATE ticket SET category = NEW.category WHERE id = NEW.id + 1 AND category IS DISTINCT FROM NEW.category",
        timing="AFTER",
    )
    for key in range(1, 6):
        tickets.new(key)
    for door in ("own table", "function", "queue view"):
        label = {"own table": "sales", "function": "support", "queue view": "billing"}[door]
        attempt(tickets, DOORS[door], label)
        assert [tickets.human(key) for key in range(1, 6)] == [label] * 5


@pytest.mark.parametrize(
    "rule",
    [
        "ON UPDATE TO ticket DO ALSO INSERT INTO log VALUES (NEW.id)",
        "ON UPDATE TO ticket WHERE NEW.category = 'sales' DO INSTEAD NOTHING",
        "ON UPDATE TO ticket DO INSTEAD NOTHING",
    ],
)
def test_a_rule_of_the_table(tickets, rule):
    for key in range(len(DOORS)):
        tickets.new(key)
    tickets.database.run(f"CREATE TABLE log (id bigint); CREATE RULE own AS {rule}")
    for key, (door, sql) in enumerate(DOORS.items()):
        review = tickets.review(key)
        error = error_of(tickets.database.session, sql.format(key=key, review=review, label="sales"))
        if door not in ("upsert", "merge"):  # which no table with rules takes
            assert error is None or error.sqlstate in ("27000", "0A000"), error
            assert "ALSO" not in rule or error is None, error
        tickets.agrees()
