-- The views of quality: what the counts of triage_internal.review_statistics_now mean. Qualified operators all have
-- one precedence, so there are brackets. Days are those of
-- triage_internal.report_timezone, on which emails were received. What comes from the audit sample is
-- unbiased; what comes from all reviewed emails is about those that people looked at.

CREATE FUNCTION triage_internal.wilson_low(correct bigint, n bigint) RETURNS float8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
        -- 3.841458881296 is the square of 1.959964, between which and its negative a normal variable is 95 % of the time.
        SELECT CASE WHEN n > 0::bigint AND correct IS NOT NULL THEN greatest(0::float8,
            (correct::float8 + 1.920729440648::float8
             - 1.959964::float8 * pg_catalog.sqrt(correct::float8 * (n - correct)::float8 / n::float8 + 0.960364720324::float8))
            / (n::float8 + 3.841458881296::float8)) END;
    END;
COMMENT ON FUNCTION triage_internal.wilson_low(bigint, bigint) IS
    'lower end of the 95 % Wilson interval of a share of which correct of n were observed; NULL if n is 0';
CREATE FUNCTION triage_internal.wilson_high(correct bigint, n bigint) RETURNS float8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT 1::float8 - triage_internal.wilson_low(n - correct, n);
    END;
COMMENT ON FUNCTION triage_internal.wilson_high(bigint, bigint) IS 'upper end of the same interval';

CREATE VIEW triage.accuracy_daily WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.day, g.audited, g.answered, g.correct,
       g.correct::float8 OPERATOR(pg_catalog./) nullif(g.answered, 0)::float8 AS accuracy,
       triage_internal.wilson_low(g.correct, g.answered) AS accuracy_low,
       triage_internal.wilson_high(g.correct, g.answered) AS accuracy_high,
       g.reviewed,
       g.agreed::float8 OPERATOR(pg_catalog./) nullif(g.reviewed, 0)::float8 AS biased_accuracy
  FROM (SELECT t.classifier, t.model_version, t.day,
               coalesce(pg_catalog.sum(t.n) FILTER (WHERE t.audit), 0)::bigint AS audited,
               coalesce(pg_catalog.sum(t.n) FILTER (WHERE t.audit AND t.actual_label OPERATOR(pg_catalog.<>) ''), 0)::bigint AS answered,
               coalesce(pg_catalog.sum(t.correct) FILTER (WHERE t.audit), 0)::bigint AS correct,
               coalesce(pg_catalog.sum(t.n) FILTER (WHERE t.actual_label OPERATOR(pg_catalog.<>) ''), 0)::bigint AS reviewed,
               pg_catalog.sum(t.correct)::bigint AS agreed,
               pg_catalog.sum(t.n)::bigint AS n
          FROM triage_internal.review_statistics_now t
         WHERE t.grain OPERATOR(pg_catalog.=) 'label'
         GROUP BY t.classifier, t.model_version, t.day) g
 WHERE g.n OPERATOR(pg_catalog.>) 0::bigint;
COMMENT ON VIEW triage.accuracy_daily IS 'how often the classifier was right. accuracy is measured on the audit sample: with the interval, it holds for all email, if nearly all of the sample is answered (compare answered with audited), and not only what was wrong. biased_accuracy is the share of all reviewed email that a person agreed with: more email, but people look at what is uncertain. Each prediction was made before its answer was learned. For other periods, sum correct and answered and ask triage_internal.wilson_low() and triage_internal.wilson_high()';
COMMENT ON COLUMN triage.accuracy_daily.classifier IS 'the classifier';
COMMENT ON COLUMN triage.accuracy_daily.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.accuracy_daily.day IS 'on which the emails were received, in the zone of triage_internal.report_timezone';
COMMENT ON COLUMN triage.accuracy_daily.audited IS 'predictions in the audit sample';
COMMENT ON COLUMN triage.accuracy_daily.answered IS 'how many of them a person has labelled';
COMMENT ON COLUMN triage.accuracy_daily.correct IS 'how many of those had been predicted right';
COMMENT ON COLUMN triage.accuracy_daily.accuracy IS 'correct / answered; NULL without answers';
COMMENT ON COLUMN triage.accuracy_daily.accuracy_low IS 'lower end of its 95 % Wilson interval';
COMMENT ON COLUMN triage.accuracy_daily.accuracy_high IS 'upper end';
COMMENT ON COLUMN triage.accuracy_daily.reviewed IS 'predictions that a person has labelled, for whatever reason';
COMMENT ON COLUMN triage.accuracy_daily.biased_accuracy IS 'share of those that were right; biased';

CREATE VIEW triage.confusion_matrix WITH (security_barrier) AS
SELECT t.classifier, nullif(t.model_version, 0) AS model_version, t.actual_label AS actual, t.predicted_label AS predicted, t.audit,
       pg_catalog.sum(t.n)::bigint AS n
  FROM triage_internal.review_statistics_now t
 WHERE t.grain OPERATOR(pg_catalog.=) 'label' AND t.actual_label OPERATOR(pg_catalog.<>) ''
 GROUP BY t.classifier, t.model_version, t.actual_label, t.predicted_label, t.audit
HAVING pg_catalog.sum(t.n)::bigint OPERATOR(pg_catalog.>) 0::bigint;
COMMENT ON VIEW triage.confusion_matrix IS 'what was predicted for what: one row per pair of labels, of all emails that a person has labelled. Sum over audit, version, or both';
COMMENT ON COLUMN triage.confusion_matrix.classifier IS 'the classifier';
COMMENT ON COLUMN triage.confusion_matrix.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.confusion_matrix.actual IS 'what a person said';
COMMENT ON COLUMN triage.confusion_matrix.predicted IS 'what the classifier had said';
COMMENT ON COLUMN triage.confusion_matrix.audit IS 'true: emails of the audit sample; false: all others that were labelled';
COMMENT ON COLUMN triage.confusion_matrix.n IS 'how many';

CREATE VIEW triage.class_metrics WITH (security_barrier) AS
SELECT g.classifier, g.model_version, g.basis, g.label,
       g.correct::float8 OPERATOR(pg_catalog./) nullif(g.predicted, 0)::float8 AS precision,
       g.correct::float8 OPERATOR(pg_catalog./) nullif(g.support, 0)::float8 AS recall,
       2::float8 OPERATOR(pg_catalog.*) g.correct::float8
           OPERATOR(pg_catalog./) nullif(g.support OPERATOR(pg_catalog.+) g.predicted, 0)::float8 AS f1,
       g.support, g.predicted, g.correct
  FROM (SELECT c.classifier, c.model_version, b.basis, l.label,
               coalesce(pg_catalog.sum(c.n) FILTER (WHERE c.actual OPERATOR(pg_catalog.=) l.label), 0)::bigint AS support,
               coalesce(pg_catalog.sum(c.n) FILTER (WHERE c.predicted OPERATOR(pg_catalog.=) l.label), 0)::bigint AS predicted,
               coalesce(pg_catalog.sum(c.n) FILTER (WHERE c.actual OPERATOR(pg_catalog.=) c.predicted), 0)::bigint AS correct
          FROM triage.confusion_matrix c
         CROSS JOIN LATERAL (VALUES ('reviewed'::text), (CASE WHEN c.audit THEN 'audit' END)) b (basis)
         CROSS JOIN LATERAL (VALUES (c.actual), (CASE WHEN c.actual OPERATOR(pg_catalog.<>) c.predicted THEN c.predicted END)) l (label)
         WHERE b.basis IS NOT NULL AND l.label IS NOT NULL
         GROUP BY c.classifier, c.model_version, b.basis, l.label) g;
COMMENT ON VIEW triage.class_metrics IS 'precision, recall and F1 of each label';
COMMENT ON COLUMN triage.class_metrics.classifier IS 'the classifier';
COMMENT ON COLUMN triage.class_metrics.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.class_metrics.basis IS 'audit: the audit sample, which is unbiased; reviewed: all that a person has decided, which are more, but not like the others';
COMMENT ON COLUMN triage.class_metrics.label IS 'the label';
COMMENT ON COLUMN triage.class_metrics.precision IS 'share of the emails predicted to have it that have it';
COMMENT ON COLUMN triage.class_metrics.recall IS 'share of the emails that have it that were predicted to';
COMMENT ON COLUMN triage.class_metrics.f1 IS 'harmonic mean of the two';
COMMENT ON COLUMN triage.class_metrics.support IS 'labelled emails that have it';
COMMENT ON COLUMN triage.class_metrics.predicted IS 'labelled emails that were predicted to have it';
COMMENT ON COLUMN triage.class_metrics.correct IS 'labelled emails of which both is true';

CREATE VIEW triage.calibration WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.basis, g.bin,
       (g.bin OPERATOR(pg_catalog.-) 1)::float8 OPERATOR(pg_catalog./) 10::float8 AS bin_low,
       g.bin::float8 OPERATOR(pg_catalog./) 10::float8 AS bin_high,
       g.n,
       g.confidence::float8 OPERATOR(pg_catalog./) (1e6::float8 OPERATOR(pg_catalog.*) g.n::float8) AS mean_confidence,
       g.correct::float8 OPERATOR(pg_catalog./) g.n::float8 AS accuracy,
       triage_internal.wilson_low(g.correct, g.n) AS accuracy_low,
       triage_internal.wilson_high(g.correct, g.n) AS accuracy_high
  FROM (SELECT t.classifier, t.model_version, b.basis, t.bin, pg_catalog.sum(t.n)::bigint AS n,
               pg_catalog.sum(t.confidence)::bigint AS confidence, pg_catalog.sum(t.correct)::bigint AS correct
          FROM triage_internal.review_statistics_now t
         CROSS JOIN LATERAL (VALUES ('reviewed'::text), (CASE WHEN t.audit THEN 'audit' END)) b (basis)
         WHERE t.grain OPERATOR(pg_catalog.=) 'confidence' AND b.basis IS NOT NULL
         GROUP BY t.classifier, t.model_version, b.basis, t.bin) g
 WHERE g.n OPERATOR(pg_catalog.>) 0::bigint;
COMMENT ON VIEW triage.calibration IS 'reliability: what is predicted with a confidence of 80 to 90 % should be right 80 to 90 % of the time';
COMMENT ON COLUMN triage.calibration.classifier IS 'the classifier';
COMMENT ON COLUMN triage.calibration.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.calibration.basis IS 'audit: the audit sample, which is unbiased; reviewed: all that a person has decided, which are more, but not like the others';
COMMENT ON COLUMN triage.calibration.bin IS 'tenth of confidence, 1 to 10';
COMMENT ON COLUMN triage.calibration.bin_low IS 'from this confidence';
COMMENT ON COLUMN triage.calibration.bin_high IS 'to below this one';
COMMENT ON COLUMN triage.calibration.n IS 'labelled emails predicted with such a confidence';
COMMENT ON COLUMN triage.calibration.mean_confidence IS 'their mean confidence';
COMMENT ON COLUMN triage.calibration.accuracy IS 'share of them that were right';
COMMENT ON COLUMN triage.calibration.accuracy_low IS 'lower end of its 95 % Wilson interval';
COMMENT ON COLUMN triage.calibration.accuracy_high IS 'upper end';

CREATE VIEW triage.calibration_summary WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.basis, pg_catalog.sum(g.n)::bigint AS n,
       pg_catalog.sum(g.confidence)::float8 OPERATOR(pg_catalog./) (1e6::float8 OPERATOR(pg_catalog.*) pg_catalog.sum(g.n)::float8) AS mean_confidence,
       pg_catalog.sum(g.correct)::float8 OPERATOR(pg_catalog./) pg_catalog.sum(g.n)::float8 AS accuracy,
       pg_catalog.sum(pg_catalog.abs(g.confidence OPERATOR(pg_catalog.-) (1000000::bigint OPERATOR(pg_catalog.*) g.correct)))::float8
           OPERATOR(pg_catalog./) 1e6::float8 OPERATOR(pg_catalog./) pg_catalog.sum(g.n)::float8 AS calibration_error,
       pg_catalog.sum(g.squared_error)::float8 OPERATOR(pg_catalog./) (1e6::float8 OPERATOR(pg_catalog.*) pg_catalog.sum(g.n)::float8) AS brier
  FROM (SELECT t.classifier, t.model_version, b.basis, t.bin, pg_catalog.sum(t.n)::bigint AS n,
               pg_catalog.sum(t.confidence)::bigint AS confidence, pg_catalog.sum(t.correct)::bigint AS correct,
               pg_catalog.sum(t.squared_error)::bigint AS squared_error
          FROM triage_internal.review_statistics_now t
         CROSS JOIN LATERAL (VALUES ('reviewed'::text), (CASE WHEN t.audit THEN 'audit' END)) b (basis)
         WHERE t.grain OPERATOR(pg_catalog.=) 'confidence' AND b.basis IS NOT NULL
         GROUP BY t.classifier, t.model_version, b.basis, t.bin) g
 WHERE g.n OPERATOR(pg_catalog.>) 0::bigint
 GROUP BY g.classifier, g.model_version, g.basis;
COMMENT ON VIEW triage.calibration_summary IS 'calibration in a number: both are 0 for a classifier that knows everything and is sure of it';
COMMENT ON COLUMN triage.calibration_summary.classifier IS 'the classifier';
COMMENT ON COLUMN triage.calibration_summary.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.calibration_summary.basis IS 'audit: the audit sample, which is unbiased; reviewed: all that a person has decided, which are more, but not like the others';
COMMENT ON COLUMN triage.calibration_summary.n IS 'labelled emails';
COMMENT ON COLUMN triage.calibration_summary.mean_confidence IS 'their mean confidence';
COMMENT ON COLUMN triage.calibration_summary.accuracy IS 'share of them that were right';
COMMENT ON COLUMN triage.calibration_summary.calibration_error IS 'expected calibration error: mean gap between confidence and accuracy in ten bins';
COMMENT ON COLUMN triage.calibration_summary.brier IS 'mean squared difference of the confidence from 1 for right, 0 for wrong';

CREATE VIEW triage.override_rate_daily WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.day, g.decided,
       g.decided OPERATOR(pg_catalog.-) g.agreed AS overridden,
       (g.decided OPERATOR(pg_catalog.-) g.agreed)::float8 OPERATOR(pg_catalog./) g.decided::float8 AS override_rate
  FROM (SELECT t.classifier, t.model_version, t.day, pg_catalog.sum(t.n)::bigint AS decided, pg_catalog.sum(t.correct)::bigint AS agreed
          FROM triage_internal.review_statistics_now t
         WHERE t.grain OPERATOR(pg_catalog.=) 'delay'
         GROUP BY t.classifier, t.model_version, t.day) g
 WHERE g.decided OPERATOR(pg_catalog.>) 0::bigint;
COMMENT ON VIEW triage.override_rate_daily IS 'how often a person chose another label than the predicted one. Biased: people look at what is uncertain';
COMMENT ON COLUMN triage.override_rate_daily.classifier IS 'the classifier';
COMMENT ON COLUMN triage.override_rate_daily.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.override_rate_daily.day IS 'on which the emails were received, in the zone of triage_internal.report_timezone';
COMMENT ON COLUMN triage.override_rate_daily.decided IS 'predictions that a person has labelled';
COMMENT ON COLUMN triage.override_rate_daily.overridden IS 'how many of them got another label';
COMMENT ON COLUMN triage.override_rate_daily.override_rate IS 'overridden / decided';

CREATE VIEW triage.automation_rate_daily WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.day, g.predicted, g.audited, g.automated,
       g.automated::float8 OPERATOR(pg_catalog./) nullif(g.predicted OPERATOR(pg_catalog.-) g.audited, 0)::float8 AS automation_rate
  FROM (SELECT t.classifier, t.model_version, t.day, pg_catalog.sum(t.n)::bigint AS predicted,
               coalesce(pg_catalog.sum(t.n) FILTER (WHERE t.audit), 0)::bigint AS audited,
               coalesce(pg_catalog.sum(t.automated) FILTER (WHERE NOT t.audit), 0)::bigint AS automated
          FROM triage_internal.review_statistics_now t
         WHERE t.grain OPERATOR(pg_catalog.=) 'label'
         GROUP BY t.classifier, t.model_version, t.day) g
 WHERE g.predicted OPERATOR(pg_catalog.>) 0::bigint;
COMMENT ON VIEW triage.automation_rate_daily IS 'how much of the email nobody had to look at: the confidence was at or above review_below, nobody was asked, and nobody decided. The audit sample is left out, which asks about email for measurement alone';
COMMENT ON COLUMN triage.automation_rate_daily.classifier IS 'the classifier';
COMMENT ON COLUMN triage.automation_rate_daily.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.automation_rate_daily.day IS 'on which the emails were received, in the zone of triage_internal.report_timezone';
COMMENT ON COLUMN triage.automation_rate_daily.predicted IS 'emails with a prediction';
COMMENT ON COLUMN triage.automation_rate_daily.audited IS 'how many of them are in the audit sample';
COMMENT ON COLUMN triage.automation_rate_daily.automated IS 'how many of the others nobody had to look at';
COMMENT ON COLUMN triage.automation_rate_daily.automation_rate IS 'automated / (predicted - audited)';

CREATE VIEW triage.time_to_correction_daily WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.day, g.decided,
       g.milliseconds::float8 OPERATOR(pg_catalog./) (1e3::float8 OPERATOR(pg_catalog.*) g.decided::float8) AS mean_seconds,
       g.median_seconds
  FROM (SELECT m.classifier, m.model_version, m.day, pg_catalog.max(m.decided) AS decided, pg_catalog.sum(m.milliseconds) AS milliseconds,
               pg_catalog.max(m.low OPERATOR(pg_catalog.+) (m.width OPERATOR(pg_catalog.*)
                       ((m.decided::float8 OPERATOR(pg_catalog./) 2::float8) OPERATOR(pg_catalog.-) m.before::float8) OPERATOR(pg_catalog./) m.n::float8))
                   FILTER (WHERE 2::bigint OPERATOR(pg_catalog.*) m.before OPERATOR(pg_catalog.<) m.decided
                             AND 2::bigint OPERATOR(pg_catalog.*) (m.before OPERATOR(pg_catalog.+) m.n) OPERATOR(pg_catalog.>=) m.decided) AS median_seconds
          FROM (SELECT d.classifier, d.model_version, d.day, d.n, d.milliseconds,
                       CASE WHEN d.bin OPERATOR(pg_catalog.=) 1 THEN 0::float8
                            ELSE pg_catalog.power(2::float8, (d.bin OPERATOR(pg_catalog.-) 2)::float8) END AS low,
                       CASE WHEN d.bin OPERATOR(pg_catalog.=) 1 THEN 1::float8
                            ELSE pg_catalog.power(2::float8, (d.bin OPERATOR(pg_catalog.-) 2)::float8) END AS width,
                       (pg_catalog.sum(d.n) OVER day)::bigint AS decided,
                       (pg_catalog.sum(d.n) OVER upto)::bigint OPERATOR(pg_catalog.-) d.n AS before
                  FROM (SELECT t.classifier, t.model_version, t.day, t.bin, pg_catalog.sum(t.n)::bigint AS n,
                               pg_catalog.sum(t.milliseconds)::bigint AS milliseconds
                          FROM triage_internal.review_statistics_now t
                         WHERE t.grain OPERATOR(pg_catalog.=) 'delay'
                         GROUP BY t.classifier, t.model_version, t.day, t.bin) d
                 WHERE d.n OPERATOR(pg_catalog.>) 0::bigint
                WINDOW day AS (PARTITION BY d.classifier, d.model_version, d.day),
                       upto AS (PARTITION BY d.classifier, d.model_version, d.day ORDER BY d.bin)) m
         GROUP BY m.classifier, m.model_version, m.day) g;
COMMENT ON VIEW triage.time_to_correction_daily IS 'how long decisions take, from reception to the latest one; agreement counts as well';
COMMENT ON COLUMN triage.time_to_correction_daily.classifier IS 'the classifier';
COMMENT ON COLUMN triage.time_to_correction_daily.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.time_to_correction_daily.day IS 'on which the emails were received, in the zone of triage_internal.report_timezone';
COMMENT ON COLUMN triage.time_to_correction_daily.decided IS 'predictions that a person has labelled';
COMMENT ON COLUMN triage.time_to_correction_daily.mean_seconds IS 'mean time';
COMMENT ON COLUMN triage.time_to_correction_daily.median_seconds IS 'median time, interpolated in a histogram whose bins double: at most twice or half of the true one, except below a second';

CREATE VIEW triage.error_cost_daily WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.day, g.predicted, g.answered, g.audit_errors,
       g.audit_cost OPERATOR(pg_catalog./) nullif(g.answered, 0)::float8 AS cost_per_email,
       g.audit_cost OPERATOR(pg_catalog./) nullif(g.answered, 0)::float8 OPERATOR(pg_catalog.*) g.predicted::float8 AS estimated_cost,
       g.known_errors, g.known_cost
  FROM (SELECT t.classifier, t.model_version, t.day,
               pg_catalog.sum(t.n)::bigint AS predicted,
               coalesce(pg_catalog.sum(t.n) FILTER (WHERE t.audit AND t.actual_label OPERATOR(pg_catalog.<>) ''), 0)::bigint AS answered,
               coalesce(pg_catalog.sum(e.errors) FILTER (WHERE t.audit), 0)::bigint AS audit_errors,
               coalesce(pg_catalog.sum(e.errors::float8 OPERATOR(pg_catalog.*) coalesce(k.cost, 1::float8)) FILTER (WHERE t.audit AND e.errors OPERATOR(pg_catalog.<>) 0::bigint), 0::float8) AS audit_cost,
               pg_catalog.sum(e.errors)::bigint AS known_errors,
               coalesce(pg_catalog.sum(e.errors::float8 OPERATOR(pg_catalog.*) coalesce(k.cost, 1::float8)) FILTER (WHERE e.errors OPERATOR(pg_catalog.<>) 0::bigint), 0::float8) AS known_cost
          FROM triage_internal.review_statistics_now t
         CROSS JOIN LATERAL (SELECT CASE WHEN t.actual_label OPERATOR(pg_catalog.<>) ''
                                    THEN t.n OPERATOR(pg_catalog.-) t.correct ELSE 0::bigint END AS errors) e
          LEFT JOIN triage.cost k ON k.classifier OPERATOR(pg_catalog.=) t.classifier
                AND k.actual OPERATOR(pg_catalog.=) t.actual_label AND k.predicted OPERATOR(pg_catalog.=) t.predicted_label
         WHERE t.grain OPERATOR(pg_catalog.=) 'label'
         GROUP BY t.classifier, t.model_version, t.day) g
 WHERE g.predicted OPERATOR(pg_catalog.>) 0::bigint;
COMMENT ON VIEW triage.error_cost_daily IS 'what errors cost, per day, in the unit of triage.cost. estimated_cost is for all email, from the errors in the audit sample of that day; with few answers it is rough, and NULL without any';
COMMENT ON COLUMN triage.error_cost_daily.classifier IS 'the classifier';
COMMENT ON COLUMN triage.error_cost_daily.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.error_cost_daily.day IS 'on which the emails were received, in the zone of triage_internal.report_timezone';
COMMENT ON COLUMN triage.error_cost_daily.predicted IS 'emails with a prediction';
COMMENT ON COLUMN triage.error_cost_daily.answered IS 'how many of the audit sample a person has labelled: what the estimate is based on';
COMMENT ON COLUMN triage.error_cost_daily.audit_errors IS 'how many of those were wrong';
COMMENT ON COLUMN triage.error_cost_daily.cost_per_email IS 'mean cost of an email in the audit sample';
COMMENT ON COLUMN triage.error_cost_daily.estimated_cost IS 'cost_per_email for all predicted emails';
COMMENT ON COLUMN triage.error_cost_daily.known_errors IS 'predictions that a person has corrected, for whatever reason';
COMMENT ON COLUMN triage.error_cost_daily.known_cost IS 'what those cost: a lower bound';

CREATE VIEW triage.error_cost WITH (security_barrier) AS
SELECT e.classifier, nullif(e.model_version, 0) AS model_version, e.actual_label AS actual, e.predicted_label AS predicted,
       coalesce(k.cost, 1::float8) AS cost, e.known_errors,
       e.known_errors::float8 OPERATOR(pg_catalog.*) coalesce(k.cost, 1::float8) AS known_cost,
       e.audit_errors, e.answered,
       e.audit_errors::float8 OPERATOR(pg_catalog./) nullif(e.answered, 0)::float8 OPERATOR(pg_catalog.*) e.predictions::float8 AS estimated_errors,
       e.audit_errors::float8 OPERATOR(pg_catalog./) nullif(e.answered, 0)::float8 OPERATOR(pg_catalog.*) e.predictions::float8
           OPERATOR(pg_catalog.*) coalesce(k.cost, 1::float8) AS estimated_cost
  FROM (SELECT t.classifier, t.model_version, t.actual_label, t.predicted_label,
               pg_catalog.sum(t.n)::bigint AS known_errors,
               coalesce(pg_catalog.sum(t.n) FILTER (WHERE t.audit), 0)::bigint AS audit_errors,
               coalesce(pg_catalog.sum(pg_catalog.sum(t.n) FILTER (WHERE t.audit AND t.actual_label OPERATOR(pg_catalog.<>) '')) OVER version, 0)::bigint AS answered,
               (pg_catalog.sum(pg_catalog.sum(t.n)) OVER version)::bigint AS predictions
          FROM triage_internal.review_statistics_now t
         WHERE t.grain OPERATOR(pg_catalog.=) 'label'
         GROUP BY t.classifier, t.model_version, t.actual_label, t.predicted_label
        WINDOW version AS (PARTITION BY t.classifier, t.model_version)) e
  LEFT JOIN triage.cost k ON k.classifier OPERATOR(pg_catalog.=) e.classifier
            AND k.actual OPERATOR(pg_catalog.=) e.actual_label AND k.predicted OPERATOR(pg_catalog.=) e.predicted_label
 WHERE e.actual_label OPERATOR(pg_catalog.<>) '' AND e.actual_label OPERATOR(pg_catalog.<>) e.predicted_label
   AND e.known_errors OPERATOR(pg_catalog.>) 0::bigint;
COMMENT ON VIEW triage.error_cost IS 'which errors cost most, in the unit of triage.cost. Estimates are for all email, from the audit sample; NULL without answers there';
COMMENT ON COLUMN triage.error_cost.classifier IS 'the classifier';
COMMENT ON COLUMN triage.error_cost.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.error_cost.actual IS 'the right label';
COMMENT ON COLUMN triage.error_cost.predicted IS 'the label that was predicted';
COMMENT ON COLUMN triage.error_cost.cost IS 'of one such error';
COMMENT ON COLUMN triage.error_cost.known_errors IS 'such errors that a person has corrected, for whatever reason';
COMMENT ON COLUMN triage.error_cost.known_cost IS 'what those cost: a lower bound';
COMMENT ON COLUMN triage.error_cost.audit_errors IS 'how many of them are in the audit sample';
COMMENT ON COLUMN triage.error_cost.answered IS 'emails of the audit sample that a person has labelled: what the estimate is based on';
COMMENT ON COLUMN triage.error_cost.estimated_errors IS 'such errors in all predicted emails';
COMMENT ON COLUMN triage.error_cost.estimated_cost IS 'what they cost';
