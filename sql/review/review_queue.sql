CREATE VIEW triage.review_queue AS
SELECT r.review_id, r.classifier, r.source, r.email_key, r.received_at,
       r.predicted_label, r.confidence, r.second_label, r.second_confidence, r.margin, r.model_version,
       r.human_label, r.note, r.action, r.reviewed_by, r.reviewed_at, r.queue_reason, r.row_version,
       r.text_changed_at
  FROM triage.review r
 -- Nobody can be asked about emails of a table that was dropped.
 WHERE r.queue_reason IS NULL
    OR (r.source, r.classifier) NOT IN (SELECT d.source, d.classifier FROM triage_internal.dropped_source d);
COMMENT ON VIEW triage.review_queue IS
    'reviews of all tables, without text; set human_label, note or action, or insert (review_id, human_label) to '
    'decide many at once. Work on queue_reason <> ''confident'', smallest margin first';
COMMENT ON COLUMN triage.review_queue.review_id IS 'key';
COMMENT ON COLUMN triage.review_queue.classifier IS 'the classifier';
COMMENT ON COLUMN triage.review_queue.source IS 'the table that the email is in';
COMMENT ON COLUMN triage.review_queue.email_key IS 'its key there';
COMMENT ON COLUMN triage.review_queue.received_at IS 'when the row was inserted';
COMMENT ON COLUMN triage.review_queue.predicted_label IS 'what the classifier said';
COMMENT ON COLUMN triage.review_queue.confidence IS 'probability of that label, 0 to 1';
COMMENT ON COLUMN triage.review_queue.second_label IS 'the next best label';
COMMENT ON COLUMN triage.review_queue.second_confidence IS 'its probability';
COMMENT ON COLUMN triage.review_queue.margin IS 'difference of the two: small means unsure';
COMMENT ON COLUMN triage.review_queue.model_version IS 'which model said so';
COMMENT ON COLUMN triage.review_queue.human_label IS 'what a person said';
COMMENT ON COLUMN triage.review_queue.note IS 'for people';
COMMENT ON COLUMN triage.review_queue.action IS
    'NULL; set it to accept, skip, undo or ask again, which is done at once: see triage.review';
COMMENT ON COLUMN triage.review_queue.reviewed_by IS 'who decided';
COMMENT ON COLUMN triage.review_queue.reviewed_at IS 'when';
COMMENT ON COLUMN triage.review_queue.queue_reason IS
    'unclassified, audit (drawn at random to measure accuracy), uncertain, confident or reopened (asked again); '
    'NULL once it was decided or skipped';
COMMENT ON COLUMN triage.review_queue.row_version IS 'counts changes';
COMMENT ON COLUMN triage.review_queue.text_changed_at IS
    'when the text was last changed after somebody had decided about the one before; a new decision clears it';

CREATE TRIGGER review_batch INSTEAD OF INSERT OR UPDATE ON triage.review_queue
    FOR EACH ROW EXECUTE FUNCTION triage_internal.review_row();
COMMENT ON TRIGGER review_batch ON triage.review_queue IS 'human_label becomes a decision; other columns are protected';

CREATE TRIGGER review_begin BEFORE INSERT OR UPDATE ON triage.review_queue
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.begin_batch();
COMMENT ON TRIGGER review_begin ON triage.review_queue IS 'one batch per statement';

CREATE TRIGGER review_end AFTER INSERT OR UPDATE ON triage.review_queue
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.end_batch();
COMMENT ON TRIGGER review_end ON triage.review_queue IS 'compacts many decisions';
