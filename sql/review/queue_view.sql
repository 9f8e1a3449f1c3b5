CREATE FUNCTION triage_internal.is_citext(type oid) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    -- Anybody may call a type so, and the owner of the extension may add his own to it; but
    -- only superusers make base types.
    SELECT EXISTS (SELECT FROM pg_type t WHERE t.oid = type AND t.typtype = 'b' AND t.typname = 'citext')
       AND EXISTS (SELECT FROM pg_depend d
                     JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
                    WHERE d.classid = 'pg_type'::regclass AND d.objid = type AND d.deptype = 'e'
                      AND e.extname = 'citext')
$$;
COMMENT ON FUNCTION triage_internal.is_citext(oid) IS 'part of attach()';

CREATE FUNCTION triage_internal.base_type(type oid) RETURNS oid
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE base AS (
        SELECT oid, typtype, typbasetype FROM pg_type WHERE oid = type
         UNION ALL
        SELECT t.oid, t.typtype, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.typbasetype
         WHERE b.typtype = 'd')
    SELECT oid FROM base WHERE typtype <> 'd'
$$;
COMMENT ON FUNCTION triage_internal.base_type(oid) IS 'what a domain is made of; of any other type itself';

CREATE FUNCTION triage_internal.key_equality(type oid) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN triage_internal.is_citext(type)
                THEN format('OPERATOR(%I.=)', (SELECT n.nspname
                                                 FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
                                                WHERE t.oid = type))
                ELSE 'OPERATOR(pg_catalog.=)' END
$$;
COMMENT ON FUNCTION triage_internal.key_equality(oid) IS 'part of attach()';

CREATE FUNCTION triage_internal.types_of(relation regclass, columns text[]) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(format_type(triage_internal.base_type(a.atttypid), NULL) ORDER BY u.n)
      FROM unnest(columns) WITH ORDINALITY AS u (name, n)
      JOIN pg_attribute a ON a.attrelid = relation AND a.attname = u.name AND a.attnum > 0
$$;
COMMENT ON FUNCTION triage_internal.types_of(regclass, text[]) IS
    'types of columns of a table, of domains what they are made of';

CREATE FUNCTION triage_internal.key_text(column_name text, type oid) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    -- As src/pg/key.rs writes it, whatever the session's settings are.
    SELECT CASE
        WHEN type = ANY (ARRAY['int2', 'int4', 'int8', 'uuid', 'text', 'varchar']::regtype[]::oid[])
            THEN format('t.%I::text', column_name)
        WHEN type = 'bpchar'::regtype THEN format('rtrim(t.%I::text, '' '')', column_name)
        WHEN type = ANY (ARRAY['date', 'timestamp']::regtype[]::oid[])
            THEN format('(to_jsonb(t.%I) #>> ''{}'')', column_name)
        WHEN type = 'timestamptz'::regtype
            THEN format('((to_jsonb(timezone(''UTC'', t.%I)) #>> ''{}'') || ''+00:00'')', column_name)
        END
$$;
COMMENT ON FUNCTION triage_internal.key_text(text, oid) IS
    'part of attach(): an expression for the key in the form of triage.review.email_key; NULL for types of which '
    'equal values may be written in more than one way';

CREATE FUNCTION triage_internal.has_key(relation regclass, of_source text, keys text[]) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- The key is read only of reviews of this table, and not where another email has it by now:
    -- others may not be readable.
    stored   constant text := format('CASE WHEN r.source = %L AND strpos(r.email_key, E''\x01'') = 0 '
                                     'THEN r.email_key END', of_source);
    same_key text;
    as_text  text;
    n_texts  integer;
BEGIN
    SELECT string_agg(format('t.%I %s (%s)::%s', k, triage_internal.key_equality(type),
                             CASE WHEN cardinality(keys) = 1 THEN stored
                                  ELSE format('(%s)::json ->> %s', stored, n - 1) END,
                             -- What format_type() calls it means a single character.
                             CASE type WHEN 'bpchar'::regtype THEN 'bpchar' ELSE type::regtype::text END),
                      ' AND ' ORDER BY n),
           string_agg(CASE WHEN cardinality(keys) = 1 THEN triage_internal.key_text(k, type)
                           ELSE format('to_json(%s)::text', triage_internal.key_text(k, type)) END,
                      ' || '','' || ' ORDER BY n),
           count(triage_internal.key_text(k, type))
      INTO same_key, as_text, n_texts
      FROM unnest(keys) WITH ORDINALITY AS u (k, n)
      JOIN pg_attribute a ON a.attrelid = relation AND a.attname = k
     CROSS JOIN LATERAL triage_internal.base_type(a.atttypid) AS type;
    IF n_texts < cardinality(keys) THEN
        RETURN same_key;
    END IF;
    -- Says the same once more, so that a row's review is found through the index on email_key.
    RETURN same_key || ' AND r.email_key = ' || CASE WHEN cardinality(keys) = 1 THEN as_text
                                                     ELSE format('''['' || %s || '']''', as_text) END;
END
$$;
COMMENT ON FUNCTION triage_internal.has_key(regclass, text, text[]) IS
    'part of attach(): the condition that review r is about row t';

CREATE FUNCTION triage_internal.create_queue_view(id bigint, view_name text, of_source text, of_classifier text,
        relation regclass, label text, keys text[], texts text[], show text[] DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own constant text[] := ARRAY[
        'review_id', 'classifier', 'source', 'email_key', 'received_at', 'label', 'predicted_label', 'confidence',
        'second_label', 'second_confidence', 'margin', 'model_version', 'human_label', 'note', 'action', 'reviewed_by',
        'reviewed_at', 'queue_reason', 'row_version', 'text_changed_at', 'body_excerpt'];
    n_texts  integer := (SELECT count(*) FROM triage_internal.text_expressions(relation, texts));
    excerpt  text;
    -- What fits on a line stands before the suggestion, and bodies at the end.
    is_short constant text := '(subject|title|betreff|objet|asunto|sender|from)';
    columns  text[];
    shown    text[];
    name     text;
    about    text;
BEGIN
    SELECT array_agg(c ORDER BY n) INTO shown
      FROM unnest(show) WITH ORDINALITY AS u (c, n)
     WHERE c <> ALL (keys) AND c NOT IN (SELECT e.name FROM triage_internal.text_expressions(relation, texts) e);
    SELECT e.expression INTO excerpt
      FROM triage_internal.text_expressions(relation, texts) e ORDER BY e.part DESC LIMIT 1;
    -- Four lists: key, short texts, what is to be shown, bodies.
    SELECT array_agg(coalesce(p.list, '') ORDER BY p.place) INTO columns
      FROM (SELECT place, string_agg(CASE WHEN c.name IS NOT NULL
                                      THEN format('%s AS %I,', c.expression, CASE WHEN c.name = ANY (own)
                                                  THEN left('email_' || c.name, 63) ELSE c.name END) END, ' '
                                 ORDER BY c.n) AS list
              FROM generate_series(1, 4) AS place
              LEFT JOIN (SELECT 1 AS place, format('t.%I', k) AS expression, k AS name, n
                           FROM unnest(keys) WITH ORDINALITY AS u (k, n)
                          UNION ALL
                         SELECT CASE WHEN e.name ~* is_short AND row_number() OVER (ORDER BY e.part) < n_texts
                                     THEN 2 ELSE 4 END, e.expression, e.name, e.part
                           FROM triage_internal.text_expressions(relation, texts) e
                          UNION ALL
                         SELECT 3, format('t.%I', k), k, n FROM unnest(shown) WITH ORDINALITY AS u (k, n)) c
                    USING (place)
             GROUP BY place) p;
    EXECUTE format($view$
        CREATE VIEW triage.%1$I AS
        SELECT r.review_id, %2$s %3$s r.predicted_label, r.confidence, r.human_label, r.note, r.action,
               btrim(left(regexp_replace(left(%4$s, 2000), '\s+', ' ', 'g'), 200)) AS body_excerpt,
               %5$s r.received_at, %6$s AS label, r.queue_reason, r.second_label, r.second_confidence, r.margin,
               r.model_version, r.reviewed_by, r.reviewed_at, r.text_changed_at, r.row_version, r.classifier, r.source,
               r.email_key, %7$s
          FROM triage.review r
          JOIN %13$s%8$s t ON %9$s
         WHERE r.source = %10$L
           -- Read, not written down: a classifier can be renamed.
           AND r.classifier = coalesce((SELECT s.classifier FROM triage_internal.source s WHERE s.source_id = %12$s),
                                       %11$L)$view$,
        view_name, columns[1], columns[2], excerpt, columns[3], label, rtrim(columns[4], ','),
        relation, triage_internal.has_key(relation, of_source, keys), of_source, of_classifier, id,
        -- Rows of tables that inherit from it are theirs.
        (SELECT CASE WHEN c.relkind = 'r' THEN 'ONLY ' ELSE '' END FROM pg_class c WHERE c.oid = relation));
    EXECUTE format('CREATE TRIGGER review_batch INSTEAD OF INSERT OR UPDATE ON triage.%I
        FOR EACH ROW EXECUTE FUNCTION triage_internal.review_row(%s)', view_name, id);
    EXECUTE format('CREATE TRIGGER review_begin BEFORE INSERT OR UPDATE ON triage.%I
        FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.begin_batch()', view_name);
    EXECUTE format('CREATE TRIGGER review_end AFTER INSERT OR UPDATE ON triage.%I
        FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.end_batch()', view_name);
    EXECUTE format('COMMENT ON VIEW triage.%I IS %L', view_name,
        format('reviews of %s with the live text; set human_label, note or action. Work on '
               'queue_reason <> ''confident'', smallest margin first', of_source));
    FOR name, about IN
        SELECT a.attname, coalesce(
                   CASE WHEN a.attnum BETWEEN 2 AND 1 + cardinality(keys) THEN 'the key of the row in the table' END,
                   (SELECT col_description(r.attrelid, r.attnum) FROM pg_attribute r
                     WHERE r.attrelid = 'triage.review'::regclass AND r.attname = a.attname),
                   CASE WHEN a.attname = 'label' THEN 'the label in the table'
                        WHEN a.attname = 'body_excerpt' THEN 'how the text begins, on one line'
                        WHEN a.attname IN (SELECT unnest(ARRAY[c, 'email_' || c]) FROM unnest(shown) AS c)
                             THEN 'as the table has it'
                        ELSE 'the live text' END)
          FROM pg_attribute a WHERE a.attrelid = format('triage.%I', view_name)::regclass AND a.attnum > 0 LOOP
        EXECUTE format('COMMENT ON COLUMN triage.%I.%I IS %L', view_name, name, about);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['review_batch', 'review_begin', 'review_end'] LOOP
        EXECUTE format('COMMENT ON TRIGGER %I ON triage.%I IS %L', name, view_name,
                       'a changed human_label becomes a decision, one batch per statement');
    END LOOP;
    EXECUTE format('REVOKE ALL ON triage.%I FROM PUBLIC', view_name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON triage.%I TO triage_reviewer', view_name);
END
$$;
COMMENT ON FUNCTION triage_internal.create_queue_view(bigint, text, text, text, regclass, text, text[], text[], text[])
    IS 'part of attach()';
