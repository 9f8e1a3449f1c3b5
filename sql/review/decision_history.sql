CREATE VIEW triage.decision_history AS
SELECT d.decision_id, d.review_id, d.classifier, d.source, d.email_key, d.kind, d.old_label, d.new_label,
       d.predicted_label, d.confidence, d.model_version, d.note, d.actor, d.decided_at, d.batch_id, d.door,
       d.connected_as, d.acting_as, d.application_name, d.replaces, d.undoes,
       d.features IS NOT NULL AS learned,
       EXISTS (SELECT FROM triage.decision u WHERE u.undoes = d.decision_id)
           AND triage_internal.is_undone(d.decision_id) AS undone
  FROM triage.decision d;
COMMENT ON VIEW triage.decision_history IS
    'every decision ever made: who, when, with what tool, from which label to which; set undone to true to take some '
    'back, all or none';
COMMENT ON COLUMN triage.decision_history.decision_id IS 'ascending; triage.undo() takes it';
COMMENT ON COLUMN triage.decision_history.review_id IS 'the review decided on';
COMMENT ON COLUMN triage.decision_history.classifier IS 'the classifier';
COMMENT ON COLUMN triage.decision_history.source IS 'the table that the email is in';
COMMENT ON COLUMN triage.decision_history.email_key IS 'its key there when it was decided';
COMMENT ON COLUMN triage.decision_history.kind IS 'accept, correct, skip, ask (again), undo, import';
COMMENT ON COLUMN triage.decision_history.old_label IS 'human label before';
COMMENT ON COLUMN triage.decision_history.new_label IS 'human label after';
COMMENT ON COLUMN triage.decision_history.predicted_label IS 'what had been predicted';
COMMENT ON COLUMN triage.decision_history.confidence IS 'with what confidence';
COMMENT ON COLUMN triage.decision_history.model_version IS 'by which model';
COMMENT ON COLUMN triage.decision_history.note IS 'for people';
COMMENT ON COLUMN triage.decision_history.actor IS 'who decided, as they say';
COMMENT ON COLUMN triage.decision_history.decided_at IS 'when';
COMMENT ON COLUMN triage.decision_history.batch_id IS
    'decisions of one statement share it; triage.undo_batch() takes it';
COMMENT ON COLUMN triage.decision_history.door IS 'table, review, view, function, insert, import or description';
COMMENT ON COLUMN triage.decision_history.connected_as IS 'session_user';
COMMENT ON COLUMN triage.decision_history.acting_as IS 'current_user';
COMMENT ON COLUMN triage.decision_history.application_name IS 'the tool, as it says';
COMMENT ON COLUMN triage.decision_history.replaces IS 'the decision about the same email before';
COMMENT ON COLUMN triage.decision_history.undoes IS 'the decision that was taken back';
COMMENT ON COLUMN triage.decision_history.learned IS 'whether the classifier learned from it';
COMMENT ON COLUMN triage.decision_history.undone IS
    'whether somebody has taken it back; set it to true to do so, unless a later decision about the same email holds. '
    'One UPDATE is one batch; an undo is brought back by undoing it';

CREATE FUNCTION triage_internal.list_undone() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'list_undone_wrapper';
COMMENT ON FUNCTION triage_internal.list_undone() IS 'notes what is to be undone when the statement ends';

CREATE FUNCTION triage_internal.undo_listed() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'undo_listed_wrapper';
COMMENT ON FUNCTION triage_internal.undo_listed() IS 'undoes what was noted, the latest first';

CREATE TRIGGER undo_begin BEFORE UPDATE ON triage.decision_history
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.begin_batch();
COMMENT ON TRIGGER undo_begin ON triage.decision_history IS 'one batch per statement';

CREATE TRIGGER undo_row INSTEAD OF UPDATE ON triage.decision_history
    FOR EACH ROW EXECUTE FUNCTION triage_internal.list_undone();
COMMENT ON TRIGGER undo_row ON triage.decision_history IS 'undone can be set to true; other columns are protected';

CREATE TRIGGER undo_end AFTER UPDATE ON triage.decision_history
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.undo_listed();
COMMENT ON TRIGGER undo_end ON triage.decision_history IS 'undoes, the latest first';
