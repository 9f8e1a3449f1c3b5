CREATE VIEW triage.override_rate_daily WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.day, g.decided,
       g.decided - g.agreed AS overridden,
       (g.decided - g.agreed)::float8 / g.decided::float8 AS override_rate
  FROM (SELECT t.classifier, t.model_version, t.day, sum(t.n)::bigint AS decided, sum(t.correct)::bigint AS agreed
          FROM triage_internal.review_statistics_now t
         WHERE t.grain = 'delay'
         GROUP BY t.classifier, t.model_version, t.day) g
 WHERE g.decided > 0;
COMMENT ON VIEW triage.override_rate_daily IS
    'how often a person chose another label than the predicted one. Biased: people look at what is uncertain';
COMMENT ON COLUMN triage.override_rate_daily.classifier IS 'the classifier';
COMMENT ON COLUMN triage.override_rate_daily.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.override_rate_daily.day IS
    'on which the emails were received, in the time zone pg_triage.report_timezone';
COMMENT ON COLUMN triage.override_rate_daily.decided IS 'predictions that a person has labelled';
COMMENT ON COLUMN triage.override_rate_daily.overridden IS 'how many of them got another label';
COMMENT ON COLUMN triage.override_rate_daily.override_rate IS 'overridden / decided';
