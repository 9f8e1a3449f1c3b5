"""What is predicted gives way to what users do: a label that an index, a policy or a generated column
refuses is not written, an UPDATE that a predicted label would make fail gets the row another label or none,
and a column that cannot be null says what to do."""

import threading

import psycopg
import pytest
from support.sessions import refused
from support.waiting import wait_for

MODEL = """SELECT triage.deploy('default', train_classifier(body, label)) FROM (VALUES
    ('invoice', 'billing'), ('invoice bike', 'billing'), ('password', 'support'), ('password login', 'support'),
    ('bike', 'mobility'), ('bike leasing', 'mobility')) AS mail (body, label)"""


def attach(database, columns, *after):
    """Table ticket with a customer and a status, attached after these statements."""
    database.run(MODEL)
    database.run(
        "CREATE TABLE ticket (id int PRIMARY KEY, body text, customer int DEFAULT 1, status text DEFAULT 'open', "
        f"category {columns})"
    )
    for statement in after:
        database.run(statement)
    database.session.notices.clear()
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")


def labels(database):
    return dict(database.rows("SELECT id, category::text FROM ticket"))


def review(database, key):
    return database.row(
        "SELECT predicted_label, queue_reason, unclassified_reason, human_label FROM triage.review "
        f"WHERE source = 'public.ticket' AND email_key = '{key}'"
    )


ONCE = {
    "unique": ("text, UNIQUE (customer, category)",),
    "deferrable": ("text, UNIQUE (customer, category) DEFERRABLE INITIALLY DEFERRED",),
    "partial": ("text", "CREATE UNIQUE INDEX ON ticket (customer, category) WHERE status = 'open'"),
    "label in the condition": ("text", "CREATE UNIQUE INDEX ON ticket (customer) WHERE category = 'mobility'"),
    "expression": ("text", "CREATE UNIQUE INDEX ON ticket (customer, upper(category))"),
    "exclusion": ("text", "ALTER TABLE ticket ADD EXCLUDE USING btree (customer WITH =, category WITH =)"),
    "generated": (
        "text, shout text GENERATED ALWAYS AS (customer || upper(category)) STORED",
        "CREATE UNIQUE INDEX ON ticket (shout)",
    ),
}


@pytest.mark.parametrize("kind", ONCE)
@pytest.mark.parametrize("way", ["insert", "copy"])
def test_a_label_that_is_there_already_is_not_written_twice(database, kind, way):
    attach(database, *ONCE[kind])
    bikes = [(1, 1), (2, 1), (3, 2)]
    if way == "insert":
        database.run("INSERT INTO ticket (id, body, customer) VALUES (1, 'bike', 1), (2, 'bike', 1), (3, 'bike', 2)")
    else:
        with database.session.connection.cursor().copy("COPY ticket (id, body, customer) FROM STDIN") as copy:
            for key, customer in bikes:
                copy.write_row((key, "bike", customer))
    found = labels(database)
    assert found[1] == found[3] == "mobility"
    assert found[2] in ("billing", "support")
    predicted, _, reason, _ = review(database, 2)
    assert (predicted, reason) == (found[2], None)


def test_a_row_waits_when_all_labels_are_there(database):
    attach(database, "text, UNIQUE (customer, category)")
    database.run("INSERT INTO ticket (id, body) SELECT n, 'bike' FROM generate_series(1, 5) AS n")
    found = labels(database)
    assert sorted(found[n] for n in (1, 2, 3)) == ["billing", "mobility", "support"]
    assert found[4] is found[5] is None
    predicted, queue_reason, reason, _ = review(database, 4)
    assert (predicted, queue_reason) == (None, "unclassified")
    assert 'label "mobility" is there already' in reason
    assert "ticket_customer_category_key" in reason
    # Waiting rows get what is free by then.
    database.run("DELETE FROM ticket WHERE category = 'mobility'")
    assert database.value("SELECT triage.classify_pending('ticket')") == 1
    assert "mobility" in labels(database).values()


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_it_waits_for_who_may_take_the_label(database, end):
    attach(database, "text, UNIQUE (customer, category)")
    other, writer = database.connect(), database.connect()
    other.run("BEGIN")
    other.run("INSERT INTO ticket (id, body) VALUES (1, 'bike')")
    insert = threading.Thread(target=lambda: writer.run("INSERT INTO ticket (id, body) VALUES (2, 'bike')"))
    insert.start()
    waits = f"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {writer.pid}"
    wait_for(lambda: database.value(waits), 20)
    other.run(end)
    insert.join(20)
    assert not insert.is_alive()
    assert (labels(database)[2] == "mobility") == (end == "ROLLBACK")


def test_attach_says_what_can_still_fail(database):
    attach(
        database,
        "text NOT NULL, UNIQUE (customer, category)",
        "CREATE VIEW calm AS SELECT * FROM ticket WHERE category IS DISTINCT FROM 'mobility' WITH CHECK OPTION",
        "CREATE VIEW other AS SELECT id FROM ticket WHERE id > 0 WITH CHECK OPTION",
    )
    told = "\n".join(database.session.notices)
    assert 'index "ticket_customer_category_key"' in told
    assert "view public.calm has a CHECK OPTION" in told
    assert "view public.other" not in told
    assert 'column "category" of public.ticket is NOT NULL and has no default' in told


def test_attach_is_silent_where_nothing_can_fail(database):
    attach(database, "text", "CREATE UNIQUE INDEX ON ticket (customer, id)")
    assert database.session.notices == []


POLICIES = {
    "plain": ["CREATE POLICY calm ON ticket USING (true) WITH CHECK (category IS DISTINCT FROM 'mobility')"],
    "for the command": [
        "CREATE POLICY see ON ticket FOR SELECT USING (true)",
        "CREATE POLICY seen ON ticket FOR UPDATE USING (true) WITH CHECK (category IS DISTINCT FROM 'mobility')",
        "CREATE POLICY calm ON ticket FOR INSERT WITH CHECK (category IS DISTINCT FROM 'mobility')",
    ],
    "a table is asked": [
        "CREATE TABLE loud (name text)",
        "INSERT INTO loud VALUES ('mobility')",
        "GRANT SELECT ON loud TO app",
        "CREATE POLICY calm ON ticket USING (true) "
        "WITH CHECK (NOT EXISTS (SELECT FROM loud WHERE loud.name = ticket.category))",
    ],
    "restrictive": [
        "CREATE POLICY every ON ticket USING (true)",
        "CREATE POLICY calm ON ticket AS RESTRICTIVE TO app WITH CHECK (coalesce(category <> 'mobility', true))",
    ],
}


@pytest.fixture(params=POLICIES)
def guarded(request, database):
    database.role("app")
    attach(
        database,
        "text",
        "GRANT SELECT, INSERT, UPDATE ON ticket TO app",
        "ALTER TABLE ticket ENABLE ROW LEVEL SECURITY",
        *POLICIES[request.param],
    )
    return database


def test_a_policy_is_kept(guarded):
    app = guarded.connect("app")
    app.run("INSERT INTO ticket (id, body) VALUES (1, 'bike'), (2, 'invoice')")
    found = labels(guarded)
    assert found[1] in ("billing", "support")
    assert found[2] == "billing"
    # Whom it is not about gets the best label.
    guarded.run("INSERT INTO ticket (id, body) VALUES (3, 'bike')")
    assert labels(guarded)[3] == "mobility"
    # A text that changes is predicted under it, too.
    app.run("UPDATE ticket SET body = 'bike leasing' WHERE id = 2")
    assert labels(guarded)[2] in ("billing", "support")


def test_a_prediction_gives_way_to_a_policy_on_the_update(database):
    database.role("app")
    attach(
        database,
        "text",
        "GRANT SELECT, INSERT, UPDATE ON ticket TO app",
        "ALTER TABLE ticket ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY calm ON ticket USING (true) WITH CHECK (status <> 'closed' OR category <> 'mobility')",
    )
    app = database.connect("app")
    app.run("INSERT INTO ticket (id, body) VALUES (1, 'bike')")
    assert labels(database) == {1: "mobility"}
    app.run("UPDATE ticket SET customer = 2")
    assert labels(database) == {1: "mobility"}
    app.run("UPDATE ticket SET status = 'closed'")
    assert labels(database)[1] in ("billing", "support", None)
    # A decision stays an error.
    database.run("UPDATE ticket SET status = 'open'")
    database.run("UPDATE ticket SET category = 'mobility'")
    with refused("42501", "row-level security"):
        app.run("UPDATE ticket SET status = 'closed'")


def test_policies_on_the_user_say_nothing_about_a_view(guarded):
    """They are those on the view's owner: the user may have none at all."""
    guarded.run("DROP POLICY IF EXISTS every ON ticket")
    for name in guarded.column("SELECT polname FROM pg_policy WHERE polrelid = 'ticket'::regclass"):
        guarded.run(f"DROP POLICY {name} ON ticket")
    guarded.run("CREATE VIEW door AS SELECT * FROM ticket; GRANT INSERT ON door TO app")
    guarded.connect("app").run("INSERT INTO door (id, body) VALUES (1, 'bike')")
    assert labels(guarded) == {1: "mobility"}


def test_policies_that_are_not_about_the_label_do_not_keep_it_out(database):
    """A tenant's policy says nothing about a row that comes through a view of the table's owner."""
    database.role("app")
    attach(
        database,
        "text",
        "ALTER TABLE ticket ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY tenant ON ticket USING (customer::text = current_setting('app.customer', true))",
        "CREATE VIEW door AS SELECT * FROM ticket",
        "GRANT INSERT ON door, ticket TO app",
    )
    app = database.connect("app")
    app.run("INSERT INTO door (id, body) VALUES (1, 'bike')")
    app.run("SET app.customer = '1'")
    app.run("INSERT INTO ticket (id, body) VALUES (2, 'bike')")
    assert labels(database) == {1: "mobility", 2: "mobility"}


def test_a_search_path_gives_a_policy_no_other_meaning(database):
    """A function of somebody else's inserts, with their rights and the caller's search path."""
    database.role("app")
    database.role("writer")
    attach(
        database,
        "text",
        "GRANT SELECT, INSERT ON ticket TO writer",
        "ALTER TABLE ticket ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY calm ON ticket USING (true) WITH CHECK (category IS NULL OR lower(category) <> 'mobility')",
        "CREATE FUNCTION public.receive(key int) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS "
        "$$ BEGIN INSERT INTO public.ticket (id, body) VALUES (key, 'bike'); END $$",
        "ALTER FUNCTION receive(int) OWNER TO writer",
        "CREATE SCHEMA own AUTHORIZATION app",
        "CREATE TABLE seen (who text); GRANT INSERT ON seen TO app, writer",
    )
    app = database.connect("app")
    app.run(
        "CREATE FUNCTION own.lower(text) RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO public.seen VALUES (current_user); RETURN 'calm'; END $$"
    )
    app.run("GRANT USAGE ON SCHEMA own TO writer; SET search_path = own, pg_catalog, public")
    app.run("SELECT public.receive(1)")
    assert labels(database)[1] in ("billing", "support")
    assert database.column("SELECT who FROM seen") == []


MADE_OF_IT = {
    "not null": "text, rank int NOT NULL GENERATED ALWAYS AS "
    "(CASE category WHEN 'billing' THEN 1 WHEN 'mobility' THEN NULL ELSE 3 END) STORED",
    "error": "text, rank int GENERATED ALWAYS AS (CASE category WHEN 'mobility' THEN 1 / (length(category) - 8) END) "
    "STORED",
    "length": "text, short varchar(7) GENERATED ALWAYS AS (category) STORED",
    "of several": "text, short varchar(9) GENERATED ALWAYS AS (status || substr(category, 1, 10)) STORED, "
    "CHECK (short NOT LIKE '%mob%')",
}


@pytest.mark.parametrize("kind", MADE_OF_IT)
def test_a_generated_column_decides_with(database, kind):
    columns = MADE_OF_IT[kind]
    if kind == "of several":
        columns = columns.replace("varchar(9)", "varchar(30)")
    attach(database, columns)
    alone = kind != "of several"
    assert any('label "mobility"' in notice for notice in database.session.notices) == alone
    database.run("INSERT INTO ticket (id, body) VALUES (1, 'bike'), (2, 'invoice')")
    assert labels(database)[1] in ("billing", "support")
    assert labels(database)[2] == "billing"


# What depends on the label and another column, and the change of that which "mobility" is against.
BREAKS = {
    "check": (["text, CHECK (status <> 'closed' OR category <> 'mobility')"], "status = 'closed'"),
    "generated": (
        [
            "text, shown text GENERATED ALWAYS AS (status || ' ' || category) STORED",
            "ALTER TABLE ticket ADD CHECK (shown <> 'closed mobility')",
        ],
        "status = 'closed'",
    ),
    "unique": (["text, UNIQUE (customer, category)"], "customer = 2"),
    "partial index": (
        ["text", "CREATE UNIQUE INDEX ON ticket (category) WHERE status = 'closed' AND customer < 3"],
        "status = 'closed'",
    ),
    "foreign key": (["text, FOREIGN KEY (customer, category) REFERENCES names"], "customer = 3"),
}


@pytest.fixture(params=BREAKS)
def broken(request, database):
    """Row 1 has the label "mobility", which this change of it is against."""
    columns, update = BREAKS[request.param]
    database.run("CREATE TABLE names (customer int, name text, PRIMARY KEY (customer, name))")
    database.run(
        "INSERT INTO names SELECT c, n FROM generate_series(1, 3) AS c, unnest(ARRAY['billing', 'mobility']) AS n "
        "WHERE c < 3 OR n <> 'mobility'"
    )
    attach(database, *columns)
    database.run("INSERT INTO ticket (id, body) VALUES (1, 'bike')")
    if request.param in ("unique", "partial index"):
        database.run(
            "INSERT INTO ticket (id, body, customer, status, category) VALUES (9, '', 2, 'closed', 'mobility')"
        )
    assert labels(database)[1] == "mobility"
    return update


def test_an_update_of_the_row_does_not_fail_on_a_prediction(database, broken):
    database.run(f"UPDATE ticket SET {broken} WHERE id = 1")
    label = labels(database)[1]
    assert label in ("billing", "support")
    assert review(database, 1)[0] == label
    assert review(database, 1)[3] is None
    assert database.value("SELECT count(*) FROM triage.decision") == 0


def test_a_decision_does_not_give_way(database, broken):
    database.run("SELECT triage.accept(review_id) FROM triage.review WHERE email_key = '1'")
    with pytest.raises(psycopg.errors.IntegrityError):
        database.run(f"UPDATE ticket SET {broken} WHERE id = 1")
    assert labels(database)[1] == "mobility"


def test_a_row_waits_that_no_label_is_left_for(database):
    attach(database, "text, CHECK (status <> 'closed' OR category IS NULL)")
    database.run("INSERT INTO ticket (id, body) VALUES (1, 'bike')")
    database.run("UPDATE ticket SET status = 'closed'")
    assert labels(database) == {1: None}
    predicted, queue_reason, reason, _ = review(database, 1)
    assert (predicted, queue_reason) == (None, "unclassified")
    assert "ticket_check" in reason
    database.run("UPDATE ticket SET status = 'open'")
    assert database.value("SELECT triage.classify_pending('ticket')") == 1
    assert labels(database) == {1: "mobility"}


def test_what_users_break_themselves_stays_an_error(database):
    attach(database, "text, CHECK (status <> 'closed' OR category <> 'mobility'), CHECK (status <> 'lost')")
    database.run("INSERT INTO ticket (id, body) VALUES (1, 'bike')")
    with refused("23514", "ticket_status_check"):
        database.run("UPDATE ticket SET status = 'lost'")
    assert labels(database) == {1: "mobility"}
    assert review(database, 1)[0] == "mobility"


def test_taking_a_decision_back_does_not_fail_on_the_prediction(database):
    attach(database, "text, UNIQUE (customer, category)")
    database.run("INSERT INTO ticket (id, body) VALUES (1, 'bike')")
    database.run("UPDATE ticket SET category = 'support' WHERE id = 1")
    database.run("INSERT INTO ticket (id, body) VALUES (2, 'bike')")
    assert labels(database) == {1: "support", 2: "mobility"}
    database.run("UPDATE ticket SET category = NULL WHERE id = 1")
    assert labels(database) == {1: "billing", 2: "mobility"} or labels(database) == {1: "support", 2: "mobility"}
    assert review(database, 1)[0] == labels(database)[1]
    assert review(database, 1)[3] is None


def test_a_column_that_cannot_be_null_says_what_to_do(database):
    attach(database, "text NOT NULL CHECK (category = 'x')")
    with refused("23502", 'label "mobility" violates check constraint', "drop NOT NULL", "default_is_empty => true"):
        database.run("INSERT INTO ticket (id, body) VALUES (1, 'bike')")
    # Who gives a label is not asked.
    database.run("INSERT INTO ticket (id, body, category) VALUES (1, 'bike', 'x')")


def test_a_column_that_cannot_be_null_gets_its_default(database):
    attach(database, "text NOT NULL DEFAULT 'x' CHECK (category = 'x')")
    database.run("INSERT INTO ticket (id, body, category) VALUES (1, 'bike', NULL)")
    assert labels(database) == {1: "x"}
    predicted, queue_reason, reason, _ = review(database, 1)
    assert (predicted, queue_reason) == (None, "unclassified")
    assert 'label "mobility" violates check constraint' in reason
    # What a person says and takes back ends there again.
    database.run("ALTER TABLE ticket DROP CONSTRAINT ticket_category_check")
    database.run("UPDATE ticket SET category = 'support'")
    database.run("UPDATE ticket SET category = NULL")
    assert labels(database) == {1: "x"}


def test_a_default_that_counts_as_none_stays(database):
    database.run(MODEL)
    database.run(
        "CREATE TABLE ticket (id int PRIMARY KEY, body text, status text, category text NOT NULL DEFAULT 'new' "
        "CHECK (category = 'new'))"
    )
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category', default_is_empty => true)")
    database.run("INSERT INTO ticket (id, body) VALUES (1, 'bike')")
    database.run("INSERT INTO ticket (id, body, category) VALUES (2, 'bike', NULL)")
    assert labels(database) == {1: "new", 2: "new"}
    assert review(database, 2)[1] == "unclassified"
    database.run("ALTER TABLE ticket DROP CONSTRAINT ticket_category_check")
    assert database.value("SELECT triage.classify_pending('ticket')") == 2
    # It is there for an update that takes the prediction away, too.
    database.run("ALTER TABLE ticket ADD CHECK (status <> 'closed' OR category = 'new')")
    database.run("UPDATE ticket SET status = 'closed' WHERE id = 1")
    assert labels(database) == {1: "new", 2: "mobility"}


@pytest.mark.parametrize("update", ["status = 'closed'", "customer = 7, status = 'new'"])
def test_an_update_of_other_columns_holds_no_labels(database, update):
    """A label can get another name while it is not finished."""
    attach(database, "text")
    database.run("INSERT INTO ticket (id, body) VALUES (1, 'bike'), (2, 'bike')")
    other = database.connect()
    other.run("BEGIN")
    other.run(f"UPDATE ticket SET {update} WHERE false")
    database.run("SET lock_timeout = '2s'")
    database.run("SELECT triage.rename_label('default', 'mobility', 'bikes')")
    other.run("COMMIT")
    assert set(labels(database).values()) == {"bikes"}


def test_an_update_of_the_label_holds_labels(database):
    attach(database, "text")
    database.run("INSERT INTO ticket (id, body) VALUES (1, 'bike')")
    other = database.connect()
    for update in ("category = 'support'", "body = 'invoice'", "id = 7"):
        other.run("BEGIN")
        other.run(f"UPDATE ticket SET {update} WHERE false")
        locks = f"SELECT count(*) FROM pg_locks WHERE pid = {other.pid} AND relation = 'triage.review'::regclass"
        assert database.value(locks) == 1, update
        other.run("ROLLBACK")
