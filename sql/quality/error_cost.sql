CREATE VIEW triage.error_cost_daily WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.day, g.predicted, g.answered, g.audit_errors,
       g.audit_cost / nullif(g.answered, 0)::float8 AS cost_per_email,
       g.audit_cost / nullif(g.answered, 0)::float8 * g.predicted::float8 AS estimated_cost,
       g.known_errors, g.known_cost
  FROM (SELECT t.classifier, t.model_version, t.day,
               sum(t.n)::bigint AS predicted,
               coalesce(sum(t.n) FILTER (WHERE t.audit AND t.actual_label <> ''), 0)::bigint AS answered,
               coalesce(sum(e.errors) FILTER (WHERE t.audit), 0)::bigint AS audit_errors,
               coalesce(sum(e.errors::float8 * coalesce(k.cost, 1))
                        FILTER (WHERE t.audit AND e.errors <> 0), 0) AS audit_cost,
               sum(e.errors)::bigint AS known_errors,
               coalesce(sum(e.errors::float8 * coalesce(k.cost, 1))
                        FILTER (WHERE e.errors <> 0), 0) AS known_cost
          FROM triage_internal.review_statistics_now t
         CROSS JOIN LATERAL (SELECT CASE WHEN t.actual_label <> ''
                                    THEN t.n - t.correct ELSE 0 END AS errors) e
          LEFT JOIN triage.cost k ON k.classifier = t.classifier
                AND k.actual = t.actual_label AND k.predicted = t.predicted_label
         WHERE t.grain = 'label'
         GROUP BY t.classifier, t.model_version, t.day) g
 WHERE g.predicted > 0;
COMMENT ON VIEW triage.error_cost_daily IS
    'what errors cost, per day, in the unit of triage.cost. estimated_cost is for all email, from the errors in the '
    'audit sample of that day; with few answers it is rough, and NULL without any';
COMMENT ON COLUMN triage.error_cost_daily.classifier IS 'the classifier';
COMMENT ON COLUMN triage.error_cost_daily.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.error_cost_daily.day IS
    'on which the emails were received, in the time zone pg_triage.report_timezone';
COMMENT ON COLUMN triage.error_cost_daily.predicted IS 'emails with a prediction';
COMMENT ON COLUMN triage.error_cost_daily.answered IS
    'how many of the audit sample a person has labelled: what the estimate is based on';
COMMENT ON COLUMN triage.error_cost_daily.audit_errors IS 'how many of those were wrong';
COMMENT ON COLUMN triage.error_cost_daily.cost_per_email IS 'mean cost of an email in the audit sample';
COMMENT ON COLUMN triage.error_cost_daily.estimated_cost IS 'cost_per_email for all predicted emails';
COMMENT ON COLUMN triage.error_cost_daily.known_errors IS
    'predictions that a person has corrected, for whatever reason';
COMMENT ON COLUMN triage.error_cost_daily.known_cost IS 'what those cost: a lower bound';

CREATE VIEW triage.error_cost WITH (security_barrier) AS
SELECT e.classifier, nullif(e.model_version, 0) AS model_version, e.actual_label AS actual,
       e.predicted_label AS predicted,
       coalesce(k.cost, 1) AS cost, e.known_errors,
       e.known_errors::float8 * coalesce(k.cost, 1) AS known_cost,
       e.audit_errors, e.answered,
       e.audit_errors::float8 / nullif(e.answered, 0)::float8 * e.predictions::float8 AS estimated_errors,
       e.audit_errors::float8 / nullif(e.answered, 0)::float8 * e.predictions::float8
           * coalesce(k.cost, 1) AS estimated_cost
  FROM (SELECT t.classifier, t.model_version, t.actual_label, t.predicted_label,
               sum(t.n)::bigint AS known_errors,
               coalesce(sum(t.n) FILTER (WHERE t.audit), 0)::bigint AS audit_errors,
               coalesce(sum(sum(t.n) FILTER (WHERE t.audit AND t.actual_label <> ''))
                        OVER version, 0)::bigint AS answered,
               (sum(sum(t.n)) OVER version)::bigint AS predictions
          FROM triage_internal.review_statistics_now t
         WHERE t.grain = 'label'
         GROUP BY t.classifier, t.model_version, t.actual_label, t.predicted_label
        WINDOW version AS (PARTITION BY t.classifier, t.model_version)) e
  LEFT JOIN triage.cost k ON k.classifier = e.classifier
            AND k.actual = e.actual_label AND k.predicted = e.predicted_label
 WHERE e.actual_label <> '' AND e.actual_label <> e.predicted_label
   AND e.known_errors > 0;
COMMENT ON VIEW triage.error_cost IS
    'which errors cost most, in the unit of triage.cost. Estimates are for all email, from the audit sample; NULL '
    'without answers there';
COMMENT ON COLUMN triage.error_cost.classifier IS 'the classifier';
COMMENT ON COLUMN triage.error_cost.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.error_cost.actual IS 'the right label';
COMMENT ON COLUMN triage.error_cost.predicted IS 'the label that was predicted';
COMMENT ON COLUMN triage.error_cost.cost IS 'of one such error';
COMMENT ON COLUMN triage.error_cost.known_errors IS 'such errors that a person has corrected, for whatever reason';
COMMENT ON COLUMN triage.error_cost.known_cost IS 'what those cost: a lower bound';
COMMENT ON COLUMN triage.error_cost.audit_errors IS 'how many of them are in the audit sample';
COMMENT ON COLUMN triage.error_cost.answered IS
    'emails of the audit sample that a person has labelled: what the estimate is based on';
COMMENT ON COLUMN triage.error_cost.estimated_errors IS 'such errors in all predicted emails';
COMMENT ON COLUMN triage.error_cost.estimated_cost IS 'what they cost';
