"""A classifier is too sure, a few mails a week are audited, and each week a version is trained."""

import pytest
from support.server import Database

WORDS = ["invoice", "parcel"]
LABELS = ["money", "goods"]
AUDITED = 8


class Office:
    """Mails whose words tell the label; of the audited ones every third has the other one."""

    def __init__(self, database: Database, wrong: int):
        self.database, self.mails, self.wrong = database, 0, wrong
        database.run("SET pg_triage.retrain_after = 0")
        database.run("CREATE TABLE mail (id int PRIMARY KEY, body text, label text)")
        rows = [(n, self.body(n), LABELS[n % 2]) for n in range(400)]
        with database.session.cursor().copy("COPY mail FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        self.mails = len(rows)
        database.run("SELECT triage.learn_from('default', 'mail', ARRAY['body'], 'label')")
        database.run("SELECT triage.attach('mail', ARRAY['body'], 'label')")
        self.train()

    @staticmethod
    def body(n):
        return f"{WORDS[n % 2]} word{n % 7} thing{n % 11} own{n}"

    def train(self):
        return self.database.value("SELECT triage.retrain('default')")

    def week(self):
        """Mails arrive and are all audited."""
        self.database.run("SET pg_triage.audit_rate = 1")
        for n in range(self.mails, self.mails + AUDITED):
            self.database.run("INSERT INTO mail VALUES (%s, %s)", n, self.body(n))
        self.database.run("RESET pg_triage.audit_rate")
        for n in range(self.mails, self.mails + AUDITED):
            label = LABELS[(n + (self.wrong > 0 and n % self.wrong == 0)) % 2]
            self.database.run(
                "SELECT triage.correct(review_id, %s) FROM triage.review WHERE email_key = %s", label, str(n)
            )
        self.mails += AUDITED

    def calibrate(self):
        """What maintenance says, if it was due."""
        done = self.database.rows("SELECT task, result FROM triage.maintain()")
        return [result for task, result in done if task == "calibrate"]

    def sure(self):
        """Mean confidence, and all labels."""
        return self.database.row(
            """SELECT avg(s.probability), string_agg(s.label, ',' ORDER BY n) FROM generate_series(0, 20) n,
                      classify_email_scores((ARRAY['invoice', 'parcel'])[1 + n % 2] || ' word' || n % 7) s
                WHERE s.rank = 1"""
        )


@pytest.fixture
def overconfident(database):
    return Office(database, wrong=3)


def test_eight_audits_a_week_add_up_across_versions_and_a_new_version_gets_what_was_found(overconfident):
    office = overconfident
    office.week()
    [first] = office.calibrate()
    assert first == f"as it is: {AUDITED} emails of the audit sample are answered, 10 are needed"
    for _ in range(3):
        office.week()
        office.train()
    before, labels = office.sure()
    [result] = office.calibrate()
    assert result.endswith(f"calibrated on {4 * AUDITED} audited emails"), result
    after, same = office.sure()
    assert same == labels
    assert after < before - 0.02
    # Nothing more to do with the same answers, and the next version is as sure as this one.
    assert office.calibrate() == []
    version = office.train()
    trained, _ = office.sure()
    assert trained > after + 0.01
    [result] = office.calibrate()
    assert "calibrated on" in result
    again, _ = office.sure()
    assert abs(again - after) < 0.02
    # Who goes back gets what was trained.
    assert office.database.value("SELECT triage.rollback('default')") == version
    assert office.sure()[0] == trained


def test_what_is_calibrated_well_stays_as_it_is(database):
    office = Office(database, wrong=0)
    for _ in range(4):
        office.week()
    [result] = office.calibrate()
    assert result == f"as it is: {4 * AUDITED} audited emails suggest nothing clearly better"


def test_answers_about_texts_that_have_changed_and_undone_ones_do_not_count(overconfident):
    office = overconfident
    office.week()
    office.week()
    office.database.run("UPDATE mail SET body = body || ' more' WHERE id IN (400, 401, 402, 403)")
    office.database.run(
        "SELECT triage.correct(review_id, NULL) FROM triage.review WHERE email_key IN ('404', '405', '406')"
    )
    [result] = office.calibrate()
    assert result == "as it is: 9 emails of the audit sample are answered, 10 are needed"
