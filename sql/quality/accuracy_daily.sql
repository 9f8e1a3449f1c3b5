CREATE VIEW triage.accuracy_daily WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.day, g.audited, g.answered, g.correct,
       g.correct::float8 / nullif(g.answered, 0)::float8 AS accuracy,
       triage.wilson_low(g.correct, g.answered) AS accuracy_low,
       triage.wilson_high(g.correct, g.answered) AS accuracy_high,
       g.reviewed,
       g.agreed::float8 / nullif(g.reviewed, 0)::float8 AS biased_accuracy
  FROM (SELECT t.classifier, t.model_version, t.day,
               coalesce(sum(t.n) FILTER (WHERE t.audit), 0)::bigint AS audited,
               coalesce(sum(t.n) FILTER (WHERE t.audit AND t.actual_label <> ''), 0)::bigint AS answered,
               coalesce(sum(t.correct) FILTER (WHERE t.audit), 0)::bigint AS correct,
               coalesce(sum(t.n) FILTER (WHERE t.actual_label <> ''), 0)::bigint AS reviewed,
               sum(t.correct)::bigint AS agreed,
               sum(t.n)::bigint AS n
          FROM triage_internal.review_statistics_now t
         WHERE t.grain = 'label'
         GROUP BY t.classifier, t.model_version, t.day) g
 WHERE g.n > 0;
COMMENT ON VIEW triage.accuracy_daily IS
    'how often the classifier was right. accuracy is measured on the audit sample: with the interval, it holds for '
    'all email, if nearly all of the sample is answered (compare answered with audited), and not only what was '
    'wrong. biased_accuracy is the share of all reviewed email that a person agreed with: more email, but people '
    'look at what is uncertain. Each prediction was made before its answer was learned. For other periods, sum '
    'correct and answered and ask triage.wilson_low() and triage.wilson_high()';
COMMENT ON COLUMN triage.accuracy_daily.classifier IS 'the classifier';
COMMENT ON COLUMN triage.accuracy_daily.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.accuracy_daily.day IS
    'on which the emails were received, in the time zone pg_triage.report_timezone';
COMMENT ON COLUMN triage.accuracy_daily.audited IS 'predictions in the audit sample';
COMMENT ON COLUMN triage.accuracy_daily.answered IS 'how many of them a person has labelled';
COMMENT ON COLUMN triage.accuracy_daily.correct IS 'how many of those had been predicted right';
COMMENT ON COLUMN triage.accuracy_daily.accuracy IS 'correct / answered; NULL without answers';
COMMENT ON COLUMN triage.accuracy_daily.accuracy_low IS 'lower end of its 95 % Wilson interval';
COMMENT ON COLUMN triage.accuracy_daily.accuracy_high IS 'upper end';
COMMENT ON COLUMN triage.accuracy_daily.reviewed IS 'predictions that a person has labelled, for whatever reason';
COMMENT ON COLUMN triage.accuracy_daily.biased_accuracy IS 'share of those that were right; biased';
