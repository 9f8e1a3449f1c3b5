-- What a person should know, and whether all is well.

CREATE FUNCTION triage_internal.find_alerts()
    RETURNS TABLE (classifier text, kind text, subject text, severity text, message text, what_to_do text)
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
AS $$
    -- The latest version that maintenance trained, if it was refused, until a person activates it or makes another one.
    SELECT m.classifier,
           CASE WHEN m.reviewer IS NULL THEN 'refused' ELSE 'reviewer' END,
           coalesce(m.reviewer, 'new version'),
           CASE WHEN m.reviewer IS NOT NULL THEN 'critical' WHEN m.compared_accuracy < m.champion_accuracy - 0.05 THEN 'warning' ELSE 'notice' END,
           format('version %s was not activated: %s%s', m.version, m.refused, ': ' || m.known_as),
           CASE WHEN m.reviewer IS NULL
                THEN format('if it is a little worse, nothing: training is tried again with more decisions. If it is much worse, somebody may have decided wrongly: see triage.suspect_labels and triage.batches; what is undone counts no more at once. SELECT * FROM triage.preview(%L, %s) says what would change, SELECT triage.activate(%L, %s) activates it all the same',
                     m.classifier, m.version, m.classifier, m.version)
                ELSE format('look at SELECT s.* FROM triage.suspect_labels s JOIN triage.decision_history d USING (decision_id) WHERE s.classifier = %L AND %L IN (d.actor, d.connected_as). If they are wrong: SELECT triage.undo(s.decision_id) FROM triage.suspect_labels s JOIN triage.decision_history d USING (decision_id) WHERE s.classifier = %L AND %L IN (d.actor, d.connected_as). If they are right: SELECT triage.activate(%L, %s)',
                     m.classifier, m.reviewer, m.classifier, m.reviewer, m.classifier, m.version) END
      FROM (SELECT DISTINCT ON (m.classifier) m.classifier, m.version, m.refused, m.reviewer, m.known_as, m.compared_accuracy, m.champion_accuracy, m.trained_at
              FROM triage_internal.model m
             WHERE m.champion IS NOT NULL AND m.steps_of IS NULL ORDER BY m.classifier, m.version DESC) m
     WHERE m.refused IS NOT NULL
       AND NOT EXISTS (SELECT FROM triage_internal.activation a JOIN triage_internal.model v ON v.classifier = a.classifier AND v.version = a.version
                        WHERE a.classifier = m.classifier AND a.activated_at > m.trained_at
                          AND (v.version = m.version OR v.champion IS NULL AND v.version > m.version))
    UNION ALL
    SELECT d.classifier, 'drift', d.measure, 'warning',
           format('%s of the last seven days is unlike before: %s', d.measure, d.meaning),
           'look at the latest emails in triage.review_queue and label some of each new kind: training follows by itself'
      FROM triage.drift d
     WHERE d.drifted
    UNION ALL
    SELECT a.classifier, 'accuracy', 'accuracy', 'critical',
           format('of the audit sample %s of %s were right in the last seven days, %s of %s in the four weeks before',
               a.correct, a.answered, a.correct_before, a.answered_before),
           'look at triage.confusion_matrix and triage.drift. If a version is to blame: SELECT triage.rollback(' || quote_literal(a.classifier) || ')'
      FROM (SELECT q.classifier,
                   coalesce(sum(q.correct) FILTER (WHERE q.day > r.today - 7), 0)::bigint AS correct,
                   coalesce(sum(q.answered) FILTER (WHERE q.day > r.today - 7), 0)::bigint AS answered,
                   coalesce(sum(q.correct) FILTER (WHERE q.day <= r.today - 7), 0)::bigint AS correct_before,
                   coalesce(sum(q.answered) FILTER (WHERE q.day <= r.today - 7), 0)::bigint AS answered_before
              FROM triage.accuracy_daily q
             CROSS JOIN (SELECT timezone(z.zone, now())::date AS today FROM triage_internal.report_timezone z) r
             WHERE q.day > r.today - 35
             GROUP BY q.classifier) a
     CROSS JOIN LATERAL (SELECT a.correct::float8 / nullif(a.answered, 0) AS recent,
                                a.correct_before::float8 / nullif(a.answered_before, 0) AS before,
                                (a.correct + a.correct_before)::float8 / nullif(a.answered + a.answered_before, 0) AS pooled) p
     WHERE a.answered >= 20 AND a.answered_before >= 20 AND p.before - p.recent >= 0.02
       -- It is asked every day: at 4.5 standard errors three of a hundred classifiers alarm for nothing in a year.
       AND p.before - p.recent > 4.5 * sqrt(p.pooled * (1 - p.pooled) * (1.0 / a.answered + 1.0 / a.answered_before))
    UNION ALL
    SELECT f.classifier, 'failing', f.task, 'warning',
           format('%s has failed %s times in a row: %s', f.task, f.times, coalesce(f.error, 'its process was ended')),
           'the message says what to do; it is tried again at least every hour'
      FROM (SELECT j.task, j.classifier, count(*) AS times, (array_agg(j.error ORDER BY j.job_id DESC) FILTER (WHERE j.error IS NOT NULL))[1] AS error
              FROM triage_internal.job j
             WHERE j.status IN ('failed', 'interrupted')
               AND (j.classifier IS NULL OR EXISTS (SELECT FROM triage.classifier c WHERE c.name = j.classifier))
               AND j.started_at > now() - interval '1 day'
               AND NOT EXISTS (SELECT FROM triage_internal.activation a WHERE a.classifier = j.classifier AND a.activated_at > j.started_at)
               AND j.job_id > coalesce((SELECT max(s.job_id) FROM triage_internal.job s
                     WHERE s.task = j.task AND s.classifier IS NOT DISTINCT FROM j.classifier AND s.status = 'done'), 0)
             GROUP BY j.task, j.classifier) f
     WHERE f.times >= 3
    UNION ALL
    SELECT c.name, 'unclassified', 'emails', 'notice',
           'emails have waited for a prediction for more than a day, although there is a model, or they are gone',
           format('SELECT triage.classify_pending() says why it cannot classify them. To take what is left out of the queue: SELECT triage.skip(review_id) FROM triage.review WHERE classifier = %L AND queue_reason = ''unclassified''', c.name)
      FROM triage.classifier c
     WHERE EXISTS (SELECT FROM triage_internal.activation a WHERE a.classifier = c.name AND a.activated_at < now() - interval '1 day')
       AND EXISTS (SELECT FROM triage.review r WHERE r.classifier = c.name AND r.queue_reason = 'unclassified'
                      AND r.margin IS NULL AND r.predicted_label IS NULL AND r.human_label IS NULL AND r.given_label IS NULL
                      AND r.received_at < now() - interval '1 day')
    UNION ALL
    SELECT a.classifier, 'unanswered', 'audit sample', 'notice',
           format('of %s emails in the audit sample of the last four weeks %s are answered: nothing much is known about accuracy', a.audited, a.answered),
           'answer those in triage.review_queue with queue_reason = ''audit'', all of them, not only the easy ones'
      FROM (SELECT q.classifier, sum(q.audited) AS audited, sum(q.answered) AS answered
              FROM triage.accuracy_daily q
             CROSS JOIN (SELECT timezone(z.zone, now())::date AS today FROM triage_internal.report_timezone z) r
             WHERE q.day BETWEEN r.today - 30 AND r.today - 3
             GROUP BY q.classifier) a
     WHERE a.audited >= 20 AND a.answered < a.audited / 2
$$;
COMMENT ON FUNCTION triage_internal.find_alerts() IS 'part of maintain(): what should be known now';

CREATE FUNCTION triage_internal.watch() RETURNS text
    LANGUAGE sql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH found AS MATERIALIZED (SELECT * FROM triage_internal.find_alerts()
    ), ended AS (
        UPDATE triage_internal.alert a SET ended_at = now()
         WHERE a.ended_at IS NULL
           AND NOT EXISTS (SELECT FROM found f WHERE f.classifier IS NOT DISTINCT FROM a.classifier
                              AND f.kind = a.kind AND f.subject = a.subject)
        RETURNING 1
    ), open AS (
        INSERT INTO triage_internal.alert AS a (classifier, kind, subject, severity, message, what_to_do)
        SELECT f.classifier, f.kind, f.subject, f.severity, f.message, f.what_to_do FROM found f
        ON CONFLICT (classifier, kind, subject) WHERE ended_at IS NULL
        DO UPDATE SET severity = excluded.severity, message = excluded.message, what_to_do = excluded.what_to_do
        RETURNING 1
    )
    SELECT format('%s open, %s ended', (SELECT count(*) FROM open), (SELECT count(*) FROM ended))
$$;
COMMENT ON FUNCTION triage_internal.watch() IS 'part of maintain(): opens alerts that are new and ends those that are no longer so';

CREATE VIEW triage.alerts WITH (security_barrier) AS
SELECT a.alert_id, a.classifier, a.severity, a.kind,
       CASE WHEN s.sees THEN a.subject ELSE 'a reviewer' END AS subject, a.since,
       CASE WHEN s.sees THEN a.message ELSE 'all other decisions contradict those of one reviewer; role triage_reviewer sees whose' END AS message,
       CASE WHEN s.sees THEN a.what_to_do ELSE 'tell a reviewer' END AS what_to_do
  FROM triage_internal.alert a
 -- Who decided what is nothing for readers.
 CROSS JOIN LATERAL (SELECT a.kind OPERATOR(pg_catalog.<>) 'reviewer' OR pg_catalog.pg_has_role('triage_reviewer'::name, 'USAGE') AS sees) s
 WHERE a.ended_at IS NULL;
COMMENT ON VIEW triage.alerts IS 'what a person should know now; maintenance looks once an hour, and after each training';
COMMENT ON COLUMN triage.alerts.alert_id IS 'ascending';
COMMENT ON COLUMN triage.alerts.classifier IS 'the classifier; NULL for all';
COMMENT ON COLUMN triage.alerts.severity IS 'notice (nothing is wrong yet), warning (answers get worse, or will), critical (they are bad, or somebody does harm)';
COMMENT ON COLUMN triage.alerts.kind IS 'refused (a new version), reviewer (whose decisions all others contradict), drift, accuracy (has fallen), failing (a task of maintenance), unclassified (emails), unanswered (audit sample)';
COMMENT ON COLUMN triage.alerts.subject IS 'the reviewer, measure or task';
COMMENT ON COLUMN triage.alerts.since IS 'when it was noticed first';
COMMENT ON COLUMN triage.alerts.message IS 'what it means';
COMMENT ON COLUMN triage.alerts.what_to_do IS 'what to do';

CREATE VIEW triage.status WITH (security_barrier) AS
SELECT s.classifier,
       s.problem IS NULL AS ok,
       COALESCE(s.problem, 'all is well') AS state,
       CASE WHEN s.what_to_do IS NOT NULL THEN s.what_to_do ELSE 'nothing' END AS what_to_do,
       s.active_version, s.trained_at, s.new_decisions, s.pending_decisions, s.open_alerts, s.last_maintenance, s.worker
  FROM (
    SELECT c.name AS classifier, a.version AS active_version, m.trained_at, n.new_decisions, p.pending_decisions,
           COALESCE(l.open_alerts, 0::bigint) AS open_alerts, j.last_maintenance,
           COALESCE(k.problem, k.last_error, 'serves this database') AS worker,
           CASE WHEN w.severity IS NOT NULL THEN w.message
                WHEN k.preloaded AND COALESCE(k.problem, k.last_error) IS NOT NULL
                 AND (n.new_decisions OPERATOR(pg_catalog.+) p.pending_decisions) OPERATOR(pg_catalog.>) 0
                     THEN 'the background worker does not work: ' OPERATOR(pg_catalog.||) COALESCE(k.problem, k.last_error)
                WHEN a.version IS NULL AND n.new_decisions OPERATOR(pg_catalog.=) 0 THEN 'it has learned nothing yet'
                WHEN j.last_maintenance IS NULL AND n.new_decisions OPERATOR(pg_catalog.>) 0 THEN 'maintenance has never run'
                WHEN j.last_maintenance OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) '1 day'::interval)
                 AND ((n.new_decisions OPERATOR(pg_catalog.+) p.pending_decisions) OPERATOR(pg_catalog.>) 0 OR t.changes)
                     THEN 'maintenance has not run for more than a day'
           END AS problem,
           CASE WHEN w.severity IS NOT NULL THEN w.what_to_do
                WHEN k.preloaded AND COALESCE(k.problem, k.last_error) IS NOT NULL
                 AND (n.new_decisions OPERATOR(pg_catalog.+) p.pending_decisions) OPERATOR(pg_catalog.>) 0
                     THEN 'what the message says; or SELECT * FROM triage.maintain() now and then'
                WHEN a.version IS NULL AND n.new_decisions OPERATOR(pg_catalog.=) 0
                     THEN 'decide some emails, import history with triage.learn_from(), or deploy a model with triage.deploy()'
                WHEN (j.last_maintenance IS NULL
                      OR j.last_maintenance OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) '1 day'::interval))
                 AND ((n.new_decisions OPERATOR(pg_catalog.+) p.pending_decisions) OPERATOR(pg_catalog.>) 0 OR t.changes)
                     THEN COALESCE(k.problem, k.last_error, 'look for pg_triage in the server''s log') OPERATOR(pg_catalog.||) '; or SELECT * FROM triage.maintain() now and then'
           END AS what_to_do
      FROM triage.classifier c
      LEFT JOIN triage_internal.active_version a ON a.classifier OPERATOR(pg_catalog.=) c.name
      LEFT JOIN triage_internal.model m ON m.classifier OPERATOR(pg_catalog.=) c.name AND m.version OPERATOR(pg_catalog.=) a.version
     CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS new_decisions
                           FROM (SELECT FROM triage_internal.decision_in_force d
                                  WHERE d.classifier OPERATOR(pg_catalog.=) c.name AND d.features IS NOT NULL
                                    AND d.decision_id OPERATOR(pg_catalog.>) COALESCE(m.last_decision, 0::bigint)
                                  LIMIT 10000) x) n
     CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS pending_decisions FROM triage_internal.pending p
                          WHERE p.classifier OPERATOR(pg_catalog.=) c.name) p
      LEFT JOIN LATERAL (SELECT pg_catalog.count(*) AS open_alerts FROM triage_internal.alert l
                          WHERE (l.classifier OPERATOR(pg_catalog.=) c.name OR l.classifier IS NULL) AND l.ended_at IS NULL) l ON true
      LEFT JOIN LATERAL (SELECT w.severity, w.message, w.what_to_do FROM triage.alerts w
                          WHERE (w.classifier OPERATOR(pg_catalog.=) c.name OR w.classifier IS NULL)
                            AND w.severity OPERATOR(pg_catalog.<>) 'notice'
                          -- Critical comes before warning.
                          ORDER BY w.severity, w.since LIMIT 1) w ON true
     CROSS JOIN (SELECT pg_catalog.max(j.ended_at) AS last_maintenance
                   FROM (SELECT j.ended_at FROM triage_internal.job j ORDER BY j.job_id DESC LIMIT 10) j) j
     CROSS JOIN (SELECT EXISTS (SELECT FROM triage_internal.review_change) AS changes) t
     CROSS JOIN triage.worker_status() k
  ) s;
COMMENT ON VIEW triage.status IS 'one row per classifier: whether all is well, and what to do if not';
COMMENT ON COLUMN triage.status.classifier IS 'the classifier';
COMMENT ON COLUMN triage.status.ok IS 'whether all is well';
COMMENT ON COLUMN triage.status.state IS 'what is not, the worst of it';
COMMENT ON COLUMN triage.status.what_to_do IS 'what to do about it';
COMMENT ON COLUMN triage.status.active_version IS 'the version that answers; NULL for decisions alone';
COMMENT ON COLUMN triage.status.trained_at IS 'when it was stored';
COMMENT ON COLUMN triage.status.new_decisions IS 'decisions that it was not trained on, 10,000 at most; they count all the same, from the moment on when they were made';
COMMENT ON COLUMN triage.status.pending_decisions IS 'decisions that each session adds to its model, until they are compacted';
COMMENT ON COLUMN triage.status.open_alerts IS 'see triage.alerts';
COMMENT ON COLUMN triage.status.last_maintenance IS 'when a task ended last';
COMMENT ON COLUMN triage.status.worker IS 'whether a background worker serves this database, or why not; what is due can also be done by SELECT * FROM triage.maintain()';
