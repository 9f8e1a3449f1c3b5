CREATE VIEW triage.status WITH (security_barrier) AS
SELECT s.classifier,
       s.problem IS NULL AS ok,
       coalesce(s.problem, 'all is well') AS state,
       CASE WHEN s.what_to_do IS NOT NULL THEN s.what_to_do ELSE 'nothing' END AS what_to_do,
       s.active_version, s.trained_at, s.new_decisions, s.pending_decisions, s.open_alerts, s.last_maintenance, s.worker
  FROM (
    SELECT c.name AS classifier, a.version AS active_version, m.trained_at, n.new_decisions, p.pending_decisions,
           coalesce(l.open_alerts, 0) AS open_alerts, j.last_maintenance,
           coalesce(k.problem, k.last_error, 'serves this database') AS worker,
           CASE WHEN w.severity IS NOT NULL THEN w.message
                WHEN k.preloaded AND coalesce(k.problem, k.last_error) IS NOT NULL
                 AND n.new_decisions + p.pending_decisions > 0
                     THEN 'the background worker does not work: ' || coalesce(k.problem, k.last_error)
                WHEN b.table_name IS NOT NULL THEN format('table %s %s', b.table_name, b.problem)
                WHEN a.version IS NULL AND n.new_decisions = 0 THEN 'it has learned nothing yet'
                WHEN o.table_name IS NOT NULL
                     THEN format('table %s is not attached, but has triggers of one that is', o.table_name)
                WHEN j.last_maintenance IS NULL AND n.new_decisions > 0 THEN 'maintenance has never run'
                WHEN j.last_maintenance < now() - interval '1 day'
                 AND (n.new_decisions + p.pending_decisions > 0 OR t.changes)
                     THEN 'maintenance has not run for more than a day'
           END AS problem,
           CASE WHEN w.severity IS NOT NULL THEN w.what_to_do
                WHEN k.preloaded AND coalesce(k.problem, k.last_error) IS NOT NULL
                 AND n.new_decisions + p.pending_decisions > 0
                     THEN 'what the message says; or SELECT * FROM triage.maintain() now and then'
                WHEN b.table_name IS NOT NULL THEN b.what_to_do
                WHEN a.version IS NULL AND n.new_decisions = 0
                     THEN 'decide some emails, import history with triage.learn_from(), or deploy a model with '
                          'triage.deploy()'
                WHEN o.table_name IS NOT NULL THEN o.what_to_do
                WHEN (j.last_maintenance IS NULL OR j.last_maintenance < now() - interval '1 day')
                 AND (n.new_decisions + p.pending_decisions > 0 OR t.changes)
                     THEN coalesce(k.problem, k.last_error, 'look for pg_triage in the server''s log')
                         || '; or SELECT * FROM triage.maintain() now and then'
           END AS what_to_do
      FROM triage.classifier c
      LEFT JOIN triage_internal.active_version a ON a.classifier = c.name
      LEFT JOIN triage_internal.model m ON m.classifier = c.name AND m.version = a.version
     CROSS JOIN LATERAL (SELECT count(*) AS new_decisions
                           FROM (SELECT FROM triage_internal.decision_in_force d
                                  WHERE d.classifier = c.name AND d.features IS NOT NULL
                                    AND d.decision_id > coalesce(m.last_decision, 0)
                                  LIMIT 10000) x) n
     CROSS JOIN LATERAL (SELECT count(*) AS pending_decisions FROM triage_internal.pending p
                          WHERE p.classifier = c.name) p
      LEFT JOIN LATERAL (SELECT count(*) AS open_alerts FROM triage_internal.alert l
                          WHERE (l.classifier = c.name OR l.classifier IS NULL) AND l.ended_at IS NULL) l ON true
      LEFT JOIN LATERAL (SELECT w.severity, w.message, w.what_to_do FROM triage.alerts w
                          WHERE (w.classifier = c.name OR w.classifier IS NULL)
                            AND w.severity <> 'notice'
                          -- Critical comes before warning.
                          ORDER BY w.severity, w.since LIMIT 1) w ON true
     CROSS JOIN (SELECT max(j.ended_at) AS last_maintenance
                   FROM (SELECT j.ended_at FROM triage_internal.job j ORDER BY j.job_id DESC LIMIT 10) j) j
     CROSS JOIN (SELECT EXISTS (SELECT FROM triage_internal.review_change) AS changes) t
      LEFT JOIN (SELECT o.table_name, o.what_to_do FROM triage_internal.orphan o
                  ORDER BY o.table_name LIMIT 1) o ON true
      LEFT JOIN LATERAL (SELECT b.table_name, b.problem, b.what_to_do FROM triage_internal.broken_source b
                          WHERE b.classifier = c.name ORDER BY b.table_name LIMIT 1) b ON true
     CROSS JOIN triage.worker_status() k
  ) s;
COMMENT ON VIEW triage.status IS 'one row per classifier: whether all is well, and what to do if not';
COMMENT ON COLUMN triage.status.classifier IS 'the classifier';
COMMENT ON COLUMN triage.status.ok IS 'whether all is well';
COMMENT ON COLUMN triage.status.state IS 'what is not, the worst of it';
COMMENT ON COLUMN triage.status.what_to_do IS 'what to do about it';
COMMENT ON COLUMN triage.status.active_version IS 'the version that answers; NULL for decisions alone';
COMMENT ON COLUMN triage.status.trained_at IS 'when it was stored';
COMMENT ON COLUMN triage.status.new_decisions IS
    'decisions that it was not trained on, 10,000 at most; they count all the same, from the moment on when they '
    'were made';
COMMENT ON COLUMN triage.status.pending_decisions IS
    'decisions that each session adds to its model, until they are compacted';
COMMENT ON COLUMN triage.status.open_alerts IS 'see triage.alerts';
COMMENT ON COLUMN triage.status.last_maintenance IS 'when a task ended last';
COMMENT ON COLUMN triage.status.worker IS
    'whether a background worker serves this database, or why not; what is due can also be done by SELECT * FROM '
    'triage.maintain()';
