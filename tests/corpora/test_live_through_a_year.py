"""A simulated year: mail of TREC 2007 in its order arrives through an attached table, people answer
what the queue shows first and the audit sample, and the worker does the rest.

The accuracy that triage.accuracy_daily knows from the audit sample is compared with the true one,
which only this program can see, and with that of the first model, had nothing been learned since.
What it prints (pytest -s) is the table in docs/quality.md.
"""

import itertools
from datetime import timedelta

import pytest
from support.corpora import copy_rows, read
from support.simulation import NEW_YEAR, simulated, wait_for_worker

CORPUS = "trec07p_half"
pytestmark = [pytest.mark.long, pytest.mark.corpora(f"{CORPUS}.jsonl.gz"), pytest.mark.timeout(3600)]

DAYS = 365
FIRST_DAYS = 7
SEED = 0.2007
PEOPLE = ["anna", "ben", "chloe"]
REVIEWED = 0.05
# The audit sample, all of it, and the least certain ones of the day.
WORK = """
    UPDATE triage.review_queue q SET human_label = t.label
      FROM (SELECT r.review_id, t.label, row_number() OVER (ORDER BY r.review_id) % {people} AS person
              FROM (SELECT q.review_id, q.email_key, q.queue_reason,
                           row_number() OVER (PARTITION BY q.queue_reason = 'audit' ORDER BY q.margin, q.review_id) AS place
                      FROM triage.review_queue q
                     WHERE q.human_label IS NULL AND (q.queue_reason = 'audit' OR q.received_at >= '{today}')) AS r
              JOIN truth t ON t.mail = r.email_key::bigint
             WHERE r.queue_reason = 'audit' OR r.place <= {most}) AS t
     WHERE q.review_id = t.review_id AND t.person = {person}"""
MONTHS = """
    WITH truth AS (
        SELECT date_trunc('month', r.received_at AT TIME ZONE 'UTC')::date AS month, count(*) AS mails,
               avg((r.predicted_label = t.label)::int) AS accuracy,
               avg((classify_with(f.model, i.body) = t.label)::int) AS frozen
          FROM triage.review r
          JOIN truth t ON t.mail = r.email_key::bigint
          JOIN inbox i ON i.mail = t.mail, frozen f
         WHERE r.source = 'public.inbox' GROUP BY 1),
    known AS (
        SELECT date_trunc('month', day)::date AS month, sum(audited) AS audited,
               sum(answered)::bigint AS answered, sum(correct)::bigint AS correct, sum(reviewed) AS reviewed
          FROM triage.accuracy_daily GROUP BY 1)
    SELECT to_char(t.month, 'YYYY-MM'), t.mails, k.reviewed, k.audited, k.answered, round(k.correct::numeric / k.answered, 4),
           round(triage.wilson_low(k.correct, k.answered)::numeric, 4), round(triage.wilson_high(k.correct, k.answered)::numeric, 4),
           round(t.accuracy, 4), round(t.frozen, 4),
           t.accuracy BETWEEN triage.wilson_low(k.correct, k.answered) AND triage.wilson_high(k.correct, k.answered)
      FROM truth t LEFT JOIN known k USING (month) ORDER BY 1"""


def days():
    """The year's mail, as many each day."""
    mails = [(number, mail["label"], mail["text"]) for number, mail in enumerate(read(CORPUS))]
    ends = [len(mails) * day // DAYS for day in range(DAYS + 1)]
    for day, (start, end) in enumerate(itertools.pairwise(ends)):
        # Each morning two minutes later, so that what was done a day ago is due again.
        yield NEW_YEAR + timedelta(days=day, minutes=2 * day), mails[start:end]


def set_up(database, first_mails):
    """The hidden labels, a first model from the first days, and a copy of it that stays."""
    database.run("""
        CREATE TABLE truth (mail bigint PRIMARY KEY, label text NOT NULL);
        CREATE TABLE history (mail bigint PRIMARY KEY, label text NOT NULL, body text NOT NULL);
        CREATE TABLE inbox (mail bigint PRIMARY KEY, body text NOT NULL, label text)""")
    copy_rows(database.session, "history (mail, label, body)", first_mails)
    database.run("SELECT triage.learn_from('default', 'history', ARRAY['body'], 'label')")
    database.run("SELECT triage.attach('inbox', ARRAY['body'], 'label')")
    database.run("CREATE TABLE frozen AS SELECT triage.learned_model('default') AS model")


def answer(people, today, mails):
    """Each of the people takes a share of the day's work. One transaction: the worker must not
    begin in the middle of a day, or two runs would differ."""
    limits = {"today": today, "most": round(REVIEWED * mails), "people": len(PEOPLE)}
    with people.transaction():
        for person, name in enumerate(PEOPLE):
            people.run(f"SET LOCAL pg_triage.actor = '{name}'")
            people.run(WORK.format(person=person, **limits))


def live(database, clock):
    """Lives through the year; returns all versions that there were, because the old ones are deleted:
    the month, and whether it was refused."""
    versions, year = {}, list(days())
    set_up(database, [mail for _, arriving in year[:FIRST_DAYS] for mail in arriving])
    arrivals, people = database.connect(), database.connect()
    # The audit sample is drawn from the session's own stream of random numbers.
    arrivals.run(f"SELECT setseed({SEED})")
    for today, arriving in year[FIRST_DAYS:]:
        clock.set(today)
        copy_rows(arrivals, "truth (mail, label)", [(number, label) for number, label, _ in arriving])
        copy_rows(arrivals, "inbox (mail, body)", [(number, body) for number, _, body in arriving])
        answer(people, today, len(arriving))
        wait_for_worker(database)
        for version, month, refused in database.rows("""
                SELECT version, to_char(trained_at, 'YYYY-MM'), refused IS NOT NULL
                  FROM triage.model_versions WHERE champion IS NOT NULL"""):
            versions[version] = month, refused
    return versions


@pytest.fixture(scope="module")
def year():
    """The database at the end of the year, with `months` and `versions`."""
    settings = {"pg_triage__worker_naptime": "1h", "shared_preload_libraries": "pg_triage"}
    with simulated("year", **settings) as (database, clock):
        database.versions = live(database, clock)
        database.months = database.rows(MONTHS)
        print(
            "\nmonth     mails reviewed audited answered accuracy  low   high   true  frozen  versions activated, refused"
        )
        for month in database.months:
            new = [refused for when, refused in database.versions.values() if when == month[0]]
            print(
                "{}  {:>5} {:>8} {:>7} {:>8}   {} {} {} {} {}".format(*month[:10])
                + f"  {new.count(False)}, {new.count(True)}"
                + ("" if month[10] else "   outside")
            )
        yield database


def test_the_true_accuracy_is_inside_the_interval_in_nine_months_of_ten(year):
    assert sum(month[10] for month in year.months) >= 0.9 * len(year.months)


def test_what_was_learned_made_it_better_than_the_first_model(year):
    mails, true, frozen = (
        sum(values)
        for values in zip(*((month[1], month[1] * month[8], month[1] * month[9]) for month in year.months), strict=True)
    )
    print(f"the year: true accuracy {true / mails:.4f}, of the first model {frozen / mails:.4f}")
    assert true > frozen


def test_new_versions_were_trained_and_no_task_of_maintenance_failed(year):
    assert max(year.versions) > 1
    assert year.value("SELECT count(*) FROM triage.jobs WHERE status <> 'done'") == 0


def test_the_audit_sample_is_answered(year):
    # Of a day without one the worker draws one on the next, which is asked about on the next after that.
    assert (
        year.value("""
        SELECT count(*) FROM triage.review WHERE human_label IS NULL AND audit
           AND received_at < (SELECT max(received_at) - interval '2 days' FROM triage.review)""")
        == 0
    )
