"""The quality views answer from counts, not from the reviews: fast with a million of them."""

import re

import pytest
from support.quality_views import QUESTIONS

REVIEWS = [
    pytest.param(1_000_000, id="a million"),
    pytest.param(10_000_000, id="ten million", marks=pytest.mark.long),
]
# Measured on two idle cores; this machine may be busy, or an old one.
MOST_MILLISECONDS, GENEROSITY = 200, 5

GENERATE = """
ALTER TABLE triage.review DISABLE TRIGGER USER;
INSERT INTO triage.review (classifier, source, email_key, received_at, predicted_label, confidence, second_label, second_confidence, margin, model_version,
                           human_label, reviewed_by, reviewed_at, queue_reason, audit, unknown_share)
SELECT 'default', 'public.mail', i::text, at, p, c, 'label 0', 0.1, c - 0.1, v, h, CASE WHEN h IS NOT NULL THEN 'ann' END,
       CASE WHEN h IS NOT NULL THEN at + delay END,
       CASE WHEN h IS NOT NULL THEN NULL WHEN audit THEN 'audit' WHEN c < 0.8 THEN 'uncertain' ELSE 'confident' END, audit, u
  FROM (SELECT i, at, v, p, c, u, audit, delay, CASE WHEN decided THEN CASE WHEN wrong < c THEN p ELSE other END END AS h
          FROM (SELECT i, timestamptz '2025-01-01' + i * (interval '365 days' / {n}) AS at, 1 + i * 12 / {n} AS v,
                       'label ' || (hashint8(i) & 15) + (hashint8(i + 1) & 3) + 1 AS p, 'label ' || (hashint8(i + 2) & 15) + (hashint8(i + 9) & 3) + 1 AS other,
                       1 - 0.5 * ((hashint8(i + 3) & 1023) / 1024.0) ^ 3 AS c, (hashint8(i + 4) & 1023) / 4096.0 AS u,
                       (hashint8(i + 5) & 1023) < 20 AS audit, (hashint8(i + 6) & 1023) < 51 OR (hashint8(i + 5) & 1023) < 20 AS decided,
                       (hashint8(i + 7) & 1023) / 1024.0 AS wrong, (hashint8(i + 8) & 65535) * interval '1 second' AS delay
                  FROM generate_series(1, {n}::bigint) i) s) s;
ALTER TABLE triage.review ENABLE TRIGGER USER;
SELECT triage_internal.rebuild_review_statistics();
ANALYZE triage_internal.review_statistics;
-- Those of the last minutes are not compacted yet.
INSERT INTO triage.review (classifier, source, email_key, predicted_label, confidence, model_version, queue_reason, unknown_share)
SELECT 'default', 'public.new', i::text, 'label ' || i % 20, 0.9, 12, 'confident', 0.1 FROM generate_series(1, 5000) i;
"""
TOTALS = """
    SELECT (SELECT (sum(audited), sum(answered), sum(correct), sum(reviewed), sum(round(biased_accuracy * reviewed))) FROM triage.accuracy_daily)::text,
           (SELECT sum(n) FROM triage.confusion_matrix), (SELECT sum(n) FROM triage.calibration WHERE basis = 'reviewed'),
           (SELECT (sum(predicted), sum(automated)) FROM triage.automation_rate_daily)::text"""
PLAIN_TOTALS = """
    SELECT (count(*) FILTER (WHERE audit), count(human_label) FILTER (WHERE audit), count(*) FILTER (WHERE audit AND human_label = predicted_label),
            count(human_label), count(*) FILTER (WHERE human_label = predicted_label))::text,
           count(human_label), count(human_label), (count(*), count(*) FILTER (WHERE queue_reason = 'confident' AND NOT audit))::text
      FROM triage.review"""


@pytest.fixture(scope="module", params=REVIEWS)
def database(request, server):
    with server.database() as database:
        database.run(GENERATE.format(n=request.param))
        yield database


@pytest.mark.parametrize("view", QUESTIONS)
def test_a_view_reads_the_counts_and_answers_in_time(database, view):
    plan = database.explain(QUESTIONS[view])
    assert "on review_statistics" in plan
    assert not re.search(r" on review\b", plan), plan
    took = []
    for _ in range(5):
        answer = database.explain(QUESTIONS[view], "ANALYZE, TIMING OFF")
        took.append(sum(map(float, re.findall(r"(?:Planning|Execution) Time: ([\d.]+) ms", answer))))
    assert min(took) < GENEROSITY * MOST_MILLISECONDS


def test_the_totals_are_those_of_the_reviews(database):
    assert database.row(TOTALS) == database.row(PLAIN_TOTALS)


def test_days_without_an_audit_are_found(database):
    # Each of the 365 days has emails of the sample, except that today may have none.
    database.run("SET pg_triage.audit_rate = 0.02")
    assert database.value("SELECT triage_internal.draw_missing_audits()") <= 1
