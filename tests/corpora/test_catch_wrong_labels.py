"""One reviewer of three answers with another label in 30 % of a day's decisions. The new version
that learned from it is not activated, an alert says who and why; somebody activates it all the
same, and rolling back gives exactly the old answers."""

import random
from datetime import timedelta

import pytest
from support.corpora import copy_rows, read
from support.sessions import literal
from support.simulation import NEW_YEAR, simulated, wait_for_worker
from support.waiting import timed

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600), pytest.mark.corpora("newsgroups20.jsonl.gz")]

LABELS = 6
HISTORY = 1500
PEOPLE = ["anna", "ben", "mallory"]
POISONED = "mallory"
SHARE = 0.3
DECISIONS = 150
DAYS_BEFORE = 2
FIXED = 2000
SEED = 7
REFUSALS = "SELECT version, status, compared, compared_accuracy, champion_accuracy, refused FROM triage.model_versions ORDER BY 1"


class Office:
    """The mails, and the people who decide about them."""

    def __init__(self, database, clock):
        self.database, self.clock, self.arrived = database, clock, 0
        self.random = random.Random(SEED)
        mails = [(mail["label"], mail["text"]) for mail in read("newsgroups20")]
        self.labels = self.random.sample(sorted({label for label, _ in mails}), LABELS)
        mails = [mail for mail in mails if mail[0] in self.labels]
        self.random.shuffle(mails)
        self.mails = mails[HISTORY + FIXED :]
        for table, rows in ("history", mails[:HISTORY]), ("fixed", mails[HISTORY : HISTORY + FIXED]):
            database.run(
                f"CREATE TABLE {table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label text, body text)"
            )
            copy_rows(database.session, f"{table} (label, body)", rows)
        database.run("CREATE TABLE inbox (id bigint PRIMARY KEY, body text, label text)")
        database.run("SELECT triage.learn_from('default', 'history', ARRAY['body'], 'label')")
        database.run("SELECT triage.attach('inbox', ARRAY['body'], 'label')")

    def day_of_work(self, day, poisoned):
        """Mails arrive, and each of the people decides about as many; one transaction."""
        self.clock.set(NEW_YEAR + timedelta(days=day))
        count = DECISIONS * len(PEOPLE)
        mails = self.mails[self.arrived : self.arrived + count]
        copy_rows(
            self.database.session, "inbox (id, body)", [(self.arrived + i, body) for i, (_, body) in enumerate(mails)]
        )
        with self.database.session.transaction():
            for i, (label, _) in enumerate(mails):
                person = PEOPLE[i % len(PEOPLE)]
                if poisoned and person == POISONED and self.random.random() < SHARE:
                    label = self.random.choice([other for other in self.labels if other != label])
                self.database.run(f"""
                    SET LOCAL pg_triage.actor = '{person}'; UPDATE triage.review SET human_label = {literal(label)}
                     WHERE source = 'public.inbox' AND email_key = '{self.arrived + i}'""")
        self.arrived += count
        wait_for_worker(self.database)

    def answers(self):
        """With probabilities, to the last digit; of a new session, which has nothing in its cache."""
        with self.database.connect() as session:
            return session.rows("""SELECT id, s.label, probability FROM fixed, classify_email_scores(body) AS s
                                    WHERE rank = 1 ORDER BY id""")

    def active(self):
        """The version that answers."""
        return self.database.value(
            "SELECT version FROM triage.model_versions WHERE classifier = 'default' AND status = 'active'"
        )

    def refused(self):
        """The newest version that was not activated, and why."""
        return self.database.row(
            "SELECT version, refused FROM triage.model_versions WHERE status = 'refused' ORDER BY version DESC LIMIT 1"
        )


@pytest.fixture(scope="module")
def office():
    settings = {"pg_triage__worker_naptime": "1h", "pg_triage__audit_rate": "0.02", "pg_triage__retrain_after": "100"}
    with simulated("poison", shared_preload_libraries="pg_triage", **settings) as (database, clock):
        office = Office(database, clock)
        for day in range(DAYS_BEFORE):
            before = office.active()
            office.day_of_work(1 + day, poisoned=False)
            assert office.active() > before, database.rows(REFUSALS)
        office.before = office.active()
        office.day_of_work(1 + DAYS_BEFORE, poisoned=True)
        yield office


def test_the_version_that_learned_from_wrong_labels_is_refused_and_says_why(office):
    assert office.active() == office.before
    assert "one reviewer" in office.refused()[1], office.database.rows(REFUSALS)


def test_an_alert_names_the_reviewer_and_the_reason_and_nobody_else(office):
    alert = " ".join(
        map(
            str,
            office.database.row(
                "SELECT severity, subject, message, what_to_do FROM triage.alerts WHERE kind = 'reviewer'"
            ),
        )
    )
    assert POISONED in alert
    assert office.refused()[1] in alert
    assert not any(person in alert for person in PEOPLE if person != POISONED)


def test_a_person_can_activate_it_all_the_same_and_rolling_back_restores_all_answers(office):
    version, _ = office.refused()
    wanted = office.answers()
    assert len(wanted) == FIXED
    office.database.run("SELECT triage.activate('default', %s)", version)
    assert office.active() == version
    assert office.answers() != wanted
    with timed() as rolling_back:
        office.database.run("SELECT triage.rollback('default')")
    # Measured: some milliseconds; this machine may be busy.
    assert rolling_back.seconds < 5
    assert office.active() == office.before
    assert office.answers() == wanted, "not to the last digit"
