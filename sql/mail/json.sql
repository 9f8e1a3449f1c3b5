-- Mail that a web hook brings as JSON: whatever shape it has, it becomes one RFC 5322 message
-- and goes in through triage.ingest(). What is here are the pieces of mail/web_hook.sql.

CREATE FUNCTION triage_internal.json_or_null(value text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN ltrim(left(value, 100), E' \t\r\n') ~ '^[[{]' THEN value::jsonb END;
-- Nesting that is too deep is a limit (54001).
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION triage_internal.json_or_null(text) IS 'a text as JSON object or array; NULL if it is none';

CREATE FUNCTION triage_internal.json_fields(payload jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    -- Of keys that differ only in what is left out here, one that says something is kept, and
    -- the one in small letters.
    SELECT coalesce(jsonb_object_agg(translate(lower(key COLLATE "C"), '-_ ', ''), nullif(value, '""')
                                     ORDER BY value NOT IN ('null', '""'), key COLLATE "C"), '{}')
      FROM jsonb_each(CASE jsonb_typeof(payload) WHEN 'object' THEN payload ELSE '{}' END)
$$;
COMMENT ON FUNCTION triage_internal.json_fields(jsonb) IS
    'what an object says, under keys in small letters without hyphens, underscores and spaces; an empty text is null';

CREATE FUNCTION triage_internal.json_bytes(value text) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    base64 text := value;
    char   text;
BEGIN
    -- A message has a header, and so a colon; base64 (RFC 4648, either alphabet) has none.
    IF strpos(value, ':') = 0 THEN
        -- One by one: replace() is some twenty times faster than translate().
        FOREACH char IN ARRAY ARRAY['=', ' ', E'\t', E'\r', E'\n'] LOOP
            base64 := replace(base64, char, '');
        END LOOP;
        base64 := replace(replace(base64, '-', '+'), '_', '/');
        RETURN decode(base64 || repeat('=', -octet_length(base64) & 3), 'base64');
    END IF;
    RETURN convert_to(value, 'UTF8');
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN convert_to(value, 'UTF8');
END
$$;
COMMENT ON FUNCTION triage_internal.json_bytes(text) IS 'the bytes of a text that is base64, or is meant as it is';

CREATE FUNCTION triage_internal.json_header_value(value text) RETURNS text
    -- Called for each of many, so it has to be inlined: not strict, and no settings of its own.
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT pg_catalog.btrim(pg_catalog.regexp_replace(value, 
        E'[\\u0001-\\u001f\\u007f-\\u009f\\u2028\\u2029]+', ' ', 'g'))
$$;
COMMENT ON FUNCTION triage_internal.json_header_value(text) IS
    'what can stand in one line of a header: line breaks and other control characters become spaces';

CREATE FUNCTION triage_internal.json_addresses(value jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    SET standard_conforming_strings = on
AS $$
    WITH part AS (
        SELECT n,
               CASE jsonb_typeof(e)
                   WHEN 'array' THEN e ->> 0
                   WHEN 'object' THEN coalesce(e ->> 'email', e ->> 'Email', e ->> 'address', e ->> 'Address')
                   ELSE e #>> '{}'
               END AS address,
               nullif(CASE jsonb_typeof(e) WHEN 'array' THEN e ->> 1
                                           WHEN 'object' THEN coalesce(e ->> 'name', e ->> 'Name') END, '') AS name
          FROM jsonb_array_elements(CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE jsonb_build_array(value) END)
               WITH ORDINALITY AS l (e, n)
    )
    SELECT nullif(triage_internal.json_header_value(string_agg(
               CASE WHEN name IS NULL OR address IS NULL THEN address
                    ELSE format('"%s" <%s>', regexp_replace(name, '(["\\])', '\\\1', 'g'),
                                translate(address, '<> ', '')) END,
               ', ' ORDER BY n)), '')
      FROM part
$$;
COMMENT ON FUNCTION triage_internal.json_addresses(jsonb) IS
    'addresses for a header, from a string, {"email", "name"}, [email, name] in a list, or a list of these';

CREATE FUNCTION triage_internal.json_date(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET standard_conforming_strings = on
    SET timezone = 'UTC'
AS $$
DECLARE
    moment timestamptz;
BEGIN
    moment := CASE
        WHEN value ~ '^\d{8,11}(\.\d{1,9})?$' THEN to_timestamp(value::float8)
        WHEN value ~ '^\d{12,14}$' THEN to_timestamp(value::float8 / 1000)
        WHEN value ~ '^\d{4}-\d\d-\d\d' THEN left(value, 40)::timestamptz
    END;
    -- Else it is a date as in mail.
    RETURN coalesce(to_char(moment, 'Dy, DD Mon YYYY HH24:MI:SS +0000'),
                    triage_internal.json_header_value(left(value, 100)));
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION triage_internal.json_date(text) IS
    'a Date header from seconds or milliseconds since 1970, ISO 8601, or a date as mail has it';

CREATE FUNCTION triage_internal.json_headers(headers jsonb) RETURNS TABLE (name text, value text)
    LANGUAGE sql IMMUTABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET standard_conforming_strings = on
AS $$
    WITH given AS (
        SELECT CASE jsonb_typeof(headers)
                   WHEN 'string' THEN coalesce(triage_internal.json_or_null(headers #>> '{}'), headers)
                   ELSE headers END AS h
    ), header (name, value, n) AS (
        -- One text, long lines continued on the next one.
        SELECT btrim(split_part(line, ':', 1)), substr(line, strpos(line, ':') + 1), n
          FROM given,
               regexp_split_to_table(regexp_replace(h #>> '{}', '\r?\n[ \t]+', ' ', 'g'), '\r?\n')
               WITH ORDINALITY AS l (line, n)
         WHERE jsonb_typeof(h) = 'string' AND strpos(line, ':') > 0
        UNION ALL
        -- [{"Name": ..., "Value": ...}] or [[name, value]]
        SELECT CASE jsonb_typeof(e) WHEN 'array' THEN e ->> 0 ELSE coalesce(e ->> 'name', e ->> 'Name') END,
               CASE jsonb_typeof(e) WHEN 'array' THEN e ->> 1 ELSE coalesce(e ->> 'value', e ->> 'Value') END, n
          FROM given,
               jsonb_array_elements(CASE jsonb_typeof(h) WHEN 'array' THEN h ELSE '[]' END)
               WITH ORDINALITY AS l (e, n)
        UNION ALL
        -- {name: value} or {name: [value, value]}, with underscores in names of Ruby's kind
        SELECT replace(key, '_', '-'), v #>> '{}', n * 1000000 + m
          FROM given,
               jsonb_each(CASE jsonb_typeof(h) WHEN 'object' THEN h ELSE '{}' END)
               WITH ORDINALITY AS l (key, e, n),
               jsonb_array_elements(CASE jsonb_typeof(e) WHEN 'array' THEN e ELSE jsonb_build_array(e) END)
               WITH ORDINALITY AS k (v, m)
    )
    SELECT h.name, triage_internal.json_header_value(h.value)
      FROM header AS h
     WHERE h.name ~ '^[!-9;-~]{1,100}$' AND h.value <> ''
       -- The body is composed anew, and says itself how.
       AND lower(h.name COLLATE "C") !~ '^(content-|mime-version$)'
     ORDER BY h.n
$$;
COMMENT ON FUNCTION triage_internal.json_headers(jsonb) IS
    'the fields of a header that came as object, list of {"Name", "Value"}, list of [name, value], or text';

CREATE FUNCTION triage_internal.json_attachments(attachments jsonb)
    RETURNS TABLE (name text, media_type text, content bytea)
    LANGUAGE sql IMMUTABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET standard_conforming_strings = on
AS $$
    WITH given AS (
        SELECT CASE jsonb_typeof(attachments)
                   WHEN 'string' THEN triage_internal.json_or_null(attachments #>> '{}')
                   ELSE attachments END AS a
    -- Megabytes that are not to be taken apart for each of the columns below.
    ), entry (key, fields, n) AS MATERIALIZED (
        SELECT key, triage_internal.json_fields(e), n
          FROM (SELECT NULL, e, n
                  FROM given,
                       jsonb_array_elements(CASE jsonb_typeof(a) WHEN 'array' THEN a ELSE '[]' END)
                       WITH ORDINALITY AS l (e, n)
                UNION ALL
                SELECT key, e, n
                  FROM given,
                       jsonb_each(CASE jsonb_typeof(a) WHEN 'object' THEN a ELSE '{}' END)
                       WITH ORDINALITY AS l (key, e, n)
                -- One more part than is looked at by default.
                LIMIT 1001) AS l (key, e, n)
         WHERE jsonb_typeof(e) = 'object'
    )
    SELECT regexp_replace(triage_internal.json_header_value(coalesce(fields ->> 'filename', fields ->> 'name', key)),
                          '(["\\])', '\\\1', 'g'),
           coalesce(substring(coalesce(fields ->> 'contenttype', fields ->> 'type')
                              FROM '^[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}'),
                    'application/octet-stream'),
           CASE WHEN fields ->> 'base64' = 'false' THEN convert_to(fields ->> 'content', 'UTF8')
                ELSE triage_internal.json_bytes(fields ->> 'content') END
      FROM entry
     ORDER BY n
$$;
COMMENT ON FUNCTION triage_internal.json_attachments(jsonb) IS
    'attachments of a payload; content is NULL where there is only a description';
