"""A table that was restored, swapped or moved gets the reviews and decisions of the one whose place it
takes: nothing is learned twice, nobody is asked twice."""

import pytest
from support.dumps import dump, pg_restore, run_dump
from support.mails import TWO_MAILS
from support.sessions import refused

SCHEMA = "(id int PRIMARY KEY, subject text, body text, category text)"
COLUMNS = "ARRAY['subject', 'body'], 'category'"


@pytest.fixture
def ticket(database):
    """Table ticket, attached: of four rows one was corrected, one accepted."""
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run(
        f"""CREATE TABLE ticket {SCHEMA};
        SELECT triage.attach('ticket', {COLUMNS});
        INSERT INTO ticket (id, body) VALUES (1, 'the invoice'), (2, 'my password'), (3, 'invoice'), (4, 'password');
        UPDATE ticket SET category = 'billing' WHERE id = 2;
        SELECT triage.accept(review_id) FROM triage.review WHERE email_key = '1'"""
    )
    return database


def reviews(database):
    return database.rows(
        "SELECT email_key, human_label, queue_reason IS NOT NULL FROM triage.review"
        " WHERE source = 'public.ticket' ORDER BY email_key"
    )


DECIDED = [("1", "billing", False), ("2", "billing", False), ("3", None, True), ("4", None, True)]


def works(database, table="ticket"):
    """Rows are labelled, corrected and shown, and history is not learned again."""
    decisions = database.value("SELECT count(*) FROM triage.decision")
    assert database.value(f"SELECT triage.learn_from('default', '{table}', ARRAY['body'], 'category')") == 0
    assert database.value("SELECT count(*) FROM triage.decision") == decisions
    database.run(f"INSERT INTO {table} (id, body) VALUES (9, 'the invoice')")
    assert database.value(f"SELECT category FROM {table} WHERE id = 9") == "billing"
    database.run(f"UPDATE {table} SET category = 'support' WHERE id = 3")
    database.run(f"UPDATE triage.{table.split('.')[-1]}_queue SET human_label = 'billing' WHERE id = 4")
    assert database.value(f"SELECT category FROM {table} WHERE id = 4") == "billing"
    assert [label for _, label, _ in reviews(database)] == ["billing", "billing", "support", "billing", None]
    assert database.value("SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text")
    assert database.value("SELECT count(*) FROM triage.sources WHERE state = 'orphan triggers'") == 0


@pytest.mark.parametrize("custom", [False, True])
def test_a_restored_table(ticket, tmp_path, custom):
    file = dump(ticket, tmp_path / "ticket", "--table=ticket", *(["--format=custom"] if custom else []))
    ticket.run("DROP TABLE ticket CASCADE")
    (pg_restore if custom else run_dump)(ticket, file)
    assert ticket.value("SELECT triage.adopt('ticket', 'public.ticket')") == 4
    assert reviews(ticket) == DECIDED
    works(ticket)


def test_an_older_copy_gets_the_labels_that_were_decided_since(ticket):
    ticket.run(
        """INSERT INTO ticket (id, body) SELECT n, 'the invoice' FROM generate_series(5, 9) n;
        CREATE TABLE older AS SELECT * FROM ticket;
        UPDATE ticket SET category = 'support' WHERE id BETWEEN 5 AND 8;
        DROP TABLE ticket CASCADE;
        ALTER TABLE older RENAME TO ticket;
        ALTER TABLE ticket ADD PRIMARY KEY (id);
        -- What people have changed there, and a predicted label.
        UPDATE ticket SET category = NULL WHERE id = 6;
        UPDATE ticket SET category = 'sales' WHERE id = 7;
        UPDATE ticket SET category = 'support' WHERE id = 8;
        UPDATE ticket SET category = NULL WHERE id = 9"""
    )
    session = ticket.connect()
    session.run("SELECT triage.adopt('ticket', 'public.ticket')")
    assert session.rows("SELECT id, category FROM ticket WHERE id > 4 ORDER BY id") == [
        (5, "support"),
        (6, "support"),
        (7, "sales"),
        (8, "support"),
        (9, None),
    ]
    assert [notice.split(" of ")[0] for notice in session.notices] == ["2 rows", "2 rows"]
    assert "have the decided one now" in session.notices[0] and "have another label" in session.notices[1]
    assert session.value("SELECT count(*) FROM triage.decision") == 6
    assert session.value("SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text")


def test_a_label_that_the_copy_does_not_take_is_left_out(ticket):
    ticket.run(
        """CREATE TABLE older AS SELECT * FROM ticket;
        UPDATE ticket SET category = 'billing' WHERE id = 4;
        DROP TABLE ticket CASCADE;
        ALTER TABLE older RENAME TO ticket;
        ALTER TABLE ticket ADD PRIMARY KEY (id), ADD CHECK (category = 'support' OR id <> 4)"""
    )
    session = ticket.connect()
    session.run("SELECT triage.adopt('ticket', 'public.ticket')")
    assert session.value("SELECT category FROM ticket WHERE id = 4") == "support"
    assert any("1 rows of public.ticket do not have the label" in notice for notice in session.notices)


def test_a_copy_that_was_swapped_in(ticket):
    ticket.run(
        """CREATE TABLE copied (LIKE ticket INCLUDING ALL); INSERT INTO copied SELECT * FROM ticket;
        ALTER TABLE ticket RENAME TO ticket_old; ALTER TABLE copied RENAME TO ticket"""
    )
    with refused("55006", "public.ticket", "triage.detach('public.ticket_old')"):
        ticket.run("SELECT triage.adopt('ticket', 'public.ticket')")
    ticket.run("SELECT triage.detach('ticket_old'); SELECT triage.adopt('ticket', 'public.ticket')")
    assert reviews(ticket) == DECIDED
    works(ticket)


def test_a_table_in_another_schema_with_other_names(ticket):
    ticket.run(
        """ALTER TABLE ticket RENAME COLUMN body TO message;
        CREATE SCHEMA desk; CREATE TABLE desk.ticket AS SELECT id AS nr, subject, message, category FROM ticket;
        ALTER TABLE desk.ticket ADD PRIMARY KEY (nr); DROP TABLE ticket CASCADE"""
    )
    with refused("42703", '"body"', "message"):
        ticket.run("SELECT triage.adopt('desk.ticket', 'public.ticket')")
    # Without the table nobody knows that body is message by now.
    ticket.run(
        "SELECT triage.adopt('desk.ticket', 'public.ticket', key_column => 'nr', text_columns => ARRAY['message'])"
    )
    assert reviews(ticket) == DECIDED
    assert ticket.value("SELECT table_name FROM triage.sources WHERE source = 'public.ticket'") == "desk.ticket"
    ticket.run("INSERT INTO desk.ticket (nr, message) VALUES (9, 'the invoice')")
    assert ticket.value("SELECT category FROM desk.ticket WHERE nr = 9") == "billing"


def test_columns_that_were_renamed_before_it_was_detached_are_known(ticket):
    ticket.run("ALTER TABLE ticket RENAME COLUMN body TO message; SELECT triage.detach('ticket')")
    ticket.run("SELECT triage.adopt('ticket', 'public.ticket')")
    ticket.run("INSERT INTO ticket (id, message) VALUES (9, 'the invoice')")
    assert ticket.value("SELECT category FROM ticket WHERE id = 9") == "billing"


def test_rows_that_are_not_there_keep_what_was_decided_and_wait_for_nobody(ticket):
    ticket.run("CREATE TABLE half AS SELECT * FROM ticket WHERE id IN (2, 3); ALTER TABLE half ADD PRIMARY KEY (id)")
    ticket.run("DROP TABLE ticket CASCADE")
    session = ticket.connect()
    assert session.value("SELECT triage.adopt('half', 'public.ticket')") == 2
    assert any("2 emails of public.ticket have no row there" in notice for notice in session.notices)
    assert reviews(ticket) == [("1", "billing", False), ("2", "billing", False), ("3", None, True), ("4", None, False)]
    ticket.run("INSERT INTO half VALUES (4, NULL, 'password', 'support')")
    assert reviews(ticket)[3] == ("4", None, True)


@pytest.mark.parametrize(
    ("create", "sqlstate", "words"),
    [
        (f"CREATE TABLE other {SCHEMA}; INSERT INTO other VALUES (77, '', '', '')", "22023", "none of its 4 emails"),
        (
            "CREATE TABLE other (id uuid PRIMARY KEY, subject text, body text, category text)",
            "22023",
            'key column "id" of table public.other is of type uuid',
        ),
        ("CREATE TABLE other (id int, subject text, body text, category text)", "22023", "unique index"),
        (
            "CREATE TABLE other (id int, day date, subject text, body text, category text, PRIMARY KEY (id, day))",
            "22023",
            "unique index",
        ),
        (f"CREATE TABLE other {SCHEMA}; SELECT triage.attach('other', {COLUMNS})", "55006", "triage.detach"),
        ("CREATE VIEW other AS SELECT 1 AS id, '' AS subject, '' AS body, '' AS category", "42809", "only permanent"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_reason(ticket, create, sqlstate, words):
    ticket.run(f"DROP TABLE ticket CASCADE; {create}")
    with refused(sqlstate, words):
        ticket.run("SELECT triage.adopt('other', 'public.ticket')")


def test_a_name_that_nobody_knows_is_refused_with_those_that_there_are(ticket):
    ticket.run(f"CREATE TABLE other {SCHEMA}")
    with refused("42704", '"public.tickets"', "public.ticket"):
        ticket.run("SELECT triage.adopt('other', 'public.tickets')")
    with refused("0A000", "triage.email"):
        ticket.run("SELECT triage.adopt('other', 'triage.email')")


def test_only_the_owner_of_the_table_lets_it_be_adopted(ticket):
    ticket.role("anna", "triage_trainer")
    ticket.run(f"DROP TABLE ticket CASCADE; CREATE TABLE other {SCHEMA}; GRANT ALL ON other TO anna")
    with refused("42501", "must be owner of table public.other"):
        ticket.connect("anna").run("SELECT triage.adopt('other', 'public.ticket')")
    ticket.run("ALTER TABLE other OWNER TO anna")
    assert ticket.value("SELECT triage.adopt('other', 'public.ticket')") == 0


@pytest.mark.parametrize("gone", [False, True])
def test_nobody_takes_over_what_was_decided_about_the_table_of_another_owner(ticket, gone):
    ticket.role("anna", "triage_trainer")
    ticket.run(f"CREATE TABLE other {SCHEMA}; ALTER TABLE other OWNER TO anna")
    ticket.run("DROP TABLE ticket CASCADE" if gone else "SELECT triage.detach('ticket')")
    with refused("42501", 'must be owner of source "public.ticket"'):
        ticket.connect("anna").run("SELECT triage.adopt('other', 'public.ticket')")
    assert [(key, label) for key, label, _ in reviews(ticket)] == [(key, label) for key, label, _ in DECIDED]
    ticket.run("UPDATE triage_internal.source SET attached_by = 'anna'")
    if gone:
        assert ticket.connect("anna").value("SELECT triage.adopt('other', 'public.ticket')") == 0


def test_history_that_was_imported_from_a_table_follows_it(database):
    database.run(
        f"""CREATE TABLE ticket {SCHEMA}; INSERT INTO ticket VALUES (1, 'a', 'the invoice', 'billing'),
            (2, 'b', 'my password', 'support');
        SELECT triage.create_classifier('kind');
        SELECT triage.learn_from('kind', 'ticket', ARRAY['body'], 'category');
        ALTER TABLE ticket RENAME TO old; CREATE TABLE ticket (LIKE old INCLUDING ALL);
        INSERT INTO ticket SELECT * FROM old; DROP TABLE old;
        SELECT triage.adopt('ticket', 'public.ticket')"""
    )
    assert database.value("SELECT triage.learn_from('kind', 'ticket', ARRAY['body'], 'category')") == 0


def test_two_classifiers_move_together(ticket):
    ticket.run(
        """ALTER TABLE ticket ADD COLUMN mood text; SELECT triage.create_classifier('mood');
        SELECT triage.add_label('mood', 'calm'); SELECT triage.add_label('mood', 'angry');
        SELECT triage.attach('ticket', ARRAY['body'], 'mood', classifier => 'mood');
        UPDATE ticket SET mood = 'calm' WHERE id = 1;
        CREATE TABLE ticket_2 (LIKE ticket INCLUDING ALL); INSERT INTO ticket_2 SELECT * FROM ticket;
        DROP TABLE ticket CASCADE; ALTER TABLE ticket_2 RENAME TO ticket; SELECT triage.adopt('ticket', 'public.ticket')"""
    )
    ticket.run("UPDATE ticket SET mood = 'angry', category = 'support' WHERE id = 1")
    assert ticket.rows("SELECT classifier, human_label FROM triage.review WHERE email_key = '1' ORDER BY 1") == [
        ("default", "support"),
        ("mood", "angry"),
    ]


def test_a_table_with_a_lookup_table_moves_with_it(database):
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run(
        """CREATE TABLE category (category_id int PRIMARY KEY, name text UNIQUE NOT NULL);
        INSERT INTO category VALUES (1, 'billing'), (2, 'support');
        CREATE TABLE ticket (id int PRIMARY KEY, body text, category_id int REFERENCES category);
        SELECT triage.attach('ticket', ARRAY['body'], 'category_id', label_table => 'category');
        INSERT INTO ticket VALUES (1, 'the invoice'); UPDATE ticket SET category_id = 2;
        CREATE TABLE copied (LIKE ticket INCLUDING ALL); INSERT INTO copied SELECT * FROM ticket;
        DROP TABLE ticket CASCADE; SELECT triage.adopt('copied', 'public.ticket');
        INSERT INTO copied VALUES (2, 'the invoice')"""
    )
    assert database.rows("SELECT id, category_id FROM copied ORDER BY id") == [(1, 2), (2, 1)]
    assert database.value("SELECT human_label FROM triage.copied_queue WHERE id = 1") == "support"
    database.run("UPDATE triage.copied_queue SET human_label = 'support' WHERE id = 2")
    assert database.value("SELECT category_id FROM copied WHERE id = 2") == 2
