"""With declared labels the first decision counts: the classifier answers from then on, and its
probabilities say how little is known. Labels without mails keep some for themselves, the less the
more mails there are."""

import pytest
from support.sessions import Session

# No group of letters of it is in any mail.
OTHER = "совсем другие слова"


@pytest.fixture
def desk(database):
    """A classifier of three labels, and a table of seven mails without a label."""
    database.run("SELECT triage.create_classifier('q')")
    database.run("SELECT triage.add_label('q', label) FROM unnest(ARRAY['billing', 'support', 'Sales']) AS label")
    database.run("CREATE TABLE mail (id int PRIMARY KEY, body text, category text)")
    database.run("SELECT triage.attach('mail', ARRAY['body'], 'category', classifier => 'q')")
    database.run("INSERT INTO mail SELECT i, 'quokka wombat ' || i FROM generate_series(1, 3) i")
    database.run(
        "INSERT INTO mail VALUES (4, 'invoice of may'), (5, 'invoice of june'), (6, 'a quote'), (7, 'two quotes')"
    )
    return database


def by_update(database, mail, label):
    database.run("UPDATE mail SET category = %s WHERE id = %s", label, mail)


def by_function(database, mail, label):
    database.run("SELECT triage.correct(review_id, %s) FROM triage.review WHERE email_key = %s", label, str(mail))


def scores(session, text=OTHER):
    rows = session.rows("SELECT label, probability, rank FROM classify_email_scores(%s, 'q') ORDER BY rank", text)
    assert [rank for _, _, rank in rows] == list(range(1, len(rows) + 1))
    assert not rows or sum(probability for _, probability, _ in rows) == pytest.approx(1, abs=1e-9)
    return {label: probability for label, probability, _ in rows}


def best(session, text):
    return session.value("SELECT classify_email(%s, 'q')", text)


def learned_is_replayed(database):
    return database.value(
        "SELECT triage.learned_state('q')::text = triage.replayed_state('q')::text"
        " AND triage.learned_model('q')::text = triage.replayed_model('q')::text"
    )


@pytest.mark.parametrize("decide", [by_update, by_function])
def test_the_first_decision_answers_and_the_next_ones_make_it_surer(desk, decide):
    assert best(desk, "quokka wombat") is None
    assert scores(desk) == {}
    other: Session = desk.connect()
    assert best(other, "quokka wombat") is None

    decide(desk, 1, "support")
    for session in [desk, other, desk.connect()]:
        assert best(session, "quokka wombat") == "support"
        assert scores(session) == pytest.approx({"support": 0.5, "billing": 0.25, "Sales": 0.25})
    decide(desk, 4, "billing")
    assert scores(desk) == pytest.approx({"billing": 0.4, "support": 0.4, "Sales": 0.2})
    assert (best(desk, "quokka wombat"), best(desk, "invoice")) == ("support", "billing")
    assert scores(desk, "quokka wombat")["support"] > 0.5
    decide(desk, 6, "Sales")
    assert scores(desk) == pytest.approx({"billing": 1 / 3, "support": 1 / 3, "Sales": 1 / 3})
    assert (best(desk, "quokka"), best(desk, "invoice"), best(desk, "quote")) == ("support", "billing", "Sales")
    assert scores(desk, "quokka wombat") == scores(other, "quokka wombat") == scores(desk.connect(), "quokka wombat")
    assert learned_is_replayed(desk)


def test_what_arrives_after_the_first_decision_waits_as_uncertain(desk):
    by_update(desk, 1, "support")
    review = (
        "SELECT predicted_label, confidence, second_confidence, queue_reason FROM triage.review WHERE email_key = %s"
    )
    desk.run("INSERT INTO mail VALUES (10, 'a quokka again')")
    assert desk.value("SELECT category FROM mail WHERE id = 10") == "support"
    assert desk.row(review, "10") == ("support", 0.5, 0.25, "uncertain")
    # Nor does it become sure of itself by being told the same all the time.
    desk.run("INSERT INTO mail SELECT i, 'wombat ' || i FROM generate_series(11, 50) i")
    desk.run("UPDATE mail SET category = 'support' WHERE id BETWEEN 11 AND 50 AND category = 'support'")
    desk.run("SELECT triage.accept(review_id) FROM triage.review WHERE human_label IS NULL AND email_key::int > 10")
    desk.run("INSERT INTO mail VALUES (51, 'one more wombat')")
    label, confidence, _, reason = desk.row(review, "51")
    assert (label, reason) == ("support", "uncertain"), "it has never seen another label"
    assert 0.9 < confidence < 1
    assert learned_is_replayed(desk)


def test_neither_compaction_nor_the_first_version_makes_it_jump(desk):
    texts = [OTHER, "quokka wombat", "invoice of july", "the quote"]
    for mail, label in [(1, "support"), (4, "billing"), (2, "support")]:
        by_update(desk, mail, label)
        before = [scores(desk, text) for text in texts]
        assert desk.value("SELECT triage.compact('q')") == 1
        assert [scores(desk, text) for text in texts] == before
        assert [scores(desk.connect(), text) for text in texts] == before
    rest = scores(desk)["Sales"]
    assert rest == pytest.approx(1 / (3 + 3))

    version = desk.value("SELECT triage.retrain('q')")
    assert (
        desk.value("SELECT version FROM triage.model_versions WHERE classifier = 'q' AND status = 'active'") == version
    )
    assert scores(desk)["Sales"] == rest, "as many mails, whoever counted them"
    # A label that comes later is one of them, and takes the less the more is known.
    desk.run("SELECT triage.add_label('q', 'hr')")
    assert scores(desk)["hr"] == scores(desk)["Sales"] == pytest.approx(1 / (3 + 4))
    assert best(desk, "quokka") == "support"
    assert learned_is_replayed(desk)


def test_undoing_the_first_decision_leaves_nothing_to_say(desk):
    by_function(desk, 1, "support")
    assert best(desk, "quokka") == "support"
    desk.run("BEGIN")
    by_function(desk, 4, "billing")
    assert len(scores(desk)) == 3 and scores(desk)["Sales"] == pytest.approx(0.2)
    desk.run("ROLLBACK")
    assert scores(desk)["Sales"] == pytest.approx(0.25)
    desk.run("SELECT triage.undo(decision_id) FROM triage.decision WHERE classifier = 'q'")
    assert (best(desk, "quokka"), scores(desk)) == (None, {})
    desk.run("SELECT triage.compact('q')")
    assert (best(desk, "quokka"), scores(desk), scores(desk.connect())) == (None, {}, {})


def test_a_single_label_is_no_choice(database):
    database.run("SELECT triage.create_classifier('q')")
    database.run("SELECT triage.add_label('q', 'support', 'quokka')")
    assert (best(database, "quokka"), scores(database)) == (None, {})
    database.run("SELECT triage.compact('q')")
    assert (best(database, "quokka"), scores(database)) == (None, {})
    database.run("SELECT triage.add_label('q', 'billing')")
    assert best(database, "quokka") == "support"
    assert scores(database) == pytest.approx({"support": 2 / 3, "billing": 1 / 3})
    assert database.rows("SELECT * FROM explain_email('quokka', NULL, 'q')") == [], "there is nothing to compare with"


@pytest.mark.parametrize("decide", [by_update, by_function])
def test_maintenance_labels_what_came_before_the_first_decision(desk, decide):
    classify = "SELECT result FROM triage.maintain() WHERE task = 'classify'"
    assert desk.column(classify) == []
    decide(desk, 1, "support")
    assert desk.column(classify) == ["6 rows"]
    assert desk.value("SELECT count(*) FROM mail WHERE category IS NULL") == 0
    assert desk.value("SELECT count(*) FROM triage.review WHERE queue_reason = 'unclassified'") == 0
    assert desk.column(classify) == []
