"""The label column refers to a lookup table by id: `attach(..., label_table => 'categories')`. People say
names, rows have ids, and the names of the table are the labels of the classifier."""

import threading

import pytest
from support.sessions import refused
from support.waiting import wait_for

MODEL = """SELECT triage.deploy('default', train_classifier(body, label)) FROM (VALUES
    ('invoice', 'billing'), ('invoice money', 'billing'), ('password', 'support'), ('password login', 'support'))
    AS mail (body, label)"""
IDS = {
    "smallint": ("7", "9"),
    "int": ("7", "9"),
    "bigint": ("70000000007", "9"),
    "text": ("b", "s"),
    "uuid": ("00000000-0000-0000-0000-000000000007", "00000000-0000-0000-0000-000000000009"),
}


class Tickets:
    """Table ticket with category_id, and table categories with billing and support."""

    def __init__(self, database, kind="int", reference="REFERENCES categories", more=""):
        self.database = database
        self.billing, self.support = IDS[kind]
        database.run(MODEL)
        database.run(f"CREATE TABLE categories (id {kind} PRIMARY KEY, name text UNIQUE NOT NULL{more})")
        self.add(self.billing, "billing")
        self.add(self.support, "support")
        database.run(f"CREATE TABLE ticket (id int PRIMARY KEY, body text, category_id {kind} {reference})")

    def attach(self):
        self.database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category_id', label_table => 'categories')")
        return self

    def add(self, key, name):
        self.database.run(f"INSERT INTO categories (id, name) VALUES ('{key}', '{name}')")

    def insert(self, number, body, session=None):
        (session or self.database).run(f"INSERT INTO ticket VALUES ({number}, '{body}')")

    def category(self, number):
        return self.database.value(f"SELECT category_id::text FROM ticket WHERE id = {number}")

    def review(self, number, columns="predicted_label, human_label"):
        return self.database.row(
            f"SELECT {columns} FROM triage.review WHERE source = 'public.ticket' AND email_key = '{number}'"
        )

    def labels(self):
        return self.database.column("SELECT label FROM triage.label WHERE retired_at IS NULL ORDER BY 1")


@pytest.fixture(params=IDS)
def tickets(request, database):
    return Tickets(database, request.param).attach()


def test_people_say_names_and_rows_have_ids(tickets, database):
    tickets.insert(1, "invoice")
    assert tickets.category(1) == tickets.billing
    assert tickets.review(1) == ("billing", None)
    database.run(f"UPDATE ticket SET category_id = '{tickets.support}'")
    assert tickets.review(1) == ("billing", "support")
    review = tickets.review(1, "review_id")[0]
    database.run(f"SELECT triage.correct({review}, 'billing')")
    assert (tickets.category(1), tickets.review(1)) == (tickets.billing, ("billing", "billing"))
    database.run("UPDATE triage.ticket_queue SET human_label = 'support'")
    assert tickets.category(1) == tickets.support
    assert database.row("SELECT label, human_label FROM triage.ticket_queue") == ("support", "support")
    database.run("SELECT triage.undo(max(decision_id)) FROM triage.decision")
    assert tickets.category(1) == tickets.billing
    database.run("UPDATE ticket SET category_id = NULL")
    assert (tickets.category(1), tickets.review(1)) == (tickets.billing, ("billing", None))
    assert set(database.column("SELECT new_label FROM triage.decision")) == {"billing", "support", None}


def test_the_past_is_learned_by_name(database):
    tickets = Tickets(database, "bigint")
    database.run(f"INSERT INTO ticket VALUES (1, 'about bikes', {tickets.billing}), (2, 'bikes', NULL)")
    database.run("SELECT triage.create_classifier('new')")
    learn = "SELECT triage.learn_from('new', 'ticket', ARRAY['body'], 'category_id', label_table => 'categories')"
    assert database.value(learn) == 1
    database.run(
        "SELECT triage.attach('ticket', ARRAY['body'], 'category_id', classifier => 'new', label_table => 'categories')"
    )
    assert database.value("SELECT triage.classify_pending('ticket')") == 1
    assert tickets.category(2) == tickets.billing


def test_names_become_labels(database):
    tickets = Tickets(database)
    tickets.add(3, "Returns")
    tickets.attach()
    assert tickets.labels() == ["Returns", "billing", "support"]
    tickets.add(4, "hr")
    assert "hr" in tickets.labels()
    tickets.insert(1, "invoice")
    database.run("UPDATE ticket SET category_id = 4")
    assert tickets.review(1) == ("billing", "hr")


def test_an_id_of_the_same_transaction_is_known(tickets, database):
    tickets.insert(1, "invoice")
    new = {"text": "x", "uuid": "00000000-0000-0000-0000-000000000001"}.get(
        database.value("SELECT pg_typeof(id)::text FROM categories LIMIT 1"), "11"
    )
    database.run("BEGIN")
    tickets.add(new, "hr")
    database.run(f"UPDATE ticket SET category_id = '{new}'")
    database.run("COMMIT")
    assert tickets.review(1) == ("billing", "hr")


def test_an_id_that_another_session_adds_is_known(tickets, database):
    tickets.insert(1, "invoice")
    other = database.connect()
    other.run("DELETE FROM ticket WHERE false")
    new = {"text": "x", "uuid": "00000000-0000-0000-0000-000000000001"}.get(
        database.value("SELECT pg_typeof(id)::text FROM categories LIMIT 1"), "11"
    )
    other.run(f"INSERT INTO categories VALUES ('{new}', 'hr')")
    database.run(f"UPDATE ticket SET category_id = '{new}'")
    assert tickets.review(1) == ("billing", "hr")


def test_a_changed_name_is_a_renamed_label(tickets, database):
    tickets.insert(1, "invoice")
    tickets.insert(2, "password")
    database.run("UPDATE ticket SET category_id = (SELECT id FROM categories WHERE name = 'billing') WHERE id = 2")
    decisions = database.value("SELECT count(*) FROM triage.decision")
    database.run("UPDATE categories SET name = 'invoices' WHERE name = 'billing'")
    assert tickets.labels() == ["invoices", "support"]
    assert tickets.review(1) == ("invoices", None)
    assert tickets.review(2) == ("support", "invoices")
    assert database.value("SELECT count(*) FROM triage.decision") == decisions
    assert database.value("SELECT classify_email('invoice')") == "invoices"
    tickets.insert(3, "invoice")
    assert (tickets.category(3), tickets.review(3)[0]) == (tickets.billing, "invoices")
    assert database.column("SELECT kind FROM triage.label_changes") == ["rename"]


RETIRED = {
    "deleted row": (
        "",
        "DELETE FROM categories WHERE name = 'billing'",
        "INSERT INTO categories VALUES (70, 'billing')",
    ),
    "boolean": (
        ", retired boolean",
        "UPDATE categories SET retired = name = 'billing'",
        "UPDATE categories SET retired = false",
    ),
    "active": (
        ", active boolean DEFAULT true",
        "UPDATE categories SET active = false WHERE name = 'billing'",
        "UPDATE categories SET active = true",
    ),
    "time": (
        ", deleted_at timestamptz",
        "UPDATE categories SET deleted_at = now() WHERE name = 'billing'",
        "UPDATE categories SET deleted_at = NULL",
    ),
}


@pytest.mark.parametrize("how", RETIRED)
def test_a_retired_row_is_a_retired_label(database, how):
    more, retire, restore = RETIRED[how]
    tickets = Tickets(database, more=more).attach()
    tickets.insert(1, "password")
    database.run(retire)
    assert tickets.labels() == ["support"]
    tickets.insert(2, "invoice")
    assert tickets.review(2)[0] == "support"
    database.run(restore)
    assert tickets.labels() == ["billing", "support"]
    tickets.insert(3, "invoice")
    assert tickets.review(3)[0] == "billing"


def test_rows_that_are_retired_already_are_not_added(database):
    tickets = Tickets(database, more=", archived boolean")
    database.run("UPDATE categories SET archived = true WHERE name = 'billing'")
    tickets.add(20, "returns")
    tickets.attach()
    tickets.insert(1, "invoice")
    assert tickets.category(1) != tickets.billing


def test_an_unknown_id_is_refused_by_its_foreign_key(tickets, database):
    tickets.insert(1, "invoice")
    unknown = tickets.support[:-1] + "3"
    with refused("23503"):
        database.run(f"UPDATE ticket SET category_id = '{unknown}'")
    assert tickets.review(1) == ("billing", None)


def test_without_a_foreign_key_an_unknown_id_is_no_label(database):
    tickets = Tickets(database, reference="").attach()
    database.run("INSERT INTO ticket VALUES (1, 'invoice', 17)")
    assert (tickets.category(1), tickets.review(1, "count(*)")) == ("17", (0,))
    tickets.insert(2, "invoice")
    with refused("23503", "categories"):
        database.run("UPDATE ticket SET category_id = 17 WHERE id = 2")


def test_a_label_that_the_table_does_not_have_is_refused_with_the_reason(tickets, database):
    database.run("SELECT triage.add_label('default', 'mobility')")
    tickets.insert(1, "invoice")
    review = tickets.review(1, "review_id")[0]
    with refused("23503", 'label "mobility" is not in table public.categories'):
        database.run(f"SELECT triage.correct({review}, 'mobility')")
    assert tickets.review(1) == ("billing", None)


def test_several_tables_share_a_lookup_table(database):
    tickets = Tickets(database).attach()
    database.run("CREATE TABLE chat (id int PRIMARY KEY, body text, category_id int REFERENCES categories)")
    database.run("SELECT triage.attach('chat', ARRAY['body'], 'category_id', label_table => 'categories')")
    database.run("INSERT INTO chat VALUES (1, 'invoice')")
    database.run("UPDATE categories SET name = 'invoices' WHERE name = 'billing'")
    assert database.column("SELECT predicted_label FROM triage.review") == ["invoices"]
    database.run("SELECT triage.detach('chat')")
    tickets.insert(1, "invoice")
    assert tickets.category(1) == tickets.billing
    database.run("SELECT triage.detach('ticket')")
    assert (
        database.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'categories'::regclass AND tgname LIKE 'zz_%'")
        == 0
    )


def test_columns_and_tables_may_be_renamed(tickets, database):
    tickets.insert(1, "invoice")
    database.run("ALTER TABLE categories RENAME name TO title")
    database.run("ALTER TABLE categories RENAME id TO number")
    database.run("CREATE SCHEMA other")
    database.run("ALTER TABLE categories SET SCHEMA other")
    database.run("ALTER TABLE ticket RENAME category_id TO category")
    with database.connect() as session:
        tickets.insert(2, "invoice", session)
        assert session.value("SELECT category::text FROM ticket WHERE id = 2") == tickets.billing
        session.run("UPDATE other.categories SET title = 'money' WHERE title = 'billing'")
        assert tickets.review(2)[0] == "money"


def test_the_name_column_is_found_or_given(database):
    database.run(MODEL)
    database.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, category_id int)")
    attach = "SELECT triage.attach('ticket', ARRAY['body'], 'category_id', label_table => 'categories'{})"
    for columns, name in [
        ("code text", "code"),
        ("slug text, title text, name text", "name"),
        ("slug text, label varchar(20)", "label"),
        ("slug text UNIQUE, about text", "slug"),
    ]:
        database.run(f"CREATE TABLE categories (id int PRIMARY KEY, {columns})")
        database.run(f"INSERT INTO categories (id, {name}) VALUES (1, 'billing'), (2, 'support')")
        database.run(attach.format(""))
        database.run("INSERT INTO ticket VALUES (1, 'invoice')")
        assert database.value("DELETE FROM ticket RETURNING category_id") == 1
        database.run("SELECT triage.detach('ticket')")
        database.run("DROP TABLE categories")
    database.run("CREATE TABLE categories (id int PRIMARY KEY, one text, two text)")
    with refused("22023", "label_name_column", "one, two"):
        database.run(attach.format(""))
    database.run("INSERT INTO categories VALUES (1, 'x', 'billing')")
    database.run(attach.format(", label_name_column => 'two'"))
    database.run("INSERT INTO ticket VALUES (1, 'invoice')")
    assert database.value("SELECT category_id FROM ticket") == 1


def test_owners_of_both_tables_may_attach(database):
    tickets = Tickets(database)
    database.role("anna", "triage_trainer")
    database.run("ALTER TABLE ticket OWNER TO anna")
    anna = database.connect("anna")
    with refused("42501", "must be owner of table public.categories"):
        anna.run("SELECT triage.attach('ticket', ARRAY['body'], 'category_id', label_table => 'categories')")
    database.run("ALTER TABLE categories OWNER TO anna")
    anna.run("SELECT triage.attach('ticket', ARRAY['body'], 'category_id', label_table => 'categories')")
    # Who fills the table needs no right on the lookup table, and who fills that none on labels.
    database.role("app")
    database.run("GRANT INSERT, UPDATE, SELECT ON ticket TO app; GRANT INSERT ON categories TO app")
    app = database.connect("app")
    tickets.insert(1, "invoice", app)
    assert tickets.category(1) == tickets.billing
    app.run("INSERT INTO categories VALUES (30, 'hr')")
    assert "hr" in tickets.labels()
    app.run("UPDATE ticket SET category_id = 30")
    assert tickets.review(1) == ("billing", "hr")


def test_a_rename_while_rows_arrive(database):
    """Nobody waits for ever, no row fails, and no review has the old name in the end."""
    tickets = Tickets(database).attach()
    writer = database.connect()
    other = database.connect(autocommit=False)
    other.run("INSERT INTO ticket VALUES (1, 'invoice')")
    database.run("SET lock_timeout = '30s'")
    rename = threading.Thread(
        target=lambda: writer.run("UPDATE categories SET name = 'invoices' WHERE name = 'billing'")
    )
    rename.start()
    waits = f"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {writer.pid}"
    wait_for(lambda: database.value(waits), 20)
    other.run("INSERT INTO ticket VALUES (2, 'invoice')")
    other.commit()
    rename.join(30)
    assert not rename.is_alive()
    tickets.insert(3, "invoice")
    names = database.column("SELECT DISTINCT predicted_label FROM triage.review WHERE source = 'public.ticket'")
    assert names == ["invoices"]
    assert database.column("SELECT DISTINCT category_id FROM ticket") == [int(tickets.billing)]


def test_names_that_cannot_be_labels_do_no_harm(database):
    tickets = Tickets(database)
    database.run("ALTER TABLE categories DROP CONSTRAINT categories_name_key")
    database.run("INSERT INTO categories VALUES (30, ''), (31, repeat('x', 3000)), (32, 'Billing')")
    tickets.attach()
    assert any('are called "billing"' in notice for notice in database.session.notices)
    tickets.insert(1, "invoice")
    assert (tickets.category(1), tickets.review(1)) == (tickets.billing, ("billing", None))
    database.run("INSERT INTO categories VALUES (40, ' '), (41, repeat('y', 3000))")
    database.run("UPDATE categories SET name = '' WHERE id = 32")
    assert tickets.labels() == ["billing", "support"]


def test_the_table_of_names_may_go(database):
    tickets = Tickets(database, reference="").attach()
    database.run("DROP TABLE categories CASCADE")
    tickets.insert(1, "invoice")
    assert tickets.category(1) is None
    assert "gone" in tickets.review(1, "unclassified_reason")[0]


CHANGES = {
    "chain": ({2: "freight", 4: "delivery"}, {"delivery": "freight", "support": "delivery"}),
    "chain in the other order": ({1: "support", 4: "help"}, {"billing": "support", "support": "help"}),
    "swap": ({1: "sales", 3: "billing"}, {"billing": "sales", "sales": "billing"}),
    "cycle": (
        {1: "delivery", 2: "sales", 3: "billing", 4: "help"},
        {"billing": "delivery", "delivery": "sales", "sales": "billing", "support": "help"},
    ),
    "spelling": ({3: "Sales", 4: "SUPPORT"}, {"sales": "Sales", "support": "SUPPORT"}),
}


@pytest.mark.parametrize("tables", [1, 2])
@pytest.mark.parametrize("change", CHANGES)
def test_names_that_one_statement_changes_are_renamed_together(database, change, tables):
    names, renamed = CHANGES[change]
    old = ["billing", "delivery", "sales", "support"]
    database.run("""SELECT triage.deploy('default', train_classifier(body, label)) FROM (VALUES ('invoice', 'billing'),
        ('parcel', 'delivery'), ('offer', 'sales'), ('password', 'support')) AS mail (body, label)""")
    # Names may change places within a statement only where they are unique at its end.
    database.run("CREATE TABLE categories (id int PRIMARY KEY, name text NOT NULL UNIQUE DEFERRABLE)")
    database.run(
        "INSERT INTO categories SELECT * FROM unnest(ARRAY[1, 2, 3, 4], ARRAY['billing', 'delivery', 'sales', 'support'])"
    )
    for table in ["ticket", "chat"][:tables]:
        database.run(f"CREATE TABLE {table} (id int PRIMARY KEY, body text, category_id int REFERENCES categories)")
        database.run(f"SELECT triage.attach('{table}', ARRAY['body'], 'category_id', label_table => 'categories')")
        database.run(f"INSERT INTO {table} VALUES (1, 'invoice'), (2, 'parcel'), (3, 'offer'), (4, 'password')")
    for table in ["ticket", "chat"][:tables]:
        database.run(f"UPDATE {table} SET category_id = category_id % 4 + 1")
    database.session.notices.clear()
    cases = " ".join(f"WHEN {key} THEN '{name}'" for key, name in names.items())
    keys = ", ".join(str(key) for key in names)
    database.run(f"UPDATE categories SET name = CASE id {cases} END WHERE id IN ({keys})")
    now = [renamed.get(name, name) for name in old]
    assert database.column("SELECT name FROM categories ORDER BY id") == now
    assert database.column('SELECT label FROM triage.label ORDER BY label COLLATE "C"') == sorted(now)
    reviews = database.rows("SELECT predicted_label, human_label FROM triage.review ORDER BY review_id")
    assert reviews == [(now[place], now[(place + 1) % 4]) for place in range(4)] * tables
    assert database.session.notices == []
    database.run("INSERT INTO ticket VALUES (5, 'parcel')")
    written = database.value("SELECT c.name FROM categories c JOIN ticket t ON t.category_id = c.id WHERE t.id = 5")
    assert written == database.value("SELECT predicted_label FROM triage.review ORDER BY review_id DESC LIMIT 1")


def test_a_name_that_another_label_has_is_not_taken(database):
    tickets = Tickets(database).attach()
    database.run("SELECT triage.add_label('default', 'freight')")
    tickets.add(20, "returns")
    tickets.insert(1, "invoice")
    database.run("UPDATE categories SET name = CASE id WHEN 7 THEN 'freight' ELSE 'parcels' END WHERE id IN (7, 20)")
    assert any('label "freight" exists' in notice for notice in database.session.notices)
    assert tickets.labels() == ["billing", "freight", "parcels", "support"]
    assert tickets.review(1)[0] == "billing"


@pytest.mark.parametrize("call", ["attach", "learn_from"])
def test_the_lookup_table_is_the_one_that_the_column_refers_to(database, call):
    Tickets(database)
    database.run("CREATE TABLE prio (id int PRIMARY KEY, name text)")
    database.run("INSERT INTO prio VALUES (7, 'high'), (9, 'low')")
    classifier = "'default', " if call == "learn_from" else ""
    statement = f"SELECT triage.{call}({classifier}'ticket', ARRAY['body'], 'category_id', label_table => '{{}}')"
    with refused("22023", 'column "category_id"', "refers to public.categories: label_table => 'public.categories'"):
        database.run(statement.format("prio"))
    database.run("ALTER TABLE ticket ADD FOREIGN KEY (category_id) REFERENCES prio")
    database.run(statement.format("prio"))


@pytest.mark.parametrize("own_names", [True, False])
def test_an_adopted_table_has_the_names_that_it_refers_to(database, own_names):
    tickets = Tickets(database).attach()
    tickets.insert(1, "invoice")
    database.run("CREATE SCHEMA old; ALTER TABLE ticket SET SCHEMA old")
    if own_names:
        database.run("ALTER TABLE categories SET SCHEMA old")
        database.run("CREATE TABLE categories (id int PRIMARY KEY, name text UNIQUE)")
        database.run("INSERT INTO categories VALUES (1, 'billing'), (2, 'support')")
    key = 1 if own_names else 7
    database.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, category_id int REFERENCES categories)")
    database.run(f"INSERT INTO ticket VALUES (1, 'invoice', {key})")
    name = database.value("SELECT source FROM triage.sources WHERE source LIKE '%ticket'")
    database.run("SELECT triage.detach('old.ticket')")
    database.run(f"SELECT triage.adopt('ticket', '{name}')")
    tickets.insert(2, "invoice")
    assert database.value("SELECT category_id FROM ticket WHERE id = 2") == key
    database.run("UPDATE categories SET name = 'invoices' WHERE name = 'billing'")
    assert tickets.labels() == ["invoices", "support"]
    followed = database.column(
        "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger"
        " WHERE tgfoid = 'triage_internal.follow_label_table'::regproc"
    )
    assert followed == ["categories"]


@pytest.mark.parametrize("change", ["category_id = 9", "category_id = 17"])
def test_a_correction_without_the_table_of_names_is_refused_with_the_reason(database, change):
    tickets = Tickets(database).attach()
    tickets.insert(1, "invoice")
    database.run("DROP TABLE categories CASCADE")
    with refused("55000", "the table with the names of the labels is gone: detach the table and attach it again"):
        database.run(f"UPDATE ticket SET {change}")
    assert tickets.category(1) == "7"


LOST = {
    "name": ("UPDATE categories SET name = NULL WHERE id = 7", "UPDATE categories SET name = '{}' WHERE id = 7"),
    "row": ("DELETE FROM categories WHERE id = 7", "INSERT INTO categories VALUES (7, '{}')"),
}


@pytest.mark.parametrize("how", LOST)
def test_an_id_that_loses_its_name_and_gets_another_is_warned_about(database, how):
    lose, name = LOST[how]
    tickets = Tickets(database, reference="")
    database.run("ALTER TABLE categories ALTER name DROP NOT NULL")
    tickets.attach().insert(1, "invoice")
    database.session.notices.clear()
    database.run(lose)
    database.run(name.format("billing"))
    assert not any("merge_labels" in notice for notice in database.session.notices)
    database.run(lose)
    with database.connect() as session:
        session.run(name.format("shipping"))
        (warning,) = session.notices
    assert 'id 7 was "billing" and is "shipping" now' in warning
    database.run(warning[warning.index("SELECT") :])
    assert tickets.labels() == ["shipping", "support"]
    assert tickets.review(1)[0] == "shipping"


# ---- whose labels they are -----------------------------------------------------------------------------


@pytest.fixture
def owners(database):
    """Two owners of tables of one classifier; an editor may write the lookup table of the first."""
    database.run(MODEL)
    one, two, editor = (
        database.role("own_one", "triage_trainer"),
        database.role("own_two", "triage_trainer"),
        database.role("own_editor"),
    )
    database.run("GRANT CREATE ON SCHEMA public TO own_one, own_two")
    database.connect(one).run(
        """CREATE TABLE categories (id int PRIMARY KEY, name text UNIQUE NOT NULL);
           INSERT INTO categories VALUES (1, 'billing'), (2, 'support');
           CREATE TABLE ticket (id int PRIMARY KEY, body text, category_id int REFERENCES categories);
           SELECT triage.attach('ticket', ARRAY['body'], 'category_id', label_table => 'categories');
           GRANT SELECT, INSERT, UPDATE ON categories TO own_editor"""
    )
    return database.connect(two), database.connect(editor)


@pytest.mark.parametrize("kind", ["text", "kind"])
def test_who_may_write_a_lookup_table_changes_nothing_of_other_owners(database, owners, kind):
    two, editor = owners
    two.run(
        f"""CREATE TYPE kind AS ENUM ('billing', 'support');
           CREATE TABLE mail (id int PRIMARY KEY, body text, label {kind});
           SELECT triage.attach('mail', ARRAY['body'], 'label');
           INSERT INTO mail VALUES (1, 'password')"""
    )
    warnings = []
    editor.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    editor.run("UPDATE categories SET name = 'hacked' WHERE id = 2")
    assert "rename_label('default', 'support', 'hacked')" in warnings[0]
    assert two.value("SELECT label::text FROM mail") == "support"
    assert two.value("SELECT enum_range(NULL::kind)::text") == "{billing,support}"
    assert database.value("SELECT count(*) FROM triage.label_changes") == 0


def test_what_a_lookup_table_says_is_written_down_as_said_by_who_wrote_it(database, owners):
    _, editor = owners
    editor.run("INSERT INTO categories VALUES (3, 'sales')")
    editor.run("UPDATE categories SET name = 'help' WHERE id = 2")
    assert database.value("SELECT created_by FROM triage.label WHERE label = 'sales'") == "own_editor"
    assert database.row("SELECT kind, changed_by FROM triage.label_changes") == ("rename", "own_editor")
