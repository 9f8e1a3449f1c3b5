-- Text columns: of which types they may be, and where in a JSON document a text is.

CREATE FUNCTION triage_internal.readable_text(value "any", path text[]) RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'readable_text_wrapper';
COMMENT ON FUNCTION triage_internal.readable_text("any", text[]) IS
    'the text in a column of any type that attach() takes, as triggers read it: of json and jsonb what is at the path, '
    'of bytea what a raw message says';

-- `payload`, `payload->>'body'`, `payload->'message'->>'body'`, `payload #>> '{message,body}'`,
-- `payload['message']['body']` or `payload.message.body`
CREATE FUNCTION triage_internal.text_path(spec text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rest  text := btrim(spec, E' \t\n\r');
    path  text[];
    steps text[];
    found text[];
BEGIN
    -- Taking one step after the other off a text costs its length each time.
    IF octet_length(spec) > 1024 THEN
        RETURN NULL;
    END IF;
    LOOP
        found := coalesce(regexp_match(rest, '^\((.*)\)\s*(?:::\s*text)?$'),
                          regexp_match(rest, '^(.*\S)\s*::\s*text$'));
        EXIT WHEN found IS NULL;
        rest := btrim(found[1], E' \t\n\r');
    END LOOP;
    found := regexp_match(rest, '^(?:"((?:[^"]|"")+)"|([[:alpha:]_][[:alnum:]_$]*))\s*(.*)$');
    IF found IS NULL THEN
        RETURN NULL;
    END IF;
    path := ARRAY[coalesce(replace(found[1], '""', '"'), found[2])];
    rest := found[3];
    WHILE rest <> '' AND cardinality(path) < 100 LOOP
        found := regexp_match(rest, '^#>>?\s*''(\{.*?\})''(?:\s*::\s*text\[\])?\s*(.*)$');
        IF found IS NOT NULL THEN
            BEGIN
                steps := found[1]::text[];
            EXCEPTION WHEN invalid_text_representation OR array_subscript_error THEN
                RETURN NULL;
            END;
            IF array_ndims(steps) > 1 OR array_position(steps, NULL) IS NOT NULL THEN
                RETURN NULL;
            END IF;
            path := path || steps;
            rest := found[2];
            CONTINUE;
        END IF;
        found := coalesce(
            regexp_match(rest, '^->>?\s*''((?:[^'']|'''')*)''()\s*(.*)$'),
            regexp_match(rest, '^->>?\s*()(\d+)\s*(.*)$'),
            regexp_match(rest, '^\[\s*''((?:[^'']|'''')*)''()\s*\]\s*(.*)$'),
            regexp_match(rest, '^\[\s*()(\d+)\s*\]\s*(.*)$'),
            regexp_match(rest, '^\.\s*"((?:[^"]|"")+)"()\s*(.*)$'),
            regexp_match(rest, '^\.\s*()((?:[^\s.\[\]"''-]|-(?!>))+)\s*(.*)$'));
        IF found IS NULL THEN
            RETURN NULL;
        END IF;
        path := path || coalesce(nullif(found[2], ''), replace(replace(found[1], '''''', ''''), '""', '"'));
        rest := found[3];
    END LOOP;
    RETURN CASE WHEN rest = '' THEN path END;
END
$$;
COMMENT ON FUNCTION triage_internal.text_path(text) IS
    'part of attach(): a column and the steps of a path in its documents; NULL if that is not understood';

CREATE FUNCTION triage_internal.text_parts(relation regclass, text_columns text[])
    RETURNS TABLE (part integer, name text, path text[], is_plain boolean)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    about    text := (SELECT CASE WHEN c.relkind IN ('r', 'p') THEN 'table ' ELSE '' END || relation::text
                        FROM pg_class c WHERE c.oid = relation);
    known    text[] := (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
                         WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped);
    spec     text;
    type     oid;
    base     oid;
    earlier  text[] := '{}';
BEGIN
    IF coalesce(cardinality(text_columns), 0) = 0 OR array_ndims(text_columns) <> 1
       OR array_position(text_columns, NULL) IS NOT NULL THEN
        RAISE invalid_parameter_value
            USING MESSAGE = 'text_columns must name at least one column, as ARRAY[''subject'', ''body'']';
    END IF;
    part := 0;
    FOREACH spec IN ARRAY text_columns LOOP
        part := part + 1;
        path := CASE WHEN spec = ANY (known) THEN ARRAY[spec] ELSE triage_internal.text_path(spec) END;
        IF path IS NULL THEN
            RAISE invalid_parameter_value USING MESSAGE = format(
                'text column "%s" of %s is not understood: name a column or a path in one, as payload->>''body'', '
                'payload #>> ''{message,body}'' or payload.message.body, of 1024 bytes at most (columns: %s)',
                left(spec, 64), about, array_to_string(known[:40], ', '));
        END IF;
        name := path[1];
        path := path[2:];
        IF name <> ALL (known) AND lower(name) = ANY (known) THEN
            name := lower(name);
        END IF;
        IF name <> ALL (known) THEN
            RAISE undefined_column USING MESSAGE = format('column "%s" of %s does not exist (there are: %s)',
                left(name, 64), about, array_to_string(known[:40], ', '));
        END IF;
        type := (SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = name);
        base := triage_internal.base_type(type);
        is_plain := (SELECT t.typcategory = 'S' FROM pg_type t WHERE t.oid = base);
        IF NOT is_plain AND base <> ALL (ARRAY['json', 'jsonb', 'xml', 'bytea']::regtype[]::oid[]) THEN
            RAISE invalid_parameter_value USING MESSAGE = format(
                'column "%s" of %s is of type %s; text columns must be text, varchar, char, citext, xml, json or jsonb '
                '(a path is written as %1$s->>''body''), bytea (a raw message), or a domain over one of these',
                left(name, 64), about, format_type(type, NULL));
        END IF;
        IF path <> '{}' AND base <> ALL (ARRAY['json', 'jsonb']::regtype[]::oid[]) THEN
            RAISE invalid_parameter_value USING MESSAGE = format(
                'column "%s" of %s is of type %s; only json and jsonb have paths', left(name, 64), about,
                format_type(type, NULL));
        END IF;
        IF (name || path)::text = ANY (earlier) THEN
            RAISE invalid_parameter_value USING MESSAGE = 'text_columns name a column twice';
        END IF;
        earlier := earlier || (name || path)::text;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION triage_internal.text_parts(regclass, text[]) IS
    'part of attach() and learn_from(): the parts that the text is made of, each a column and a path in its documents';

CREATE FUNCTION triage_internal.text_names(relation regclass, text_columns text[]) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(c.name ORDER BY c.part)
      FROM (SELECT p.name, min(p.part) AS part FROM triage_internal.text_parts(relation, text_columns) p
             GROUP BY p.name) c
$$;
COMMENT ON FUNCTION triage_internal.text_names(regclass, text[]) IS
    'part of attach() and learn_from(): the columns that the text is read from, each once';

CREATE FUNCTION triage_internal.text_paths(relation regclass, text_columns text[]) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN bool_or(p.path <> '{}')
                THEN jsonb_agg(jsonb_build_array(array_position(triage_internal.text_names(relation, text_columns),
                                                                p.name) - 1) || to_jsonb(p.path) ORDER BY p.part) END
      FROM triage_internal.text_parts(relation, text_columns) p
$$;
COMMENT ON FUNCTION triage_internal.text_paths(regclass, text[]) IS
    'part of attach() and learn_from(): as triage_internal.source.text_paths';

CREATE FUNCTION triage_internal.text_expressions(relation regclass, text_columns text[])
    RETURNS TABLE (part integer, name text, expression text)
    LANGUAGE sql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.part,
           -- The last field of the path, if that is a name and no other part has it.
           CASE WHEN count(*) OVER (PARTITION BY s.short) = 1 THEN left(s.short, 63)
                ELSE left(array_to_string(p.name || p.path, '_'), 63) END,
           CASE WHEN p.is_plain THEN format('t.%I::text', p.name)
                ELSE format('triage_internal.readable_text(t.%I, %L)', p.name, p.path) END
      FROM triage_internal.text_parts(relation, text_columns) p
     CROSS JOIN LATERAL (
           SELECT coalesce((SELECT f FROM unnest(p.path) WITH ORDINALITY AS u (f, n) WHERE f ~ '[^0-9]'
                             ORDER BY n DESC LIMIT 1), p.name) AS short) s
$$;
COMMENT ON FUNCTION triage_internal.text_expressions(regclass, text[]) IS
    'part of attach(): what the queue view shows of a text whose table is called t, and under which names';
