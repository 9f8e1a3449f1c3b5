-- What happens by itself: compaction, training, activation, retention, alerts. One transaction
-- does one task; which are due is a query over the tables, so nothing is forgotten when a
-- session ends in the middle, and nothing has to be remembered.

CREATE TABLE triage_internal.job (
    job_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task       text        NOT NULL,
    classifier text,
    reason     text        NOT NULL,
    status     text        NOT NULL DEFAULT 'running'
        CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['running'::text, 'done'::text, 'failed'::text, 'interrupted'::text])),
    pid        integer     NOT NULL DEFAULT pg_catalog.pg_backend_pid(),
    started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    ended_at   timestamptz,
    result     text,
    error      text
);
CREATE INDEX job_latest ON triage_internal.job (task, classifier, job_id DESC);
CREATE INDEX job_running ON triage_internal.job (job_id) WHERE status OPERATOR(pg_catalog.=) 'running';
CREATE INDEX job_time ON triage_internal.job (started_at);
-- Sequences, because others see them change before the transaction commits.
CREATE SEQUENCE triage_internal.job_done MINVALUE 0 START 0;
CREATE SEQUENCE triage_internal.job_total MINVALUE 0 START 0;
COMMENT ON TABLE triage_internal.job IS 'each task of maintenance; people read triage.jobs';
COMMENT ON COLUMN triage_internal.job.job_id IS 'ascending';
COMMENT ON COLUMN triage_internal.job.task IS 'what was done: compact, train, calibrate, classify, statistics, audit, watch or retain';
COMMENT ON COLUMN triage_internal.job.classifier IS 'for which classifier; NULL for all';
COMMENT ON COLUMN triage_internal.job.reason IS 'why it was due';
COMMENT ON COLUMN triage_internal.job.status IS 'running, done, failed, or interrupted: its session ended in the middle, and nothing of it is left';
COMMENT ON COLUMN triage_internal.job.pid IS 'the server process that did it';
COMMENT ON COLUMN triage_internal.job.started_at IS 'when it began';
COMMENT ON COLUMN triage_internal.job.ended_at IS 'when it ended';
COMMENT ON COLUMN triage_internal.job.result IS 'what came out';
COMMENT ON COLUMN triage_internal.job.error IS 'why it failed';
COMMENT ON SEQUENCE triage_internal.job_job_id_seq IS 'numbers jobs';
COMMENT ON SEQUENCE triage_internal.job_done IS 'how far the running job has come';
COMMENT ON SEQUENCE triage_internal.job_total IS 'how far it has to go';
COMMENT ON INDEX triage_internal.job_latest IS 'what became of a task the last times';
COMMENT ON INDEX triage_internal.job_running IS 'what runs';
COMMENT ON INDEX triage_internal.job_time IS 'what happened yesterday, and what is too old to keep';

CREATE TABLE triage_internal.alert (
    alert_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    classifier text,
    kind       text        NOT NULL,
    subject    text        NOT NULL,
    severity   text        NOT NULL
        CHECK (severity OPERATOR(pg_catalog.=) ANY (ARRAY['notice'::text, 'warning'::text, 'critical'::text])),
    message    text        NOT NULL,
    what_to_do text        NOT NULL,
    since      timestamptz NOT NULL DEFAULT pg_catalog.now(),
    ended_at   timestamptz
);
CREATE UNIQUE INDEX alert_open ON triage_internal.alert (classifier, kind, subject) NULLS NOT DISTINCT WHERE ended_at IS NULL;
COMMENT ON TABLE triage_internal.alert IS 'what was noticed, also what has ended; people read triage.alerts';
COMMENT ON COLUMN triage_internal.alert.alert_id IS 'ascending';
COMMENT ON COLUMN triage_internal.alert.classifier IS 'the classifier; NULL for all';
COMMENT ON COLUMN triage_internal.alert.kind IS 'refused, reviewer, drift, accuracy, failing, unclassified or unanswered';
COMMENT ON COLUMN triage_internal.alert.subject IS 'the version, reviewer, measure or task';
COMMENT ON COLUMN triage_internal.alert.severity IS 'notice, warning or critical';
COMMENT ON COLUMN triage_internal.alert.message IS 'what it means';
COMMENT ON COLUMN triage_internal.alert.what_to_do IS 'what to do';
COMMENT ON COLUMN triage_internal.alert.since IS 'when it was noticed first';
COMMENT ON COLUMN triage_internal.alert.ended_at IS 'when it was no longer so';
COMMENT ON SEQUENCE triage_internal.alert_alert_id_seq IS 'numbers alerts';
COMMENT ON INDEX triage_internal.alert_open IS 'one open alert per subject';

CREATE FUNCTION triage.maintain(most integer DEFAULT NULL)
    RETURNS TABLE (job_id bigint, task text, classifier text, reason text, status text, result text, error text, seconds float8)
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10
    AS 'MODULE_PATHNAME', 'maintain_wrapper';
COMMENT ON FUNCTION triage.maintain(integer) IS
    'does what is due, at most so many tasks, and begins none after twenty seconds; returns what it did, and nothing while another session does it. Call it again until it returns no row. A background worker calls it by itself: see triage.status';

CREATE FUNCTION triage_internal.due_tasks()
    RETURNS TABLE (task text, classifier text, reason text)
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
    -- Compiling takes a quarter of a second, the query a few milliseconds.
    SET jit = off
AS $$
    WITH setting AS (
        SELECT current_setting('pg_triage.compact_after')::bigint AS compact_after,
               current_setting('pg_triage.retrain_after')::bigint AS retrain_after,
               current_setting('pg_triage.retrain_days')::integer AS retrain_days,
               coalesce(nullif(current_setting('pg_triage.report_timezone'), ''), 'UTC') AS report_timezone
    ), known AS (
        SELECT s.*, c.name, c.created_at, a.version AS active,
               coalesce(b.decisions, 0) AS decisions, b.compacted_at,
               coalesce(t.last_decision, 0) AS last_decision, coalesce(t.trained_at, c.created_at) AS trained_at,
               -- The reviewer who made the last version be refused has been taken back.
               t.reviewer IS NOT NULL AND EXISTS (SELECT FROM triage.decision d WHERE d.decision_id > t.last_decision
                   AND d.classifier = c.name AND d.kind = 'undo') AS mended,
               (SELECT count(*) FROM (SELECT FROM triage_internal.pending p WHERE p.classifier = c.name
                 LIMIT greatest(s.compact_after / 2, 1)) x) AS pending,
               (SELECT count(*) FROM (SELECT FROM triage_internal.decision_in_force d
                 WHERE d.classifier = c.name AND d.decision_id > coalesce(t.last_decision, 0) AND d.features IS NOT NULL
                 LIMIT greatest(s.retrain_after, coalesce(b.decisions, 0) / 10, 10000)) x) AS new_decisions
          FROM triage.classifier c
         CROSS JOIN setting s
          LEFT JOIN triage_internal.active_version a ON a.classifier = c.name
          LEFT JOIN triage_internal.base b ON b.classifier = c.name
          -- The last attempt, whether it was activated or not; calibration trains nothing.
          LEFT JOIN LATERAL (SELECT t.last_decision, t.trained_at, t.reviewer FROM triage_internal.model t
                              WHERE t.classifier = c.name AND t.steps_of IS NULL
                                AND (t.champion IS NOT NULL OR EXISTS (SELECT FROM triage_internal.activation v
                                      WHERE v.classifier = c.name AND v.version = t.version))
                              ORDER BY t.last_decision DESC, t.version DESC LIMIT 1) t ON true
    ), due AS (
        SELECT 1 AS place, 'compact' AS task, k.name AS classifier,
               CASE WHEN k.pending >= greatest(k.compact_after / 2, 1) THEN format('at least %s decisions are pending', k.pending)
                    ELSE format('%s decisions have been pending for a day', k.pending) END AS reason
          FROM known k
         WHERE k.compact_after > 0
           AND (k.pending >= greatest(k.compact_after / 2, 1)
                -- Each compaction writes the whole base: not for a few decisions.
                OR k.pending > 0 AND coalesce(k.compacted_at, k.created_at) < now() - interval '1 day')
        UNION ALL
        SELECT 2, 'train', k.name,
               CASE WHEN k.new_decisions >= greatest(k.retrain_after, k.decisions / 10) THEN format('%s new decisions', k.new_decisions)
                    WHEN k.mended THEN 'decisions of the reviewer were taken back'
                    WHEN drift.subject IS NOT NULL THEN format('%s new decisions since %s changed', k.new_decisions, drift.subject)
                    ELSE format('%s new decisions in %s days', k.new_decisions, k.retrain_days) END
          FROM known k
          LEFT JOIN LATERAL (SELECT a.subject FROM triage_internal.alert a
                              WHERE a.classifier = k.name AND a.kind = 'drift' AND a.ended_at IS NULL AND a.since > k.trained_at
                              ORDER BY a.since LIMIT 1) drift ON true
         WHERE k.retrain_after > 0
           AND (k.mended OR k.new_decisions >= greatest(k.retrain_after, k.decisions / 10)
                OR k.new_decisions >= least(20, k.retrain_after)
                   AND (drift.subject IS NOT NULL OR k.trained_at < now() - make_interval(days => k.retrain_days)))
        UNION ALL
        SELECT 4, 'classify', k.name, 'rows wait for a first prediction'
          FROM known k
         WHERE k.active IS NOT NULL
           AND EXISTS (SELECT FROM triage.review r WHERE r.classifier = k.name AND r.queue_reason = 'unclassified'
                          AND r.margin IS NULL
                          AND r.predicted_label IS NULL AND r.given_label IS NULL AND r.human_label IS NULL)
           -- Those that cannot be classified, or are locked, are tried again after a while.
           AND NOT EXISTS (SELECT FROM triage_internal.job j WHERE j.task = 'classify' AND j.classifier = k.name AND j.status = 'done'
                              AND j.result = '0 rows' AND j.started_at > now() - interval '1 hour' AND j.started_at > coalesce((SELECT max(a.activated_at)
                                  FROM triage_internal.activation a WHERE a.classifier = k.name), '-infinity'))
        UNION ALL
        -- What people found in the audit sample since the last time.
        SELECT 3, 'calibrate', k.name, 'new decisions, once a day'
          FROM known k
          LEFT JOIN LATERAL (SELECT max(j.started_at) AS started_at FROM triage_internal.job j
                              WHERE j.task = 'calibrate' AND j.classifier = k.name AND j.status = 'done') j ON true
         WHERE k.active IS NOT NULL
           AND coalesce(j.started_at, '-infinity') < now() - interval '1 day'
           AND (SELECT d.decided_at FROM triage.decision d WHERE d.classifier = k.name AND d.features IS NOT NULL
                 ORDER BY d.decision_id DESC LIMIT 1) > coalesce(j.started_at, '-infinity')
        UNION ALL
        SELECT 5, 'statistics', NULL,
               CASE WHEN z.zone <> s.report_timezone THEN format('pg_triage.report_timezone is %s now', s.report_timezone)
                    ELSE 'reviews have changed' END
          FROM setting s CROSS JOIN triage_internal.report_timezone z
         WHERE z.zone <> s.report_timezone
            OR (SELECT count(*) FROM (SELECT FROM triage_internal.review_change LIMIT 2000) x) >= 2000
            OR EXISTS (SELECT FROM triage_internal.review_change)
               AND NOT EXISTS (SELECT FROM triage_internal.job j WHERE j.task = 'statistics' AND j.classifier IS NULL AND j.started_at > now() - interval '5 minutes')
        UNION ALL
        SELECT 6, 'audit', NULL, 'once a day'
          FROM triage_internal.report_timezone z
         WHERE EXISTS (SELECT FROM triage.review)
           AND NOT EXISTS (SELECT FROM triage_internal.job j WHERE j.task = 'audit' AND j.classifier IS NULL AND j.status = 'done'
                              AND j.started_at > now() - interval '2 days'
                              AND timezone(z.zone, j.started_at)::date >= timezone(z.zone, now())::date)
        UNION ALL
        SELECT 7, 'watch', NULL, CASE WHEN w.started_at > now() - interval '1 hour' THEN 'something has happened' ELSE 'once an hour' END
          FROM (SELECT max(j.job_id) AS job_id, coalesce(max(j.started_at), '-infinity') AS started_at FROM triage_internal.job j
                 WHERE j.task = 'watch' AND j.classifier IS NULL) w
         WHERE EXISTS (SELECT FROM triage.classifier)
           AND (w.started_at < now() - interval '1 hour'
                OR EXISTS (SELECT FROM triage_internal.job j WHERE j.job_id > w.job_id AND (j.task IN ('train', 'calibrate') OR j.status = 'failed')))
        UNION ALL
        SELECT 9, 'retain', NULL, 'once a day'
         WHERE EXISTS (SELECT FROM triage.classifier)
           AND NOT EXISTS (SELECT FROM triage_internal.job j WHERE j.task = 'retain' AND j.started_at > now() - interval '1 day')
    )
    SELECT d.task, d.classifier, d.reason
      FROM due d
      LEFT JOIN LATERAL (
           -- One that ends its process again and again counts as failed: it may be what uses up the server's memory.
           SELECT max(j.job_id) AS last_job,
                  count(*) FILTER (WHERE j.status = 'failed' AND j.job_id > s.last_done)
                  + greatest(count(*) FILTER (WHERE j.status = 'interrupted' AND j.job_id > s.last_done) - 2, 0) AS failures,
                  max(j.ended_at) FILTER (WHERE j.status IN ('failed', 'interrupted') AND j.job_id > s.last_done) AS failed_at
             FROM (SELECT j.job_id, j.status, j.ended_at FROM triage_internal.job j
                    WHERE j.task = d.task AND j.classifier IS NOT DISTINCT FROM d.classifier ORDER BY j.job_id DESC LIMIT 10) j
            CROSS JOIN (SELECT coalesce(max(o.job_id), 0) AS last_done FROM triage_internal.job o
                         WHERE o.task = d.task AND o.classifier IS NOT DISTINCT FROM d.classifier AND o.status = 'done') s) past ON true
     -- A task that fails waits: ten seconds, twenty, and so on up to an hour.
     WHERE coalesce(past.failures, 0) = 0
        OR past.failed_at < now() - least(make_interval(secs => 5 * pow(2, past.failures)), interval '1 hour')
     -- What has waited longest comes first, so that nothing waits for ever.
     ORDER BY coalesce(past.last_job, 0), d.place, d.classifier
$$;
COMMENT ON FUNCTION triage_internal.due_tasks() IS 'part of maintain(): which tasks are due, and why';

CREATE VIEW triage.jobs WITH (security_barrier) AS
SELECT j.job_id, j.task, j.classifier, j.reason, j.status,
       CASE WHEN j.status OPERATOR(pg_catalog.=) 'running' THEN d.last_value END AS done,
       CASE WHEN j.status OPERATOR(pg_catalog.=) 'running' THEN t.last_value END AS total,
       j.started_at, j.ended_at,
       EXTRACT(epoch FROM COALESCE(j.ended_at, pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.-) j.started_at)::float8 AS seconds,
       j.result, j.error, j.pid
  FROM triage_internal.job j
 CROSS JOIN triage_internal.job_done d
 CROSS JOIN triage_internal.job_total t;
COMMENT ON VIEW triage.jobs IS 'what maintenance did, and does: each task with its reason and what came out';
COMMENT ON COLUMN triage.jobs.job_id IS 'ascending';
COMMENT ON COLUMN triage.jobs.task IS 'compact (decisions into the base), train, calibrate, classify (rows without a label), statistics (daily figures), audit (one email a day at least), watch (alerts), retain (delete what is old)';
COMMENT ON COLUMN triage.jobs.classifier IS 'for which classifier; NULL for all';
COMMENT ON COLUMN triage.jobs.reason IS 'why it was due';
COMMENT ON COLUMN triage.jobs.status IS 'running, done, failed, or interrupted: its session ended in the middle, and nothing of it is left';
COMMENT ON COLUMN triage.jobs.done IS 'while it runs: how far it is';
COMMENT ON COLUMN triage.jobs.total IS 'while it runs: of how much; 0 where that is not known';
COMMENT ON COLUMN triage.jobs.started_at IS 'when it began';
COMMENT ON COLUMN triage.jobs.ended_at IS 'when it ended';
COMMENT ON COLUMN triage.jobs.seconds IS 'how long it took, or has been taking';
COMMENT ON COLUMN triage.jobs.result IS 'what came out';
COMMENT ON COLUMN triage.jobs.error IS 'why it failed; it is tried again after ten seconds, twenty, and so on up to an hour';
COMMENT ON COLUMN triage.jobs.pid IS 'the server process';

-- Jobs and alerts are not dumped: they are about this server, and maintenance finds out anew.
