"""Policies hide rows, from the owner of the table too: a row that cannot be seen is not one that was
deleted. A decision about it is written through where the policy lets it, and fails with the reason where
it does not."""

import pytest
from support.own_table import MODEL, TEXTS, OwnTable
from support.sessions import refused

COLUMNS = "id bigint PRIMARY KEY, tenant text, body text, category text"
TENANT = "tenant = current_setting('app.tenant', true)"
FIX = ("row-level security", "ticket_owner", "NO FORCE ROW LEVEL SECURITY", "BYPASSRLS")


@pytest.fixture
def tickets(database):
    """Two tenants' rows, of an owner who is subject to the policies."""
    database.run(MODEL)
    database.role("ticket_owner", "triage_trainer")
    database.role("app")
    database.role("reviewer", "triage_reviewer")
    database.run("GRANT CREATE ON SCHEMA public TO ticket_owner; SET ROLE ticket_owner")
    tickets = OwnTable(database, COLUMNS)
    for key, tenant in [(1, "a"), (2, "b")]:
        database.run("INSERT INTO ticket VALUES (%s, %s, %s)", key, tenant, TEXTS["billing"])
    database.run(f"ALTER TABLE ticket ENABLE ROW LEVEL SECURITY; CREATE POLICY tenant ON ticket USING ({TENANT})")
    database.run("GRANT SELECT, INSERT, UPDATE ON ticket TO app; RESET ROLE")
    yield tickets
    database.run("RESET app.tenant")
    tickets.agrees()


def force(tickets, yes=True):
    tickets.database.run(f"ALTER TABLE ticket {'' if yes else 'NO'} FORCE ROW LEVEL SECURITY")


WAYS = {
    "correct": "SELECT triage.correct({review}, 'sales')",
    "accept": "SELECT triage.accept({review})",
    "skip": "SELECT triage.skip({review})",
    "many": "SELECT triage.correct_many('{review}', 'sales')",
    "triage.review": "UPDATE triage.review SET human_label = 'sales' WHERE review_id = {review}",
    "queue": "UPDATE triage.review_queue SET human_label = 'sales' WHERE review_id = {review}",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_decision_about_a_hidden_row_fails_with_the_reason(tickets, way):
    force(tickets)
    database, reviewer = tickets.database, tickets.database.connect("reviewer")
    review = tickets.review(1)
    for session in (reviewer, database.session):  # a superuser's rights are not used either
        with refused("42501", f'email "1" in {tickets.source}', *FIX):
            session.run(WAYS[way].format(review=review))
    assert tickets.ledger(1) == []
    reviewer.run("SET app.tenant = 'a'")
    reviewer.run(WAYS[way].format(review=review))
    assert len(tickets.ledger(1)) == 1
    tickets.agrees()


def test_two_sessions_of_two_tenants_see_their_own(tickets):
    force(tickets)
    database = tickets.database
    a, b = (database.connect("reviewer", settings={"app.tenant": tenant}) for tenant in "ab")
    reviews = [tickets.review(key) for key in (1, 2)]
    a.run(f"SELECT triage.correct({reviews[0]}, 'sales')")
    b.run(f"SELECT triage.correct({reviews[1]}, 'support')")
    with refused("42501", *FIX):
        a.run(f"SELECT triage.correct({reviews[1]}, 'sales')")
    with refused("42501", *FIX):
        b.run(f"SELECT triage.undo(decision_id) FROM triage.review WHERE review_id = {reviews[0]}")
    with refused("42501", *FIX):
        a.run(f"SELECT triage.correct_many('{reviews[0]}, {reviews[1]}', 'billing')")
    assert [tickets.human(key) for key in (1, 2)] == ["sales", "support"]
    a.run(f"SELECT triage.undo(decision_id) FROM triage.review WHERE review_id = {reviews[0]}")
    assert [tickets.label(key) for key in (1, 2)] == ["billing", "support"]


@pytest.mark.parametrize(
    "mended", ["ALTER TABLE ticket NO FORCE ROW LEVEL SECURITY", "ALTER ROLE ticket_owner BYPASSRLS"]
)
def test_what_the_message_says_helps(tickets, mended):
    force(tickets)
    review = tickets.review(1)
    with refused("42501", mended.split("ticket", 1)[1].split(" ", 1)[1]):
        tickets.database.run(f"SELECT triage.correct({review}, 'sales')")
    tickets.database.run(mended)
    tickets.database.run(f"SELECT triage.correct({review}, 'sales')")
    assert tickets.label(1) == "sales"


@pytest.mark.parametrize("forced", [True, False])
def test_a_row_that_is_gone(tickets, forced):
    """Without policies on the owner it is known to be; with them nobody can tell."""
    force(tickets, forced)
    database, review = tickets.database, tickets.review(1)
    database.run("DELETE FROM ticket WHERE id = 1")
    if forced:
        with refused("42501", "is not there, or cannot be seen and changed"):
            database.run(f"SELECT triage.correct({review}, 'sales')")
    else:
        database.run(f"SELECT triage.correct({review}, 'sales')")
        assert tickets.human(1) == "sales"


def test_the_application_decides_in_the_table_about_what_it_sees(tickets):
    """Also where the owner sees nothing: the row is there, the statement has it."""
    force(tickets)
    database = tickets.database
    database.run("CREATE POLICY app ON ticket TO app USING (true)")
    app = database.connect("app")
    app.run("UPDATE ticket SET category = 'sales' WHERE id = 1")
    app.run("UPDATE ticket SET category = 'support' WHERE id = 1")
    app.run("UPDATE ticket SET body = 'another text', category = NULL WHERE id = 1")
    assert [label for _, label, _ in tickets.ledger(1)] == ["sales", "support"]
    app.run("INSERT INTO ticket (id, tenant, body) VALUES (3, 'c', 'invoice payment')")
    app.run("UPDATE ticket SET category = 'sales' WHERE id = 3")
    app.run("UPDATE ticket SET category = NULL WHERE id = 3")
    assert tickets.ledger(3) == [("correct", "sales", "table"), ("undo", None, "table")]


@pytest.mark.parametrize("policy", ["false", "tenant = current_setting('app.tenant')", "1 / (id - id) = 1"])
def test_policies_on_the_owner_break_no_statement_of_others(tickets, policy):
    """Not even those that fail."""
    database = tickets.database
    database.run(
        f"""DROP POLICY tenant ON ticket; CREATE POLICY app ON ticket TO app USING (true);
            CREATE POLICY owner ON ticket TO ticket_owner USING ({policy}); GRANT DELETE ON ticket TO app"""
    )
    force(tickets)
    app = database.connect("app")
    app.run(f"INSERT INTO ticket (id, tenant, body) VALUES (3, 'c', '{TEXTS['billing']}')")
    app.run("UPDATE ticket SET category = 'sales' WHERE id < 3")
    upsert = "ON CONFLICT (id) DO UPDATE SET category = excluded.category, body = excluded.body"
    app.run(f"INSERT INTO ticket (id, tenant, body) VALUES (3, 'c', 'anything') {upsert}")
    app.run(f"INSERT INTO ticket (id, tenant, body, category) VALUES (3, 'c', 'anything', 'support') {upsert}")
    app.run("UPDATE ticket SET body = body || '!'")
    assert [tickets.human(key) for key in (1, 2, 3)] == ["sales", "sales", "support"]
    assert app.run("DELETE FROM ticket WHERE id = 2").rowcount == 1


def test_a_policy_that_hides_from_select_but_not_from_update(tickets):
    force(tickets)
    database = tickets.database
    database.run("CREATE POLICY all_updates ON ticket FOR UPDATE USING (true)")
    with refused("42501", *FIX):
        database.run(f"SELECT triage.correct({tickets.review(1)}, 'sales')")
    assert tickets.ledger(1) == []


def test_a_policy_that_shows_and_does_not_let_write(tickets):
    """WITH CHECK has its own error; a row that may be read only is not found to be locked."""
    force(tickets)
    database = tickets.database
    database.run("CREATE POLICY read_all ON ticket FOR SELECT USING (true)")
    with refused("42501", *FIX):
        database.run(f"SELECT triage.correct({tickets.review(1)}, 'sales')")
    database.run(
        """DROP POLICY tenant ON ticket; CREATE POLICY checked ON ticket FOR UPDATE USING (true)
           WITH CHECK (category <> 'sales')"""
    )
    with refused("42501", "violates row-level security policy"):
        database.run(f"SELECT triage.correct({tickets.review(1)}, 'sales')")
    database.run(f"SELECT triage.correct({tickets.review(1)}, 'support')")
    assert [label for _, label, _ in tickets.ledger(1)] == ["support"]


LABEL_CHANGES = {
    "rename": "SELECT triage.rename_label('default', 'billing', 'money')",
    "merge": "SELECT triage.merge_labels('default', 'billing', 'sales')",
}


def stored(tickets):
    """Labels as rows, reviews, catalogue and changes have them."""
    return [
        tickets.database.rows(query)
        for query in (
            "SELECT id, category FROM ticket ORDER BY id",
            "SELECT email_key, predicted_label, human_label FROM triage.review ORDER BY 1",
            "SELECT label FROM triage.label ORDER BY 1",
            "SELECT change_id FROM triage.label_changes ORDER BY 1",
        )
    ]


@pytest.mark.parametrize("tenant", [None, "a"])
@pytest.mark.parametrize("change", LABEL_CHANGES)
def test_no_label_changes_where_rows_may_keep_the_old_one(tickets, change, tenant):
    database = tickets.database
    database.run(f"SELECT triage.correct({tickets.review(2)}, 'sales')")
    session = database.connect()
    if tenant:
        session.run("SET app.tenant = 'a'")
    before = stored(tickets)
    force(tickets)
    with refused("42501", "policies may hide rows", *FIX):
        session.run(LABEL_CHANGES[change])
    force(tickets, False)
    assert stored(tickets) == before
    change_id = session.value(LABEL_CHANGES[change])
    changed = stored(tickets)
    assert changed[0] == [(1, "money" if change == "rename" else "sales"), (2, "sales")]
    force(tickets)
    with refused("42501", "policies may hide rows", *FIX):
        session.run(f"SELECT triage.undo_label_change({change_id})")
    force(tickets, False)
    assert stored(tickets) == changed
    session.run(f"SELECT triage.undo_label_change({change_id})")
    assert stored(tickets)[:3] == before[:3]


# ---- what is said about rows that nobody can count -----------------------------------------------


def waiting(tickets):
    """A row of each tenant without a label."""
    tickets.database.run(
        f"""ALTER TABLE ticket DISABLE TRIGGER USER;
            INSERT INTO ticket VALUES (11, 'a', '{TEXTS["sales"]}'), (12, 'b', '{TEXTS["sales"]}');
            ALTER TABLE ticket ENABLE TRIGGER USER"""
    )


def test_classify_pending_says_that_it_may_not_see_all(tickets):
    force(tickets)
    waiting(tickets)
    session = tickets.database.connect()
    assert session.value("SELECT triage.classify_pending('ticket')") == 0
    assert "that policies hide" in session.notices[0] and all(word in session.notices[0] for word in FIX)
    session.run("SET app.tenant = 'a'")
    assert session.value("SELECT triage.classify_pending('ticket')") == 1
    assert [tickets.label(key) for key in (11, 12)] == ["sales", None]
    force(tickets, False)
    session.notices.clear()
    assert session.value("SELECT triage.classify_pending('ticket')") == 1
    assert session.notices == []


def test_so_does_classify_again(tickets):
    force(tickets)
    session = tickets.database.connect()
    tickets.database.run(MODEL.replace("'billing'", "'support'", 1))
    assert session.value("SELECT triage.classify_again('ticket')") == 0
    assert "that policies hide" in session.notices[-1] and all(word in session.notices[-1] for word in FIX)
    session.run("SET app.tenant = 'b'")
    assert session.value("SELECT triage.classify_again('ticket')") == 1
    assert [tickets.label(key) for key in (1, 2)] == ["billing", "support"]


@pytest.mark.parametrize("policy", [TENANT, "tenant = current_setting('app.tenant')", "1 / (length(tenant) - 1) = 0"])
def test_the_worker_goes_on_with_other_tables(tickets, policy):
    """A policy may also fail where a setting is missing."""
    database = tickets.database
    database.run("DROP POLICY tenant ON ticket")
    database.run(f"CREATE POLICY tenant ON ticket USING ({policy})")
    force(tickets)
    other = OwnTable(database, name="other")
    waiting(tickets)
    database.run(
        f"""INSERT INTO triage.review (classifier, source, email_key, queue_reason)
            VALUES ('default', 'public.ticket', '11', 'unclassified');
            ALTER TABLE other DISABLE TRIGGER USER; INSERT INTO other VALUES (1, '{TEXTS["sales"]}');
            ALTER TABLE other ENABLE TRIGGER USER"""
    )
    worker = database.connect()
    jobs = worker.rows("SELECT task, status, result, error FROM triage.maintain() WHERE task = 'classify'")
    assert jobs == [("classify", "done", "1 rows", None), ("classify", "done", "0 rows", None)]
    assert worker.rows("SELECT * FROM triage.maintain() WHERE task = 'classify'") == [], (
        "it does not come again at once"
    )
    assert other.label(1) == "sales"


@pytest.mark.parametrize("forced", [True, False])
def test_attach_warns_where_policies_apply_to_the_owner(database, forced):
    database.run(MODEL)
    database.role("ticket_owner", "triage_trainer")
    database.run("GRANT CREATE ON SCHEMA public TO ticket_owner")
    session = database.connect()
    session.run(f"SET ROLE ticket_owner; CREATE TABLE ticket ({COLUMNS}); ALTER TABLE ticket ENABLE ROW LEVEL SECURITY")
    if forced:
        session.run("ALTER TABLE ticket FORCE ROW LEVEL SECURITY")
    session.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    warned = [notice for notice in session.notices if all(word in notice for word in FIX)]
    assert len(warned) == forced


@pytest.mark.parametrize("who, rows", [("app", 1), ("postgres", 2)])
def test_learn_from_says_when_it_did_not_see_all(tickets, who, rows):
    database = tickets.database
    database.run(
        """CREATE TABLE history AS SELECT id, tenant, body, category FROM ticket;
           ALTER TABLE history ENABLE ROW LEVEL SECURITY; GRANT SELECT ON history TO app;
           CREATE POLICY tenant ON history USING (tenant = current_setting('app.tenant', true));
           GRANT triage_trainer TO app"""
    )
    session = database.connect(who, settings={"app.tenant": "a"})
    assert session.value("SELECT triage.learn_from('default', 'history', ARRAY['body'], 'category')") == rows
    warned = [notice for notice in session.notices if "row-level security" in notice]
    assert len(warned) == (who == "app")
    assert not warned or "app" in warned[0] and "history" in warned[0]
