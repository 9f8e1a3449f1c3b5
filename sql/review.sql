-- Review: who decides what, through a table, views and functions. All of them end in the
-- same code, src/decide.rs.

CREATE FUNCTION triage_internal.review_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'review_row_wrapper';
COMMENT ON FUNCTION triage_internal.review_row() IS 'turns a changed human_label into a decision; on triage.review and on the queue views';

CREATE TRIGGER review_begin BEFORE UPDATE ON triage.review
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.begin_batch();
CREATE TRIGGER review_row BEFORE UPDATE ON triage.review
    FOR EACH ROW EXECUTE FUNCTION triage_internal.review_row();
CREATE TRIGGER review_end AFTER UPDATE ON triage.review
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.end_batch();
COMMENT ON TRIGGER review_begin ON triage.review IS 'one batch per statement';
COMMENT ON TRIGGER review_row ON triage.review IS 'human_label becomes a decision; other columns are protected';
COMMENT ON TRIGGER review_end ON triage.review IS 'compacts many decisions';

CREATE VIEW triage.review_queue AS
SELECT r.review_id, r.classifier, r.source, r.email_key, r.received_at,
       r.predicted_label, r.confidence, r.second_label, r.second_confidence, r.margin, r.model_version,
       r.human_label, r.note, r.reviewed_by, r.reviewed_at, r.queue_reason, r.row_version
  FROM triage.review r;
COMMENT ON VIEW triage.review_queue IS
    'reviews of all tables, without text; set human_label or note, or insert (review_id, human_label) to decide many at once. Work on queue_reason <> ''confident'', smallest margin first';
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
COMMENT ON COLUMN triage.review_queue.reviewed_by IS 'who decided';
COMMENT ON COLUMN triage.review_queue.reviewed_at IS 'when';
COMMENT ON COLUMN triage.review_queue.queue_reason IS 'unclassified, audit (drawn at random to measure accuracy), uncertain or confident; NULL once it was decided or skipped';
COMMENT ON COLUMN triage.review_queue.row_version IS 'counts changes';
CREATE TRIGGER review_batch INSTEAD OF INSERT OR UPDATE ON triage.review_queue
    FOR EACH ROW EXECUTE FUNCTION triage_internal.review_row();
CREATE TRIGGER review_begin BEFORE INSERT OR UPDATE ON triage.review_queue
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.begin_batch();
CREATE TRIGGER review_end AFTER INSERT OR UPDATE ON triage.review_queue
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.end_batch();
COMMENT ON TRIGGER review_batch ON triage.review_queue IS 'human_label becomes a decision; other columns are protected';
COMMENT ON TRIGGER review_begin ON triage.review_queue IS 'one batch per statement';
COMMENT ON TRIGGER review_end ON triage.review_queue IS 'compacts many decisions';

-- The built-in inbox is an attached table whose triggers and view come with the extension.
SELECT triage_internal.create_triggers('triage.email', 0, 'label', 'email_id', ARRAY['header', 'subject', 'body']);
SELECT triage_internal.create_queue_view(0, 'email_queue', 'triage.email', 'default', 'triage.email', 'label', 'email_id', ARRAY['header', 'subject', 'body']);

CREATE VIEW triage.decision_history AS
SELECT d.decision_id, d.review_id, d.classifier, r.source, r.email_key, d.kind, d.old_label, d.new_label,
       d.predicted_label, d.confidence, d.model_version, d.note, d.actor, d.decided_at, d.batch_id, d.door,
       d.connected_as, d.acting_as, d.application_name, d.replaces, d.undoes,
       d.features IS NOT NULL AS learned
  FROM triage.decision d
  LEFT JOIN triage.review r ON r.review_id OPERATOR(pg_catalog.=) d.review_id;
COMMENT ON VIEW triage.decision_history IS 'every decision ever made: who, when, with what tool, from which label to which';
COMMENT ON COLUMN triage.decision_history.decision_id IS 'ascending; triage.undo() takes it';
COMMENT ON COLUMN triage.decision_history.review_id IS 'the review decided on';
COMMENT ON COLUMN triage.decision_history.classifier IS 'the classifier';
COMMENT ON COLUMN triage.decision_history.source IS 'the table that the email is in';
COMMENT ON COLUMN triage.decision_history.email_key IS 'its key there';
COMMENT ON COLUMN triage.decision_history.kind IS 'accept, correct, skip, undo, import';
COMMENT ON COLUMN triage.decision_history.old_label IS 'human label before';
COMMENT ON COLUMN triage.decision_history.new_label IS 'human label after';
COMMENT ON COLUMN triage.decision_history.predicted_label IS 'what had been predicted';
COMMENT ON COLUMN triage.decision_history.confidence IS 'with what confidence';
COMMENT ON COLUMN triage.decision_history.model_version IS 'by which model';
COMMENT ON COLUMN triage.decision_history.note IS 'for people';
COMMENT ON COLUMN triage.decision_history.actor IS 'who decided, as they say';
COMMENT ON COLUMN triage.decision_history.decided_at IS 'when';
COMMENT ON COLUMN triage.decision_history.batch_id IS 'decisions of one statement share it; triage.undo_batch() takes it';
COMMENT ON COLUMN triage.decision_history.door IS 'table, review, view, function, insert, import or description';
COMMENT ON COLUMN triage.decision_history.connected_as IS 'session_user';
COMMENT ON COLUMN triage.decision_history.acting_as IS 'current_user';
COMMENT ON COLUMN triage.decision_history.application_name IS 'the tool, as it says';
COMMENT ON COLUMN triage.decision_history.replaces IS 'the decision about the same email before';
COMMENT ON COLUMN triage.decision_history.undoes IS 'the decision that was taken back';
COMMENT ON COLUMN triage.decision_history.learned IS 'whether the classifier learned from it';

CREATE VIEW triage.batches AS
SELECT d.batch_id,
       pg_catalog.min(d.decided_at) AS decided_at,
       pg_catalog.min(d.actor) AS actor,
       pg_catalog.min(d.door) AS door,
       pg_catalog.min(d.application_name) AS application_name,
       pg_catalog.min(d.classifier) AS classifier,
       pg_catalog.count(*) AS decisions,
       pg_catalog.count(*) FILTER (WHERE d.kind OPERATOR(pg_catalog.=) 'undo') AS undos,
       pg_catalog.count(DISTINCT d.new_label) AS labels,
       pg_catalog.count(*) FILTER (WHERE EXISTS (
           SELECT FROM triage_internal.decision_in_force f WHERE f.decision_id OPERATOR(pg_catalog.=) d.decision_id)) AS still_latest
  FROM triage.decision d
 GROUP BY d.batch_id;
COMMENT ON VIEW triage.batches IS 'decisions by statement: triage.undo_batch(batch_id) takes one back, if all of it is still the latest';
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

CREATE VIEW triage.label_choices AS
SELECT l.classifier, l.label, l.description FROM triage.label l;
COMMENT ON VIEW triage.label_choices IS 'what may be set as human_label, for drop-down lists';
COMMENT ON COLUMN triage.label_choices.classifier IS 'the classifier';
COMMENT ON COLUMN triage.label_choices.label IS 'the label';
COMMENT ON COLUMN triage.label_choices.description IS 'what belongs under it';

CREATE VIEW triage.review_progress AS
SELECT r.classifier, r.source,
       pg_catalog.count(*) AS reviews,
       pg_catalog.count(*) FILTER (WHERE r.queue_reason OPERATOR(pg_catalog.=) 'unclassified') AS unclassified,
       pg_catalog.count(*) FILTER (WHERE r.queue_reason OPERATOR(pg_catalog.=) 'uncertain') AS uncertain,
       pg_catalog.count(*) FILTER (WHERE r.queue_reason OPERATOR(pg_catalog.=) 'confident') AS confident,
       pg_catalog.count(*) FILTER (WHERE r.human_label OPERATOR(pg_catalog.=) r.predicted_label) AS accepted,
       pg_catalog.count(*) FILTER (WHERE r.human_label OPERATOR(pg_catalog.<>) r.predicted_label) AS corrected,
       pg_catalog.count(*) FILTER (WHERE r.human_label IS NOT NULL AND r.predicted_label IS NULL) AS labelled,
       pg_catalog.count(*) FILTER (WHERE r.queue_reason IS NULL AND r.human_label IS NULL) AS skipped,
       pg_catalog.count(*) FILTER (WHERE r.queue_reason OPERATOR(pg_catalog.=) 'audit') AS audit
  FROM triage.review r
 GROUP BY r.classifier, r.source;
COMMENT ON VIEW triage.review_progress IS 'how many emails wait for a person, and what became of the others';
COMMENT ON COLUMN triage.review_progress.classifier IS 'the classifier';
COMMENT ON COLUMN triage.review_progress.source IS 'the table that the emails are in';
COMMENT ON COLUMN triage.review_progress.reviews IS 'all of them';
COMMENT ON COLUMN triage.review_progress.unclassified IS 'open, and without a prediction: see triage.classify_pending()';
COMMENT ON COLUMN triage.review_progress.uncertain IS 'open, predicted with a confidence below triage.classifier.review_below at that time';
COMMENT ON COLUMN triage.review_progress.confident IS 'open, predicted with more';
COMMENT ON COLUMN triage.review_progress.accepted IS 'a person agreed';
COMMENT ON COLUMN triage.review_progress.corrected IS 'a person chose another label';
COMMENT ON COLUMN triage.review_progress.labelled IS 'labelled by hand or by an import, without a prediction';
COMMENT ON COLUMN triage.review_progress.skipped IS 'a person could not say';
COMMENT ON COLUMN triage.review_progress.audit IS 'open, and drawn at random for the audit sample: accuracy is known as far as these are answered';

CREATE FUNCTION triage.accept(review_id bigint, note text DEFAULT NULL, actor text DEFAULT NULL, row_version integer DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'accept_wrapper';
COMMENT ON FUNCTION triage.accept(bigint, text, text, integer) IS
    'agrees with the predicted label; returns the decision. With a row_version that is not the current one it fails instead (40001)';

CREATE FUNCTION triage.correct(review_id bigint, label text, note text DEFAULT NULL, actor text DEFAULT NULL, row_version integer DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'correct_wrapper';
COMMENT ON FUNCTION triage.correct(bigint, text, text, text, integer) IS
    'says what the label is (NULL takes the decision back); returns the decision';

CREATE FUNCTION triage.skip(review_id bigint, note text DEFAULT NULL, actor text DEFAULT NULL, row_version integer DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'skip_wrapper';
COMMENT ON FUNCTION triage.skip(bigint, text, text, integer) IS
    'takes an email out of the queue without a label; returns the decision';

CREATE FUNCTION triage.correct_many(review_ids text, label text, note text DEFAULT NULL, actor text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'correct_many_wrapper';
COMMENT ON FUNCTION triage.correct_many(text, text, text, text) IS
    'gives one label to many emails, as ''7, 8, 12'', all or none; returns the batch, which triage.undo_batch() takes';

CREATE FUNCTION triage.correct_many(review_ids bigint[], label text, note text DEFAULT NULL, actor text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE PARALLEL UNSAFE
    BEGIN ATOMIC
        SELECT triage.correct_many(pg_catalog.array_to_string(review_ids, ','), label, note, actor);
    END;
COMMENT ON FUNCTION triage.correct_many(bigint[], text, text, text) IS 'the same for an array';

CREATE FUNCTION triage.undo(decision_id bigint, note text DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'undo_wrapper';
COMMENT ON FUNCTION triage.undo(bigint, text, text) IS
    'takes a decision back, unless a later one about the same email exists; returns the decision that does so, which can be undone, too';

CREATE FUNCTION triage.undo_batch(batch_id bigint, note text DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'undo_batch_wrapper';
COMMENT ON FUNCTION triage.undo_batch(bigint, text, text) IS
    'takes back all decisions of one statement, all or none; returns how many';
