"""A table comes back, or comes from elsewhere, with triggers of another attachment: they do nothing
and fail nothing, and it is said what to do."""

import pytest
from support.dumps import dump, run_dump
from support.mails import TWO_MAILS
from support.sessions import refused


@pytest.fixture
def ticket(database):
    """Table ticket, attached, with a decision about its second row."""
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run(
        """CREATE TABLE ticket (id int PRIMARY KEY, body text, category text);
        SELECT triage.attach('ticket', ARRAY['body'], 'category');
        INSERT INTO ticket VALUES (1, 'the invoice'), (2, 'my password');
        UPDATE ticket SET category = 'billing' WHERE id = 2"""
    )
    return database


def copy_triggers(database, to):
    """As a migration that reads the catalogue does."""
    for definition in database.column(
        "SELECT replace(pg_get_triggerdef(oid), ' public.ticket ', %s) FROM pg_trigger"
        " WHERE tgrelid = 'ticket'::regclass AND NOT tgisinternal",
        f" {to} ",
    ):
        database.run(definition)


def human_label(database, key="2", source="public.ticket"):
    return database.value("SELECT human_label FROM triage.review WHERE source = %s AND email_key = %s", source, key)


def partitioned(database):
    database.run(
        """CREATE TABLE other (id int PRIMARY KEY, body text, category text) PARTITION BY LIST (id);
        CREATE TABLE other_1 PARTITION OF other DEFAULT"""
    )


def plain(database):
    database.run("CREATE TABLE other (id int PRIMARY KEY, body text, category text)")


@pytest.mark.parametrize("create", [plain, partitioned])
def test_copied_triggers_do_nothing_and_say_so_once(ticket, create):
    create(ticket)
    copy_triggers(ticket, "other")
    session = ticket.connect()
    for statement in (
        "INSERT INTO other VALUES (2, 'the invoice')",
        "UPDATE other SET category = 'support'",
        "UPDATE other SET id = 1",
        "DELETE FROM other",
        "INSERT INTO other VALUES (1, 'the invoice')",
        "TRUNCATE other",
    ):
        session.run(statement)
    assert human_label(ticket) == "billing"
    assert ticket.value("SELECT count(*) FROM triage.review") == 2
    assert ticket.value("SELECT count(*) FROM triage.review WHERE deleted_at IS NOT NULL") == 0
    assert ticket.value("SELECT count(*) FROM triage.decision") == 1
    # A partition is a table of its own.
    assert 1 <= len(session.notices) <= 2
    assert "is not attached" in session.notices[0] and "triage.detach('public.other')" in session.notices[0]
    state, what_to_do = ticket.row("SELECT state, what_to_do FROM triage.sources WHERE table_name = 'public.other'")
    assert state == "orphan triggers" and "triage.detach('public.other')" in what_to_do
    # They go, from a table that was never attached, too.
    assert ticket.value("SELECT triage.detach('other')") == 0
    assert ticket.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'other'::regclass AND NOT tgisinternal") == 0
    with refused("42704", "not attached"):
        ticket.run("SELECT triage.detach('other')")


@pytest.mark.parametrize("what", ["--table=shop.ticket", "--schema=shop"])
def test_a_table_of_another_database_has_no_attachment_here(ticket, server, tmp_path, what):
    """Neither where the attachment's number is free, nor where it is another table's."""
    ticket.run("CREATE SCHEMA shop; ALTER TABLE ticket SET SCHEMA shop")
    file = dump(ticket, tmp_path / "ticket.sql", what)
    for number_is_taken in (False, True):
        with server.database() as other:
            other.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
            if number_is_taken:
                other.run(
                    """CREATE TABLE mail (id int PRIMARY KEY, body text, label text);
                    SELECT triage.attach('mail', ARRAY['body'], 'label');
                    INSERT INTO mail VALUES (2, 'my password', NULL)"""
                )
            if what.startswith("--table"):
                other.run("CREATE SCHEMA shop")
            run_dump(other, file)
            session = other.connect()
            session.run("INSERT INTO shop.ticket VALUES (3, 'the invoice'); UPDATE shop.ticket SET category = 'hr'")
            assert "is not attached" in session.notices[0]
            assert other.value("SELECT count(human_label) FROM triage.review") == 0
            told = other.value("SELECT what_to_do FROM triage.sources WHERE state = 'orphan triggers'")
            assert "triage.detach('shop.ticket')" in told and "NULL" not in told
            assert ("triage.adopt('shop.ticket', 'public.mail')" in told) == number_is_taken
            # What it has is no hindrance.
            other.run("SELECT triage.attach('shop.ticket', ARRAY['body'], 'category')")
            other.run("INSERT INTO shop.ticket VALUES (4, 'the invoice')")
            assert other.value("SELECT category FROM shop.ticket WHERE id = 4") == "billing"
            other.run("SELECT triage.detach('shop.ticket')")
            assert other.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop.ticket'::regclass") == 0


def test_a_table_in_the_place_of_another_one_is_not_that_one(ticket):
    ticket.run(
        """ALTER TABLE ticket RENAME TO ticket_old; CREATE TABLE ticket (LIKE ticket_old INCLUDING ALL);
        INSERT INTO ticket SELECT * FROM ticket_old; UPDATE ticket SET category = 'support' WHERE id = 2"""
    )
    assert human_label(ticket) == "billing"
    ticket.run("UPDATE ticket_old SET category = 'support' WHERE id = 2")
    assert human_label(ticket) == "support"


def test_the_status_says_what_to_do(ticket):
    plain(ticket)
    copy_triggers(ticket, "other")
    assert "other" in ticket.value("SELECT state FROM triage.status")
    assert "triage.detach('public.other')" in ticket.value("SELECT what_to_do FROM triage.status")
    ticket.run("SELECT triage.detach('other')")
    assert ticket.value("SELECT count(*) FROM triage.status WHERE what_to_do LIKE '%detach%'") == 0


def test_the_ledger_names_the_email_by_itself(ticket):
    ticket.run("SELECT triage.learn_from('default', 'ticket', ARRAY['body'], 'category')")
    ticket.run("CREATE VIEW past AS SELECT 'a parcel'::text AS body, 'logistics'::text AS label")
    ticket.run("SELECT triage.learn_from('default', 'past', ARRAY['body'], 'label')")
    assert ticket.rows("SELECT source, email_key, kind FROM triage.decision ORDER BY decision_id") == [
        ("public.ticket", "2", "correct"),
        ("public.past", None, "import"),
    ]
    ticket.run("SELECT triage.forget('public.ticket', '2')")
    assert ticket.value("SELECT count(*) FROM triage.decision WHERE email_key = '2'") == 0
