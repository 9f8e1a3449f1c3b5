CREATE VIEW triage.batches AS
SELECT d.batch_id,
       min(d.decided_at) AS decided_at,
       min(d.actor) AS actor,
       min(d.door) AS door,
       min(d.application_name) AS application_name,
       min(d.classifier) AS classifier,
       count(*) AS decisions,
       count(*) FILTER (WHERE d.kind = 'undo') AS undos,
       count(DISTINCT d.new_label) AS labels,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM triage_internal.decision_in_force f WHERE f.decision_id = d.decision_id)) AS still_latest
  FROM triage.decision d
 GROUP BY d.batch_id;
COMMENT ON VIEW triage.batches IS
    'decisions by statement: triage.undo_batch(batch_id) takes one back, if all of it is still the latest';
COMMENT ON COLUMN triage.batches.batch_id IS 'ascending; triage.undo_batch() takes it';
COMMENT ON COLUMN triage.batches.decided_at IS 'when it began';
COMMENT ON COLUMN triage.batches.actor IS 'who';
COMMENT ON COLUMN triage.batches.door IS 'table, review, view, function, insert, import or description';
COMMENT ON COLUMN triage.batches.application_name IS 'the tool, as it says';
COMMENT ON COLUMN triage.batches.classifier IS 'the classifier';
COMMENT ON COLUMN triage.batches.decisions IS 'how many';
COMMENT ON COLUMN triage.batches.undos IS 'how many of them took a decision back';
COMMENT ON COLUMN triage.batches.labels IS 'how many different labels were set';
COMMENT ON COLUMN triage.batches.still_latest IS 'how many are the latest about their email';
