-- Drift, with figures that can be checked by hand.
SET client_min_messages = warning;
CREATE DATABASE regression_drift;
\c regression_drift
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION pg_triage;
SET extra_float_digits = 0;
-- Days of 24 hours, as in triage_internal.report_timezone; at noon.
SET timezone = 'UTC';

-- 20 emails on each of the 28 days before the last week, half of them "a": in turn .9 and .8 sure, .15 and .25 unknown.
CREATE PROCEDURE mails(classifier text, days_ago int, label text, version int, mails int, confidence float8, unknown float8) LANGUAGE sql AS $$
    INSERT INTO triage.review (classifier, source, email_key, received_at, model_version, predicted_label, confidence, queue_reason, unknown_share)
    SELECT classifier, 'mails', gen_random_uuid(), date_trunc('day', now()) + interval '12 hours' - days_ago * interval '1 day', version, label, confidence, 'confident', unknown
      FROM generate_series(1, mails) $$;
CREATE PROCEDURE history(classifier text) LANGUAGE plpgsql AS $$
BEGIN
    FOR ago IN 7..34 LOOP
        CALL mails(classifier, ago, 'a', 1, 10, 0.9 - 0.1 * (ago % 2), 0.15 + 0.1 * (ago % 2));
        CALL mails(classifier, ago, 'b', 1, 10, 0.9 - 0.1 * (ago % 2), 0.15 + 0.1 * (ago % 2));
    END LOOP;
END $$;
CREATE PROCEDURE week(classifier text, version int, a int, b int, confidence float8, unknown float8) LANGUAGE plpgsql AS $$
BEGIN
    FOR ago IN 0..6 LOOP
        CALL mails(classifier, ago, 'a', version, a, confidence, unknown);
        CALL mails(classifier, ago, 'b', version, b, confidence, unknown);
    END LOOP;
END $$;
CREATE VIEW found AS
SELECT classifier, measure, label, round(recent::numeric, 4) AS recent, round(reference::numeric, 4) AS reference,
       round(score::numeric, 4) AS score, round(threshold::numeric, 4) AS threshold, drifted, recent_mails, reference_mails
  FROM triage.drift ORDER BY classifier, measure;
SELECT * FROM triage.drift;

-- Each day is .05 a mail off, which is 20 * .05^2 in 27 degrees of freedom; 140 mails are compared with 560:
-- 5.5 * sqrt(28 * 20 * .0025 / 27 * (1/140 + 1/560)) = .1183. Labels vary less than by chance, so 4 deviations
-- of chi-squared with 1 degree of freedom count: (1 - 2/9 + 4 sqrt(2/9))^3 * (1/140 + 1/560) = .1687.
CALL history('same');
CALL week('same', 1, 10, 10, 0.85, 0.2);
SELECT * FROM found;

-- Each of the three by itself, and the limits; better is no drift.
CALL history('words');
CALL week('words', 1, 10, 10, 0.85, 0.32);
CALL history('fewer_words');
CALL week('fewer_words', 1, 10, 10, 0.85, 0.31);
CALL history('less_sure');
CALL week('less_sure', 1, 10, 10, 0.73, 0.2);
CALL history('surer');
CALL week('surer', 1, 10, 10, 0.99, 0);
CALL history('other_labels');
CALL week('other_labels', 1, 15, 5, 0.85, 0.2);
CALL history('new_label');
CALL week('new_label', 1, 10, 7, 0.85, 0.2);
DO $$ BEGIN FOR ago IN 0..6 LOOP CALL mails('new_label', ago, 'c', 1, 3, 0.85, 0.2); END LOOP; END $$;
SELECT * FROM found;
SELECT classifier, measure, meaning FROM triage.drift WHERE drifted ORDER BY classifier, measure;
SELECT classifier, subject, severity FROM triage_internal.find_alerts() WHERE kind = 'drift' ORDER BY classifier, subject;
CREATE TABLE before AS SELECT * FROM found;
SELECT triage_internal.compact_review_statistics(100000) > 0 AS compacted;
SELECT count(*) FROM ((TABLE before EXCEPT ALL TABLE found) UNION ALL (TABLE found EXCEPT ALL TABLE before)) AS difference;

-- A new version that is less sure is no drift of the mail; words do not depend on it.
CALL history('new_version');
CALL week('new_version', 2, 15, 5, 0.5, 0.4);
-- With the version from before it is compared, and only there.
CALL history('both_versions');
CALL week('both_versions', 2, 20, 0, 0.5, 0.2);
CALL mails('both_versions', 6, 'a', 1, 30, 0.85, 0.2);
CALL mails('both_versions', 6, 'b', 1, 30, 0.85, 0.2);
-- Too few to tell.
CALL week('no_history', 1, 10, 10, 0.85, 0.2);
CALL history('no_week');
SELECT * FROM found WHERE classifier IN ('new_version', 'both_versions', 'no_history', 'no_week');
SELECT DISTINCT measure, meaning FROM triage.drift WHERE classifier IN ('new_version', 'no_history') ORDER BY measure, meaning;

SET ROLE triage_reader;
SELECT count(*) FROM triage.drift;
RESET ROLE;
\c regression
DROP DATABASE regression_drift;
