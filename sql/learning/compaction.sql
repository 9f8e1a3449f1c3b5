CREATE FUNCTION triage.compact(classifier text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'compact_wrapper';
COMMENT ON FUNCTION triage.compact(text) IS
    'moves pending decisions into the base, which changes no answer; returns how many, or NULL while another session '
    'does it';
