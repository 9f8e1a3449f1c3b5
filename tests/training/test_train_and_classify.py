"""Somebody trains a model, deploys it, asks it, goes back to an earlier one, and spells things wrong."""

import hashlib
import re

import psycopg
import pytest
from support.mails import deploy
from support.sessions import refused
from support.system import PROJECT

TRAINED = """SELECT train_classifier(body, label) FROM (VALUES
    ('invoice paid twice', 'billing'), ('refund the invoice', 'billing'),
    ('login error again', 'support'), ('error after update', 'support')) t (body, label)"""
INVOICE = "SELECT classify_email('invoice')"


def test_the_demo_mails_load_once_and_train_the_model_of_the_manifest(database):
    assert database.value("SELECT triage.load_sample()") == 360
    assert database.value("SELECT triage.load_sample()") == 0
    assert database.value("SELECT count(*) FROM triage.email WHERE body = '' OR subject IS NULL") == 0
    model = database.value(
        r"""SELECT email_model_send(train_classifier(concat_ws(E'\n', subject, body), label))
              FROM triage.email WHERE mailbox = 'sample/train'"""
    )
    manifest = (PROJECT / "model_artifacts/MANIFEST.toml").read_text()
    assert hashlib.sha256(model).hexdigest() in manifest, "SQL and the classifier's crate disagree"


# ---- aggregates -----------------------------------------------------------------------------------------


def test_aggregates_work_in_groups(database):
    groups = """SELECT count(DISTINCT m) FROM (
        SELECT train_classifier(b, l)::text AS m
          FROM (VALUES (1, 'aa', 'x'), (1, 'bb', 'y'), (2, 'aa', 'x'), (2, 'bb', 'y'), (3, 'cc', 'x')) t (g, b, l)
         GROUP BY g) s"""
    assert database.value(groups) == 2


def test_aggregates_work_in_windows(database):
    running = """SELECT string_agg(classify_with(m, 'bb bb'), ',' ORDER BY i) FROM (
        SELECT i, train_classifier(b, l) OVER (ORDER BY i) AS m
          FROM (VALUES (1, 'aa', 'x'), (2, 'bb', 'y'), (3, 'bb', 'y')) t (i, b, l)) s"""
    assert database.value(running) == "x,y,y"


def test_the_two_halves_equal_the_whole(database):
    halves = """SELECT fit_email_model(merge_states(s))::text FROM (
        SELECT collect_emails(b, l) AS s FROM (VALUES (1, 'aa', 'x'), (2, 'bb', 'y'), (3, 'cc', 'x')) t (i, b, l)
         GROUP BY i) parts"""
    whole = "SELECT train_classifier(b, l)::text FROM (VALUES ('bb', 'y'), ('cc', 'x'), ('aa', 'x')) t (b, l)"
    assert database.value(halves) == database.value(whole) is not None


def test_one_statement_may_use_several_models(database):
    query = """SELECT string_agg(classify_with(m, 'aa'), ',' ORDER BY i) FROM (
        SELECT i, train_classifier('aa', 'label ' || i) AS m FROM generate_series(1, 3) i GROUP BY i) t"""
    assert database.value(query) == "label 1,label 2,label 3"


def test_a_stored_model_answers_in_a_scan(database):
    database.run(f"CREATE TABLE stored AS {TRAINED}")
    query = """SELECT count(*) FROM stored, generate_series(1, 1000) i
                WHERE classify_with(train_classifier, 'invoice ' || i) = 'billing'"""
    assert database.value(query) == 1000


# ---- answers --------------------------------------------------------------------------------------------


def test_scores_are_ranked_and_add_up(database):
    database.run(deploy("billing"))
    total = "SELECT sum(probability) FROM classify_email_scores('the invoice')"
    assert database.value(total) == pytest.approx(1, abs=1e-9)
    first = "SELECT label FROM classify_email_scores('the invoice') WHERE rank = 1"
    assert database.value(first) == database.value("SELECT classify_email('the invoice')") == "billing"
    assert database.value("SELECT count(*) FROM classify_email_scores(NULL)") == 0


def test_labels_are_spelled_as_in_the_catalogue(database):
    database.run("SELECT triage.add_label('default', 'BILLING', 'about money')")
    database.run(deploy("billing"))
    assert database.value(INVOICE) == "BILLING"
    assert database.value("SELECT count(*) FROM triage.label") == 2
    assert database.value("SELECT triage.add_label('default', 'Rest')") == "rest"


# ---- versions -------------------------------------------------------------------------------------------


def test_a_session_sees_its_own_activation_and_its_undoing(database):
    database.run(deploy("billing"))
    assert database.value(INVOICE) == "billing"
    with pytest.raises(psycopg.Error) as raised:
        database.run(
            """DO $$ BEGIN
                    PERFORM triage.deploy('default', train_classifier('invoice', 'other'));
                    ASSERT classify_email('invoice') = 'other';
                    RAISE EXCEPTION USING ERRCODE = 'P9999';
                END $$"""
        )
    assert raised.value.sqlstate == "P9999"
    assert database.value(INVOICE) == "billing"


def test_rollback_is_a_stack(database):
    for label in ("one", "two", "three"):
        database.run(deploy(label))
    seen = []
    for _ in range(2):
        database.run("SELECT triage.rollback('default')")
        seen.append(database.value(INVOICE))
    assert seen == ["two", "one"]
    with refused("55000", "no earlier activation"):
        database.run("SELECT triage.rollback('default')")
    database.run("SELECT triage.activate('default', 3)")
    assert database.value("SELECT triage.rollback('default')") == 1


# ---- errors ---------------------------------------------------------------------------------------------

ERRORS = [
    ("SELECT classify_email('x', 'spma')", "42704", 'did you mean "spam"? known: default, spam'),
    ("SELECT triage.activate('default', 9)", "42704", 'version 9 of classifier "default" does not exist'),
    ("SELECT triage.deploy('default', NULL)", "22004", "no model to deploy"),
    (
        "SELECT triage.deploy('nope', fit_email_model(collect_emails('a', 'b')))",
        "42704",
        'classifier "nope" does not exist',
    ),
    ("SELECT triage.create_classifier('spam')", "42710", "already exists"),
    ("SELECT triage.create_classifier(' x')", "42602", "white space"),
    ("SELECT triage.add_label('default', '')", "22023", "must not be empty"),
    ("SELECT triage.add_label('default', repeat('x', 3000))", "22001", "too long"),
    ("SELECT 'AAAA'::email_model", "22P03", "not a valid email_model"),
    ("SELECT '?'::email_state", "22P02", "not base64"),
    (
        "SELECT fit_email_model(s::text::email_state) FROM (SELECT collect_emails(NULL, NULL) AS s) t",
        "22023",
        "no labelled emails",
    ),
    ("SET pg_triage.training_memory = '1kB'", "22023", "outside the valid range"),
    ("SET pg_triage.trainig_memory = '1GB'", "42602", "invalid configuration parameter name"),
]


@pytest.mark.parametrize("statement, sqlstate, words", ERRORS)
def test_an_error_names_the_fix(module_database, statement, sqlstate, words):
    module_database.run("SELECT triage.create_classifier('spam') WHERE NOT EXISTS "
                        "(SELECT FROM triage.classifier WHERE name = 'spam')")  # fmt: skip
    with refused(sqlstate, words):
        module_database.run(statement)


# ---- cost -----------------------------------------------------------------------------------------------


def memory(pid, field):
    """What the kernel says of a process: VmRSS, the memory that it has, VmHWM, the most that it had, in bytes."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(rf"^{field}:\s+(\d+) kB", status.read(), re.MULTILINE)[1]) << 10


def test_a_decision_leaves_what_the_session_has_learned_where_it_is(database):
    """A session that has learned much does not begin a decision with a copy of that: it needs no
    more memory than the decision itself."""
    database.run(deploy("billing"))
    database.run("SET pg_triage.compact_after = 1000000")
    database.run(
        """INSERT INTO triage.email (body)
           SELECT (SELECT string_agg(md5(mail || ' ' || word), ' ') FROM generate_series(1, 1500) word)
             FROM generate_series(1, 200) mail"""
    )
    database.run("INSERT INTO triage.email (body) VALUES ('one more invoice'), ('and another')")
    for half in ("review_id % 2 = 0", "review_id % 2 = 1"):
        ids = database.value(
            f"SELECT string_agg(review_id::text, ',') FROM triage.review WHERE review_id <= 200 AND {half}"
        )
        database.run("SET pg_triage.max_rows_per_correction = 1000")
        database.run("SELECT triage.correct_many(%s, 'rest')", ids)
    assert database.value("SELECT count(*) FROM triage_internal.pending") == 200
    with database.connect(settings={"pg_triage.compact_after": 1000000}) as session:
        before = memory(session.pid, "VmRSS")
        session.run(INVOICE)
        learned = memory(session.pid, "VmRSS") - before
        for review in (201, 202):
            with open(f"/proc/{session.pid}/clear_refs", "w") as peak:
                peak.write("5")
            before = memory(session.pid, "VmRSS")
            session.run(f"SELECT triage.correct({review}, 'rest')")
            session.run(INVOICE)
            needed = memory(session.pid, "VmHWM") - before
            print(f"{learned >> 10} kB learned, {needed >> 10} kB for a decision")
            assert needed < learned / 10


def test_a_statement_teaches_two_classifiers_with_one_model_each_for_itself(database):
    """What the statement has taught the one is nothing that the other knows already."""
    for name in ("first", "second"):
        database.run(f"SELECT triage.create_classifier('{name}')")
        database.run(f"SELECT triage.deploy('{name}', ({TRAINED}))")
        database.run(f"CREATE TABLE {name} (id int PRIMARY KEY, body text, label text)")
        database.run(f"SELECT triage.attach('{name}', ARRAY['body'], 'label', classifier => '{name}')")
        database.run(f"INSERT INTO {name} (id, body) VALUES (1, 'invoice of the update')")
    database.run(
        """WITH one AS (UPDATE first SET label = 'support' RETURNING id)
           UPDATE second SET label = 'support' WHERE id IN (SELECT id FROM one)"""
    )
    steps = dict(database.rows("SELECT classifier, step::text FROM triage.decision WHERE door = 'table'"))
    assert set(steps) == {"first", "second"}
    assert steps["first"] == steps["second"] is not None
