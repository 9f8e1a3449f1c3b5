-- Triggers of attached tables: their rows are labelled on insert, and their label column is a
-- way to correct. They are named zz_ because those of one kind fire in the order of their names,
-- and labelling should see what the others made of the row.

CREATE FUNCTION triage_internal.label_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'label_row_wrapper';
COMMENT ON FUNCTION triage_internal.label_row() IS 'before insert: fills a label that is null';

CREATE FUNCTION triage_internal.record_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'record_row_wrapper';
COMMENT ON FUNCTION triage_internal.record_row() IS 'after insert: writes the review';

CREATE FUNCTION triage_internal.decide_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'decide_row_wrapper';
COMMENT ON FUNCTION triage_internal.decide_row() IS
    'before an update: checks a changed label and gives it the spelling of triage.label; predicts anew of a changed '
    'text';

CREATE FUNCTION triage_internal.record_decision() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'record_decision_wrapper';
COMMENT ON FUNCTION triage_internal.record_decision() IS
    'after an update of label, key or text: writes the decision or the new prediction, or follows the key';

CREATE FUNCTION triage_internal.text_has_changed() RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'text_has_changed_wrapper';
COMMENT ON FUNCTION triage_internal.text_has_changed() IS
    'whether a row of the running statement has got another text: asked by the trigger after an update';

CREATE FUNCTION triage_internal.begin_batch() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'begin_batch_wrapper';
COMMENT ON FUNCTION triage_internal.begin_batch() IS 'before a statement: its decisions get a batch_id of their own';

CREATE FUNCTION triage_internal.end_batch() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'end_batch_wrapper';
COMMENT ON FUNCTION triage_internal.end_batch() IS
    'after a statement: compacts decisions into the base when they have become many';

CREATE FUNCTION triage_internal.record_deletion() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'record_deletion_wrapper';
COMMENT ON FUNCTION triage_internal.record_deletion() IS
    'after a deletion, or when the table is emptied: reviews leave the queue';

CREATE FUNCTION triage_internal.attached_columns(relation regclass, id bigint) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(a.attname::text ORDER BY c.n)
      FROM pg_trigger t
      JOIN pg_proc p ON p.oid = t.tgfoid
     CROSS JOIN LATERAL unnest(t.tgattr::int2[]) WITH ORDINALITY AS c (attnum, n)
      JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = c.attnum
     WHERE t.tgrelid = relation AND t.tgargs = convert_to(id::text, 'UTF8') || '\x00'::bytea
       AND p.pronamespace = 'triage_internal'::regnamespace AND p.proname = 'record_decision'
$$;
COMMENT ON FUNCTION triage_internal.attached_columns(regclass, bigint) IS
    'what the columns of an attachment are called now, in the order of its trigger zz_triage_columns_<id>: label, key, '
    'texts, and when an email was received';

CREATE FUNCTION triage_internal.create_triggers(relation regclass, id bigint, label text, keys text[],
        texts text[], received_at text DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns text := (SELECT string_agg(quote_ident(c), ', ' ORDER BY n)
                       FROM unnest(array_remove(ARRAY[label] || keys || texts || received_at, NULL))
                       WITH ORDINALITY AS t (c, n));
    changed text := (SELECT string_agg(format('OLD.%1$I::text IS DISTINCT FROM NEW.%1$I::text', c), ' OR ' ORDER BY n)
                       FROM unnest(ARRAY[label] || keys) WITH ORDINALITY AS t (c, n));
    -- Statements that name a partition, or a table above, fire triggers for rows only.
    has_parts boolean := (SELECT c.relkind = 'p' OR c.relispartition FROM pg_class c WHERE c.oid = relation);
BEGIN
    EXECUTE format('CREATE TRIGGER zz_triage_label_%1$s BEFORE INSERT ON %2$s
        FOR EACH ROW EXECUTE FUNCTION triage_internal.label_row(%1$s)', id, relation);
    EXECUTE format('CREATE TRIGGER zz_triage_labelled_%1$s AFTER INSERT ON %2$s
        FOR EACH ROW EXECUTE FUNCTION triage_internal.record_row(%1$s)', id, relation);
    -- Of any update, whatever columns it names: another trigger of the table may set the label.
    EXECUTE format('CREATE TRIGGER zz_triage_batch_%1$s BEFORE INSERT OR UPDATE%3$s ON %2$s
        FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.begin_batch(%1$s)', id, relation,
        CASE WHEN has_parts THEN ' OR DELETE' END);
    EXECUTE format('CREATE TRIGGER zz_triage_decide_%1$s BEFORE UPDATE ON %2$s
        FOR EACH ROW EXECUTE FUNCTION triage_internal.decide_row(%1$s)', id, relation);
    EXECUTE format('CREATE TRIGGER zz_triage_decided_%1$s AFTER UPDATE ON %2$s
        FOR EACH ROW WHEN (%3$s OR triage_internal.text_has_changed())
        EXECUTE FUNCTION triage_internal.record_decision(%1$s)', id, relation, changed);
    EXECUTE format('CREATE TRIGGER zz_triage_compact_%1$s AFTER INSERT OR UPDATE ON %2$s
        FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.end_batch(%1$s)', id, relation);
    EXECUTE format('CREATE TRIGGER zz_triage_deleted_%1$s AFTER DELETE ON %2$s
        REFERENCING OLD TABLE AS zz_triage_deleted
        FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.record_deletion(%1$s)', id, relation);
    IF has_parts THEN
        EXECUTE format('CREATE TRIGGER zz_triage_gone_%1$s AFTER DELETE ON %2$s
            FOR EACH ROW EXECUTE FUNCTION triage_internal.record_deletion(%1$s)', id, relation);
        EXECUTE format('COMMENT ON TRIGGER zz_triage_gone_%s ON %s IS %L', id, relation,
                       'pg_triage: the same for statements that name a partition');
    END IF;
    EXECUTE format('CREATE TRIGGER zz_triage_emptied_%1$s AFTER TRUNCATE ON %2$s
        FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.record_deletion(%1$s)', id, relation);
    -- It never fires. Its list of columns is what tells the others which they are: PostgreSQL keeps
    -- it right when columns are renamed, and copies it to partitions.
    EXECUTE format('CREATE TRIGGER zz_triage_columns_%1$s AFTER UPDATE OF %3$s ON %2$s
        FOR EACH ROW WHEN (false) EXECUTE FUNCTION triage_internal.record_decision(%1$s)', id, relation, columns);
    EXECUTE format('COMMENT ON TRIGGER zz_triage_label_%s ON %s IS %L', id, relation, 'pg_triage: labels new rows');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_labelled_%s ON %s IS %L', id, relation, 'pg_triage: writes reviews');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_batch_%s ON %s IS %L', id, relation,
                   'pg_triage: one batch per statement');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_decide_%s ON %s IS %L', id, relation,
                   'pg_triage: checks corrected labels, follows rows between partitions, predicts of new texts');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_decided_%s ON %s IS %L', id, relation,
                   'pg_triage: records corrections');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_compact_%s ON %s IS %L', id, relation,
                   'pg_triage: compacts many corrections');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_deleted_%s ON %s IS %L', id, relation,
                   'pg_triage: reviews of deleted rows leave the queue');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_emptied_%s ON %s IS %L', id, relation,
                   'pg_triage: reviews of deleted rows leave the queue');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_columns_%s ON %s IS %L', id, relation,
                   'pg_triage: columns of label, key, texts, time');
END
$$;
COMMENT ON FUNCTION triage_internal.create_triggers(regclass, bigint, text, text[], text[], text) IS 'part of attach()';
