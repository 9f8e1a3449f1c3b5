-- From decisions to models.

CREATE FUNCTION triage.learn_from(classifier text, relation regclass, text_columns text[], label_column text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'learn_from_wrapper';
COMMENT ON FUNCTION triage.learn_from(text, regclass, text[], text) IS
    'imports labelled history into the ledger, with the caller''s rights, and learns it; makes a first model if there is none. Rows that were decided already, or labelled by the classifier, are skipped. Returns how many it learned';

CREATE FUNCTION triage.retrain(classifier text, note text DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retrain_wrapper';
COMMENT ON FUNCTION triage.retrain(text, text) IS
    'trains a new version on the active one''s own counts and all decisions that hold, and activates it; returns the version';

CREATE FUNCTION triage.compact(classifier text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'compact_wrapper';
COMMENT ON FUNCTION triage.compact(text) IS
    'moves pending decisions into the base, which changes no answer; returns how many, or NULL while another session does it';

CREATE FUNCTION triage.forget(source text, key text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'forget_wrapper';
COMMENT ON FUNCTION triage.forget(text, text) IS
    'erases one email''s reviews and decisions, and what was learned from them; the table that it is in is yours. Returns how many decisions it erased';

CREATE FUNCTION triage.forget_classifier(classifier text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'forget_classifier_wrapper';
COMMENT ON FUNCTION triage.forget_classifier(text) IS
    'erases all reviews and decisions of a classifier, and what was learned from them; returns how many decisions';

CREATE FUNCTION triage.learned_state(classifier text) RETURNS email_state
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'learned_state_wrapper';
COMMENT ON FUNCTION triage.learned_state(text) IS
    'the counts that the decisions have led to, as sessions use them: what was compacted and what is pending';

CREATE FUNCTION triage.replayed_state(classifier text) RETURNS email_state
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'replayed_state_wrapper';
COMMENT ON FUNCTION triage.replayed_state(text) IS
    'the counts that the ledger alone leads to: equal to triage.learned_state(), byte for byte';

CREATE FUNCTION triage.learned_model(classifier text) RETURNS email_model
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'learned_model_wrapper';
COMMENT ON FUNCTION triage.learned_model(text) IS
    'the model that sessions answer with, pending decisions included: to keep, or to ask elsewhere with classify_with()';

CREATE FUNCTION triage.replayed_model(classifier text) RETURNS email_model
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'replayed_model_wrapper';
COMMENT ON FUNCTION triage.replayed_model(text) IS
    'the model that the active version and the ledger alone lead to: equal to triage.learned_model(), byte for byte';
