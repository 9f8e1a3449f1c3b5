CREATE FUNCTION triage.learned_state(classifier text) RETURNS @extschema@.email_state
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'learned_state_wrapper';
COMMENT ON FUNCTION triage.learned_state(text) IS
    'the counts that the decisions have led to, as sessions use them: what was compacted and what is pending';

CREATE FUNCTION triage.replayed_state(classifier text) RETURNS @extschema@.email_state
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'replayed_state_wrapper';
COMMENT ON FUNCTION triage.replayed_state(text) IS
    'the counts that the ledger alone leads to: equal to triage.learned_state(), byte for byte';

CREATE FUNCTION triage.learned_model(classifier text) RETURNS @extschema@.email_model
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'learned_model_wrapper';
COMMENT ON FUNCTION triage.learned_model(text) IS
    'the model that sessions answer with, pending decisions included: to keep, or to ask elsewhere with '
    'classify_with()';

CREATE FUNCTION triage.replayed_model(classifier text) RETURNS @extschema@.email_model
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'replayed_model_wrapper';
COMMENT ON FUNCTION triage.replayed_model(text) IS
    'the model that the active version and the ledger alone lead to: equal to triage.learned_model(), byte for byte';
