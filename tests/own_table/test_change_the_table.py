"""An attached table changes: what it does not need for its labels changes nothing; without a column
or trigger that it needs it goes on without labels, and it is said what to do."""

import pytest
from support.sessions import refused


@pytest.fixture
def mail(database):
    """A table with text, key, time and label, three rows, and a decision about the first."""
    database.run(
        """CREATE TABLE mail (id int PRIMARY KEY, ref int, subject text, body text, sent timestamptz, label text,
                              other text);
        CREATE UNIQUE INDEX ON mail (ref);
        ALTER TABLE mail ALTER ref SET NOT NULL;
        SELECT triage.deploy('default', train_classifier(body, label))
           FROM (VALUES ('invoice refund', 'billing'), ('password login', 'support')) AS mail (body, label);
        SELECT triage.attach('mail', ARRAY['subject', 'body'], 'label', key_column => 'ref',
                             received_at_column => 'sent');
        INSERT INTO mail (id, ref, body) SELECT n, n, 'invoice ' || n FROM generate_series(1, 3) n;
        UPDATE mail SET label = 'support' WHERE ref = 1"""
    )
    return database


def source(database):
    return database.row("SELECT state, what_to_do FROM triage.sources WHERE source = 'public.mail'")


def waiting(database):
    return database.value("SELECT count(*) FROM triage.review WHERE queue_reason IS NOT NULL")


@pytest.mark.parametrize("column", ["subject", "ref", "sent", "label"])
def test_a_table_that_loses_a_column_goes_on_without_labels(mail, column):
    with refused("2BP01", "other objects depend on it"):
        mail.run(f"ALTER TABLE mail DROP COLUMN {column}")
    mail.run(f"ALTER TABLE mail DROP COLUMN {column} CASCADE")
    session = mail.connect()
    ref = "ref, " if column != "ref" else ""
    seven = "7, " if ref else ""
    session.run(f"INSERT INTO mail (id, {ref} body) VALUES (7, {seven} 'invoice')")
    session.run("UPDATE mail SET body = 'password login' WHERE id = 2")
    session.run("UPDATE mail SET id = 8 WHERE id = 7")
    if column != "label":
        session.run("UPDATE mail SET label = 'support' WHERE id = 2")
    session.run("DELETE FROM mail WHERE id IN (2, 8)")
    session.run("TRUNCATE mail")
    [warning] = session.notices
    assert "has lost a column" in warning and "triage.detach('public.mail')" in warning
    assert mail.value("SELECT count(*) FROM triage.decision") == 1
    state, what_to_do = source(mail)
    assert state == "broken" and "triage.detach('public.mail')" in what_to_do
    assert mail.row("SELECT ok, state FROM triage.status") == (
        False,
        "table public.mail has lost a column that its attachment needs",
    )


@pytest.mark.parametrize("column", ["subject", "ref", "label"])
def test_what_it_says_to_do_mends_it(mail, column):
    mail.run(f"ALTER TABLE mail DROP COLUMN {column} CASCADE")
    # Nobody knows which rows are there.
    mail.run("UPDATE triage_internal.source SET attached_at = now() - interval '2 days'")
    assert "0 emails were gone" in mail.column("SELECT result FROM triage.maintain() WHERE task = 'sweep'")
    assert waiting(mail) == 2
    # The ledger would not agree with the table.
    with refused("55000", "triage.detach('public.mail')"):
        mail.run("SELECT triage.correct(max(review_id), 'billing') FROM triage.review")
    with refused("55000", "triage.detach('public.mail')"):
        mail.run("SELECT triage.classify_pending('mail')")
    mail.run("ALTER TABLE mail ADD COLUMN IF NOT EXISTS label text")
    mail.run("SELECT triage.detach('mail'); SELECT triage.attach('mail', ARRAY['body'], 'label', key_column => 'id')")
    mail.run(
        "INSERT INTO mail (id, body) VALUES (9, 'invoice')"
        if column == "ref"
        else "INSERT INTO mail (id, ref, body) VALUES (9, 9, 'invoice')"
    )
    assert mail.value("SELECT label FROM mail WHERE id = 9") == "billing"
    assert source(mail) == ("attached", "nothing")
    assert mail.value("SELECT human_label FROM triage.review WHERE email_key = '1'") == "support"


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE mail RENAME COLUMN label TO category; ALTER TABLE mail RENAME category TO label",
        "ALTER TABLE mail RENAME COLUMN body TO content; ALTER TABLE mail RENAME ref TO number",
        "ALTER TABLE mail RENAME TO post",
        "CREATE SCHEMA shop; ALTER TABLE mail SET SCHEMA shop",
        "ALTER TABLE mail DROP COLUMN other; ALTER TABLE mail ADD COLUMN another int DEFAULT 7",
    ],
)
def test_names_and_other_columns_may_change(mail, change):
    mail.run(change)
    table, body, ref = mail.row(
        """SELECT s.table_name,
                  (SELECT attname FROM pg_attribute a WHERE attrelid = s.table_name::regclass AND attnum = 4),
                  (SELECT attname FROM pg_attribute a WHERE attrelid = s.table_name::regclass AND attnum = 2)
             FROM triage.sources s WHERE source = 'public.mail'"""
    )
    mail.run(f"INSERT INTO {table} (id, {ref}, {body}) VALUES (4, 4, 'password login')")
    assert mail.value(f"SELECT label FROM {table} WHERE id = 4") == "support"
    mail.run(f"UPDATE {table} SET label = 'billing' WHERE id = 4")
    mail.run("UPDATE triage.mail_queue SET human_label = 'support' WHERE email_key = '2'")
    assert mail.value(f"SELECT label FROM {table} WHERE id = 2") == "support"
    mail.run(f"DELETE FROM {table} WHERE id = 3")
    assert waiting(mail) == 0
    assert mail.value("SELECT count(*) FROM triage.decision") == 3
    assert source(mail) == ("attached", "nothing")


@pytest.mark.parametrize(
    ("column", "change"), [("ref", "bigint"), ("body", "varchar(99)"), ("label", "varchar(20)"), ("subject", "varchar")]
)
def test_the_type_of_a_column_changes_between_detaching_and_attaching(mail, column, change):
    with refused("0A000", "cannot alter type of a column used"):
        mail.run(f"ALTER TABLE mail ALTER COLUMN {column} TYPE {change}")
    mail.run(
        f"""SELECT triage.detach('mail');
        ALTER TABLE mail ALTER COLUMN {column} TYPE {change};
        SELECT triage.adopt('mail', 'public.mail')"""
    )
    mail.run("INSERT INTO mail (id, ref, body) VALUES (4, 4, 'password login')")
    mail.run("UPDATE triage.mail_queue SET human_label = 'support' WHERE ref = 2")
    assert mail.column("SELECT label FROM mail ORDER BY id") == ["support", "support", "billing", "support"]
    assert waiting(mail) == 2
    assert source(mail) == ("attached", "nothing")


@pytest.mark.parametrize("trigger", ["columns", "label", "decided", "batch", "deleted"])
def test_a_trigger_that_was_dropped_by_hand_is_missed(mail, trigger):
    mail.run(
        f"DO $$ BEGIN EXECUTE 'DROP TRIGGER zz_triage_{trigger}_' || source_id || ' ON mail'"
        " FROM triage_internal.source; END $$"
    )
    mail.run(
        "INSERT INTO mail (id, ref, body) VALUES (4, 4, 'invoice'); UPDATE mail SET label = 'support';"
        " DELETE FROM mail WHERE ref = 3"
    )
    state, what_to_do = source(mail)
    assert state == "broken" and "triage.detach('public.mail')" in what_to_do
    assert not mail.value("SELECT ok FROM triage.status")
    mail.run("SELECT triage.detach('mail'); SELECT triage.adopt('mail', 'public.mail')")
    assert source(mail) == ("attached", "nothing")
    mail.run("INSERT INTO mail (id, ref, body) VALUES (5, 5, 'password login')")
    assert mail.value("SELECT label FROM mail WHERE id = 5") == "support"


def test_a_queue_view_that_was_dropped_is_missed(mail):
    mail.run("DROP VIEW triage.mail_queue")
    mail.run("INSERT INTO mail (id, ref, body) VALUES (4, 4, 'invoice')")
    assert source(mail)[0] == "broken"
    mail.run("SELECT triage.detach('mail'); SELECT triage.adopt('mail', 'public.mail')")
    assert source(mail) == ("attached", "nothing")
    assert mail.value("SELECT count(*) FROM triage.mail_queue") == 4


@pytest.mark.parametrize("which", ["ALL", "USER"])
def test_disabled_triggers_are_missed(mail, which):
    mail.run(f"ALTER TABLE mail DISABLE TRIGGER {which}")
    mail.run("INSERT INTO mail (id, ref, body) VALUES (4, 4, 'invoice')")
    state, what_to_do = source(mail)
    assert state == "broken" and what_to_do.startswith("ALTER TABLE public.mail ENABLE TRIGGER USER")
    assert mail.value("SELECT state FROM triage.status") == "table public.mail has disabled triggers"
    mail.run("ALTER TABLE public.mail ENABLE TRIGGER USER; SELECT triage.classify_pending('public.mail')")
    assert mail.value("SELECT label FROM mail WHERE id = 4") == "billing"
    assert source(mail) == ("attached", "nothing")
