-- The audit sample, the counts per day, and the views of quality, with figures that can be checked by hand.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_triage CASCADE;
CREATE EXTENSION pg_triage;
SET extra_float_digits = 0;

-- 95 % Wilson intervals, as in Brown, Cai, DasGupta (2001).
SELECT round(triage.wilson_low(8, 10)::numeric, 4) AS low, round(triage.wilson_high(8, 10)::numeric, 4) AS high;
SELECT triage.wilson_low(0, 10) AS low, round(triage.wilson_high(0, 10)::numeric, 4) AS high;
SELECT round(triage.wilson_low(10, 10)::numeric, 4) AS low, triage.wilson_high(10, 10) AS high;
SELECT triage.wilson_low(0, 0), triage.wilson_high(0, 0), triage.wilson_low(NULL, 3), triage.wilson_high(3, NULL);

-- Nothing yet.
SELECT * FROM triage.accuracy_daily;
SELECT * FROM triage.calibration_summary;
SELECT triage_internal.compact_review_statistics(10), triage_internal.rebuild_review_statistics(), triage_internal.draw_missing_audits();

-- Ten predictions on two days, by two versions. Audit sample of the first day: a a, b a, a open.
CREATE FUNCTION review(key text, received timestamptz, version int, predicted text, confidence float8, audit boolean, human text DEFAULT NULL, seconds float8 DEFAULT NULL)
    RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO triage.review (classifier, source, email_key, received_at, model_version, predicted_label, confidence, audit, human_label, reviewed_at, queue_reason, unknown_share)
    VALUES ('default', 'mails', key, received, version, predicted, confidence, audit, human, received + seconds * interval '1 second',
            CASE WHEN human IS NOT NULL THEN NULL WHEN predicted IS NULL THEN 'unclassified' WHEN audit THEN 'audit' WHEN confidence < 0.8 THEN 'uncertain' ELSE 'confident' END,
            CASE WHEN predicted IS NOT NULL THEN 0.25 END)
    RETURNING review_id $$;
SELECT review('1', '2026-01-01 00:00+00', 1, 'a', 0.95, true, 'a', 0.5), review('2', '2026-01-01 01:00+00', 1, 'a', 0.85, true, 'b', 3),
       review('3', '2026-01-01 02:00+00', 1, 'a', 0.95, true), review('4', '2026-01-01 03:00+00', 1, 'b', 0.55, false, 'a', 100),
       review('5', '2026-01-01 04:00+00', 1, 'b', 0.9, false), review('6', '2026-01-01 23:59:59+00', 1, 'a', 0.6, false),
       review('7', '2026-01-01 05:00+00', 2, 'b', 1, false, 'b', 7),
       review('8', '2026-01-02 00:00+00', 2, 'a', 0.5, false, 'c', 86400), review('9', '2026-01-02 00:00+00', NULL, 'a', 0.9, false),
       review('10', '2026-01-02 23:00+00', 2, 'a', 0.95, true, 'a', 10), review('11', '2026-01-02 01:00+00', NULL, NULL, NULL, false);
SELECT * FROM triage.accuracy_daily ORDER BY model_version, day;
SELECT * FROM triage.confusion_matrix ORDER BY model_version, actual, predicted, audit;
SELECT * FROM triage.class_metrics ORDER BY model_version, basis, label;
SELECT * FROM triage.calibration ORDER BY model_version, basis, bin;
SELECT * FROM triage.calibration_summary ORDER BY model_version, basis;
SELECT * FROM triage.override_rate_daily ORDER BY model_version, day;
SELECT * FROM triage.automation_rate_daily ORDER BY model_version, day;
SELECT * FROM triage.time_to_correction_daily ORDER BY model_version, day;
INSERT INTO triage.cost VALUES ('default', 'b', 'a', 10), ('default', 'a', 'b', 0);
SELECT * FROM triage.error_cost_daily ORDER BY model_version, day;
SELECT * FROM triage.error_cost ORDER BY model_version, actual, predicted;
SELECT classifier, day, predicted_label, sum(n) AS n, sum(confidence) AS confidence, sum(unknown_share) AS unknown_share
  FROM triage_internal.review_statistics_now WHERE grain = 'label' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- None of this depends on when changes are added up.
CREATE FUNCTION figures() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['accuracy_daily', 'confusion_matrix', 'class_metrics', 'calibration', 'calibration_summary', 'override_rate_daily',
            'automation_rate_daily', 'time_to_correction_daily', 'error_cost_daily', 'error_cost'] LOOP
        RETURN QUERY EXECUTE format('SELECT %L || v FROM triage.%I v', name, name);
    END LOOP;
END $$;
CREATE TABLE before AS SELECT * FROM figures() f;
CREATE FUNCTION differences() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM ((TABLE before EXCEPT ALL SELECT * FROM figures()) UNION ALL (SELECT * FROM figures() EXCEPT ALL TABLE before)) d $$;
SELECT count(*) > 40 AS figures, differences() FROM before;
SELECT triage_internal.compact_review_statistics(4), differences(), triage_internal.compact_review_statistics(4), differences(), triage_internal.compact_review_statistics(4), differences(), triage_internal.compact_review_statistics(4), count(*) FROM triage_internal.review_change;
SELECT triage_internal.rebuild_review_statistics() = count(*) AS rebuilt, differences() FROM triage_internal.review_statistics;

-- A decision, one taken back, an erased email, and a new name.
SELECT triage.add_label('default', l) FROM unnest(ARRAY['a', 'b', 'c']) l;
SELECT triage.correct(3, 'b'), triage.correct(5, 'b');
SELECT audited, answered, correct, reviewed FROM triage.accuracy_daily WHERE model_version = 1;
SELECT triage.correct(3, NULL), triage.correct(5, NULL);
SELECT queue_reason, audit FROM triage.review WHERE review_id IN (3, 5) ORDER BY review_id;
SELECT differences(), (SELECT audit FROM triage.review_progress) AS open_audits;
BEGIN;
SELECT triage.forget('mails', '1');
SELECT audited, answered, correct, reviewed FROM triage.accuracy_daily WHERE model_version = 1;
SELECT triage_internal.compact_review_statistics(100);
SELECT audited, answered, correct, reviewed FROM triage.accuracy_daily WHERE model_version = 1;
ROLLBACK;
SELECT differences();
UPDATE triage.classifier SET name = 'other' WHERE name = 'default';
SELECT DISTINCT classifier FROM triage.confusion_matrix;
SELECT sum(known_cost) FROM triage.error_cost;
SELECT triage_internal.compact_review_statistics(100) > 0 AS compacted;
UPDATE triage.classifier SET name = 'default' WHERE name = 'other';
SELECT triage_internal.compact_review_statistics(100) > 0 AS compacted, differences();
BEGIN;
SELECT triage.forget_classifier('default') >= 0 AS forgotten;
SELECT count(*) FROM figures();
SELECT triage_internal.compact_review_statistics(100) > 0 AS compacted;
SELECT count(*) FROM triage_internal.review_statistics;
ROLLBACK;

-- Nobody chooses what is audited.
UPDATE triage.review SET audit = false WHERE review_id = 3;
UPDATE triage.review SET unknown_share = 0 WHERE review_id = 3;

-- At least one a day, and of those that are over: the second day has one of the versions together.
BEGIN;
SELECT review(k, now() - interval '1 day', 1, 'a', 0.9, false, CASE WHEN k < 'k' THEN 'a' END, 1) > 0 AS new FROM unnest(ARRAY['j', 'k', 'l']) k;
SELECT review('today', now(), 1, 'a', 0.9, false) > 0 AS new;
SELECT review('none', now() - interval '2 days', NULL, NULL, NULL, false) > 0 AS new;
SELECT triage_internal.draw_missing_audits();
SET LOCAL pg_triage.audit_rate = 0.02;
SELECT triage_internal.draw_missing_audits(), triage_internal.draw_missing_audits();
SELECT count(*), count(*) FILTER (WHERE queue_reason = 'audit' OR human_label IS NOT NULL) AS reason FROM triage.review
 WHERE audit AND received_at > now() - interval '3 days';
SELECT audited FROM triage.accuracy_daily WHERE day > now() - interval '3 days' ORDER BY day;
ROLLBACK;

-- Each new prediction is drawn or not; what is not classified never is.
CREATE TABLE mail (id int PRIMARY KEY, body text, label text);
INSERT INTO mail VALUES (0, 'early');
SELECT triage.attach('mail', ARRAY['body'], 'label');
SET pg_triage.audit_rate = 1;
INSERT INTO mail VALUES (1, 'invoice');
SELECT triage.deploy('default', train_classifier(b, l)) FROM (VALUES ('invoice money', 'a'), ('login password', 'b')) t (b, l);
INSERT INTO mail VALUES (2, 'invoice money'), (3, 'invoice never seen before'), (4, '');
SET pg_triage.audit_rate = 0;
INSERT INTO mail VALUES (5, 'invoice money', NULL), (6, 'given', 'b');
SELECT email_key, queue_reason, audit, round(unknown_share::numeric, 2) AS unknown FROM triage.review WHERE source = 'public.mail' ORDER BY 1;
SET pg_triage.audit_rate = 1;
SELECT triage.classify_pending('mail');
SELECT email_key, queue_reason, audit FROM triage.review WHERE source = 'public.mail' AND email_key IN ('0', '1') ORDER BY 1;
SET pg_triage.audit_rate = 0;
-- A key that is used again is another email, and a label that comes with one is no prediction.
DELETE FROM mail WHERE id IN (2, 3);
INSERT INTO mail VALUES (2, 'login', NULL), (3, 'x', 'a');
SELECT email_key, queue_reason, audit, unknown_share IS NULL AS no_share FROM triage.review WHERE source = 'public.mail' AND email_key IN ('2', '3') ORDER BY 1;
SET pg_triage.audit_rate = 1.5;
RESET pg_triage.audit_rate;

-- Days of another zone: with the next maintenance, not before.
SET pg_triage.report_timezone = 'Pacific/Kiritimati';
SELECT DISTINCT day FROM triage.override_rate_daily ORDER BY 1;
SELECT triage_internal.compact_review_statistics(1) > 0 AS counted;
SELECT DISTINCT day FROM triage.override_rate_daily ORDER BY 1;
SELECT * FROM triage_internal.report_timezone;
SET pg_triage.report_timezone = 'Europe/Atlantis';
SELECT triage_internal.compact_review_statistics(1);
RESET pg_triage.report_timezone;
SELECT triage_internal.compact_review_statistics(1) > 0 AS counted;
SELECT * FROM triage_internal.report_timezone;

-- Rights.
CREATE ROLE quality_reader IN ROLE triage_reader;
CREATE ROLE quality_reviewer IN ROLE triage_reviewer;
CREATE ROLE quality_trainer IN ROLE triage_trainer;
GRANT ALL ON SCHEMA public TO quality_reader, quality_reviewer;
SET ROLE quality_reader;
SELECT count(*) > 40 AS figures FROM figures();
SELECT count(*) FROM triage_internal.review_statistics;
UPDATE triage.cost SET cost = 3;
SELECT triage_internal.compact_review_statistics(1);
-- A reviewer's correction is counted, whatever operators it has.
SET ROLE quality_reviewer;
SET pg_triage.audit_rate = 0;
CREATE FUNCTION never(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'called as %', current_user; END $$;
CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = never);
SET search_path = public, pg_catalog;
UPDATE triage.review SET human_label = 'b' WHERE review_id OPERATOR(pg_catalog.=) 3;
RESET search_path;
DROP OPERATOR public.= (text, text);
DROP FUNCTION never;
SELECT answered FROM triage.accuracy_daily WHERE model_version = 1 AND day = '2026-01-01';
UPDATE triage.cost SET cost = 3;
SET ROLE quality_trainer;
UPDATE triage.cost SET cost = 3;
INSERT INTO triage.cost VALUES ('default', 'c', 'a', -1);
INSERT INTO triage.cost VALUES ('default', 'c', 'a', 'NaN');
RESET ROLE;
DROP EXTENSION pg_triage CASCADE;
DROP TABLE mail, before;
DROP FUNCTION review, differences, figures;
REVOKE ALL ON SCHEMA public FROM quality_reader, quality_reviewer;
DROP ROLE quality_reader, quality_reviewer, quality_trainer;
