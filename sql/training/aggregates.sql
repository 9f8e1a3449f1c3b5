-- The transition functions are for the aggregates only: they refuse any other call.

CREATE FUNCTION triage_internal.train_accumulate(internal, text, text) RETURNS internal
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 1000 AS 'MODULE_PATHNAME', 'train_accumulate_wrapper';
COMMENT ON FUNCTION triage_internal.train_accumulate(internal, text, text) IS
    'transition of train_classifier and collect_emails';

CREATE FUNCTION triage_internal.train_accumulate_state(internal, @extschema@.email_state) RETURNS internal
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10000 AS 'MODULE_PATHNAME', 'train_accumulate_state_wrapper';
COMMENT ON FUNCTION triage_internal.train_accumulate_state(internal, @extschema@.email_state) IS
    'transition of merge_states';

CREATE FUNCTION triage_internal.train_combine(internal, internal) RETURNS internal
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'train_combine_wrapper';
COMMENT ON FUNCTION triage_internal.train_combine(internal, internal) IS 'adds the states of two workers';

CREATE FUNCTION triage_internal.train_serialize(internal) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'train_serialize_wrapper';
COMMENT ON FUNCTION triage_internal.train_serialize(internal) IS 'sends a worker''s state';

CREATE FUNCTION triage_internal.train_deserialize(bytea, internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'train_deserialize_wrapper';
COMMENT ON FUNCTION triage_internal.train_deserialize(bytea, internal) IS 'receives a worker''s state';

CREATE FUNCTION triage_internal.train_final_model(internal) RETURNS @extschema@.email_model
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'train_final_model_wrapper';
COMMENT ON FUNCTION triage_internal.train_final_model(internal) IS 'result of train_classifier';

CREATE FUNCTION triage_internal.train_final_state(internal) RETURNS @extschema@.email_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'train_final_state_wrapper';
COMMENT ON FUNCTION triage_internal.train_final_state(internal) IS 'result of collect_emails and merge_states';

CREATE AGGREGATE @extschema@.train_classifier(body text, label text) (
    SFUNC = triage_internal.train_accumulate,
    STYPE = internal,
    FINALFUNC = triage_internal.train_final_model,
    COMBINEFUNC = triage_internal.train_combine,
    SERIALFUNC = triage_internal.train_serialize,
    DESERIALFUNC = triage_internal.train_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.train_classifier(text, text) IS
    'a model of labelled emails; the same rows give the same bytes in any order and with any number of workers. Rows '
    'without body or label are skipped; NULL if none is left';

CREATE AGGREGATE @extschema@.collect_emails(body text, label text) (
    SFUNC = triage_internal.train_accumulate,
    STYPE = internal,
    FINALFUNC = triage_internal.train_final_state,
    COMBINEFUNC = triage_internal.train_combine,
    SERIALFUNC = triage_internal.train_serialize,
    DESERIALFUNC = triage_internal.train_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.collect_emails(text, text) IS
    'the counts of labelled emails, to store per shard, day or tenant and to add with merge_states';

CREATE AGGREGATE @extschema@.merge_states(state @extschema@.email_state) (
    SFUNC = triage_internal.train_accumulate_state,
    STYPE = internal,
    FINALFUNC = triage_internal.train_final_state,
    COMBINEFUNC = triage_internal.train_combine,
    SERIALFUNC = triage_internal.train_serialize,
    DESERIALFUNC = triage_internal.train_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.merge_states(@extschema@.email_state) IS
    'the state that collect_emails would have given for all their emails at once, byte for byte';

CREATE FUNCTION @extschema@.fit_email_model(state @extschema@.email_state) RETURNS @extschema@.email_model
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000000
    AS 'MODULE_PATHNAME', 'fit_email_model_wrapper';
COMMENT ON FUNCTION @extschema@.fit_email_model(@extschema@.email_state) IS
    'the model that train_classifier would have given for the state''s emails, byte for byte';
