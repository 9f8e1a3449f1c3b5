-- The functions among the ways to decide.

CREATE FUNCTION triage.accept(review_id bigint, note text DEFAULT NULL, actor text DEFAULT NULL,
        row_version integer DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'accept_wrapper';
COMMENT ON FUNCTION triage.accept(bigint, text, text, integer) IS
    'agrees with the predicted label; returns the decision. With a row_version that is not the current one it fails '
    'instead (40001)';

CREATE FUNCTION triage.correct(review_id bigint, label text, note text DEFAULT NULL, actor text DEFAULT NULL,
        row_version integer DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'correct_wrapper';
COMMENT ON FUNCTION triage.correct(bigint, text, text, text, integer) IS
    'says what the label is (NULL takes the decision back); returns the decision. The same label again is one, too, '
    'where it was imported or another person gave it: that confirms it (see triage.suspect_labels)';

CREATE FUNCTION triage.skip(review_id bigint, note text DEFAULT NULL, actor text DEFAULT NULL,
        row_version integer DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'skip_wrapper';
COMMENT ON FUNCTION triage.skip(bigint, text, text, integer) IS
    'takes an email out of the queue without a label, or with the one that it had when it was asked again; returns the '
    'decision';

CREATE FUNCTION triage.correct_many(review_ids text, label text, note text DEFAULT NULL, actor text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'correct_many_wrapper';
COMMENT ON FUNCTION triage.correct_many(text, text, text, text) IS
    'gives one label to many emails, as ''7, 8, 12'', all or none; returns the batch, which triage.undo_batch() '
    'takes';

CREATE FUNCTION triage.correct_many(review_ids bigint[], label text, note text DEFAULT NULL, actor text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE PARALLEL UNSAFE
    BEGIN ATOMIC
        SELECT triage.correct_many(array_to_string(review_ids, ','), label, note, actor);
    END;
COMMENT ON FUNCTION triage.correct_many(bigint[], text, text, text) IS 'the same for an array';

CREATE FUNCTION triage.ask_again(review_ids text, note text DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ask_again_wrapper';
COMMENT ON FUNCTION triage.ask_again(text, text, text) IS
    'puts emails to people again, as ''7, 8, 12'', skipped and decided ones: they wait with queue_reason ''reopened'', '
    'and keep their human label until somebody decides anew (skip leaves it as it is). Returns the batch, which '
    'triage.undo_batch() takes';

CREATE FUNCTION triage.undo(decision_id bigint, note text DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'undo_wrapper';
COMMENT ON FUNCTION triage.undo(bigint, text, text) IS
    'takes a decision back, unless a later one about the same email holds; returns the decision that does so, which '
    'can be undone, too';

CREATE FUNCTION triage.undo_batch(batch_id bigint, note text DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'undo_batch_wrapper';
COMMENT ON FUNCTION triage.undo_batch(bigint, text, text) IS
    'takes back all decisions of one statement, all or none; returns how many';
