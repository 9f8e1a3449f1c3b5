-- What maintenance did and does. Not dumped, like alerts: it is about this server, and
-- maintenance finds out anew what is due.

CREATE TABLE triage_internal.job (
    job_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task       text        NOT NULL,
    classifier text,
    reason     text        NOT NULL,
    status     text        NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'done', 'failed', 'interrupted')),
    pid        integer     NOT NULL DEFAULT pg_backend_pid(),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at   timestamptz,
    result     text,
    error      text
);
COMMENT ON TABLE triage_internal.job IS 'each task of maintenance; people read triage.jobs';
COMMENT ON COLUMN triage_internal.job.job_id IS 'ascending';
COMMENT ON COLUMN triage_internal.job.task IS
    'what was done: names, compact, train, calibrate, classify, statistics, audit, watch, sweep or retain';
COMMENT ON COLUMN triage_internal.job.classifier IS 'for which classifier; NULL for all';
COMMENT ON COLUMN triage_internal.job.reason IS 'why it was due';
COMMENT ON COLUMN triage_internal.job.status IS
    'running, done, failed, or interrupted: its session ended in the middle, and nothing of it is left';
COMMENT ON COLUMN triage_internal.job.pid IS 'the server process that did it';
COMMENT ON COLUMN triage_internal.job.started_at IS 'when it began';
COMMENT ON COLUMN triage_internal.job.ended_at IS 'when it ended';
COMMENT ON COLUMN triage_internal.job.result IS 'what came out';
COMMENT ON COLUMN triage_internal.job.error IS 'why it failed';
COMMENT ON SEQUENCE triage_internal.job_job_id_seq IS 'numbers jobs';
CREATE INDEX job_latest ON triage_internal.job (task, classifier, job_id DESC);
COMMENT ON INDEX triage_internal.job_latest IS 'what became of a task the last times';
CREATE INDEX job_running ON triage_internal.job (job_id) WHERE status = 'running';
COMMENT ON INDEX triage_internal.job_running IS 'what runs';
CREATE INDEX job_time ON triage_internal.job (started_at);
COMMENT ON INDEX triage_internal.job_time IS 'what happened yesterday, and what is too old to keep';

-- Sequences, because others see them change before the transaction commits.
CREATE SEQUENCE triage_internal.job_done MINVALUE 0 START 0;
COMMENT ON SEQUENCE triage_internal.job_done IS 'how far the running job has come';

CREATE SEQUENCE triage_internal.job_total MINVALUE 0 START 0;
COMMENT ON SEQUENCE triage_internal.job_total IS 'how far it has to go';
