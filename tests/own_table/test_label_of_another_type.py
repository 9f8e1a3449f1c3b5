"""The label column is what the table has: an enum, a domain, char(n), varchar(n) or citext. The label
is the value's text form; a number is refused with what to do about it."""

import pytest
from support.mails import TWO_MAILS
from support.sessions import refused

TYPES = {
    "enum": "CREATE TYPE kind AS ENUM ('billing', 'support')",
    "domain over text": "CREATE DOMAIN kind AS text CHECK (VALUE <> '')",
    "domain over varchar": "CREATE DOMAIN kind AS varchar(20)",
    "domain over enum": "CREATE TYPE base AS ENUM ('billing', 'support'); CREATE DOMAIN kind AS base",
    "citext": "CREATE EXTENSION citext; CREATE DOMAIN kind AS citext",
}


@pytest.fixture(params=[*TYPES, "char(12)", "varchar(12)"])
def ticket(request, database):
    """The type of the label column of table ticket, which is attached."""
    kind = request.param
    if kind in TYPES:
        database.run(TYPES[kind])
        kind = "kind"
    database.run(f"CREATE TABLE ticket (id int PRIMARY KEY, body text, category {kind})")
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    return kind


def reviewed(database):
    return database.row("SELECT predicted_label, human_label FROM triage.review WHERE source = 'public.ticket'")


def test_rows_are_labelled_and_corrected(database, ticket):
    database.run("INSERT INTO ticket VALUES (1, 'the invoice')")
    assert database.value("SELECT category::text FROM ticket") == "billing"
    assert reviewed(database) == ("billing", None)
    database.run("UPDATE ticket SET category = 'support'")
    assert reviewed(database) == ("billing", "support")
    database.run("UPDATE ticket SET category = NULL")
    assert reviewed(database) == ("billing", None)
    assert database.value("SELECT category::text FROM ticket") == "billing"


def test_other_doors_write_the_column(database, ticket):
    database.run("INSERT INTO ticket VALUES (1, 'the invoice')")
    review = database.value("SELECT review_id FROM triage.review")
    database.run(f"SELECT triage.correct({review}, 'support')")
    assert database.value("SELECT category::text FROM ticket") == "support"
    database.run("UPDATE triage.ticket_queue SET human_label = 'billing'")
    assert database.row("SELECT label, human_label FROM triage.ticket_queue") == ("billing", "billing")
    assert database.value("SELECT category::text FROM ticket") == "billing"


def test_rows_of_the_past_are_learned_and_labelled(database, ticket):
    database.run("SELECT triage.detach('ticket')")
    database.run("INSERT INTO ticket VALUES (1, 'about invoices', 'billing'), (2, 'the invoice', NULL)")
    assert database.value("SELECT triage.learn_from('default', 'ticket', ARRAY['body'], 'category')") == 1
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    assert database.value("SELECT triage.classify_pending('ticket')") == 1
    assert database.column("SELECT category::text FROM ticket ORDER BY id") == ["billing", "billing"]
    assert database.column("SELECT human_label FROM triage.review ORDER BY email_key") == ["billing", None]


@pytest.mark.parametrize("type_name", ["int", "bigint", "uuid", "numeric"])
def test_a_number_needs_to_be_told_its_lookup_table(database, type_name):
    database.run(f"CREATE TABLE categories (id {type_name} PRIMARY KEY, name text)")
    database.run(
        f"CREATE TABLE ticket (id int PRIMARY KEY, body text, n {type_name}, category_id {type_name} "
        "REFERENCES categories)"
    )
    with refused("22023", "label_table => 'public.categories'"):
        database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category_id')")
    with refused("22023", "label_table =>"):
        database.run("SELECT triage.attach('ticket', ARRAY['body'], 'n')")
    with refused("22023", "label_table => 'public.categories'"):
        database.run("SELECT triage.learn_from('default', 'ticket', ARRAY['body'], 'category_id')")


def test_what_cannot_be_a_label_is_refused(database):
    database.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, category jsonb)")
    with refused("22023", "a label column must be text, varchar, char, citext, an enum or a domain of these"):
        database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")


def test_a_type_whose_owner_makes_text_of_it_is_refused(database):
    """Whoever reads the queue view would run that function."""
    database.run(
        """CREATE TYPE kind AS ENUM ('billing', 'support');
           CREATE FUNCTION other(kind) RETURNS text LANGUAGE sql AS $$ SELECT 'other' $$;
           CREATE CAST (kind AS text) WITH FUNCTION other(kind);
           CREATE TABLE ticket (id int PRIMARY KEY, body text, category kind)"""
    )
    with refused("22023", "drop the cast to text first"):
        database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    database.run("DROP CAST (kind AS text); SELECT triage.attach('ticket', ARRAY['body'], 'category')")


@pytest.mark.parametrize("says_which", ["", ", label_name_column => 'name'"])
def test_so_are_names_of_such_a_type_in_a_lookup_table(database, says_which):
    """Whoever learns from the table would run that function."""
    database.run(
        """CREATE TYPE kind AS ENUM ('billing', 'support');
           CREATE FUNCTION other(kind) RETURNS text LANGUAGE sql AS $$ SELECT 'other' $$;
           CREATE CAST (kind AS text) WITH FUNCTION other(kind) AS IMPLICIT;
           CREATE TABLE kinds (id int PRIMARY KEY, name kind); INSERT INTO kinds VALUES (1, 'billing'), (2, 'support');
           CREATE TABLE ticket (id int PRIMARY KEY, body text, category int REFERENCES kinds);
           INSERT INTO ticket VALUES (1, 'invoice', 1)"""
    )
    learn = "SELECT triage.learn_from('default', 'ticket', ARRAY['body'], 'category', label_table => 'kinds'{})"
    attach = "SELECT triage.attach('ticket', ARRAY['body'], 'category', label_table => 'kinds'{})"
    for call in learn, attach:
        with refused("22023", 'column "name" of table public.kinds', "drop the cast to text first"):
            database.run(call.format(says_which))
    database.run("DROP CAST (kind AS text)")
    for call in learn, attach:
        assert database.value(call.format(says_which)) > 0
    assert database.column("SELECT label FROM triage.label") == ["billing", "support"]
