CREATE VIEW triage.model_versions WITH (security_barrier) AS
SELECT m.classifier,
       m.version,
       CASE WHEN m.version = v.version THEN 'active'
            WHEN EXISTS (SELECT FROM triage_internal.activation a
                          WHERE a.classifier = m.classifier
                            AND a.version = m.version) THEN 'retired'
            WHEN m.refused IS NOT NULL THEN 'refused'
            ELSE 'candidate'
       END AS status,
       m.trained_at,
       m.documents,
       m.labels,
       m.accuracy,
       m.macro_f1,
       m.log_loss,
       m.calibration_error,
       m.judged,
       m.held_out,
       m.held_out_accuracy,
       m.baseline_accuracy,
       m.skipped,
       m.score_form,
       m.from_ledger,
       m.bytes,
       m.checksum,
       m.note,
       m.created_by,
       m.champion,
       m.compared,
       m.compared_accuracy,
       m.champion_accuracy,
       m.refused
  FROM triage_internal.model m
  LEFT JOIN triage_internal.active_version v ON v.classifier = m.classifier;
COMMENT ON VIEW triage.model_versions IS
    'every stored model with its metrics; the figures come from left-out training emails and are optimistic where '
    'emails repeat';
COMMENT ON COLUMN triage.model_versions.classifier IS 'the classifier';
COMMENT ON COLUMN triage.model_versions.version IS 'counts up from 1 within the classifier';
COMMENT ON COLUMN triage.model_versions.status IS
    'active; retired (was active); refused (by maintenance, see refused); candidate (never active)';
COMMENT ON COLUMN triage.model_versions.trained_at IS 'when it was stored';
COMMENT ON COLUMN triage.model_versions.documents IS 'emails learned';
COMMENT ON COLUMN triage.model_versions.labels IS 'number of labels';
COMMENT ON COLUMN triage.model_versions.accuracy IS 'share of the judged emails that got their label';
COMMENT ON COLUMN triage.model_versions.macro_f1 IS 'mean F1 over the labels';
COMMENT ON COLUMN triage.model_versions.log_loss IS 'mean of -ln(probability of the true label)';
COMMENT ON COLUMN triage.model_versions.calibration_error IS 'mean gap between confidence and accuracy in 15 bins';
COMMENT ON COLUMN triage.model_versions.judged IS 'sampled training emails that were left out and scored';
COMMENT ON COLUMN triage.model_versions.held_out IS 'judged emails on which the baseline was judged too';
COMMENT ON COLUMN triage.model_versions.held_out_accuracy IS 'accuracy of this model on those';
COMMENT ON COLUMN triage.model_versions.baseline_accuracy IS
    'accuracy of an independent Bernoulli naive Bayes on those';
COMMENT ON COLUMN triage.model_versions.skipped IS 'rows without body or label';
COMMENT ON COLUMN triage.model_versions.score_form IS 'how counts became scores';
COMMENT ON COLUMN triage.model_versions.from_ledger IS 'trained on the decisions themselves';
COMMENT ON COLUMN triage.model_versions.bytes IS 'size of the model';
COMMENT ON COLUMN triage.model_versions.checksum IS 'xxh3-128 over its content';
COMMENT ON COLUMN triage.model_versions.note IS 'given to deploy()';
COMMENT ON COLUMN triage.model_versions.created_by IS 'who stored it';
COMMENT ON COLUMN triage.model_versions.champion IS
    'the version whose place it was to take when maintenance trained it, 0 for decisions alone';
COMMENT ON COLUMN triage.model_versions.compared IS
    'decided emails that both were asked about, and neither had learned';
COMMENT ON COLUMN triage.model_versions.compared_accuracy IS 'share of them that it answered right';
COMMENT ON COLUMN triage.model_versions.champion_accuracy IS 'share of them that the other one answered right';
COMMENT ON COLUMN triage.model_versions.refused IS 'why maintenance did not activate it; triage.activate() still does';
