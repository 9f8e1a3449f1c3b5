CREATE VIEW triage.review_progress AS
SELECT r.classifier, r.source,
       count(*) AS reviews,
       count(*) FILTER (WHERE q.queue_reason = 'unclassified') AS unclassified,
       count(*) FILTER (WHERE q.queue_reason = 'uncertain') AS uncertain,
       count(*) FILTER (WHERE q.queue_reason = 'confident') AS confident,
       count(*) FILTER (WHERE r.human_label = r.predicted_label) AS accepted,
       count(*) FILTER (WHERE r.human_label <> r.predicted_label) AS corrected,
       count(*) FILTER (WHERE r.human_label IS NOT NULL AND r.predicted_label IS NULL) AS labelled,
       count(*) FILTER (WHERE q.queue_reason IS NULL AND r.human_label IS NULL AND NOT q.is_deleted) AS skipped,
       count(*) FILTER (WHERE q.queue_reason = 'audit') AS audit,
       count(*) FILTER (WHERE q.queue_reason = 'reopened') AS reopened,
       count(*) FILTER (WHERE r.human_label IS NULL AND q.is_deleted) AS deleted
  FROM triage.review r
  LEFT JOIN triage_internal.dropped_source d ON d.source = r.source AND d.classifier = r.classifier
 CROSS JOIN LATERAL (SELECT CASE WHEN d.source_id IS NULL THEN r.queue_reason END AS queue_reason,
                            r.deleted_at IS NOT NULL OR d.source_id IS NOT NULL AS is_deleted) q
 GROUP BY r.classifier, r.source;
COMMENT ON VIEW triage.review_progress IS 'how many emails wait for a person, and what became of the others';
COMMENT ON COLUMN triage.review_progress.classifier IS 'the classifier';
COMMENT ON COLUMN triage.review_progress.source IS 'the table that the emails are in';
COMMENT ON COLUMN triage.review_progress.reviews IS 'all of them';
COMMENT ON COLUMN triage.review_progress.unclassified IS
    'open, and without a prediction: see triage.classify_pending()';
COMMENT ON COLUMN triage.review_progress.uncertain IS
    'open, predicted with a confidence below triage.classifier.review_below at that time';
COMMENT ON COLUMN triage.review_progress.confident IS 'open, predicted with more';
COMMENT ON COLUMN triage.review_progress.accepted IS 'a person agreed';
COMMENT ON COLUMN triage.review_progress.corrected IS 'a person chose another label';
COMMENT ON COLUMN triage.review_progress.labelled IS 'labelled by hand or by an import, without a prediction';
COMMENT ON COLUMN triage.review_progress.skipped IS 'a person could not say';
COMMENT ON COLUMN triage.review_progress.audit IS
    'open, and drawn at random for the audit sample: accuracy is known as far as these are answered';
COMMENT ON COLUMN triage.review_progress.reopened IS
    'put to people again by triage.ask_again(), and not answered yet; those that keep a label are counted there, too';
COMMENT ON COLUMN triage.review_progress.deleted IS
    'nobody had decided when the row was deleted, or the table dropped: they wait for nobody';
