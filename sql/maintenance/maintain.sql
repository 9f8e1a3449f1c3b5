CREATE FUNCTION triage.maintain(most integer DEFAULT NULL)
    RETURNS TABLE (job_id bigint, task text, classifier text, reason text, status text, result text, error text,
                   seconds float8)
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10
    AS 'MODULE_PATHNAME', 'maintain_wrapper';
COMMENT ON FUNCTION triage.maintain(integer) IS
    'does what is due, at most so many tasks, and begins none after twenty seconds; returns what it did, and nothing '
    'while another session does it. Call it again until it returns no row. A background worker calls it by itself: '
    'see triage.status';
