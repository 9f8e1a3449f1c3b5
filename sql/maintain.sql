-- Maintenance.

CREATE TABLE triage.job (
    job_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    step       text NOT NULL,
    classifier text,
    status     text NOT NULL,
    pid        integer,
    started_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    ended_at   timestamptz,
    error      text
);
COMMENT ON TABLE triage.job IS 'what maintenance did';
COMMENT ON COLUMN triage.job.job_id IS 'ascending';
COMMENT ON COLUMN triage.job.step IS 'what was done';
COMMENT ON COLUMN triage.job.classifier IS 'the classifier';
COMMENT ON COLUMN triage.job.status IS 'running, done, failed or interrupted';
COMMENT ON COLUMN triage.job.pid IS 'the process';
COMMENT ON COLUMN triage.job.started_at IS 'when it began';
COMMENT ON COLUMN triage.job.ended_at IS 'when it ended';
COMMENT ON COLUMN triage.job.error IS 'why it failed';
COMMENT ON SEQUENCE triage.job_job_id_seq IS 'numbers jobs';

CREATE FUNCTION triage.maintain(most integer DEFAULT NULL) RETURNS TABLE (job_id bigint)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'maintain_wrapper';
COMMENT ON FUNCTION triage.maintain(integer) IS 'does what is due';
