"""Somebody has a new model, or takes a wrong import back, and wants the predictions anew: in batches
that come to an end, whatever is asked for, and never of rows that a person has decided about."""

import pytest
from support.sessions import refused

MODEL = """SELECT triage.deploy('default', train_classifier(b, l)) FROM (VALUES ('invoice payment', '{}'),
               ('login password', '{}'), ('offer price', '{}')) t (b, l)"""


@pytest.fixture
def desk(database):
    """Thirty mails, the tenth of each kind decided, and a model that swaps two labels."""
    database.run("CREATE TABLE mail (id int PRIMARY KEY, body text, category text)")
    database.run(MODEL.format("billing", "support", "sales"))
    database.run("SELECT triage.attach('mail', ARRAY['body'], 'category')")
    database.run(
        """INSERT INTO mail SELECT i, CASE WHEN i <= 3 THEN 'quokka wombat'
               ELSE (ARRAY['invoice payment', 'login password', 'offer price'])[1 + i % 3] END
             FROM generate_series(1, 30) i"""
    )
    database.run("INSERT INTO mail VALUES (31, NULL, NULL), (32, 'invoice', 'legacy')")
    database.run("UPDATE mail SET category = CASE category WHEN 'sales' THEN 'billing' ELSE 'sales' END WHERE id <= 3")
    return database


def swap(database):
    database.run(MODEL.format("support", "billing", "sales"))


def labels(database):
    return dict(database.rows("SELECT category, count(*) FROM mail WHERE id BETWEEN 4 AND 30 GROUP BY 1"))


def again(database, conditions="", session=None):
    return (session or database).value(f"SELECT triage.classify_again('mail'{conditions})")


def test_a_new_model_predicts_what_nobody_has_decided(desk):
    assert again(desk) == 0
    decided = "SELECT r::text, t::text FROM triage.review r JOIN mail t ON t.id::text = r.email_key WHERE t.id <= 3"
    before = desk.rows(decided)
    swap(desk)
    assert [again(desk, ", 20"), again(desk, ", 20"), again(desk, ", 20")] == [20, 7, 0]
    assert labels(desk) == {"billing": 9, "support": 9, "sales": 9}
    assert desk.value("SELECT bool_and(category = classify_email(body)) FROM mail WHERE id BETWEEN 4 AND 30")
    assert desk.rows(decided) == before
    assert desk.rows("SELECT id, category FROM mail WHERE id > 30 ORDER BY id") == [(31, None), (32, "legacy")]
    assert desk.value("SELECT count(*) FROM triage.decision") == 3
    assert desk.value("SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text")


@pytest.mark.parametrize(
    ("conditions", "predicted"),
    [
        (", predicted_label => 'BILLING'", 9),
        (", confidence_below => 0", 0),
        (", confidence_below => 1.0", 27),
        (", version_before => 2", 27),
        (", version_before => 1", 0),
        (", received_since => now() + interval '1 hour'", 0),
        (", received_since => now() - interval '1 hour', predicted_label => 'sales'", 9),
        (", keys => ARRAY['3', '4', '5', '31', 'none']", 2),
        (", most => 5, keys => ARRAY['4', '5']", 2),
    ],
)
def test_conditions_say_which(desk, conditions, predicted):
    swap(desk)
    assert again(desk, conditions) == predicted
    assert again(desk, conditions) == 0


@pytest.mark.parametrize("conditions", ["", ", version_before => 99", ", predicted_label => 'sales'"])
def test_with_newer_decisions_the_same_version_predicts_anew_once(desk, conditions):
    assert again(desk, conditions) == 0
    found = again(desk, conditions + ", newer_decisions => true, most => 5")
    while found and (more := again(desk, conditions + ", newer_decisions => true, most => 5")):
        found += more
    assert found == (9 if "sales" in conditions else 27)
    assert desk.value("SELECT bool_and(category = classify_email(body)) FROM mail WHERE id BETWEEN 4 AND 30")
    desk.run("UPDATE mail SET category = 'sales' WHERE id = 4")
    assert again(desk, ", newer_decisions => true") == 26
    assert again(desk, ", newer_decisions => true") == 0


def test_a_wrong_import_is_taken_back(desk):
    desk.run("CREATE TABLE old (id int PRIMARY KEY, body text, label text)")
    desk.run("INSERT INTO old SELECT i, 'offer price', 'billing' FROM generate_series(1, 50) i")
    desk.run("SELECT triage.learn_from('default', 'old', ARRAY['body'], 'label')")
    assert again(desk, ", newer_decisions => true") == 27
    assert "sales" not in labels(desk)
    desk.run("SELECT triage.undo_batch(max(batch_id)) FROM triage.decision WHERE kind = 'import'")
    assert again(desk, ", newer_decisions => true") == 27
    assert labels(desk)["sales"] >= 9


def test_a_row_that_is_locked_is_left_for_the_next_time(desk):
    swap(desk)
    other = desk.connect(autocommit=False)
    other.run("SELECT FROM mail WHERE id = 5 FOR UPDATE")
    assert [again(desk), again(desk)] == [26, 0]
    other.commit()
    assert again(desk) == 1


def test_two_sessions_predict_each_row_once(desk):
    swap(desk)
    other = desk.connect(autocommit=False)
    first = again(desk, ", 10", other)
    second = again(desk, ", 100")
    other.commit()
    assert (first, second, again(desk)) == (10, 17, 0)


def test_a_row_gets_the_best_label_that_its_table_lets_in(desk):
    desk.run("ALTER TABLE mail ADD CHECK (id <> 6 OR category <> 'support')")
    assert desk.value("SELECT category FROM mail WHERE id = 6") == "billing"
    swap(desk)
    assert [again(desk), again(desk)] == [27, 0]
    label, predicted = desk.row(
        "SELECT category, predicted_label FROM mail JOIN triage.review ON email_key = id::text WHERE id = 6"
    )
    assert label == predicted != "support"


def test_a_row_that_does_not_take_another_label_stops_no_other(desk):
    desk.run(
        """CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not this one'; END$$;
           CREATE TRIGGER no BEFORE UPDATE ON mail FOR EACH ROW WHEN (OLD.id = 6) EXECUTE FUNCTION no()"""
    )
    swap(desk)
    assert [again(desk), again(desk)] == [27, 0]
    kept = "SELECT category, predicted_label FROM mail JOIN triage.review ON email_key = id::text WHERE id = 6"
    assert desk.row(kept) == ("billing", "billing")
    assert labels(desk) == {"billing": 10, "support": 8, "sales": 9}


def test_audit_and_figures_stay_right(desk):
    desk.run("SET pg_triage.audit_rate = 0.5; SELECT setseed(0.25)")
    desk.run("INSERT INTO mail SELECT i, 'invoice payment' FROM generate_series(101, 200) i")
    drawn = desk.column("SELECT email_key FROM triage.review WHERE audit ORDER BY 1")
    swap(desk)
    assert again(desk) == 127
    assert desk.column("SELECT email_key FROM triage.review WHERE audit ORDER BY 1") == drawn
    assert desk.value("SELECT bool_and((queue_reason = 'audit') = audit) FROM triage.review WHERE human_label IS NULL")
    counted = """SELECT model_version, predicted_label, audit, sum(n)::int FROM triage_internal.review_statistics_now
                  WHERE grain = 'label' GROUP BY 1, 2, 3 HAVING sum(n) <> 0 ORDER BY 1, 2, 3"""
    reviews = """SELECT model_version, predicted_label, audit, count(*)::int FROM triage.review
                  WHERE predicted_label IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
    assert desk.rows(counted) == desk.rows(reviews)


def test_who_may_is_who_may_classify_pending_rows(desk):
    swap(desk)
    desk.role("clerk", "triage_reviewer")
    desk.role("trainer", "triage_trainer")
    with refused("42501"):
        again(desk, session=desk.connect("clerk"))
    assert again(desk, session=desk.connect("trainer")) == 27
    with refused("22004", "most"):
        again(desk, ", NULL")
    with refused("23503", "bill", "billing"):
        again(desk, ", predicted_label => 'bill'")
    desk.run("CREATE TABLE other (id int)")
    with refused("55000", "not attached"):
        desk.value("SELECT triage.classify_again('other')")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("triage.classify_again('mail', -1)", "most must not be negative"),
        ("triage.classify_pending('mail', -1)", "most must not be negative"),
        ("triage.classify_again('mail', confidence_below => 50)", "between 0 and 1"),
        ("triage.classify_again('mail', confidence_below => -0.1)", "between 0 and 1"),
        ("triage.classify_again('mail', confidence_below => 'NaN')", "between 0 and 1"),
    ],
)
def test_numbers_that_cannot_be_meant(desk, call, words):
    with refused("22023", words):
        desk.run(f"SELECT {call}")
