"""A database with tables that refer to lookup tables is dumped and restored: names and rows stay in step there,
nothing is labelled or decided again."""

import pytest
from support.dumps import dump, pg_restore, run_dump

MODEL = """SELECT triage.deploy('default', train_classifier(body, label)) FROM (VALUES
    ('invoice', 'billing'), ('invoice money', 'billing'), ('password', 'support'), ('password login', 'support'))
    AS mail (body, label)"""
CONTENTS = "SELECT email_key, predicted_label, human_label, queue_reason FROM triage.review ORDER BY review_id"


def plain(source, target, folder):
    run_dump(target, dump(source, folder / "plain"))


def in_parallel(source, target, folder):
    pg_restore(target, dump(source, folder / "custom", "--format=custom"), "--jobs=4")


def data_apart(source, target, folder):
    run_dump(target, dump(source, folder / "schema", "--schema-only"))
    pg_restore(
        target,
        dump(source, folder / "data", "--data-only", "--format=custom"),
        "--disable-triggers",
        "--superuser=postgres",
    )


@pytest.mark.parametrize("way", [plain, in_parallel, data_apart])
def test_names_and_rows_stay_in_step(server, tmp_path, way):
    with server.database() as source, server.database(extension=False) as target:
        source.run(MODEL)
        source.run("CREATE TABLE names (id int PRIMARY KEY, name text UNIQUE, retired_at timestamptz)")
        source.run("INSERT INTO names VALUES (1, 'billing', NULL), (2, 'support', NULL), (3, 'old', now())")
        source.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, kind int NOT NULL DEFAULT 1 REFERENCES names)")
        source.run("CREATE TABLE chat (id int PRIMARY KEY, body text, kind int REFERENCES names)")
        for table, more in [("ticket", ", default_is_empty => true"), ("chat", "")]:
            source.run(f"SELECT triage.attach('{table}', ARRAY['body'], 'kind', label_table => 'names'{more})")
            source.run(f"INSERT INTO {table} (id, body) VALUES (1, 'invoice'), (2, 'password')")
        source.run("UPDATE ticket SET kind = 2 WHERE id = 2")
        source.run("UPDATE chat SET kind = 1 WHERE id = 2")
        way(source, target, tmp_path)
        assert target.rows(CONTENTS) == source.rows(CONTENTS)
        decisions = "SELECT count(*) FROM triage.decision"
        assert target.value(decisions) == source.value(decisions)
        # It goes on.
        target.run("INSERT INTO chat VALUES (3, 'invoice')")
        target.run("UPDATE names SET name = 'invoices' WHERE id = 1")
        target.run("INSERT INTO names VALUES (9, 'hr')")
        target.run("UPDATE chat SET kind = 9 WHERE id = 1")
        assert target.column("SELECT kind FROM chat ORDER BY id") == [9, 1, 1]
        chat = "SELECT predicted_label, human_label FROM triage.review WHERE source = 'public.chat' ORDER BY email_key"
        assert target.rows(chat) == [("invoices", "hr"), ("support", "invoices"), ("invoices", None)]
        assert target.column("SELECT label FROM triage.chat_queue ORDER BY email_key") == ["hr", "invoices", "invoices"]


def test_a_lookup_table_alone_follows_nobody(server, tmp_path):
    """Its triggers have no table to act for: they change no labels and fail nothing."""
    with server.database() as source, server.database() as target:
        source.run(MODEL)
        source.run("CREATE TABLE names (id int PRIMARY KEY, name text)")
        source.run("INSERT INTO names VALUES (1, 'billing'), (2, 'support')")
        source.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, kind int REFERENCES names)")
        source.run("SELECT triage.attach('ticket', ARRAY['body'], 'kind', label_table => 'names')")
        run_dump(target, dump(source, tmp_path / "names", "--table=names"))
        target.run("INSERT INTO names VALUES (3, 'hr')")
        target.run("UPDATE names SET name = 'x' WHERE id = 1")
        target.run("DELETE FROM names")
        target.run("TRUNCATE names")
        assert target.column("SELECT label FROM triage.label") == []
        # Nor for another attachment of the same number.
        target.run("CREATE TABLE mail (id int PRIMARY KEY, body text, label text)")
        target.run("SELECT triage.attach('mail', ARRAY['body'], 'label')")
        target.run("INSERT INTO names VALUES (3, 'hr')")
        assert target.column("SELECT label FROM triage.label") == []


def test_tables_that_were_swapped_are_adopted_with_their_names(server):
    with server.database() as database:
        database.run(MODEL)
        database.run("CREATE TABLE names (id int PRIMARY KEY, name text)")
        database.run("INSERT INTO names VALUES (1, 'billing'), (2, 'support')")
        database.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, kind int REFERENCES names)")
        database.run("SELECT triage.attach('ticket', ARRAY['body'], 'kind', label_table => 'names')")
        database.run("INSERT INTO ticket VALUES (1, 'invoice'), (2, 'password')")
        database.run("UPDATE ticket SET kind = 1 WHERE id = 2")
        database.run("ALTER TABLE ticket RENAME TO old; ALTER TABLE names RENAME TO old_names")
        database.run(
            "CREATE TABLE names AS SELECT id + 10 AS id, name FROM old_names; ALTER TABLE names ADD PRIMARY KEY (id)"
        )
        database.run("CREATE TABLE ticket AS SELECT id, body, kind + 10 AS kind FROM old")
        database.run("ALTER TABLE ticket ADD PRIMARY KEY (id), ADD FOREIGN KEY (kind) REFERENCES names")
        reviews = database.rows(CONTENTS)
        database.run("SELECT triage.detach('old'); DROP TABLE old, old_names")
        database.run("SELECT triage.adopt('ticket', 'public.ticket')")
        assert database.rows(CONTENTS) == reviews
        database.run("INSERT INTO ticket VALUES (3, 'invoice')")
        assert database.column("SELECT kind FROM ticket ORDER BY id") == [11, 11, 11]
        database.run("UPDATE ticket SET kind = 12 WHERE id = 1")
        assert database.rows(CONTENTS)[0][:3] == ("1", "billing", "support")
