CREATE VIEW triage.activations WITH (security_barrier) AS
SELECT a.activation_id,
       a.classifier,
       a.version,
       a.kind,
       lag(a.version) OVER (PARTITION BY a.classifier ORDER BY a.activation_id) AS from_version,
       a.activated_at,
       a.activated_by,
       a.why
  FROM triage_internal.activation a;
COMMENT ON VIEW triage.activations IS 'which version was active from when on, and who decided it';
COMMENT ON COLUMN triage.activations.activation_id IS 'ascending';
COMMENT ON COLUMN triage.activations.classifier IS 'the classifier';
COMMENT ON COLUMN triage.activations.version IS 'the version that became active';
COMMENT ON COLUMN triage.activations.kind IS 'activate or rollback';
COMMENT ON COLUMN triage.activations.from_version IS 'the version that was active before';
COMMENT ON COLUMN triage.activations.activated_at IS 'when';
COMMENT ON COLUMN triage.activations.activated_by IS 'who';
COMMENT ON COLUMN triage.activations.why IS 'why';
