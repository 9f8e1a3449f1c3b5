CREATE FUNCTION triage_internal.draw_missing_audits() RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'draw_missing_audits_wrapper';
COMMENT ON FUNCTION triage_internal.draw_missing_audits() IS
    'part of maintenance: adds to the audit sample one review of each day that is over and has none, at random; '
    'returns how many';
