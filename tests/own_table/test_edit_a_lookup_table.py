"""An application edits the lookup table of the labels, in every way in which applications do: labels
follow when its transaction commits, and nobody waits for anybody."""

import threading

import pytest
from support.sessions import refused
from support.waiting import timed, wait_for

MODEL = """SELECT triage.deploy('default', train_classifier(body, label)) FROM (VALUES
    ('invoice', 'billing'), ('invoice money', 'billing'), ('password', 'support'), ('password login', 'support'))
    AS mail (body, label)"""
LABELS = 'SELECT label FROM triage.label WHERE retired_at IS NULL ORDER BY label COLLATE "C"'


def prepare(database, reference="", more="", columns="id int PRIMARY KEY, name text UNIQUE"):
    """categories with 1 billing and 2 support, and table ticket that is attached with them."""
    database.run(MODEL)
    database.run(f"CREATE TABLE categories ({columns}{more})")
    database.run("INSERT INTO categories (id, name) VALUES (1, 'billing'), (2, 'support')")
    database.run(f"CREATE TABLE ticket (id int PRIMARY KEY, body text, category_id int {reference})")
    attach(database)


def attach(database, table="ticket"):
    database.run(f"SELECT triage.attach('{table}', ARRAY['body'], 'category_id', label_table => 'categories')")


def labels(database):
    return database.column(LABELS)


def reviews(database):
    return database.rows("SELECT predicted_label, human_label FROM triage.review ORDER BY review_id")


def changes(database):
    return database.rows("SELECT kind, label, new_label FROM triage.label_changes ORDER BY change_id")


def maintain(database):
    return database.rows("SELECT status, result, error FROM triage.maintain() WHERE task = 'names'")


# ---- filled anew ---------------------------------------------------------------------------------------

EMPTY = {"truncate": "TRUNCATE categories", "delete": "DELETE FROM categories"}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("how", EMPTY)
def test_a_table_that_is_filled_with_other_ids_keeps_its_labels(database, how, at_once):
    prepare(database)
    database.run("INSERT INTO ticket VALUES (1, 'invoice')")
    rows = ["(2, 'billing')", "(7, 'sales')", "(1, 'support')"]
    fill = [f"INSERT INTO categories VALUES {row}" for row in ([", ".join(rows)] if at_once else rows)]
    database.run("; ".join(["BEGIN", EMPTY[how], *fill, "COMMIT"]))
    assert labels(database) == ["billing", "sales", "support"]
    assert reviews(database) == [("billing", None)]
    assert changes(database) == []
    database.run("INSERT INTO ticket VALUES (2, 'invoice'), (3, 'password')")
    assert database.column("SELECT category_id FROM ticket WHERE id > 1 ORDER BY id") == [2, 1]


@pytest.mark.parametrize("how", EMPTY)
def test_a_table_that_is_filled_with_other_names_renames_labels(database, how):
    prepare(database)
    database.run("INSERT INTO ticket VALUES (1, 'invoice'), (2, 'password')")
    database.run(f"BEGIN; {EMPTY[how]}")
    database.run("INSERT INTO categories VALUES (1, 'invoices')")
    database.run("INSERT INTO categories VALUES (2, 'support'); COMMIT")
    assert labels(database) == ["invoices", "support"]
    assert reviews(database) == [("invoices", None), ("support", None)]
    assert changes(database) == [("rename", "billing", "invoices")]
    assert database.value("SELECT classify_email('invoice')") == "invoices"


def test_a_table_that_is_emptied_and_filled_later_gets_its_labels_back(database):
    prepare(database)
    database.run("TRUNCATE categories")
    assert labels(database) == []
    database.run("INSERT INTO ticket VALUES (1, 'invoice')")
    assert database.value("SELECT category_id FROM ticket") is None
    database.run("INSERT INTO categories VALUES (5, 'billing'), (6, 'support')")
    assert labels(database) == ["billing", "support"]
    database.run("INSERT INTO ticket VALUES (2, 'invoice')")
    assert database.value("SELECT category_id FROM ticket WHERE id = 2") == 5


def test_what_a_transaction_takes_back_is_not_followed(database):
    prepare(database)
    for back in ["ROLLBACK", "UPDATE categories SET name = 'billing' WHERE id = 1; COMMIT"]:
        database.run(f"BEGIN; UPDATE categories SET name = 'invoices' WHERE id = 1; {back}")
    database.run("BEGIN; TRUNCATE categories; ROLLBACK")
    assert (labels(database), changes(database)) == (["billing", "support"], [])


def test_names_that_several_statements_change_are_renamed_together(database):
    prepare(database)
    database.run("INSERT INTO ticket VALUES (1, 'invoice'), (2, 'password')")
    database.run(
        """BEGIN;
           UPDATE categories SET name = 'x' WHERE id = 1;
           UPDATE categories SET name = 'billing' WHERE id = 2;
           UPDATE categories SET name = 'support' WHERE id = 1;
           COMMIT"""
    )
    assert reviews(database) == [("support", None), ("billing", None)]
    assert database.value("SELECT classify_email('invoice')") == "support"


def test_until_the_commit_an_id_means_what_it_did(database):
    prepare(database)
    database.run("INSERT INTO ticket VALUES (1, 'password')")
    database.run(
        """BEGIN;
           UPDATE categories SET name = 'invoices' WHERE id = 1;
           INSERT INTO ticket VALUES (2, 'invoice');
           UPDATE ticket SET category_id = 1 WHERE id = 1;
           COMMIT"""
    )
    assert reviews(database) == [("support", "invoices"), ("invoices", None)]
    assert database.column("SELECT category_id FROM ticket") == [1, 1]
    assert labels(database) == ["invoices", "support"]


def test_a_swap_can_be_undone(database):
    prepare(database, columns="id int PRIMARY KEY, name text UNIQUE DEFERRABLE")
    database.run("INSERT INTO ticket VALUES (1, 'invoice'), (2, 'password')")
    database.run("UPDATE categories SET name = CASE id WHEN 1 THEN 'support' ELSE 'billing' END")
    assert reviews(database) == [("support", None), ("billing", None)]
    for change in database.column("SELECT change_id FROM triage.label_changes ORDER BY change_id DESC"):
        database.run(f"SELECT triage.undo_label_change({change})")
    assert reviews(database) == [("billing", None), ("support", None)]
    assert database.rows("SELECT id, name FROM categories ORDER BY id") == [(1, "billing"), (2, "support")]
    assert labels(database) == ["billing", "support"]
    database.run("INSERT INTO ticket VALUES (3, 'invoice')")
    assert database.value("SELECT category_id FROM ticket WHERE id = 3") == 1


# ---- beside mail ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE categories SET position = 1",
        "UPDATE categories SET name = name, active = active",
        "UPDATE categories SET name = 'x' WHERE false",
        "DELETE FROM categories WHERE false",
    ],
)
def test_what_changes_no_name_holds_up_no_mail(database, statement):
    prepare(database, more=", position int, active boolean DEFAULT true")
    editor, mail = database.connect(autocommit=False), database.connect(settings={"lock_timeout": "2s"})
    mail.run("INSERT INTO ticket VALUES (1, 'invoice')")
    editor.run(statement)
    mail.run("INSERT INTO ticket VALUES (2, 'invoice')")
    editor.commit()
    assert (labels(database), editor.notices) == (["billing", "support"], [])


@pytest.mark.parametrize(
    "statement",
    ["UPDATE categories SET name = 'invoices' WHERE id = 1", "UPDATE categories SET active = false WHERE id = 1"],
)
def test_mail_arrives_until_a_change_commits(database, statement):
    prepare(database, more=", active boolean DEFAULT true")
    editor, mail = database.connect(autocommit=False), database.connect(settings={"lock_timeout": "2s"})
    editor.run(statement)
    mail.run("INSERT INTO ticket VALUES (1, 'password')")
    editor.commit()
    assert editor.notices == []
    assert len(changes(database)) == 1


RENAME = "UPDATE categories SET name = 'invoices' WHERE id = 1"
LATE = {
    "mail that is not committed": ("READ COMMITTED", True),
    "REPEATABLE READ": ("REPEATABLE READ", False),
    "SERIALIZABLE": ("SERIALIZABLE", False),
}


@pytest.mark.parametrize("statement", [RENAME, "UPDATE categories SET active = false WHERE id = 1"])
@pytest.mark.parametrize("why", LATE)
def test_a_change_that_cannot_be_followed_is_followed_later(database, why, statement):
    level, is_open = LATE[why]
    prepare(database, more=", active boolean DEFAULT true")
    mail = database.connect(autocommit=not is_open)
    mail.run("INSERT INTO ticket VALUES (1, 'invoice')")
    with timed() as t:
        database.run(f"BEGIN ISOLATION LEVEL {level}; {statement}; COMMIT")
    assert t.seconds < 3
    (warning,) = database.session.notices
    assert "with the next maintenance" in warning
    # Until then the ids mean what they meant, for everybody.
    assert labels(database) == ["billing", "support"]
    other = database.connect()
    other.run("INSERT INTO ticket VALUES (2, 'password')")
    other.run("UPDATE ticket SET category_id = 2 WHERE id = 2")
    if statement == RENAME:
        other.run("INSERT INTO ticket VALUES (3, 'invoice')")
        assert other.value("SELECT category_id FROM ticket WHERE id = 3") == 1
        assert other.value("SELECT predicted_label FROM triage.review WHERE email_key = '3'") == "billing"
    if is_open:
        ((status, _, error),) = maintain(database)
        assert (status, "still open" in error) == ("failed", True)
        mail.commit()
        # A task that has failed waits.
        database.run("DELETE FROM triage_internal.job")
    assert maintain(database) == [("done", "names of 1 tables", None)]
    kind = "rename" if statement == RENAME else "retire"
    assert database.column("SELECT kind FROM triage.label_changes") == [kind]
    assert labels(database) == (["invoices", "support"] if statement == RENAME else ["support"])
    assert maintain(database) == []
    before = reviews(database)
    assert ("billing", None) not in before or statement != RENAME
    database.run("INSERT INTO ticket VALUES (4, 'invoice')")
    assert database.value("SELECT category_id FROM ticket WHERE id = 4") == (1 if statement == RENAME else 2)


def test_later_changes_of_a_name_are_one(database):
    prepare(database)
    mail = database.connect(autocommit=False)
    mail.run("INSERT INTO ticket VALUES (1, 'invoice')")
    database.run("UPDATE categories SET name = 'invoices' WHERE id = 1")
    database.run("UPDATE categories SET name = 'money' WHERE id = 1")
    mail.commit()
    database.run("UPDATE categories SET name = 'help' WHERE id = 2")
    assert changes(database) == [("rename", "billing", "money"), ("rename", "support", "help")]
    assert reviews(database) == [("money", None)]


@pytest.mark.parametrize(
    "change", ["rename_label('default', 'billing', 'money')", "merge_labels('default', 'billing', 'support')"]
)
def test_a_label_that_is_changed_meanwhile_stays_changed(database, change):
    prepare(database)
    database.run("INSERT INTO ticket VALUES (1, 'invoice')")
    database.run("BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE categories SET name = 'invoices' WHERE id = 1; COMMIT")
    database.run(f"SELECT triage.{change}")
    maintain(database)
    if change.startswith("rename"):
        assert labels(database) == ["money", "support"]
        assert database.value("SELECT name FROM categories WHERE id = 1") == "money"
        assert reviews(database) == [("money", None)]
    else:
        assert labels(database) == ["invoices", "support"]
        assert reviews(database) == [("support", None)]
        assert database.value("SELECT category_id FROM ticket") == 2


def test_another_attachment_goes_on_where_one_is_detached(database):
    prepare(database)
    database.run("CREATE TABLE chat (id int PRIMARY KEY, body text, category_id int)")
    attach(database, "chat")
    database.run("INSERT INTO chat VALUES (1, 'invoice')")
    database.run("BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE categories SET name = 'invoices' WHERE id = 1; COMMIT")
    database.run("SELECT triage.detach('ticket')")
    maintain(database)
    assert (labels(database), reviews(database)) == (["invoices", "support"], [("invoices", None)])


def test_who_adds_a_row_and_then_mail_waits_in_no_circle(database):
    """Its transaction holds the classifier; who renames a label waits for that and holds up mail."""
    prepare(database)
    adding, renaming = database.connect(autocommit=False), database.connect()
    adding.run("INSERT INTO categories VALUES (3, 'sales')")
    rename = threading.Thread(target=lambda: renaming.run("SELECT triage.rename_label('default', 'billing', 'money')"))
    rename.start()
    wait_for(
        lambda: database.value(f"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {renaming.pid}"), 20
    )
    adding.run("INSERT INTO ticket VALUES (1, 'password')")
    adding.commit()
    rename.join(30)
    assert labels(database) == ["money", "sales", "support"]
    assert reviews(database) == [("support", None)]


def test_a_counter_in_a_lookup_table_makes_nobody_read_names_anew(database):
    prepare(database, more=", tickets int DEFAULT 0")
    other = database.connect()

    def scans(number):
        count = "SELECT seq_scan + idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'categories'"
        with other.transaction():
            before = other.value(count)
            other.run(f"INSERT INTO ticket VALUES ({number}, 'invoice')")
            return other.value(count) - before

    assert scans(1) > 0
    database.run("UPDATE categories SET tickets = tickets + 1")
    assert scans(2) == 0
    database.run("UPDATE categories SET name = 'invoices' WHERE id = 1")
    assert scans(3) > 0


def test_names_change_places_where_constraints_are_immediate(database):
    prepare(database, columns="id int PRIMARY KEY, name text")
    database.run("INSERT INTO ticket VALUES (1, 'invoice'), (2, 'password')")
    swap = "UPDATE categories SET name = CASE id WHEN 1 THEN 'support' ELSE 'billing' END"
    database.run(f"BEGIN; SET CONSTRAINTS ALL IMMEDIATE; {swap}; COMMIT")
    assert "constraints are immediate" in database.session.notices[0]
    assert reviews(database) == [("billing", None), ("support", None)]
    maintain(database)
    assert reviews(database) == [("support", None), ("billing", None)]
    # Said afterwards, it lets labels follow there and then.
    database.run(f"BEGIN; {swap.replace('id WHEN 1', 'id WHEN 2')}; SET CONSTRAINTS ALL IMMEDIATE")
    assert reviews(database) == [("billing", None), ("support", None)]
    database.run("COMMIT")


def test_with_many_emails_a_change_of_a_name_is_left_to_maintenance(database):
    prepare(database)
    database.run("UPDATE pg_class SET reltuples = 1000000 WHERE oid = 'triage.review'::regclass")
    database.run("UPDATE categories SET name = 'invoices' WHERE id = 1")
    assert "too many emails" in database.session.notices[0]
    assert maintain(database) == [("done", "names of 1 tables", None)]
    assert labels(database) == ["invoices", "support"]


def test_who_has_changed_a_name_is_written_down_by_maintenance(database):
    prepare(database)
    database.role("editor_of_names")
    database.run("GRANT SELECT, UPDATE ON categories TO editor_of_names")
    editor = database.connect("editor_of_names")
    editor.run("BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE categories SET name = 'help' WHERE id = 2; COMMIT")
    maintain(database)
    assert database.row("SELECT kind, changed_by FROM triage.label_changes") == ("rename", "editor_of_names")


def test_nobody_waits_in_a_circle(database):
    """Two transactions that label mail and then rename each a category, while others insert mail that
    refers to it: none of them fails."""
    prepare(database, reference="REFERENCES categories", columns="id int PRIMARY KEY, name text UNIQUE NOT NULL")
    errors, sessions = [], [database.connect(autocommit=False) for _ in range(2)]
    barrier = threading.Barrier(2)

    def label_and_rename(n):
        try:
            for turn in range(5):
                session = sessions[n]
                session.run(f"INSERT INTO ticket VALUES ({100 * (n + 1) + turn}, 'invoice')")
                barrier.wait(30)
                session.run(f"UPDATE categories SET name = 'name {n} {turn}' WHERE id = {n + 1}")
                session.commit()
                barrier.wait(30)
        except Exception as error:
            errors.append(error)
            barrier.abort()

    def insert(n):
        try:
            session = database.connect()
            for turn in range(50):
                session.run(f"INSERT INTO ticket VALUES ({1000 * (n + 1) + turn}, 'invoice')")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=insert, args=(n,)) for n in range(2)]
    threads += [threading.Thread(target=label_and_rename, args=(n,)) for n in range(2)]
    with timed() as t:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert errors == []
    assert t.seconds < 40
    database.run("DELETE FROM triage_internal.job")
    maintain(database)
    assert labels(database) == ["name 0 4", "name 1 4"]
    assert {name for pair in reviews(database) for name in pair if name} <= {"name 0 4", "name 1 4"}


@pytest.mark.parametrize("is_open", [False, True])
def test_a_name_that_cascades_into_text_is_followed_without_waiting(database, is_open):
    database.run(MODEL)
    database.run(
        "CREATE TABLE categories (name text PRIMARY KEY); INSERT INTO categories VALUES ('billing'), ('support')"
    )
    database.run(
        "CREATE TABLE ticket (id int PRIMARY KEY, body text, category text REFERENCES categories ON UPDATE CASCADE)"
    )
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    database.run("INSERT INTO ticket VALUES (1, 'invoice'), (2, 'invoice')")
    mail = database.connect(autocommit=not is_open)
    mail.run("INSERT INTO ticket VALUES (3, 'password')")
    with timed() as t:
        database.run("UPDATE categories SET name = 'invoices' WHERE name = 'billing'")
    assert t.seconds < 3
    assert len(database.session.notices) == int(is_open)
    if is_open:
        mail.commit()
        assert maintain(database) == [("done", "names of 1 tables", None)]
    assert labels(database) == ["invoices", "support"]
    assert reviews(database)[:2] == [("invoices", None), ("invoices", None)]
    assert database.column("SELECT DISTINCT category FROM ticket ORDER BY 1") == ["invoices", "support"]
    assert database.value("SELECT count(*) FROM triage.decision") == 0


# ---- unusual tables ------------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["UPDATE {} SET name = 'invoices' WHERE id = 1", "DELETE FROM {} WHERE id = 1"])
@pytest.mark.parametrize("target", ["categories", "categories_1"])
def test_a_partition_of_a_lookup_table_is_followed(database, target, statement):
    database.run(MODEL)
    database.run(
        """CREATE TABLE categories (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
           CREATE TABLE categories_1 (name text, extra int, id int NOT NULL);
           ALTER TABLE categories_1 DROP COLUMN extra;
           ALTER TABLE categories ATTACH PARTITION categories_1 FOR VALUES FROM (0) TO (10);
           CREATE TABLE categories_2 PARTITION OF categories FOR VALUES FROM (10) TO (20);
           INSERT INTO categories VALUES (1, 'billing'), (11, 'support');
           CREATE TABLE ticket (id int PRIMARY KEY, body text, category_id int)"""
    )
    attach(database)
    database.run("INSERT INTO ticket VALUES (1, 'invoice')")
    database.run(statement.format(target))
    is_rename = statement.startswith("UPDATE")
    assert labels(database) == (["invoices", "support"] if is_rename else ["support"])
    assert reviews(database) == [("invoices" if is_rename else "billing", None)]
    # A row that moves to another partition is the same one.
    database.run("UPDATE categories SET id = 2 WHERE name = 'support'")
    assert "support" in labels(database)
    database.run("INSERT INTO ticket VALUES (2, 'password')")
    assert database.value("SELECT category_id FROM ticket WHERE id = 2") == 2


@pytest.mark.parametrize("forced", [False, True])
def test_policies_of_a_lookup_table(database, forced):
    database.run(MODEL)
    database.role("owner_of_names", "triage_trainer")
    database.role("editor_of_names")
    database.run("GRANT CREATE ON SCHEMA public TO owner_of_names")
    owner = database.connect("owner_of_names")
    owner.run(
        """CREATE TABLE categories (id int PRIMARY KEY, name text, team text DEFAULT 'a');
           INSERT INTO categories VALUES (1, 'billing'), (2, 'support');
           CREATE TABLE ticket (id int PRIMARY KEY, body text, category_id int);
           ALTER TABLE categories ENABLE ROW LEVEL SECURITY;
           CREATE POLICY team ON categories USING (team = current_setting('app.team', true));
           GRANT SELECT, UPDATE ON categories TO editor_of_names"""
    )
    if forced:
        owner.run("ALTER TABLE categories FORCE ROW LEVEL SECURITY")
    owner.notices.clear()
    owner.run("SET app.team = 'a'")
    attach(owner)
    assert any("NO FORCE ROW LEVEL SECURITY" in notice for notice in owner.notices) == forced
    owner.run("INSERT INTO ticket VALUES (1, 'invoice')")
    assert owner.value("SELECT category_id FROM ticket") == 1
    editor = database.connect("editor_of_names", settings={"app.team": "a"})
    editor.run("UPDATE categories SET name = 'invoices' WHERE id = 1")
    assert labels(database) == ["invoices", "support"]
    assert reviews(database) == [("invoices", None)]
    # What another setting shows holds for the next statement of the session.
    owner.run("SET app.team = 'b'")
    owner.run("INSERT INTO ticket VALUES (2, 'invoice')")
    assert owner.value("SELECT category_id FROM ticket WHERE id = 2") == (None if forced else 1)
    if forced:
        owner.run(
            "ALTER TABLE categories DISABLE ROW LEVEL SECURITY; CREATE POLICY see ON categories FOR SELECT USING (true)"
        )
        owner.run("ALTER TABLE categories ENABLE ROW LEVEL SECURITY")
        with refused("55000", "cannot be written to table public.categories"):
            owner.run("SELECT triage.rename_label('default', 'invoices', 'money')")
        assert labels(database) == ["invoices", "support"]


@pytest.mark.parametrize("name", ["NULL", "''", "'  '"])
def test_a_row_without_a_name_is_no_label_and_says_so(database, name):
    prepare(database)
    database.run(f"INSERT INTO categories VALUES (3, {name})")
    database.run("INSERT INTO ticket VALUES (1, 'invoice')")
    with refused("55000", "row 3 of table public.categories has no name: give it a name first"):
        database.run("UPDATE ticket SET category_id = 3")
    database.run("UPDATE categories SET name = 'sales' WHERE id = 3")
    database.run("UPDATE ticket SET category_id = 3")
    assert reviews(database) == [("billing", "sales")]


def test_a_row_with_too_long_a_name_says_so(database):
    prepare(database)
    database.run("INSERT INTO categories VALUES (3, repeat('x', 2500))")
    assert "not in step" in database.session.notices[-1]
    database.run("INSERT INTO ticket VALUES (1, 'invoice')")
    with refused("55000", "row 3", "too long for a label"):
        database.run("UPDATE ticket SET category_id = 3")


@pytest.mark.parametrize("partitioned", [False, True])
@pytest.mark.parametrize("call", ["attach", "learn_from"])
def test_a_table_cannot_have_its_own_labels(database, call, partitioned):
    by = " PARTITION BY RANGE (id)" if partitioned else ""
    database.run(f"CREATE TABLE ticket (id int PRIMARY KEY, body text, parent int REFERENCES ticket){by}")
    names = "ticket"
    if partitioned:
        database.run("CREATE TABLE ticket_1 PARTITION OF ticket FOR VALUES FROM (0) TO (10)")
        names = "ticket_1"
    classifier = "'default', " if call == "learn_from" else ""
    with refused("22023", "is the table itself", "label_table must be another one"):
        database.run(f"SELECT triage.{call}({classifier}'ticket', ARRAY['body'], 'parent', label_table => '{names}')")
    with refused("22023", "label_table => '...'"):
        database.run(f"SELECT triage.{call}({classifier}'ticket', ARRAY['body'], 'parent')")


@pytest.mark.parametrize("is_known", [True, False])
def test_a_label_that_is_taken_away_is_called_by_its_name(database, is_known):
    prepare(database, reference="REFERENCES categories ON DELETE SET NULL")
    database.run("INSERT INTO ticket VALUES (1, 'invoice')")
    session = database.session if is_known else database.connect()
    session.run("DELETE FROM categories WHERE id = 1")
    reason = database.value("SELECT unclassified_reason FROM triage.review")
    assert reason.startswith('label "billing" was taken away by foreign key')


def test_two_attachments_of_one_table_of_names_follow_once(database):
    prepare(database, columns="id int PRIMARY KEY, name text UNIQUE DEFERRABLE")
    database.run("CREATE TABLE chat (id int PRIMARY KEY, body text, category_id int)")
    attach(database, "chat")
    database.run("INSERT INTO ticket VALUES (1, 'invoice'); INSERT INTO chat VALUES (1, 'invoice')")
    mail = database.connect(autocommit=False)
    mail.run("INSERT INTO chat VALUES (2, 'password')")
    database.run("UPDATE categories SET name = CASE id WHEN 1 THEN 'support' ELSE 'billing' END")
    database.run("INSERT INTO chat VALUES (3, 'invoice')")
    assert database.value("SELECT category_id FROM chat WHERE id = 3") == 1
    mail.commit()
    maintain(database)
    assert reviews(database) == [("support", None)] * 2 + [("billing", None), ("support", None)]
    database.run("SELECT triage.detach('ticket')")
    database.run("UPDATE categories SET name = 'invoices' WHERE id = 1")
    assert labels(database) == ["billing", "invoices"]


def test_a_value_that_was_renamed_by_hand(database):
    database.run(MODEL)
    database.run("CREATE TYPE kind AS ENUM ('billing', 'support')")
    database.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, kind kind)")
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'kind'); INSERT INTO ticket VALUES (1, 'invoice')")
    database.run("ALTER TYPE kind RENAME VALUE 'billing' TO 'accounts'")
    database.run("SELECT triage.rename_label('default', 'billing', 'accounts')")
    assert (labels(database), reviews(database)) == (["accounts", "support"], [("accounts", None)])
    database.run("INSERT INTO ticket VALUES (2, 'invoice')")
    assert database.column("SELECT kind::text FROM ticket") == ["accounts", "accounts"]


def test_a_label_that_is_retired_leaves_the_row_of_its_name(database):
    prepare(database, more=", active boolean DEFAULT true")
    database.run("SELECT triage.retire_label('default', 'billing')")
    assert database.value("SELECT active FROM categories WHERE id = 1") is True
    database.run("INSERT INTO ticket VALUES (1, 'invoice')")
    assert database.value("SELECT category_id FROM ticket") != 1
    database.run("UPDATE categories SET active = false WHERE id = 1")
    database.run("UPDATE categories SET active = true WHERE id = 1")
    assert labels(database) == ["billing", "support"]


def test_a_trigger_that_runs_for_us_may_change_names(database):
    """Nothing may be left for the commit then: maintenance does it."""
    prepare(database)
    database.run(
        """CREATE FUNCTION rename() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               UPDATE categories SET name = 'invoices' WHERE id = 1; RETURN NULL; END $$;
           CREATE TRIGGER after_label AFTER UPDATE OF category_id ON ticket FOR EACH ROW EXECUTE FUNCTION rename();
           INSERT INTO ticket VALUES (1, 'invoice');
           SELECT triage.correct(review_id, 'support') FROM triage.review"""
    )
    assert database.value("SELECT name FROM categories WHERE id = 1") == "invoices"
    wait_for(lambda: maintain(database) or "invoices" in labels(database), 10)
    assert labels(database) == ["invoices", "support"]
