"""Dump and restore of the loop: attached tables, reviews, decisions that are compacted and that
are not. Nothing is labelled or reviewed again, the answers are the same, and it goes on."""

import pytest
from support.dumps import dump, pg_restore, run_dump
from support.server import new_server
from support.sessions import refused

CLASSIFIERS = ["default", "urgency", "own words"]

# Three classifiers: a model from outside with decisions, some compacted and some not; one with
# decisions that are not compacted; and one that has learned from decisions alone.
FILL = """
    CREATE FUNCTION body(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
        $$ SELECT string_agg('w' || (n * i) % 23 || ' o' || (n + i) % 31, ' ') FROM generate_series(1, 4 + n % 9) i $$;
    CREATE FUNCTION label(n bigint, plus int DEFAULT 0) RETURNS text LANGUAGE sql IMMUTABLE AS
        $$ SELECT (ARRAY['billing', 'support', 'it''s "spam"', E'zwei\\nZeilen'])[1 + (n + plus) % 4] $$;
    -- Rows of the time before there was a model, and one that nothing knows about.
    SET client_min_messages = warning;
    INSERT INTO triage.email (subject, body) SELECT 'early', body(i) FROM generate_series(1, 5) i;
    ALTER TABLE triage.email DISABLE TRIGGER USER;
    INSERT INTO triage.email (subject, body) VALUES ('unknown', 'w1 o2');
    ALTER TABLE triage.email ENABLE TRIGGER USER;
    SELECT triage.create_classifier('urgency'), triage.create_classifier('own words');
    SELECT triage.add_label('own words', label(i)) FROM generate_series(0, 3) i;
    SELECT triage.deploy('default', train_classifier(body(i), label(i))) FROM generate_series(1, 200) i;
    SELECT triage.deploy('urgency', train_classifier(body(i), CASE i % 3 WHEN 0 THEN 'high' ELSE 'low' END)) FROM generate_series(1, 200) i;
    CREATE SCHEMA support;
    CREATE TABLE support.ticket (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), nr int, body text, category text, urgency text);
    CREATE TABLE mail (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject text, body text, label text);
    CREATE TABLE "Parts" (id int, box text, body text, "the Label" text, PRIMARY KEY (id, box)) PARTITION BY LIST (box);
    CREATE TABLE "Parts in" PARTITION OF "Parts" FOR VALUES IN ('in');
    CREATE TABLE "Parts old" PARTITION OF "Parts" FOR VALUES IN ('old');
    SELECT triage.attach('support.ticket', ARRAY['body'], 'category');
    SELECT triage.attach('support.ticket', ARRAY['body'], 'urgency', classifier => 'urgency');
    SELECT triage.attach('mail', ARRAY['subject', 'body'], 'label', classifier => 'own words');
    SELECT triage.attach('"Parts"', ARRAY['body'], 'the Label', 'id', record_given_labels => true);
    SET pg_triage.compact_after = 0;
    INSERT INTO support.ticket (nr, body) SELECT i, body(i) FROM generate_series(1, 60) i;
    INSERT INTO mail (subject, body) SELECT 'mail', body(i) FROM generate_series(1, 60) i;
    INSERT INTO "Parts" SELECT i, CASE i % 2 WHEN 0 THEN 'in' ELSE 'old' END, body(i), CASE i % 5 WHEN 0 THEN label(i) END FROM generate_series(1, 40) i;
    INSERT INTO triage.email (subject, body) SELECT 'late', body(i) FROM generate_series(6, 20) i;
    UPDATE support.ticket SET category = label(nr, 1) WHERE nr <= 30;
    UPDATE mail SET label = label(id) WHERE id <= 40;
    SELECT triage.compact('default'), triage.compact('own words');
    UPDATE support.ticket SET category = label(nr, 2), urgency = CASE nr % 2 WHEN 0 THEN 'high' ELSE 'low' END WHERE nr BETWEEN 20 AND 45;
    UPDATE support.ticket SET category = NULL WHERE nr BETWEEN 18 AND 22;
    UPDATE mail SET label = label(id, 1) WHERE id BETWEEN 35 AND 50;
    UPDATE triage.email SET label = label(email_id, 1) WHERE email_id BETWEEN 8 AND 12;
    SELECT triage.skip(review_id, 'why') FROM triage.review WHERE source = 'triage.email' AND email_key = '13';
    SELECT triage.undo(decision_id) FROM triage.review WHERE source = 'public.mail' AND email_key IN ('36', '2');
    ALTER TABLE support.ticket RENAME TO request;
    ALTER TABLE support.request RENAME COLUMN category TO "what kind";
"""

STATES = " UNION ALL ".join(
    f"SELECT '{name}', encode(sha256(email_state_send(triage.learned_state('{name}'))), 'hex'),"
    f" triage.learned_state('{name}')::text = triage.replayed_state('{name}')::text"
    for name in CLASSIFIERS
)
REPLICATED = "triggers that fire for replicated changes"
QUESTIONS = {
    "rows of the inbox": "SELECT * FROM triage.email ORDER BY 1",
    "rows of a renamed table": "SELECT * FROM support.request ORDER BY nr",
    "rows of a table": "SELECT * FROM mail ORDER BY 1",
    "rows of a partitioned table": 'SELECT tableoid::regclass::text, * FROM "Parts" ORDER BY id',
    "reviews": "SELECT * FROM triage.review ORDER BY 1",
    "decisions": "SELECT * FROM triage.decision ORDER BY 1",
    "pending decisions": "SELECT * FROM triage_internal.pending ORDER BY 1, 2",
    "bases": """SELECT classifier, version, decisions, encode(sha256(email_model_send(serving)), 'hex'), encode(sha256(email_state_send(learned)), 'hex')
                  FROM triage_internal.base ORDER BY 1""",
    "attachments": "SELECT * FROM triage_internal.source ORDER BY 1",
    "states that decisions have led to": STATES,
    "queue of a table": "SELECT * FROM triage.ticket_queue ORDER BY 1",
    "queue of its second classifier": "SELECT * FROM triage.ticket_urgency_queue ORDER BY 1",
    "queue of another table": "SELECT * FROM triage.mail_queue ORDER BY 1",
    "queue of a partitioned table": 'SELECT * FROM triage."Parts_queue" ORDER BY 1',
    "queue of the inbox": "SELECT * FROM triage.email_queue ORDER BY 1",
    "answers": """SELECT c, n, s.* FROM unnest(ARRAY['default', 'urgency', 'own words']) AS c, generate_series(1, 120) AS n, classify_email_scores(body(n), c) AS s
                   ORDER BY c, n, rank""",
    "triggers": """SELECT tgrelid::regclass::text COLLATE "C", tgname, tgenabled FROM pg_trigger WHERE tgname LIKE 'zz\\_triage\\_%' ORDER BY 1, 2""",
    REPLICATED: """SELECT tgrelid::regclass::text COLLATE "C", tgname FROM pg_trigger WHERE tgenabled = 'A' ORDER BY 1, 2""",
}


def contents(database):
    """What each question is answered with; a session of its own, which knows nothing yet."""
    with database.connect() as session:
        return {name: session.rows(question) for name, question in QUESTIONS.items()}


@pytest.fixture(scope="module")
def source(module_database):
    # Tables are attached in the middle, so not as one transaction.
    for statement in FILL.split(";\n"):
        if statement.strip():
            module_database.run(statement)
    return module_database


@pytest.fixture(scope="module")
def original(source):
    return contents(source)


@pytest.fixture(scope="module")
def other_server():
    with new_server("looprestore") as other_server:
        yield other_server


# ---- ways to restore --------------------------------------------------------------------------


def plain(source, target, folder):
    run_dump(target, dump(source, folder / "plain"))


def parallel(source, target, folder):
    pg_restore(target, dump(source, folder / "custom", "--format=custom"), "--jobs=4")


def data_with_triggers_off(source, target, folder):
    """Into tables that have their triggers already; pg_restore enables all of them the ordinary
    way afterwards."""
    restore_data(source, target, folder, "--disable-triggers")


def data_with_triggers_on(source, target, folder):
    """Into tables that have their triggers already."""
    restore_data(source, target, folder)


def restore_data(source, target, folder, *options):
    run_dump(target, dump(source, folder / "schema", "--schema-only"))
    connected = target.connect()
    with refused("42704"):
        connected.run("SELECT classify_email('w1', 'own words')")
    pg_restore(target, dump(source, folder / "data", "--data-only", "--format=custom"), *options)
    assert connected.rows(QUESTIONS["answers"]) == source.rows(QUESTIONS["answers"]), "a session that was connected"


WAYS = {way.__name__: way for way in (plain, parallel, data_with_triggers_off, data_with_triggers_on)}


@pytest.fixture(scope="module", params=WAYS)
def restored(request, source, original, other_server, tmp_path_factory):
    """What was found right after restoring, and the database, in which tests go on one after another."""
    with other_server.database(request.param, extension=False) as target:
        WAYS[request.param](source, target, tmp_path_factory.mktemp("dump"))
        target.way = request.param
        target.found = contents(target)
        yield target


# ---- what there is to restore --------------------------------------------------------------------


def test_some_decisions_are_compacted_and_some_are_not(source):
    assert source.rows("SELECT classifier, count(*) > 5 FROM triage_internal.pending GROUP BY 1 ORDER BY 1") == [
        (name, True) for name in sorted(CLASSIFIERS)
    ]
    assert source.rows(
        "SELECT classifier, learned IS NOT NULL, version IS NOT NULL FROM triage_internal.base ORDER BY 1"
    ) == [("default", True, True), ("own words", False, False)], "beside a model, and alone"
    assert source.row("SELECT count(*), count(label) FROM triage.email") == (21, 15), "some rows of the inbox wait"


# ---- what is restored, and how it goes on ----------------------------------------------------------


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_restored_is_the_same(restored, original, question):
    if question == REPLICATED and restored.way == "data_with_triggers_off":
        assert not restored.found[question]
        return
    assert original[question]
    assert restored.found[question] == original[question]


def test_the_ledger_alone_leads_to_the_same_states(restored):
    assert [same for _, _, same in restored.found["states that decisions have led to"]] == [True] * 3


def test_numbers_go_on(restored):
    highest = """SELECT (SELECT max(review_id) FROM triage.review), (SELECT max(decision_id) FROM triage.decision), (SELECT max(batch_id) FROM triage.decision),
                        (SELECT max(id) FROM mail), (SELECT max(email_id) FROM triage.email), (SELECT max(source_id) FROM triage_internal.source)"""
    before, session = restored.row(highest), restored.connect()
    # A word that nobody knows yet: only what follows can tell what it means.
    question = "SELECT classify_email('neverseen neverseen2', 'own words')"
    predicted = session.value(question)
    restored.run("INSERT INTO mail (subject, body) VALUES ('neverseen', 'neverseen2')")
    restored.run(
        "UPDATE mail SET label = CASE label WHEN 'billing' THEN 'support' ELSE 'billing' END WHERE subject = 'neverseen'"
    )
    restored.run("INSERT INTO triage.email (subject, body) VALUES ('new', 'w1 o3')")
    restored.run("CREATE TABLE another (id int PRIMARY KEY, body text, label text)")
    restored.run("SELECT triage.attach('another', ARRAY['body'], 'label')")
    assert [b - a for a, b in zip(before, restored.row(highest), strict=True)] == [2, 1, 1, 1, 1, 1]
    corrected = restored.value("SELECT label FROM mail WHERE subject = 'neverseen'")
    assert corrected != predicted
    assert session.value(question) == corrected, "a connected session knows the next correction"
    assert restored.row("""
        SELECT m.label, r.human_label, r.queue_reason IS NULL
          FROM mail m JOIN triage.mail_queue r ON r.email_key = m.id::text WHERE m.subject = 'neverseen'""") == (
        corrected,
        corrected,
        True,
    )


def test_every_door_works(restored):
    for statement in (
        """UPDATE support.request SET "what kind" = 'support', urgency = 'high' WHERE nr = 59""",
        """UPDATE triage.ticket_queue SET human_label = 'billing'
            WHERE review_id = (SELECT review_id FROM triage.ticket_queue q JOIN support.request t ON q.email_key = t.id::text WHERE t.nr = 58)""",
        """UPDATE triage.review SET human_label = 'low'
            WHERE classifier = 'urgency' AND email_key = (SELECT id::text FROM support.request WHERE nr = 57)""",
        """SELECT triage.correct(review_id, 'support') FROM triage.review WHERE source = 'public."Parts"' AND email_key = '4'""",
        """SELECT triage.undo(max(decision_id)) FROM triage.decision
            WHERE review_id = (SELECT review_id FROM triage.review WHERE source = 'public.mail' AND email_key = '40')""",
    ):
        restored.run(statement)
    assert restored.row("""SELECT "what kind", urgency FROM support.request WHERE nr = 59""") == ("support", "high")
    assert restored.value("""SELECT "what kind" FROM support.request WHERE nr = 58""") == "billing"
    assert restored.value("SELECT urgency FROM support.request WHERE nr = 57") == "low"
    assert restored.value("""SELECT "the Label" FROM "Parts" WHERE id = 4""") == "support"
    assert restored.value(f"SELECT bool_and(same) FROM ({STATES}) AS s (classifier, digest, same)"), "the states follow"


def test_what_waited_can_be_labelled_and_no_email_has_two_reviews(restored):
    assert restored.value("SELECT count(*) FROM triage.email WHERE label IS NULL") == 6
    assert restored.value("SELECT triage.classify_pending('triage.email')") == 6
    assert restored.rows("SELECT FROM triage.review GROUP BY source, email_key, classifier HAVING count(*) > 1") == []


def test_pending_decisions_can_be_compacted_which_changes_no_state(restored):
    states = restored.rows(STATES)
    assert all(restored.row("SELECT " + ", ".join(f"triage.compact('{name}') > 0" for name in CLASSIFIERS)))
    assert restored.rows(STATES) == states


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_source_has_not_noticed(source, original, question):
    assert source.rows(QUESTIONS[question]) == original[question]
