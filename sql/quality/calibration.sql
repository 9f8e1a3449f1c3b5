CREATE VIEW triage.calibration WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.basis, g.bin,
       (g.bin - 1)::float8 / 10 AS bin_low,
       g.bin::float8 / 10 AS bin_high,
       g.n,
       g.confidence::float8 / (1e6 * g.n::float8) AS mean_confidence,
       g.correct::float8 / g.n::float8 AS accuracy,
       triage.wilson_low(g.correct, g.n) AS accuracy_low,
       triage.wilson_high(g.correct, g.n) AS accuracy_high
  FROM (SELECT t.classifier, t.model_version, b.basis, t.bin, sum(t.n)::bigint AS n,
               sum(t.confidence)::bigint AS confidence, sum(t.correct)::bigint AS correct
          FROM triage_internal.review_statistics_now t
         CROSS JOIN LATERAL (VALUES ('reviewed'::text), (CASE WHEN t.audit THEN 'audit' END)) b (basis)
         WHERE t.grain = 'confidence' AND b.basis IS NOT NULL
         GROUP BY t.classifier, t.model_version, b.basis, t.bin) g
 WHERE g.n > 0;
COMMENT ON VIEW triage.calibration IS
    'reliability: what is predicted with a confidence of 80 to 90 % should be right 80 to 90 % of the time';
COMMENT ON COLUMN triage.calibration.classifier IS 'the classifier';
COMMENT ON COLUMN triage.calibration.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.calibration.basis IS
    'audit: the audit sample, which is unbiased; reviewed: all that a person has decided, which are more, but not '
    'like the others';
COMMENT ON COLUMN triage.calibration.bin IS 'tenth of confidence, 1 to 10';
COMMENT ON COLUMN triage.calibration.bin_low IS 'from this confidence';
COMMENT ON COLUMN triage.calibration.bin_high IS 'to below this one';
COMMENT ON COLUMN triage.calibration.n IS 'labelled emails predicted with such a confidence';
COMMENT ON COLUMN triage.calibration.mean_confidence IS 'their mean confidence';
COMMENT ON COLUMN triage.calibration.accuracy IS 'share of them that were right';
COMMENT ON COLUMN triage.calibration.accuracy_low IS 'lower end of its 95 % Wilson interval';
COMMENT ON COLUMN triage.calibration.accuracy_high IS 'upper end';

CREATE VIEW triage.calibration_summary WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.basis, sum(g.n)::bigint AS n,
       sum(g.confidence)::float8 / (1e6 * sum(g.n)::float8) AS mean_confidence,
       sum(g.correct)::float8 / sum(g.n)::float8 AS accuracy,
       sum(abs(g.confidence - 1000000 * g.correct))::float8 / 1e6 / sum(g.n)::float8 AS calibration_error,
       sum(g.squared_error)::float8 / (1e6 * sum(g.n)::float8) AS brier
  FROM (SELECT t.classifier, t.model_version, b.basis, t.bin, sum(t.n)::bigint AS n,
               sum(t.confidence)::bigint AS confidence, sum(t.correct)::bigint AS correct,
               sum(t.squared_error)::bigint AS squared_error
          FROM triage_internal.review_statistics_now t
         CROSS JOIN LATERAL (VALUES ('reviewed'::text), (CASE WHEN t.audit THEN 'audit' END)) b (basis)
         WHERE t.grain = 'confidence' AND b.basis IS NOT NULL
         GROUP BY t.classifier, t.model_version, b.basis, t.bin) g
 WHERE g.n > 0
 GROUP BY g.classifier, g.model_version, g.basis;
COMMENT ON VIEW triage.calibration_summary IS
    'calibration in a number: both are 0 for a classifier that knows everything and is sure of it';
COMMENT ON COLUMN triage.calibration_summary.classifier IS 'the classifier';
COMMENT ON COLUMN triage.calibration_summary.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.calibration_summary.basis IS
    'audit: the audit sample, which is unbiased; reviewed: all that a person has decided, which are more, but not '
    'like the others';
COMMENT ON COLUMN triage.calibration_summary.n IS 'labelled emails';
COMMENT ON COLUMN triage.calibration_summary.mean_confidence IS 'their mean confidence';
COMMENT ON COLUMN triage.calibration_summary.accuracy IS 'share of them that were right';
COMMENT ON COLUMN triage.calibration_summary.calibration_error IS
    'expected calibration error: mean gap between confidence and accuracy in ten bins';
COMMENT ON COLUMN triage.calibration_summary.brier IS
    'mean squared difference of the confidence from 1 for right, 0 for wrong';
