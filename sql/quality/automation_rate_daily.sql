CREATE VIEW triage.automation_rate_daily WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.day, g.predicted, g.audited, g.automated,
       g.automated::float8 / nullif(g.predicted - g.audited, 0)::float8 AS automation_rate
  FROM (SELECT t.classifier, t.model_version, t.day, sum(t.n)::bigint AS predicted,
               coalesce(sum(t.n) FILTER (WHERE t.audit), 0)::bigint AS audited,
               coalesce(sum(t.automated) FILTER (WHERE NOT t.audit), 0)::bigint AS automated
          FROM triage_internal.review_statistics_now t
         WHERE t.grain = 'label'
         GROUP BY t.classifier, t.model_version, t.day) g
 WHERE g.predicted > 0;
COMMENT ON VIEW triage.automation_rate_daily IS
    'how much of the email nobody had to look at: the confidence was at or above review_below, nobody was asked, and '
    'nobody decided. The audit sample is left out, which asks about email for measurement alone';
COMMENT ON COLUMN triage.automation_rate_daily.classifier IS 'the classifier';
COMMENT ON COLUMN triage.automation_rate_daily.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.automation_rate_daily.day IS
    'on which the emails were received, in the time zone pg_triage.report_timezone';
COMMENT ON COLUMN triage.automation_rate_daily.predicted IS 'emails with a prediction';
COMMENT ON COLUMN triage.automation_rate_daily.audited IS 'how many of them are in the audit sample';
COMMENT ON COLUMN triage.automation_rate_daily.automated IS 'how many of the others nobody had to look at';
COMMENT ON COLUMN triage.automation_rate_daily.automation_rate IS 'automated / (predicted - audited)';
