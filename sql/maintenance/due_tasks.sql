-- What happens by itself: compaction, training, activation, retention, alerts. One transaction
-- does one task; which are due is a query over the tables, so nothing is forgotten when a
-- session ends in the middle, and nothing has to be remembered.

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
               -- A reviewer stood out when the last version was trained, and has been looked after since.
               CASE WHEN t.reviewer IS NULL THEN NULL
                    WHEN EXISTS (SELECT FROM triage.decision d WHERE d.decision_id > t.last_decision
                                    AND d.classifier = c.name AND d.kind = 'undo')
                    THEN 'decisions of the reviewer were taken back'
                    WHEN EXISTS (SELECT FROM triage.decision d JOIN triage.decision r ON r.replaces = d.decision_id
                                  WHERE d.decision_id > t.last_decision AND d.classifier = c.name AND d.kind = 'ask')
                         AND NOT EXISTS (SELECT FROM triage.review r WHERE r.classifier = c.name
                                            AND r.queue_reason = 'reopened')
                    THEN 'decisions of the reviewer were decided anew' END AS mended,
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
        SELECT 0 AS place, 'names' AS task, k.name AS classifier, 'names in a lookup table have changed' AS reason
          FROM known k
         WHERE EXISTS (SELECT FROM triage_internal.name_change n
                         JOIN triage_internal.source s ON s.source_id = n.source_id AND s.attached
                        WHERE s.classifier = k.name)
        UNION ALL
        SELECT 1, 'compact', k.name,
               CASE WHEN k.pending >= greatest(k.compact_after / 2, 1)
                    THEN format('at least %s decisions are pending', k.pending)
                    ELSE format('%s decisions have been pending for a day', k.pending) END
          FROM known k
         WHERE k.compact_after > 0
           AND (k.pending >= greatest(k.compact_after / 2, 1)
                -- Each compaction writes the whole base: not for a few decisions.
                OR k.pending > 0 AND coalesce(k.compacted_at, k.created_at) < now() - interval '1 day')
        UNION ALL
        SELECT 2, 'train', k.name,
               CASE WHEN k.new_decisions >= greatest(k.retrain_after, k.decisions / 10)
                    THEN format('%s new decisions', k.new_decisions)
                    WHEN k.mended IS NOT NULL THEN k.mended
                    WHEN drift.subject IS NOT NULL
                         THEN format('%s new decisions since %s changed', k.new_decisions, drift.subject)
                    ELSE format('%s new decisions in %s days', k.new_decisions, k.retrain_days) END
          FROM known k
          LEFT JOIN LATERAL (SELECT a.subject FROM triage_internal.alert a
                              WHERE a.classifier = k.name AND a.kind = 'drift' AND a.ended_at IS NULL
                                AND a.since > k.trained_at
                              ORDER BY a.since LIMIT 1) drift ON true
         WHERE k.retrain_after > 0
           AND (k.mended IS NOT NULL OR k.new_decisions >= greatest(k.retrain_after, k.decisions / 10)
                OR k.new_decisions >= least(20, k.retrain_after)
                   AND (drift.subject IS NOT NULL OR k.trained_at < now() - make_interval(days => k.retrain_days)))
        UNION ALL
        SELECT 4, 'classify', k.name, 'rows wait for a first prediction'
          FROM known k
         WHERE (k.active IS NOT NULL OR k.pending > 0 OR k.decisions > 0)
           AND EXISTS (SELECT FROM triage.review r WHERE r.classifier = k.name AND r.queue_reason = 'unclassified'
                          AND r.margin IS NULL
                          AND r.predicted_label IS NULL AND r.given_label IS NULL AND r.human_label IS NULL
                          AND (r.source, r.classifier) NOT IN (SELECT d.source, d.classifier
                                                                 FROM triage_internal.dropped_source d)
                          -- Those wait for their text.
                          AND r.unclassified_reason IS DISTINCT FROM 'no text')
           -- Those that cannot be classified, or are locked, are tried again after a while.
           AND NOT EXISTS (SELECT FROM triage_internal.job j
                            WHERE j.task = 'classify' AND j.classifier = k.name
                              AND j.status = 'done' AND j.result = '0 rows'
                              AND j.started_at > now() - interval '1 hour'
                              AND j.started_at > coalesce((SELECT max(a.activated_at) FROM triage_internal.activation a
                                                            WHERE a.classifier = k.name),
                                                          -- Without a version the decisions answer.
                                                          (SELECT d.decided_at FROM triage.decision d
                                                            WHERE d.classifier = k.name AND d.features IS NOT NULL
                                                            ORDER BY d.decision_id DESC LIMIT 1), '-infinity'))
        UNION ALL
        -- What people found in the audit sample, since the last time or about a version before.
        SELECT 3, 'calibrate', k.name,
               CASE WHEN k.trained_at > j.started_at THEN 'a version was trained' ELSE 'new decisions, once a day' END
          FROM known k
         CROSS JOIN LATERAL (SELECT coalesce(max(j.started_at), '-infinity') AS started_at FROM triage_internal.job j
                              WHERE j.task = 'calibrate' AND j.classifier = k.name AND j.status = 'done') j
         WHERE k.active IS NOT NULL
           AND (SELECT d.decided_at FROM triage.decision d WHERE d.classifier = k.name AND d.features IS NOT NULL
                 ORDER BY d.decision_id DESC LIMIT 1)
               > CASE WHEN k.trained_at > j.started_at THEN '-infinity'
                      WHEN j.started_at < now() - interval '1 day' THEN j.started_at ELSE 'infinity' END
        UNION ALL
        SELECT 5, 'statistics', NULL,
               CASE WHEN z.zone <> s.report_timezone
                    THEN format('pg_triage.report_timezone is %s now', s.report_timezone)
                    ELSE 'reviews have changed' END
          FROM setting s CROSS JOIN triage_internal.report_timezone z
         WHERE z.zone <> s.report_timezone
            OR (SELECT count(*) FROM (SELECT FROM triage_internal.review_change LIMIT 2000) x) >= 2000
            OR EXISTS (SELECT FROM triage_internal.review_change)
               AND NOT EXISTS (SELECT FROM triage_internal.job j
                                WHERE j.task = 'statistics' AND j.classifier IS NULL
                                  AND j.started_at > now() - interval '5 minutes')
        UNION ALL
        SELECT 6, 'audit', NULL, 'once a day'
          FROM triage_internal.report_timezone z
         WHERE EXISTS (SELECT FROM triage.review)
           AND NOT EXISTS (SELECT FROM triage_internal.job j
                            WHERE j.task = 'audit' AND j.classifier IS NULL AND j.status = 'done'
                              AND j.started_at > now() - interval '2 days'
                              AND timezone(z.zone, j.started_at)::date >= timezone(z.zone, now())::date)
        UNION ALL
        SELECT 7, 'watch', NULL,
               CASE WHEN w.started_at > now() - interval '1 hour' THEN 'something has happened'
                    ELSE 'once an hour' END
          FROM (SELECT max(j.job_id) AS job_id, coalesce(max(j.started_at), '-infinity') AS started_at
                  FROM triage_internal.job j
                 WHERE j.task = 'watch' AND j.classifier IS NULL) w
         WHERE EXISTS (SELECT FROM triage.classifier)
           AND (w.started_at < now() - interval '1 hour'
                OR EXISTS (SELECT FROM triage_internal.job j
                            WHERE j.job_id > w.job_id
                              AND (j.task IN ('train', 'calibrate') OR j.status = 'failed')))
        UNION ALL
        -- No trigger fires when a table or partition is dropped, or a partition emptied.
        SELECT 8, 'sweep', NULL,
               CASE WHEN x.is_dropped THEN 'a table was dropped' WHEN x.is_other THEN 'partitions have changed'
                    ELSE 'once a day' END
          FROM (SELECT EXISTS (SELECT FROM triage_internal.dropped_source d WHERE d.attached) AS is_dropped,
                       EXISTS (SELECT FROM triage_internal.source s
                                WHERE s.attached AND s.partition_files IS DISTINCT FROM
                                      triage_internal.files_of_partitions(s.relation)) AS is_other) x
         WHERE x.is_dropped OR x.is_other
            OR EXISTS (SELECT FROM triage_internal.source s
                        WHERE s.attached AND s.source_id <> 0 AND s.attached_at < now() - interval '1 day')
               AND NOT EXISTS (SELECT FROM triage_internal.job j
                                WHERE j.task = 'sweep' AND j.started_at > now() - interval '1 day')
        UNION ALL
        SELECT 9, 'retain', NULL, 'once a day'
         WHERE EXISTS (SELECT FROM triage.classifier)
           AND NOT EXISTS (SELECT FROM triage_internal.job j
                            WHERE j.task = 'retain' AND j.started_at > now() - interval '1 day')
    )
    SELECT d.task, d.classifier, d.reason
      FROM due d
      LEFT JOIN LATERAL (
           -- One that ends its process again and again counts as failed: it may be what uses up the server's memory.
           SELECT max(j.job_id) AS last_job,
                  count(*) FILTER (WHERE j.status = 'failed' AND j.job_id > s.last_done)
                  + greatest(count(*) FILTER (WHERE j.status = 'interrupted' 
                                                              AND j.job_id > s.last_done) - 2, 0) AS failures,
                  max(j.ended_at) FILTER (WHERE j.status IN ('failed', 'interrupted')
                                            AND j.job_id > s.last_done) AS failed_at
             FROM (SELECT j.job_id, j.status, j.ended_at FROM triage_internal.job j
                    WHERE j.task = d.task AND j.classifier IS NOT DISTINCT FROM d.classifier
                    ORDER BY j.job_id DESC LIMIT 10) j
            CROSS JOIN (SELECT coalesce(max(o.job_id), 0) AS last_done FROM triage_internal.job o
                         WHERE o.task = d.task AND o.classifier IS NOT DISTINCT FROM d.classifier
                           AND o.status = 'done') s) past ON true
     -- A task that fails waits: ten seconds, twenty, and so on up to an hour.
     WHERE coalesce(past.failures, 0) = 0
        OR past.failed_at < now() - least(make_interval(secs => 5 * pow(2, past.failures)), interval '1 hour')
     -- What has waited longest comes first, so that nothing waits for ever.
     ORDER BY coalesce(past.last_job, 0), d.place, d.classifier
$$;
COMMENT ON FUNCTION triage_internal.due_tasks() IS 'part of maintain(): which tasks are due, and why';
