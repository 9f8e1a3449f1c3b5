"""Mail comes in, and somebody gives it another label, or takes that back: with psql, psycopg and
JDBC, through every door. What is there afterwards is read by another connection."""

import pytest
from support.desk import LABELS, UNKNOWN
from support.own_table import OwnTable


def test_an_insert_returns_the_label(desk):
    result = desk.app.run(
        f"INSERT INTO {desk.table} (subject, body) VALUES (?, ?) RETURNING category", "login", "my password is lost"
    )
    assert (result.rows, result.count) == ([["support"]], 1)


def test_new_rows_have_labels_and_reviews(desk):
    before = desk.database.value(f"SELECT coalesce(max(id), 0) FROM {desk.table}")
    result = desk.app.run(
        f"INSERT INTO {desk.table} (subject, body, category) VALUES (?, NULL, ?), (?, NULL, NULL), (?, NULL, NULL)",
        "invoice with a label", "sales", "invoice", "offer",
    )  # fmt: skip
    assert result.count == 3
    found = desk.database.rows(
        f"""SELECT t.category, r.predicted_label, r.human_label, r.queue_reason IS NOT NULL FROM {desk.table} t
              LEFT JOIN triage.review r ON r.source = '{desk.table}' AND r.email_key = t.id::text
             WHERE t.id > {before} ORDER BY t.id"""
    )
    assert found == [
        ("sales", None, None, False),  # came with a label, which is kept
        ("billing", "billing", None, True),
        ("sales", "sales", None, True),
    ]


def test_rows_of_one_batch_have_labels_and_reviews(desk):
    counts = f"SELECT count(*), count(category) FROM {desk.table}"
    rows, labelled = desk.database.row(counts)
    mails = desk.new(5)
    assert desk.database.row(counts) == (rows + 5, labelled + 5)
    assert len({mail.review_id for mail in mails}) == 5


def test_a_correction_is_in_label_column_review_and_ledger(desk, door):
    mail, beside = desk.new(2)
    before = beside.state()
    result = door.set(mail, mail.other)
    assert result.count == 1, result
    assert mail.state() == mail.decided(mail.other, door.actor, 2)
    assert mail.ledger() == [("correct", None, mail.other, door.kind, door.actor)]
    if door.kind == "function":
        assert result.rows == [[str(mail.decisions()[-1])]]
    assert beside.state() == before


def test_the_same_label_again_is_no_decision(desk, door):
    (mail,) = desk.new()
    door.set(mail, mail.other)
    desk.ignores(1, lambda: door.set(mail, mail.other))
    desk.ignores(1, lambda: door.set(mail, f"  {mail.other.upper()} "))


def test_the_predicted_label_is_an_accept(desk, door):
    (mail,) = desk.new()
    door.set(mail, mail.other)
    door.set(mail, mail.predicted)
    assert mail.state() == mail.decided(mail.predicted, door.actor, 3)
    assert mail.ledger()[1:] == [("accept", mail.other, mail.predicted, door.kind, door.actor)]


def test_no_label_takes_the_decision_back(desk, door):
    (mail,) = desk.new()
    beside = desk.new()[0]
    before = beside.state()
    for step, nothing in enumerate([None, "", "  "]):
        door.set(mail, mail.third)
        result = door.set(mail, nothing)
        assert result.count == 1, result
        assert mail.state() == mail.waiting(3 + 2 * step)
        assert mail.ledger()[-1] == ("undo", mail.third, None, door.kind, door.actor)
    desk.ignores(1, lambda: door.set(mail, ""))
    assert beside.state() == before


def test_a_bad_label_is_refused_with_a_suggestion_and_the_allowed_list(desk, door):
    (mail,) = desk.new()
    wrong = mail.other[:-1] + "x" + mail.other[-1]
    words = [f'"{wrong}"', f'did you mean "{mail.other}"?', f"allowed: {', '.join(LABELS)}"]
    desk.refuses("23503", words, lambda: door.set(mail, wrong))


def test_a_key_that_does_not_exist(desk, door):
    """No row for a statement, an error for a function."""

    def attempt():
        return door.session.run(door.sql, "sales", UNKNOWN)

    if door.kind == "function":
        desk.refuses("P0002", [str(UNKNOWN)], attempt)
    else:
        desk.ignores(0, attempt)


def test_many_statements_are_one_decision_each(desk, door):
    """executemany, addBatch, a script."""
    mails = desk.new(4)
    door.session.many(door.sql, [(mail.other, door.key(mail)) for mail in mails])
    assert {mail.state() for mail in mails} == {mails[0].decided(mails[0].other, door.actor, 2)}
    assert [len(mail.ledger()) for mail in mails] == [1] * 4
    if door.kind != "function":
        ids = ", ".join(str(mail.review_id) for mail in mails)
        batches = f"SELECT count(DISTINCT batch_id) FROM triage.decision WHERE review_id IN ({ids})"
        assert desk.database.value(batches) == 4, "each is a batch of its own"


def test_a_bad_one_among_many_undoes_all(desk, door):
    mails = desk.new(3)
    labels = [mails[0].third, "nonsense", mails[2].third]
    keys = [door.key(mail) for mail in mails]
    desk.refuses("23503", ["allowed:"], lambda: door.session.many(door.sql, list(zip(labels, keys, strict=True))))


def test_nothing_is_left_of_what_is_rolled_back(desk, door):
    (mail,) = desk.new()
    before = desk.fingerprint()
    with door.session.rolled_back():
        inside = door.set(mail, mail.third)
    assert inside.count == 1, inside
    assert desk.fingerprint() == before


def test_what_the_tables_own_triggers_do_is_done(desk, door, follow_up):
    """Whatever the door; and a mail that they insert is a mail like others."""
    (mail,) = desk.new()
    door.set(mail, mail.other)
    follows = desk.database.row(
        f"""SELECT count(*), count(t.category), count(r.review_id) FROM {desk.table} t
              LEFT JOIN triage.review r ON r.source = '{desk.table}' AND r.email_key = t.id::text
             WHERE t.body = 'follows {mail.id}'"""
    )
    assert follows == (1, 1, 1)
    assert mail.state().label == mail.other


@pytest.fixture
def follow_up(desk):
    """A trigger that inserts a mail when a label changes."""
    desk.database.run(
        f"""SET ROLE doors_owner;
            CREATE FUNCTION doors.follow_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO {desk.table} (subject, body) VALUES ('unpaid invoice', 'follows ' || NEW.id); RETURN NULL;
            END $$;
            CREATE TRIGGER follow_up AFTER UPDATE OF category ON {desk.table}
                FOR EACH ROW EXECUTE FUNCTION doors.follow_up();
            RESET ROLE"""
    )
    yield
    desk.database.run(f"DROP TRIGGER follow_up ON {desk.table}; DROP FUNCTION doors.follow_up()")


@pytest.mark.parametrize(
    ("statement", "ledger"),
    [
        ("UPDATE ticket SET category = 'billing'", []),
        ("UPDATE ticket SET category = category", []),
        ("UPDATE triage.ticket_queue SET human_label = 'billing'", [("accept", "billing", "view")]),
        ("UPDATE triage.ticket_queue SET action = 'accept'", [("accept", "billing", "view")]),
        ("SELECT triage.accept(review_id) FROM triage.ticket_queue", [("accept", "billing", "function")]),
    ],
)
def test_what_accepts_a_prediction_and_what_changes_nothing(database, statement, ledger):
    table = OwnTable(database)
    table.new(1)
    database.run(statement)
    assert table.ledger(1) == ledger
    table.agrees()
