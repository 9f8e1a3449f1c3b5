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
           SELECT FROM triage_internal.decision_in_force f WHERE f.decision_id = d.decision_id)) AS still_latest,
       bool_and(EXISTS (SELECT FROM triage.decision u WHERE u.undoes = d.decision_id)
                AND triage_internal.is_undone(d.decision_id)) AS undone
  FROM triage.decision d
 GROUP BY d.batch_id;
COMMENT ON VIEW triage.batches IS
    'decisions by statement: set undone to true, or SELECT triage.undo_batch(batch_id), to take one back, all or none';
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
COMMENT ON COLUMN triage.batches.undone IS
    'whether somebody has taken all of it back; set it to true to do so with what is left of it';

CREATE TRIGGER undo_begin BEFORE UPDATE ON triage.batches
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.begin_batch();
COMMENT ON TRIGGER undo_begin ON triage.batches IS 'one batch per statement';

CREATE TRIGGER undo_row INSTEAD OF UPDATE ON triage.batches
    FOR EACH ROW EXECUTE FUNCTION triage_internal.list_undone();
COMMENT ON TRIGGER undo_row ON triage.batches IS 'undone can be set to true; other columns are protected';

CREATE TRIGGER undo_end AFTER UPDATE ON triage.batches
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.undo_listed();
COMMENT ON TRIGGER undo_end ON triage.batches IS 'undoes, the latest first';
