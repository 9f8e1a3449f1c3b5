CREATE FUNCTION triage_internal.primary_key(relation regclass) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(a.attname::text ORDER BY k.n)
      FROM pg_index i
     CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, n)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     WHERE i.indrelid = relation AND i.indisprimary AND k.n <= i.indnkeyatts
$$;
COMMENT ON FUNCTION triage_internal.primary_key(regclass) IS 'names of the columns of a table''s primary key';

CREATE FUNCTION triage_internal.history_query(relation regclass, text_columns text[], label_column text,
        label_table regclass, label_name_column text, received_at_column text)
    RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    candidate text;
    names     text[];
BEGIN
    names := triage_internal.text_names(relation, text_columns);
    FOREACH candidate IN ARRAY array_remove(names || label_column || received_at_column, NULL) LOOP
        IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = relation AND attname = candidate AND attnum > 0
                        AND NOT attisdropped) THEN
            RAISE undefined_column USING MESSAGE = format('column "%s" of %s does not exist (there are: %s)',
                left(candidate, 64), relation, (SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
                                                 WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped));
        END IF;
    END LOOP;
    candidate := triage_internal.label_column_problem(relation, label_column, label_table);
    IF candidate ~ 'label_table' OR label_table IS NOT NULL AND candidate IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE =
            format('column "%s" of %s %s', label_column, relation, candidate);
    END IF;
    IF (SELECT triage_internal.base_type(a.atttypid)
               <> ALL (ARRAY['timestamptz', 'timestamp', 'date']::regtype[]::oid[])
          FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = received_at_column) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('column "%s" of %s is not a time; received_at_column must '
            'be timestamp with time zone, timestamp or date', received_at_column, relation);
    END IF;
    RETURN format('SELECT %s, %s, %s%s FROM %s AS t',
        (SELECT string_agg(format('t.%I', c), ', ' ORDER BY n) FROM unnest(names) WITH ORDINALITY AS u (c, n)),
        triage_internal.label_expression(relation, label_column, label_table, label_name_column),
        CASE WHEN received_at_column IS NULL THEN 'NULL::pg_catalog.timestamptz'
             ELSE format('CASE WHEN pg_catalog.isfinite(t.%1$I::pg_catalog.timestamptz) '
                         'THEN t.%1$I::pg_catalog.timestamptz END', received_at_column) END,
        (SELECT string_agg(format(', t.%I', k), '' ORDER BY n)
           FROM unnest(triage_internal.primary_key(relation)) WITH ORDINALITY AS u (k, n)),
        relation);
END
$$;
COMMENT ON FUNCTION triage_internal.history_query(regclass, text[], text, regclass, text, text) IS
    'part of learn_from()';

-- From decisions to models.
CREATE FUNCTION triage.learn_from(classifier text, relation regclass, text_columns text[],
        label_column text, label_table regclass DEFAULT NULL, label_name_column text DEFAULT NULL,
        received_at_column text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'learn_from_wrapper';
COMMENT ON FUNCTION triage.learn_from(text, regclass, text[], text, regclass, text, text) IS
    'imports labelled history into the ledger, with the caller''s rights, and learns it; makes a first model if '
    'there is none. Rows that were decided already, or labelled by the classifier, are skipped. label_table is the '
    'lookup table that the label column refers to by id, as for attach(); received_at_column says how old a mail is. '
    'Returns how many it learned';
