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

CREATE FUNCTION triage_internal.create_queue_view(id bigint, view_name text, of_source text, of_classifier text,
        relation regclass, label text, keys text[], texts text[])
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own constant text[] := ARRAY[
        'review_id', 'classifier', 'source', 'email_key', 'received_at', 'label', 'predicted_label', 'confidence',
        'second_label', 'second_confidence', 'margin', 'model_version', 'human_label', 'note', 'action', 'reviewed_by',
        'reviewed_at', 'queue_reason', 'row_version', 'text_changed_at'];
    -- The key is read only of reviews of this table, and not where another email has it by now:
    -- others may not be readable.
    key_text constant text := format('CASE WHEN r.source = %L AND strpos(r.email_key, E''\x01'') = 0 '
                                     'THEN r.email_key END', of_source);
    same_key text := (SELECT string_agg(
                                 format('t.%I %s (%s)::%s', k, triage_internal.key_equality(type), CASE
                                            WHEN cardinality(keys) = 1 THEN key_text
                                            ELSE format('(%s)::json ->> %s', key_text, n - 1) END,
                                        -- What format_type() calls it means a single character.
                                        CASE type WHEN 'bpchar'::regtype THEN 'bpchar' ELSE type::regtype::text END),
                                 ' AND ' ORDER BY n)
                        FROM unnest(keys) WITH ORDINALITY AS u (k, n)
                        JOIN pg_attribute a ON a.attrelid = relation AND a.attname = k
                       CROSS JOIN LATERAL triage_internal.base_type(a.atttypid) AS type);
    columns  text := (SELECT string_agg(format('%s AS %I', c.expression,
                                               CASE WHEN c.name = ANY (own) THEN 'email_' || c.name ELSE c.name END),
                                        ', ' ORDER BY c.part)
                        FROM triage_internal.text_expressions(relation, texts) c);
    name     text;
    about    text;
BEGIN
    EXECUTE format($view$
        CREATE VIEW triage.%1$I AS
        SELECT r.review_id, r.classifier, r.source, r.email_key, r.received_at, %2$s, %3$s AS label,
               r.predicted_label, r.confidence, r.second_label, r.second_confidence, r.margin, r.model_version,
               r.human_label, r.note, r.action, r.reviewed_by, r.reviewed_at, r.queue_reason, r.row_version,
               r.text_changed_at
          FROM triage.review r
          JOIN %4$s t ON %5$s
         WHERE r.source = %6$L
           -- Read, not written down: a classifier can be renamed.
           AND r.classifier = coalesce((SELECT s.classifier FROM triage_internal.source s WHERE s.source_id = %8$s),
                                       %7$L)$view$,
        view_name, columns, label, relation, same_key, of_source, of_classifier, id);
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
                   (SELECT col_description(r.attrelid, r.attnum) FROM pg_attribute r
                     WHERE r.attrelid = 'triage.review'::regclass AND r.attname = a.attname),
                   CASE a.attname WHEN 'label' THEN 'the label in the table' ELSE 'the live text' END)
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
COMMENT ON FUNCTION triage_internal.create_queue_view(bigint, text, text, text, regclass, text, text[], text[]) IS
    'part of attach()';
