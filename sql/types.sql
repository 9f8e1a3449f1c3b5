-- The two types: what training adds up, and what classifies.

CREATE TYPE @extschema@.email_state;

CREATE FUNCTION @extschema@.email_state_in(cstring) RETURNS @extschema@.email_state
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_state_in_wrapper';
COMMENT ON FUNCTION @extschema@.email_state_in(cstring) IS 'reads base64 and verifies checksum and structure';

CREATE FUNCTION @extschema@.email_state_out(@extschema@.email_state) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_state_out_wrapper';
COMMENT ON FUNCTION @extschema@.email_state_out(@extschema@.email_state) IS 'writes base64';

CREATE FUNCTION @extschema@.email_state_recv(internal) RETURNS @extschema@.email_state
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_state_recv_wrapper';
COMMENT ON FUNCTION @extschema@.email_state_recv(internal) IS 'reads the bytes and verifies checksum and structure';

CREATE FUNCTION @extschema@.email_state_send(@extschema@.email_state) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_state_send_wrapper';
COMMENT ON FUNCTION @extschema@.email_state_send(@extschema@.email_state) IS
    'the bytes of a training state, for sha256() and binary COPY';

CREATE TYPE @extschema@.email_state (
    INPUT = @extschema@.email_state_in,
    OUTPUT = @extschema@.email_state_out,
    RECEIVE = @extschema@.email_state_recv,
    SEND = @extschema@.email_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    -- Dense numbers hardly compress, and an uncompressed value can be read in parts.
    STORAGE = external
);
COMMENT ON TYPE @extschema@.email_state IS
    'exact counts learned from labelled emails; states of shards, days or tenants can be added with merge_states';

CREATE TYPE @extschema@.email_model;

CREATE FUNCTION @extschema@.email_model_in(cstring) RETURNS @extschema@.email_model
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_model_in_wrapper';
COMMENT ON FUNCTION @extschema@.email_model_in(cstring) IS 'reads base64 and verifies checksum and structure';

CREATE FUNCTION @extschema@.email_model_out(@extschema@.email_model) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_model_out_wrapper';
COMMENT ON FUNCTION @extschema@.email_model_out(@extschema@.email_model) IS 'writes base64';

CREATE FUNCTION @extschema@.email_model_recv(internal) RETURNS @extschema@.email_model
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_model_recv_wrapper';
COMMENT ON FUNCTION @extschema@.email_model_recv(internal) IS 'reads the bytes and verifies checksum and structure';

CREATE FUNCTION @extschema@.email_model_send(@extschema@.email_model) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_model_send_wrapper';
COMMENT ON FUNCTION @extschema@.email_model_send(@extschema@.email_model) IS
    'the bytes of a model, for sha256() and binary COPY';

CREATE TYPE @extschema@.email_model (
    INPUT = @extschema@.email_model_in,
    OUTPUT = @extschema@.email_model_out,
    RECEIVE = @extschema@.email_model_recv,
    SEND = @extschema@.email_model_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = external
);
COMMENT ON TYPE @extschema@.email_model IS
    'a trained, immutable classifier: packed weights, calibration, metrics, and the counts it came from';
