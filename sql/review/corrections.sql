-- Who may decide by updating an attached table itself. Other doors have rights of their own.

CREATE FUNCTION triage_internal.correctors(corrections text) RETURNS text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    usage   constant text := 'corrections is ''anyone'', ''nobody'', or roles as in ''support, "Desk leads"''';
    allowed text[] := '{}';
    part    text;
    name    text;
BEGIN
    IF lower(btrim(corrections)) = 'anyone' THEN
        RETURN NULL;
    ELSIF lower(btrim(corrections)) = 'nobody' THEN
        RETURN allowed;
    ELSIF corrections !~ '^\s*("([^"]|"")+"|[^",]+)(\s*,\s*("([^"]|"")+"|[^",]+))*\s*$' THEN
        RAISE invalid_parameter_value USING MESSAGE = usage;
    END IF;
    FOR part IN SELECT btrim(m[1], E' \t\r\n') FROM regexp_matches(corrections, '("(?:[^"]|"")+"|[^",]+)', 'g') AS m
    LOOP
        CONTINUE WHEN part = '';
        name := CASE WHEN part LIKE '"%' THEN replace(substr(part, 2, length(part) - 2), '""', '"')
                     WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = part) THEN part
                     ELSE lower(part) END;
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            RAISE undefined_object USING MESSAGE = format('role "%s" does not exist: %s', left(name, 64), usage);
        END IF;
        allowed := allowed || name;
    END LOOP;
    RETURN allowed;
END
$$;
COMMENT ON FUNCTION triage_internal.correctors(text) IS 'part of attach(): the roles that it is told; NULL for anyone';
