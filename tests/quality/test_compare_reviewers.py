"""Mail changes and a new label comes up; the best reviewer gets what is hard and new, and everybody
decides with a role of their own. Training is due, and somebody reads what the gate says."""

import random

import pytest
from support.server import Database

LABELS = ["billing", "support", "sales", "hiring", "legal", "travel", "outage"]
NEW = 6
PEOPLE = ["ann", "ben", "cleo", "dan"]
EXPERT = "eve"
GUESSER = "ben"
HISTORY = 6000
DECISIONS = 800


class Office:
    """Mails of words of their label and of common ones; later mails of two labels have the words of
    others, and so have those of the new one."""

    def __init__(self, database: Database):
        self.database, self.random, self.sessions = database, random.Random(7), {}
        database.run("CREATE TABLE mail (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text, label text)")
        for label in LABELS[:NEW]:
            database.run("SELECT triage.add_label('default', %s)", label)
        for person in [*PEOPLE, EXPERT]:
            database.role(person, "triage_reviewer")
            self.sessions[person] = database.connect(person)
        rows = [self.mail(is_later=False) for _ in range(HISTORY)]
        with database.session.cursor().copy("COPY mail (body, label) FROM STDIN") as copy:
            for body, label, _ in rows:
                copy.write_row((body, LABELS[label]))
        database.run("SELECT triage.learn_from('default', 'mail', ARRAY['body'], 'label')")
        database.run("SELECT triage.attach('mail', ARRAY['body'], 'label')")
        database.run("GRANT SELECT, UPDATE ON mail TO triage_reviewer")
        database.run("SELECT triage.retrain('default')")
        self.champion = self.active()

    def mail(self, is_later):
        """A mail, its label, and whether it is hard."""
        is_new = is_later and self.random.random() < 0.1
        label = NEW if is_new else self.random.randrange(NEW)
        is_hard = is_new or is_later and label < 2
        alike = 2 if is_new else label + 3
        words = []
        for _ in range(self.random.randrange(6, 20)):
            kind = self.random.randrange(10)
            of = alike if is_hard and kind not in (2, 3, 8, 9) else label if kind < 3 else None
            different = 300 if of is None else 40
            rank = min(self.random.randrange(different), self.random.randrange(different))
            words.append(f"{'common' if of is None else LABELS[of]}word{rank}")
        return " ".join(words), label, is_hard

    def work(self, guesses):
        """Mails arrive, and people decide about them, each with the role of their own."""
        rows = [self.mail(is_later=True) for _ in range(DECISIONS)]
        with self.database.session.cursor().copy("COPY mail (body) FROM STDIN") as copy:
            for body, _, _ in rows:
                copy.write_row((body,))
        new = "SELECT review_id FROM triage.review WHERE email_key::int > %s ORDER BY 1"
        reviews = self.database.column(new, HISTORY)
        assert len(reviews) == DECISIONS
        self.database.run("SELECT triage.add_label('default', %s)", LABELS[NEW])
        for review, (_, label, is_hard) in zip(reviews, rows, strict=True):
            person = EXPERT if is_hard and self.random.random() < 0.9 else self.random.choice(PEOPLE)
            if person == GUESSER and self.random.random() < guesses:
                label = self.random.choice([other for other in range(7) if other != label])
            self.sessions[person].run("SELECT triage.correct(%s, %s)", review, LABELS[label])
        while self.database.rows("SELECT FROM triage.maintain()"):
            pass

    def active(self):
        return self.database.value("SELECT version FROM triage.model_versions WHERE status = 'active'")

    def alerts(self):
        return self.database.rows("SELECT kind, severity, subject, message, what_to_do FROM triage.alerts")


@pytest.fixture
def office(database):
    database.run("SET pg_triage.retrain_after = 500")
    database.run("SET pg_triage.audit_rate = 0")
    return Office(database)


def test_the_best_reviewer_is_not_accused_for_hard_new_mail_and_the_better_version_answers(office):
    office.work(guesses=0)
    version = office.database.row(
        """SELECT status, compared_accuracy, champion_accuracy, refused FROM triage.model_versions
            ORDER BY version DESC LIMIT 1"""
    )
    assert version[0] == "active", version
    assert version[1] > version[2], version
    assert office.active() > office.champion
    assert office.alerts() == []
    # It would be, by contradiction alone.
    suspects = dict(
        office.database.rows(
            """SELECT d.actor, count(s.margin > 0.7 OR NULL)::float8 / count(*) FROM triage.decision_history d
                 LEFT JOIN triage.suspect_labels s USING (decision_id) WHERE d.kind <> 'import' GROUP BY 1"""
        )
    )
    assert suspects.pop(EXPERT) > 3 * max(suspects.values()), suspects


def test_who_guesses_is_named_with_evidence_and_nothing_is_undone_unseen(office):
    office.work(guesses=0.3)
    [(kind, severity, subject, message, what_to_do)] = office.alerts()
    assert (kind, subject) == ("reviewer", GUESSER)
    assert "all others contradict" in message
    assert "emails of the same kind" in message
    assert "undo" not in what_to_do
    # Not clearly better by the decisions of everybody else: a person says whether it answers.
    assert office.active() == office.champion
    assert (severity, "was not activated" in message) == ("critical", True)
    assert f"triage.activate('default', {office.champion + 1})" in what_to_do
    # What it says to look at, and whom to ask.
    look, ask = (part.split(";")[0] for part in what_to_do.split("SELECT ", 2)[1:])
    found = office.database.rows("SELECT " + look.split(". The reviewer")[0])
    assert len(found) > 10
    assert office.database.value("SELECT " + ask) > 0
    waiting = "SELECT review_id FROM triage.review WHERE queue_reason = 'reopened'"
    assert len(office.database.column(waiting)) == len(found)
    # Readers learn that there is something, not who it is.
    office.database.role("rita", "triage_reader")
    seen = " ".join(office.database.connect("rita").row("SELECT subject, message, what_to_do FROM triage.alerts"))
    assert GUESSER not in seen.split()
    # Somebody else answers, and what was right stays: training follows, and the alert ends.
    for review in office.database.column(waiting):
        body, label = office.database.row(
            """SELECT m.body, r.human_label FROM triage.review r JOIN mail m ON m.id::text = r.email_key
                WHERE review_id = %s""",
            review,
        )
        words = [word for label in LABELS for word in [label] * body.count(label + "word")]
        best = max(LABELS, key=words.count) if words else label
        office.sessions["ann"].run("SELECT triage.correct(%s, %s)", review, best)
    due = office.database.rows("SELECT task, reason FROM triage_internal.due_tasks() WHERE task = 'train'")
    assert due == [("train", "decisions of the reviewer were decided anew")]


def test_a_version_that_is_clearly_better_for_everybody_else_answers_and_the_alert_stays(database):
    database.run("SET pg_triage.audit_rate = 0")
    database.run(
        """CREATE TABLE mail (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text, label text, truth text);
           CREATE FUNCTION arrive(mails int) RETURNS void LANGUAGE sql AS $$
               INSERT INTO mail (body, truth)
               SELECT (ARRAY['invoice paid twice', 'parcel arrived broken'])[1 + n % 2] || ' order ' || n || ' word'
                          || n % 17, (ARRAY['money', 'parcel'])[1 + n % 2]
                 FROM generate_series(1, mails) n $$"""
    )
    database.run("SELECT arrive(200); UPDATE mail SET label = truth")
    database.run("SELECT triage.learn_from('default', 'mail', ARRAY['body'], 'label')")
    database.run("SELECT triage.attach('mail', ARRAY['body'], 'label'), triage.retrain('default')")
    database.run("SELECT arrive(300)")
    # One of three gives the other label in two of three mails.
    database.run(
        """SELECT triage.correct(review_id, CASE WHEN n % 3 = 0 AND n % 9 < 5 THEN other ELSE truth END,
                                 actor => (ARRAY['mallory', 'ann', 'bob'])[1 + n % 3])
             FROM (SELECT r.review_id, m.truth, CASE m.truth WHEN 'money' THEN 'parcel' ELSE 'money' END AS other,
                          row_number() OVER (ORDER BY r.review_id) AS n
                     FROM triage.review r JOIN mail m ON m.id::text = r.email_key WHERE r.human_label IS NULL) x"""
    )
    database.run("SELECT triage.maintain()")
    version, status, now, before = database.row(
        """SELECT version, status, compared_accuracy, champion_accuracy FROM triage.model_versions
            ORDER BY version DESC LIMIT 1"""
    )
    assert status == "active"
    assert now > before + 0.2
    severity, subject, message = database.row("SELECT severity, subject, message FROM triage.alerts")
    assert (severity, subject) == ("warning", "mallory")
    assert f"version {version} was activated, because it is better by the decisions of everybody else" in message
