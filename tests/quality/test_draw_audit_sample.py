"""The audit sample is a sample: emails drawn uniformly at random, a share of those that arrive
and at least one a day."""

import math

import pytest
from support.quality_views import assert_views_are_right
from support.random_operations import BODY_AND_LABEL

EMAILS, RATE = 20_000, 0.02
SAMPLED = "FROM triage.review WHERE source = 'public.sampled'"


@pytest.fixture(scope="module")
def database(module_database):
    module_database.run(BODY_AND_LABEL)
    module_database.run("CREATE TABLE sampled (id int PRIMARY KEY, body text, label text)")
    module_database.run("SELECT triage.attach('sampled', ARRAY['body'], 'label')")
    module_database.run(f"SET pg_triage.audit_rate = {RATE}")
    module_database.run(f"INSERT INTO sampled SELECT n, body(n * 7919) FROM generate_series(1, {EMAILS}) n")
    return module_database


def assert_within(found, expected, deviation):
    assert abs(found - expected) <= 4 * deviation, f"{found:.4g}, expected {expected:.4g} +- {deviation:.2g}"


def test_the_share_that_is_audited_is_the_setting(database):
    reviews, audits = database.row(f"SELECT count(*), count(*) FILTER (WHERE audit) {SAMPLED}")
    assert reviews == EMAILS
    assert_within(audits / EMAILS, RATE, math.sqrt(RATE * (1 - RATE) / EMAILS))


def test_audited_emails_are_no_more_and_no_less_sure_than_others(database):
    audits, rank, deviation, mean = database.row(f"""
        SELECT count(*) FILTER (WHERE audit), avg(p) FILTER (WHERE audit), stddev_pop(p), avg(p)
          FROM (SELECT audit, percent_rank() OVER (ORDER BY confidence) AS p {SAMPLED}) r""")
    assert_within(rank, mean, deviation / math.sqrt(audits))


def test_all_of_the_sample_waits_as_audit_and_every_view_is_right(database):
    assert database.value(f"SELECT count(*) FILTER (WHERE audit <> (queue_reason = 'audit')) {SAMPLED}") == 0
    assert_views_are_right(database)


def test_setseed_draws_the_same_sample_again_and_another_seed_another(database):
    def drawn(seed):
        with database.connect() as session, session.transaction(force_rollback=True):
            session.run("SET LOCAL pg_triage.audit_rate = 0.1")
            session.run(f"SELECT setseed({seed})")
            session.run(f"INSERT INTO sampled SELECT n, body(n) FROM generate_series({EMAILS + 1}, {EMAILS + 500}) n")
            return session.column(
                f"SELECT email_key {SAMPLED} AND audit AND email_key::int > {EMAILS} ORDER BY email_key::int"
            )

    once = drawn(0.25)
    assert len(once) > 10
    assert drawn(0.25) == once
    assert drawn(0.75) != once


# ---- at least one a day ------------------------------------------------------------------------------


# Of each day: one decided, two predicted with confidence, one of them late, and one without a prediction.
SMALL = """
    SELECT triage.create_classifier('small');
    INSERT INTO triage.review (classifier, source, email_key, received_at, predicted_label, confidence, queue_reason, human_label, reviewed_at)
    SELECT 'small', 'public.small', d || ' ' || i, date_trunc('day', now(), 'UTC') - d * interval '1 day' + i * interval '5 hours', CASE WHEN i < 4 THEN 'a' END,
           CASE WHEN i < 4 THEN 0.9 END, CASE i WHEN 0 THEN NULL WHEN 4 THEN 'unclassified' ELSE 'confident' END, CASE i WHEN 0 THEN 'a' END, CASE i WHEN 0 THEN now() END
      FROM generate_series(0, {days}) d, generate_series(0, 4) i"""
DRAWS = 200


@pytest.fixture
def small(database):
    """A function that makes a classifier with few emails, of so many days before today."""
    with (
        database.connect(settings={"pg_triage.audit_rate": RATE}) as session,
        session.transaction(force_rollback=True),
    ):
        yield lambda days: session.run(SMALL.format(days=days)) and session


def test_one_email_of_each_day_that_is_over_is_drawn_among_those_with_a_prediction(small):
    session = small(days=30)
    assert (
        session.value(
            "SELECT sum(n) FROM (SELECT triage_internal.draw_missing_audits() AS n FROM generate_series(1, 3)) d"
        )
        == 30
    )
    assert session.row("""
        SELECT count(*), count(DISTINCT (received_at AT TIME ZONE 'UTC')::date), bool_or(received_at > date_trunc('day', now(), 'UTC')), bool_or(predicted_label IS NULL)
          FROM triage.review WHERE classifier = 'small' AND audit""") == (30, 30, False, False)


def test_each_email_of_a_day_has_the_same_chance_decided_or_not(small):
    session = small(days=1)
    keys = []
    for _ in range(DRAWS):
        session.run("SAVEPOINT s")
        session.run("SELECT triage_internal.draw_missing_audits()")
        keys += session.column(
            "SELECT email_key FROM triage.review WHERE classifier = 'small' AND audit AND email_key LIKE '1 %'"
        )
        session.run("ROLLBACK TO s")
    assert len(keys) == DRAWS, "one is drawn each time"
    counts = [keys.count(f"1 {i}") for i in range(4)]
    # Chi squared with three degrees of freedom: more than this once in ten thousand times.
    assert sum((count - DRAWS / 4) ** 2 / (DRAWS / 4) for count in counts) < 21.1, counts
