CREATE VIEW triage.confusion_matrix WITH (security_barrier) AS
SELECT t.classifier, nullif(t.model_version, 0) AS model_version, t.actual_label AS actual,
       t.predicted_label AS predicted, t.audit,
       sum(t.n)::bigint AS n
  FROM triage_internal.review_statistics_now t
 WHERE t.grain = 'label' AND t.actual_label <> ''
 GROUP BY t.classifier, t.model_version, t.actual_label, t.predicted_label, t.audit
HAVING sum(t.n)::bigint > 0;
COMMENT ON VIEW triage.confusion_matrix IS
    'what was predicted for what: one row per pair of labels, of all emails that a person has labelled. Sum over '
    'audit, version, or both';
COMMENT ON COLUMN triage.confusion_matrix.classifier IS 'the classifier';
COMMENT ON COLUMN triage.confusion_matrix.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.confusion_matrix.actual IS 'what a person said';
COMMENT ON COLUMN triage.confusion_matrix.predicted IS 'what the classifier had said';
COMMENT ON COLUMN triage.confusion_matrix.audit IS
    'true: emails of the audit sample; false: all others that were labelled';
COMMENT ON COLUMN triage.confusion_matrix.n IS 'how many';
