CREATE VIEW triage.jobs WITH (security_barrier) AS
SELECT j.job_id, j.task, j.classifier, j.reason, j.status,
       CASE WHEN j.status = 'running' THEN d.last_value END AS done,
       CASE WHEN j.status = 'running' THEN t.last_value END AS total,
       j.started_at, j.ended_at,
       EXTRACT(epoch FROM coalesce(j.ended_at, clock_timestamp()) - j.started_at)::float8 AS seconds,
       j.result, j.error, j.pid
  FROM triage_internal.job j
 CROSS JOIN triage_internal.job_done d
 CROSS JOIN triage_internal.job_total t;
COMMENT ON VIEW triage.jobs IS 'what maintenance did, and does: each task with its reason and what came out';
COMMENT ON COLUMN triage.jobs.job_id IS 'ascending';
COMMENT ON COLUMN triage.jobs.task IS
    'compact (decisions into the base), train, calibrate, classify (rows without a label), statistics (daily '
    'figures), audit (one email a day at least), watch (alerts), retain (delete what is old)';
COMMENT ON COLUMN triage.jobs.classifier IS 'for which classifier; NULL for all';
COMMENT ON COLUMN triage.jobs.reason IS 'why it was due';
COMMENT ON COLUMN triage.jobs.status IS
    'running, done, failed, or interrupted: its session ended in the middle, and nothing of it is left';
COMMENT ON COLUMN triage.jobs.done IS 'while it runs: how far it is';
COMMENT ON COLUMN triage.jobs.total IS 'while it runs: of how much; 0 where that is not known';
COMMENT ON COLUMN triage.jobs.started_at IS 'when it began';
COMMENT ON COLUMN triage.jobs.ended_at IS 'when it ended';
COMMENT ON COLUMN triage.jobs.seconds IS 'how long it took, or has been taking';
COMMENT ON COLUMN triage.jobs.result IS 'what came out';
COMMENT ON COLUMN triage.jobs.error IS
    'why it failed; it is tried again after ten seconds, twenty, and so on up to an hour';
COMMENT ON COLUMN triage.jobs.pid IS 'the server process';
