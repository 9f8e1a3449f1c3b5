-- The column that labels are written to.

CREATE FUNCTION triage_internal.label_column_problem(relation regclass, label_column text, label_table regclass)
    RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    attribute pg_attribute := (SELECT a FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = label_column
                                                              AND a.attnum > 0 AND NOT a.attisdropped);
    base      oid := triage_internal.base_type(attribute.atttypid);
    shown     text := format_type(attribute.atttypid, NULL);
    is_text   boolean := base = ANY (ARRAY['text', 'varchar', 'bpchar']::regtype[]::oid[])
                         OR triage_internal.is_citext(base);
    is_number boolean := base = ANY (ARRAY['int2', 'int4', 'int8', 'numeric', 'uuid']::regtype[]::oid[]);
BEGIN
    IF label_table IS NOT NULL THEN
        RETURN CASE WHEN NOT is_text AND NOT is_number THEN
            format('is of type %s, which is no key of table %s', shown, label_table) END;
    END IF;
    IF is_text OR (SELECT typtype FROM pg_type WHERE oid = base) = 'e' THEN
        RETURN NULL;
    END IF;
    IF is_number THEN
        RETURN format('is of type %s: say which table has the names of the labels with label_table => %L', shown,
            coalesce((SELECT min(c.confrelid::regclass::text) FROM pg_constraint c
                       WHERE c.conrelid = relation AND c.contype = 'f' AND c.conkey = ARRAY[attribute.attnum]),
                     '...'));
    END IF;
    RETURN format('is of type %s; a label column must be text, varchar, char, citext, an enum or a domain of these',
                  shown);
END
$$;
COMMENT ON FUNCTION triage_internal.label_column_problem(regclass, text, regclass) IS
    'why labels cannot be written to a column; NULL if they can';
