"""Somebody looks at labels that all others contradict, and finds that they are right."""

import pytest
from support.server import Database

WORDS = ["invoice money refund", "login password reset", "parcel driver van"]
LABELS = ["billing", "support", "logistics"]
SUSPECTS = "SELECT email_key::int FROM triage.suspect_labels WHERE classifier = 'default' ORDER BY 1"


@pytest.fixture
def office(database: Database):
    """Tickets 9 and 10 have labels that the others contradict; they were imported."""
    database.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, label text)")
    for n in range(1, 61):
        label = {9: "logistics", 10: "billing"}.get(n, LABELS[n % 3])
        database.run("INSERT INTO ticket VALUES (%s, %s, %s)", n, f"{WORDS[n % 3]} hello own{n}", label)
    database.run("SELECT triage.learn_from('default', 'ticket', ARRAY['body'], 'label')")
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'label')")
    database.run("GRANT SELECT, UPDATE ON ticket TO PUBLIC")
    database.role("anna", "triage_reviewer")
    database.role("ben", "triage_reviewer")
    assert database.column(SUSPECTS) == [9, 10]
    return database


def review(database: Database, key: int) -> int:
    return database.value("SELECT review_id FROM triage.review WHERE email_key = %s", str(key))


def confirmed_by_the_same_label(database, key):
    """An import is confirmed by whoever gives its label."""
    return database.connect("anna").value("SELECT triage.correct(%s, 'logistics')", review(database, key))


def confirmed_after_asking_again(database, key):
    anna = database.connect("anna")
    anna.run("SELECT triage.ask_again(%s)", str(review(database, key)))
    assert database.column(SUSPECTS) == [9, 10], "asking is no answer"
    anna.run("UPDATE triage.review SET human_label = 'logistics' WHERE review_id = %s", review(database, key))
    return decision(database, key)


def confirmed_by_leaving_it(database, key):
    anna = database.connect("anna")
    anna.run("SELECT triage.ask_again(%s)", str(review(database, key)))
    return anna.value("SELECT triage.skip(%s)", review(database, key))


def confirmed_by_a_second_person(database, key):
    """Ben gives it the label himself; that is no confirmation, nor is his call sent twice."""
    ben = database.connect("ben")
    ben.run("SELECT triage.correct(%s, 'support')", review(database, key))
    ben.run("SELECT triage.correct(%s, 'logistics')", review(database, key))
    decided = decision(database, key)
    assert ben.value("SELECT triage.correct(%s, 'logistics')", review(database, key)) == decided
    ben.run("UPDATE ticket SET label = 'logistics' WHERE id = %s", key)
    assert database.column(SUSPECTS) == [9, 10]
    return database.connect("anna").value("SELECT triage.correct(%s, 'logistics')", review(database, key))


def decision(database, key):
    return database.value("SELECT decision_id FROM triage.review WHERE email_key = %s", str(key))


@pytest.mark.parametrize(
    "confirm",
    [
        confirmed_by_the_same_label,
        confirmed_after_asking_again,
        confirmed_by_leaving_it,
        confirmed_by_a_second_person,
    ],
)
def test_a_confirmed_suspect_stays_away_until_that_is_undone(office, confirm):
    confirmation = confirm(office, 9)
    assert confirmation == decision(office, 9)
    assert office.column(SUSPECTS) == [10]
    office.run("SELECT triage.compact('default')")
    office.run("SELECT triage.retrain('default')")
    assert office.column(SUSPECTS) == [10], "compaction or training brought it back"
    undo = office.value("SELECT triage.undo(%s)", confirmation)
    assert office.column(SUSPECTS) == [9, 10]
    office.run("SELECT triage.undo(%s)", undo)
    assert office.column(SUSPECTS) == [10], "an undo that was undone"


def test_it_comes_back_when_the_text_changes_and_the_new_text_has_to_be_confirmed_itself(office):
    confirmed_by_the_same_label(office, 9)
    office.run("UPDATE ticket SET body = 'invoice money refund goodbye own9' WHERE id = 9")
    assert office.column(SUSPECTS) == [9, 10]
    # The first decision about the new text.
    office.connect("ben").run("SELECT triage.correct(%s, 'logistics')", review(office, 9))
    assert office.column(SUSPECTS) == [9, 10]
    office.connect("anna").run("SELECT triage.correct(%s, 'logistics')", review(office, 9))
    assert office.column(SUSPECTS) == [10]


def test_who_confirmed_is_in_the_history_and_what_was_learned_stays(office):
    before = office.value("SELECT triage.learned_state('default')::text")
    confirmed_by_the_same_label(office, 9)
    kinds = """SELECT kind, old_label, new_label, actor FROM triage.decision_history
                WHERE email_key = '9' ORDER BY decision_id"""
    assert office.rows(kinds)[1:] == [("correct", "logistics", "logistics", "anna")]
    assert office.value("SELECT triage.learned_state('default')::text") == before


def test_another_label_afterwards_is_suspect_by_itself(office):
    confirmed_by_the_same_label(office, 9)
    office.connect("ben").run("SELECT triage.correct(%s, 'support')", review(office, 9))
    suspects = "SELECT label FROM triage.suspect_labels WHERE email_key = '9'"
    assert office.column(suspects) == ["support"]
    office.run("SELECT triage.undo(%s)", decision(office, 9))
    assert office.column(suspects) == [], "back to what was confirmed"
