-- The schema for everything that is not a plain function or type, and the two types.

DO $$
BEGIN
    IF pg_catalog.current_setting('server_encoding') OPERATOR(pg_catalog.<>) 'UTF8' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = pg_catalog.format(
                'pg_triage needs a database with encoding UTF8, this one has %s: CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0',
                pg_catalog.current_setting('server_encoding'));
    END IF;
END
$$;

-- Fails if a schema of this name exists: adopting somebody's objects would be unsafe.
CREATE SCHEMA triage;
CREATE SCHEMA triage_internal;
COMMENT ON SCHEMA triage_internal IS 'pg_triage: what views and functions of schema triage are made of; nothing here is for people';
COMMENT ON SCHEMA triage IS 'pg_triage: classifiers, models, the inbox, and the views that people read';

CREATE TYPE email_state;

CREATE FUNCTION email_state_in(cstring) RETURNS email_state
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_state_in_wrapper';
COMMENT ON FUNCTION email_state_in(cstring) IS 'reads base64 and verifies checksum and structure';
CREATE FUNCTION email_state_out(email_state) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_state_out_wrapper';
COMMENT ON FUNCTION email_state_out(email_state) IS 'writes base64';
CREATE FUNCTION email_state_recv(internal) RETURNS email_state
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_state_recv_wrapper';
COMMENT ON FUNCTION email_state_recv(internal) IS 'reads the bytes and verifies checksum and structure';
CREATE FUNCTION email_state_send(email_state) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_state_send_wrapper';
COMMENT ON FUNCTION email_state_send(email_state) IS 'the bytes of a training state, for sha256() and binary COPY';

CREATE TYPE email_state (
    INPUT = email_state_in,
    OUTPUT = email_state_out,
    RECEIVE = email_state_recv,
    SEND = email_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    -- Dense numbers hardly compress, and an uncompressed value can be read in parts.
    STORAGE = external
);
COMMENT ON TYPE email_state IS 'exact counts learned from labelled emails; states of shards, days or tenants can be added with merge_states';

CREATE TYPE email_model;

CREATE FUNCTION email_model_in(cstring) RETURNS email_model
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_model_in_wrapper';
COMMENT ON FUNCTION email_model_in(cstring) IS 'reads base64 and verifies checksum and structure';
CREATE FUNCTION email_model_out(email_model) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_model_out_wrapper';
COMMENT ON FUNCTION email_model_out(email_model) IS 'writes base64';
CREATE FUNCTION email_model_recv(internal) RETURNS email_model
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_model_recv_wrapper';
COMMENT ON FUNCTION email_model_recv(internal) IS 'reads the bytes and verifies checksum and structure';
CREATE FUNCTION email_model_send(email_model) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'email_model_send_wrapper';
COMMENT ON FUNCTION email_model_send(email_model) IS 'the bytes of a model, for sha256() and binary COPY';

CREATE TYPE email_model (
    INPUT = email_model_in,
    OUTPUT = email_model_out,
    RECEIVE = email_model_recv,
    SEND = email_model_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = external
);
COMMENT ON TYPE email_model IS 'a trained, immutable classifier: packed weights, calibration, metrics, and the counts it came from';
