-- What a person should know.

CREATE VIEW triage_internal.latest_trained AS
SELECT DISTINCT ON (m.classifier) m.classifier, m.version, m.refused, m.reviewer, m.known_as, m.evidence,
       m.compared_accuracy, m.champion_accuracy,
       NOT EXISTS (SELECT FROM triage_internal.activation a
                     JOIN triage_internal.model v ON v.classifier = a.classifier AND v.version = a.version
                    WHERE a.classifier = m.classifier AND a.activated_at > m.trained_at
                      AND (v.version = m.version OR v.champion IS NULL AND v.version > m.version)) AS awaits_person
  FROM triage_internal.model m
 WHERE m.champion IS NOT NULL AND m.steps_of IS NULL
 ORDER BY m.classifier, m.version DESC;
COMMENT ON VIEW triage_internal.latest_trained IS
    'part of maintain(): the latest version of each classifier that maintenance has trained';
COMMENT ON COLUMN triage_internal.latest_trained.classifier IS 'the classifier';
COMMENT ON COLUMN triage_internal.latest_trained.version IS 'the version';
COMMENT ON COLUMN triage_internal.latest_trained.refused IS 'why it was not activated; NULL if it was';
COMMENT ON COLUMN triage_internal.latest_trained.reviewer IS
    'whose decisions that it learned from are contradicted more often than those of others; NULL if nobody''s are';
COMMENT ON COLUMN triage_internal.latest_trained.known_as IS 'the same, with the roles or names that they connected as';
COMMENT ON COLUMN triage_internal.latest_trained.evidence IS 'how often they are, and how often those of others';
COMMENT ON COLUMN triage_internal.latest_trained.compared_accuracy IS
    'share of the compared emails that it answered right';
COMMENT ON COLUMN triage_internal.latest_trained.champion_accuracy IS
    'share of them that the version before answered right';
COMMENT ON COLUMN triage_internal.latest_trained.awaits_person IS
    'whether no person has activated it since, or made a later version active';

CREATE FUNCTION triage_internal.find_alerts()
    RETURNS TABLE (classifier text, kind text, subject text, severity text, message text, what_to_do text)
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
AS $$
    -- The latest version that maintenance trained, if it was refused, until a person activates it or makes another one.
    SELECT m.classifier, 'refused', 'new version',
           CASE WHEN m.compared_accuracy < m.champion_accuracy - 0.05 THEN 'warning' ELSE 'notice' END,
           format('version %s was not activated: %s', m.version, m.refused),
           format('if it is a little worse, nothing: training is tried again with more decisions. If it is much '
                  'worse, somebody may have decided wrongly: see triage.suspect_labels and triage.batches; what is '
                  'undone counts no more at once. SELECT * FROM triage.preview(%L, %s) says what would change, SELECT '
                  'triage.activate(%L, %s) activates it all the same', m.classifier, m.version, m.classifier, m.version)
      FROM triage_internal.latest_trained m
     WHERE m.refused IS NOT NULL AND m.reviewer IS NULL AND m.awaits_person
    UNION ALL
    -- Being contradicted is no proof: others look at the decisions, and nothing is taken back unseen.
    SELECT m.classifier, 'reviewer', m.reviewer,
           CASE WHEN m.refused IS NULL THEN 'warning' ELSE 'critical' END,
           format('version %s was %s: %s: %s', m.version,
                  CASE WHEN m.refused IS NULL THEN 'activated, because it is better by the decisions of everybody else'
                       ELSE 'not activated' END, m.evidence, m.known_as),
           format('look at SELECT s.* FROM triage.suspect_labels s JOIN triage.decision_history d USING (decision_id) '
                  'WHERE s.classifier = %L AND %L IN (d.actor, d.connected_as) AND s.margin > 0.7. The reviewer may be '
                  'right, and the others wrong. Let somebody else decide anew: SELECT '
                  'triage.ask_again(string_agg(s.review_id::text, '','')) FROM triage.suspect_labels s JOIN '
                  'triage.decision_history d USING (decision_id) WHERE s.classifier = %L AND %L IN (d.actor, '
                  'd.connected_as) AND s.margin > 0.7; they wait in triage.review_queue then, and when all are '
                  'answered, training follows%s', m.classifier, m.reviewer, m.classifier, m.reviewer,
                  format(CASE WHEN m.refused IS NOT NULL
                              THEN '. If the reviewer is right: SELECT triage.activate(%L, %s)' ELSE '' END,
                         m.classifier, m.version))
      FROM triage_internal.latest_trained m
     WHERE m.reviewer IS NOT NULL AND (m.refused IS NULL OR m.awaits_person)
    UNION ALL
    SELECT d.classifier, 'drift', d.measure, 'warning',
           format('%s of the last seven days is unlike before: %s', d.measure, d.meaning),
           'look at the latest emails in triage.review_queue and label some of each new kind: '
           'training follows by itself'
      FROM triage.drift d
     WHERE d.drifted
    UNION ALL
    SELECT a.classifier, 'accuracy', 'accuracy', 'critical',
           format('of the audit sample %s of %s were right in the last seven days, %s of %s in the four weeks before',
               a.correct, a.answered, a.correct_before, a.answered_before),
           'look at triage.confusion_matrix and triage.drift. If a version is to blame: SELECT triage.rollback('
               || quote_literal(a.classifier) || ')'
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
                                (a.correct + a.correct_before)::float8
                                    / nullif(a.answered + a.answered_before, 0) AS pooled) p
     WHERE a.answered >= 20 AND a.answered_before >= 20 AND p.before - p.recent >= 0.02
       -- It is asked every day: at 4.5 standard errors three of a hundred classifiers alarm for nothing in a year.
       AND p.before - p.recent > 4.5 * sqrt(p.pooled * (1 - p.pooled) * (1.0 / a.answered + 1.0 / a.answered_before))
    UNION ALL
    SELECT f.classifier, 'failing', f.task, 'warning',
           format('%s has failed %s times in a row: %s', f.task, f.times, coalesce(f.error, 'its process was ended')),
           'the message says what to do; it is tried again at least every hour'
      FROM (SELECT j.task, j.classifier, count(*) AS times,
                   (array_agg(j.error ORDER BY j.job_id DESC) FILTER (WHERE j.error IS NOT NULL))[1] AS error
              FROM triage_internal.job j
             WHERE j.status IN ('failed', 'interrupted')
               AND (j.classifier IS NULL OR EXISTS (SELECT FROM triage.classifier c WHERE c.name = j.classifier))
               AND j.started_at > now() - interval '1 day'
               AND NOT EXISTS (SELECT FROM triage_internal.activation a WHERE a.classifier = j.classifier
                                AND a.activated_at > j.started_at)
               AND j.job_id > coalesce((SELECT max(s.job_id) FROM triage_internal.job s
                     WHERE s.task = j.task AND s.classifier IS NOT DISTINCT FROM j.classifier AND s.status = 'done'), 0)
             GROUP BY j.task, j.classifier) f
     WHERE f.times >= 3
    UNION ALL
    SELECT c.name, 'unclassified', 'emails', 'notice',
           'emails have waited for a prediction for more than a day, although there is a model, or they are gone',
           format('SELECT triage.classify_pending() says why it cannot classify them. To take what is left out of the '
                  'queue: SELECT triage.skip(review_id) FROM triage.review WHERE classifier = %L AND '
                  'queue_reason = ''unclassified''', c.name)
      FROM triage.classifier c
     WHERE EXISTS (SELECT FROM triage_internal.activation a WHERE a.classifier = c.name
                    AND a.activated_at < now() - interval '1 day')
       AND EXISTS (SELECT FROM triage.review r WHERE r.classifier = c.name AND r.queue_reason = 'unclassified'
                      AND r.margin IS NULL AND r.predicted_label IS NULL AND r.human_label IS NULL
                      AND r.given_label IS NULL AND r.unclassified_reason IS DISTINCT FROM 'no text'
                      AND r.received_at < now() - interval '1 day')
    UNION ALL
    SELECT a.classifier, 'unanswered', 'audit sample', 'notice',
           format('of %s emails in the audit sample of the last four weeks %s are answered: nothing much is known '
                  'about accuracy', a.audited, a.answered),
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
COMMENT ON FUNCTION triage_internal.watch() IS
    'part of maintain(): opens alerts that are new and ends those that are no longer so';

CREATE VIEW triage.alerts WITH (security_barrier) AS
SELECT a.alert_id, a.classifier, a.severity, a.kind,
       CASE WHEN s.sees THEN a.subject ELSE 'a reviewer' END AS subject, a.since,
       CASE WHEN s.sees THEN a.message
            ELSE 'decisions of one reviewer are contradicted more often than those of others about emails of the same '
                 'kind; role triage_reviewer sees whose'
       END AS message,
       CASE WHEN s.sees THEN a.what_to_do ELSE 'tell a reviewer' END AS what_to_do
  FROM triage_internal.alert a
 -- Who decided what is nothing for readers.
 CROSS JOIN LATERAL (SELECT a.kind <> 'reviewer' OR pg_has_role('triage_reviewer'::name, 'USAGE') AS sees) s
 WHERE a.ended_at IS NULL;
COMMENT ON VIEW triage.alerts IS
    'what a person should know now; maintenance looks once an hour, and after each training';
COMMENT ON COLUMN triage.alerts.alert_id IS 'ascending';
COMMENT ON COLUMN triage.alerts.classifier IS 'the classifier; NULL for all';
COMMENT ON COLUMN triage.alerts.severity IS
    'notice (nothing is wrong yet), warning (answers get worse, or will), critical (they are bad, or somebody does '
    'harm)';
COMMENT ON COLUMN triage.alerts.kind IS
    'refused (a new version), reviewer (whose decisions are contradicted more often than those of others about emails '
    'of the same kind), drift, accuracy (has fallen), failing (a task of maintenance), unclassified (emails), '
    'unanswered (audit sample)';
COMMENT ON COLUMN triage.alerts.subject IS 'the reviewer, measure or task';
COMMENT ON COLUMN triage.alerts.since IS 'when it was noticed first';
COMMENT ON COLUMN triage.alerts.message IS 'what it means';
COMMENT ON COLUMN triage.alerts.what_to_do IS 'what to do';
