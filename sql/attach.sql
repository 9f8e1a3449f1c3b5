-- Attaching tables: their rows are labelled on insert, and their label column is a way to
-- correct. Triggers are named zz_ because those of one kind fire in the order of their
-- names, and labelling should see what the others made of the row.

CREATE FUNCTION triage_internal.label_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'label_row_wrapper';
CREATE FUNCTION triage_internal.record_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'record_row_wrapper';
CREATE FUNCTION triage_internal.decide_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'decide_row_wrapper';
CREATE FUNCTION triage_internal.record_decision() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'record_decision_wrapper';
CREATE FUNCTION triage_internal.begin_batch() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'begin_batch_wrapper';
CREATE FUNCTION triage_internal.end_batch() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'end_batch_wrapper';
COMMENT ON FUNCTION triage_internal.label_row() IS 'before insert: fills a label that is null';
COMMENT ON FUNCTION triage_internal.record_row() IS 'after insert: writes the review';
COMMENT ON FUNCTION triage_internal.decide_row() IS 'before an update of the label: checks it and gives it the spelling of triage.label';
COMMENT ON FUNCTION triage_internal.record_decision() IS 'after an update of label or key: writes the decision, or follows the key';
CREATE FUNCTION triage_internal.note_move() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'note_move_wrapper';
COMMENT ON FUNCTION triage_internal.note_move() IS 'before an update: the row may appear in another partition';
COMMENT ON FUNCTION triage_internal.begin_batch() IS 'before a statement: its decisions get a batch_id of their own';
COMMENT ON FUNCTION triage_internal.end_batch() IS 'after a statement: compacts decisions into the base when they have become many';

CREATE FUNCTION triage_internal.create_triggers(relation regclass, id bigint, label text, key text, texts text[]) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns text := (SELECT string_agg(quote_ident(c), ', ' ORDER BY n)
                       FROM unnest(ARRAY[label, key] || texts) WITH ORDINALITY AS t (c, n));
BEGIN
    EXECUTE format('CREATE TRIGGER zz_triage_label_%1$s BEFORE INSERT ON %2$s
        FOR EACH ROW EXECUTE FUNCTION triage_internal.label_row(%1$s)', id, relation);
    EXECUTE format('CREATE TRIGGER zz_triage_labelled_%1$s AFTER INSERT ON %2$s
        FOR EACH ROW EXECUTE FUNCTION triage_internal.record_row(%1$s)', id, relation);
    EXECUTE format('CREATE TRIGGER zz_triage_batch_%1$s BEFORE INSERT OR UPDATE OF %3$I ON %2$s
        FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.begin_batch(%1$s)', id, relation, label);
    EXECUTE format('CREATE TRIGGER zz_triage_decide_%1$s BEFORE UPDATE OF %3$I ON %2$s
        FOR EACH ROW WHEN (OLD.%3$I::text IS DISTINCT FROM NEW.%3$I::text)
        EXECUTE FUNCTION triage_internal.decide_row(%1$s)', id, relation, label);
    -- The list of columns is what tells the other triggers which they are.
    EXECUTE format('CREATE TRIGGER zz_triage_decided_%1$s AFTER UPDATE OF %4$s ON %2$s
        FOR EACH ROW WHEN (OLD.%3$I::text IS DISTINCT FROM NEW.%3$I::text OR OLD.%5$I::text IS DISTINCT FROM NEW.%5$I::text)
        EXECUTE FUNCTION triage_internal.record_decision(%1$s)', id, relation, label, columns, key);
    EXECUTE format('CREATE TRIGGER zz_triage_compact_%1$s AFTER INSERT OR UPDATE OF %3$I ON %2$s
        FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.end_batch(%1$s)', id, relation, label);
    -- A row that moves to another partition is deleted here and inserted there.
    IF (SELECT relkind FROM pg_class WHERE oid = relation) = 'p' THEN
        EXECUTE format('CREATE TRIGGER zz_triage_moving_%1$s BEFORE UPDATE ON %2$s
            FOR EACH ROW EXECUTE FUNCTION triage_internal.note_move(%1$s)', id, relation);
        EXECUTE format('COMMENT ON TRIGGER zz_triage_moving_%s ON %s IS %L', id, relation, 'pg_triage: follows rows between partitions');
    END IF;
    EXECUTE format('COMMENT ON TRIGGER zz_triage_label_%s ON %s IS %L', id, relation, 'pg_triage: labels new rows');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_labelled_%s ON %s IS %L', id, relation, 'pg_triage: writes reviews');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_batch_%s ON %s IS %L', id, relation, 'pg_triage: one batch per statement');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_decide_%s ON %s IS %L', id, relation, 'pg_triage: checks corrected labels');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_decided_%s ON %s IS %L', id, relation, 'pg_triage: records corrections; its column list is label, key, texts');
    EXECUTE format('COMMENT ON TRIGGER zz_triage_compact_%s ON %s IS %L', id, relation, 'pg_triage: compacts many corrections');
END
$$;
COMMENT ON FUNCTION triage_internal.create_triggers(regclass, bigint, text, text, text[]) IS 'part of attach()';

CREATE FUNCTION triage_internal.is_citext(type oid) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    -- Anybody may call a type so, and the owner of the extension may add his own to it; but
    -- only superusers make base types.
    SELECT EXISTS (SELECT FROM pg_type t WHERE t.oid = type AND t.typtype = 'b' AND t.typname = 'citext')
       AND EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
                    WHERE d.classid = 'pg_type'::regclass AND d.objid = type AND d.deptype = 'e' AND e.extname = 'citext')
$$;
COMMENT ON FUNCTION triage_internal.is_citext(oid) IS 'part of attach()';

CREATE FUNCTION triage_internal.key_equality(type oid) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN triage_internal.is_citext(type)
                THEN format('OPERATOR(%I.=)', (SELECT n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = type))
                ELSE 'OPERATOR(pg_catalog.=)' END
$$;
COMMENT ON FUNCTION triage_internal.key_equality(oid) IS 'part of attach()';

CREATE FUNCTION triage_internal.create_queue_view(id bigint, view_name text, of_source text, of_classifier text, relation regclass, label text, key text, texts text[])
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own constant text[] := ARRAY['review_id', 'classifier', 'source', 'email_key', 'received_at', 'label', 'predicted_label',
        'confidence', 'second_label', 'second_confidence', 'margin', 'model_version', 'human_label', 'note', 'reviewed_by',
        'reviewed_at', 'queue_reason', 'row_version'];
    key_type regtype := (SELECT atttypid FROM pg_attribute WHERE attrelid = relation AND attname = key);
    columns  text := (SELECT string_agg(format('t.%I::text AS %I', c, CASE WHEN c = ANY (own) THEN 'email_' || c ELSE c END), ', ' ORDER BY n)
                        FROM unnest(texts) WITH ORDINALITY AS u (c, n));
    name     text;
    about    text;
BEGIN
    -- The key is cast only for reviews of this table, and not where another email has it by now:
    -- others may not be castable.
    EXECUTE format($view$
        CREATE VIEW triage.%1$I AS
        SELECT r.review_id, r.classifier, r.source, r.email_key, r.received_at, %2$s, t.%3$I::text AS label,
               r.predicted_label, r.confidence, r.second_label, r.second_confidence, r.margin, r.model_version,
               r.human_label, r.note, r.reviewed_by, r.reviewed_at, r.queue_reason, r.row_version
          FROM triage.review r
          JOIN %4$s t ON t.%5$I %9$s CASE WHEN r.source = %6$L AND strpos(r.email_key, E'\x01') = 0 THEN r.email_key END::%7$s
         WHERE r.source = %6$L
           -- Read, not written down: a classifier can be renamed.
           AND r.classifier = coalesce((SELECT s.classifier FROM triage_internal.source s WHERE s.source_id = %10$s), %8$L)$view$,
        view_name, columns, label, relation, key, of_source, key_type, of_classifier, triage_internal.key_equality(key_type), id);
    EXECUTE format('CREATE TRIGGER review_batch INSTEAD OF INSERT OR UPDATE ON triage.%I
        FOR EACH ROW EXECUTE FUNCTION triage_internal.review_row(%s)', view_name, id);
    EXECUTE format('CREATE TRIGGER review_begin BEFORE INSERT OR UPDATE ON triage.%I
        FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.begin_batch()', view_name);
    EXECUTE format('CREATE TRIGGER review_end AFTER INSERT OR UPDATE ON triage.%I
        FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.end_batch()', view_name);
    EXECUTE format('COMMENT ON VIEW triage.%I IS %L', view_name,
        format('reviews of %s with the live text; set human_label or note. Work on queue_reason <> ''confident'', smallest margin first', of_source));
    FOR name, about IN
        SELECT a.attname, coalesce(
                   (SELECT col_description(r.attrelid, r.attnum) FROM pg_attribute r
                     WHERE r.attrelid = 'triage.review'::regclass AND r.attname = a.attname),
                   CASE a.attname WHEN 'label' THEN 'the label in the table' ELSE 'the live text' END)
          FROM pg_attribute a WHERE a.attrelid = format('triage.%I', view_name)::regclass AND a.attnum > 0 LOOP
        EXECUTE format('COMMENT ON COLUMN triage.%I.%I IS %L', view_name, name, about);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['review_batch', 'review_begin', 'review_end'] LOOP
        EXECUTE format('COMMENT ON TRIGGER %I ON triage.%I IS %L', name, view_name, 'see triage_internal.review_row()');
    END LOOP;
    EXECUTE format('REVOKE ALL ON triage.%I FROM PUBLIC', view_name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON triage.%I TO triage_reviewer', view_name);
END
$$;
COMMENT ON FUNCTION triage_internal.create_queue_view(bigint, text, text, text, regclass, text, text, text[]) IS 'part of attach()';

CREATE FUNCTION triage_internal.source_name(relation regclass) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known_as text;
    plain    text := (SELECT format('%s.%s', quote_ident(n.nspname), quote_ident(c.relname))
                        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);
BEGIN
    -- The name stays with the table; another one may have had it before it was renamed.
    SELECT s.source INTO known_as FROM triage_internal.source s WHERE s.relation = source_name.relation ORDER BY s.source_id LIMIT 1;
    IF FOUND THEN
        RETURN known_as;
    END IF;
    FOR n IN 1..1000 LOOP
        known_as := plain || CASE WHEN n > 1 THEN format(' (%s)', n) ELSE '' END;
        -- Nor that of a table that is gone: its reviews are about other emails.
        EXIT WHEN NOT EXISTS (SELECT FROM triage_internal.source s WHERE s.source = known_as);
    END LOOP;
    RETURN known_as;
END
$$;
COMMENT ON FUNCTION triage_internal.source_name(regclass) IS 'the name under which a table''s rows are reviewed';

CREATE FUNCTION triage_internal.history_query(relation regclass, text_columns text[], label_column text, most_characters integer) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    candidate text;
    keys      text[] := (SELECT array_agg(a.attname::text)
                           FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                          WHERE i.indrelid = relation AND i.indisprimary);
BEGIN
    IF coalesce(cardinality(text_columns), 0) = 0 OR array_ndims(text_columns) <> 1 OR array_position(text_columns, NULL) IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'text_columns must name at least one column, as ARRAY[''subject'', ''body'']';
    END IF;
    FOREACH candidate IN ARRAY text_columns || label_column LOOP
        IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = relation AND attname = candidate AND attnum > 0 AND NOT attisdropped) THEN
            RAISE undefined_column USING MESSAGE = format('column "%s" of %s does not exist (there are: %s)',
                left(candidate, 64), relation, (SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
                                                 WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped));
        END IF;
    END LOOP;
    RETURN format('SELECT %s, pg_catalog.left(pg_catalog.concat_ws(E''\n'', %s), %s), %I::pg_catalog.text FROM %s',
        CASE WHEN cardinality(keys) = 1 THEN format('%I::pg_catalog.text', keys[1]) ELSE 'NULL::pg_catalog.text' END,
        (SELECT string_agg(quote_ident(c), ', ' ORDER BY n) FROM unnest(text_columns) WITH ORDINALITY AS u (c, n)),
        most_characters, label_column, relation);
END
$$;
COMMENT ON FUNCTION triage_internal.history_query(regclass, text[], text, integer) IS 'part of learn_from()';

CREATE FUNCTION triage_internal.attach_relation(caller text, path text, relation regclass, text_columns text[], label_column text,
        key_column text, classifier text, record_given_labels boolean)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rel        pg_class := (SELECT c FROM pg_class c WHERE c.oid = relation);
    known_as   text;
    view_name  text;
    names      text[];
    candidate  text;
    problem    text;
    id         bigint;
    owner_name name := pg_get_userbyid(rel.relowner);
    known      text[] := (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
                           WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped);
    attribute  pg_attribute;
BEGIN
    IF rel.relkind NOT IN ('r', 'p') OR rel.relpersistence = 't' THEN
        RAISE wrong_object_type USING MESSAGE = format('%s cannot be attached: only permanent tables can', relation);
    END IF;
    IF NOT pg_has_role(caller::name, rel.relowner, 'USAGE') THEN
        RAISE insufficient_privilege USING MESSAGE =
            format('must be owner of table %s to attach it (its owner is %s)', relation, owner_name);
    END IF;
    IF relation = 'triage.email'::regclass THEN
        -- Its triggers and its view are the extension's own.
        INSERT INTO triage_internal.source (source_id, source, classifier, relation, attached, record_given_labels, queue_view, search_path, attached_by)
            OVERRIDING SYSTEM VALUE
            VALUES (0, 'triage.email', classifier, relation, true, record_given_labels, 'email_queue', path, caller)
        ON CONFLICT (source_id) DO UPDATE
            SET classifier = excluded.classifier, attached = true, record_given_labels = excluded.record_given_labels,
                attached_at = now(), attached_by = excluded.attached_by;
        IF text_columns NOT IN (ARRAY['header', 'subject', 'body'], ARRAY['subject', 'body']) OR label_column <> 'label' OR key_column <> 'email_id' THEN
            RAISE feature_not_supported USING MESSAGE =
                'triage.email has fixed columns: triage.attach(''triage.email'', ARRAY[''header'', ''subject'', ''body''], ''label'')';
        END IF;
        RETURN 0;
    END IF;
    IF coalesce(cardinality(text_columns), 0) = 0 OR array_ndims(text_columns) <> 1 OR array_position(text_columns, NULL) IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'text_columns must name at least one column, as ARRAY[''subject'', ''body'']';
    END IF;
    IF key_column IS NULL THEN
        SELECT array_agg(a.attname::text) INTO names
          FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
         WHERE i.indrelid = relation AND i.indisprimary;
        IF cardinality(names) IS DISTINCT FROM 1 THEN
            RAISE invalid_parameter_value USING MESSAGE = format(
                'table %s has no primary key of one column: name a unique column as key_column', relation);
        END IF;
        key_column := names[1];
    END IF;
    FOREACH candidate IN ARRAY text_columns || label_column || key_column LOOP
        SELECT * INTO attribute FROM pg_attribute
         WHERE attrelid = relation AND attname = candidate AND attnum > 0 AND NOT attisdropped;
        IF NOT FOUND THEN
            RAISE undefined_column USING MESSAGE = format('column "%s" of table %s does not exist (there are: %s)',
                left(candidate, 64), relation, array_to_string(known[:40], ', '));
        END IF;
        problem := CASE
            WHEN candidate = key_column AND attribute.atttypid
                 <> ALL (ARRAY['text', 'varchar', 'uuid', 'int2', 'int4', 'int8']::regtype[]::oid[])
                 AND NOT triage_internal.is_citext(attribute.atttypid)
                THEN format('is of type %s; a key must be text, varchar, citext, uuid, integer or bigint', format_type(attribute.atttypid, NULL))
            WHEN candidate = label_column AND attribute.atttypid <> ALL (ARRAY['text', 'varchar']::regtype[]::oid[])
                 AND NOT triage_internal.is_citext(attribute.atttypid)
                THEN format('is of type %s; a label column must be text, varchar or citext', format_type(attribute.atttypid, NULL))
            WHEN candidate = ANY (text_columns)
                 AND (SELECT typcategory FROM pg_type WHERE oid = attribute.atttypid) <> 'S'
                THEN format('is of type %s; text columns must be text', format_type(attribute.atttypid, NULL))
            WHEN attribute.attgenerated <> '' AND candidate <> key_column
                THEN 'is generated, after the row has been labelled: name the columns that it is made of'
            WHEN candidate = label_column AND (candidate = key_column OR candidate = ANY (text_columns))
                THEN 'is used twice'
            WHEN candidate = key_column AND candidate = ANY (text_columns)
                THEN 'is used twice'
            WHEN candidate = label_column AND EXISTS (SELECT FROM pg_partitioned_table p
                    WHERE p.partrelid = relation AND attribute.attnum = ANY (p.partattrs))
                THEN 'decides the partition, which a label that comes later cannot'
            WHEN candidate = label_column AND EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = relation AND c.contype = 'f'
                     AND c.condeferred AND attribute.attnum = ANY (c.conkey))
                THEN format('has the deferred foreign key "%s": ALTER TABLE %s ALTER CONSTRAINT %1$I NOT DEFERRABLE first',
                     (SELECT min(c.conname) FROM pg_constraint c WHERE c.conrelid = relation AND c.contype = 'f'
                         AND c.condeferred AND attribute.attnum = ANY (c.conkey)), relation)
            WHEN candidate = key_column AND NOT EXISTS (SELECT FROM pg_index i
                    WHERE i.indrelid = relation AND i.indisunique AND i.indpred IS NULL AND i.indisvalid
                      AND (i.indnkeyatts = 1 OR rel.relkind = 'p') AND attribute.attnum = ANY (i.indkey[:i.indnkeyatts - 1]))
                THEN 'is not unique: create a unique index on it first'
        END;
        IF problem IS NOT NULL THEN
            RAISE invalid_parameter_value USING MESSAGE = format('column "%s" of table %s %s', candidate, relation, problem);
        END IF;
    END LOOP;
    IF cardinality(text_columns) <> (SELECT count(DISTINCT c) FROM unnest(text_columns) AS c) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'text_columns name a column twice';
    END IF;

    SELECT s.classifier INTO candidate
      FROM triage_internal.source s
      JOIN pg_trigger t ON t.tgrelid = s.relation AND t.tgname = 'zz_triage_decided_' || s.source_id
      JOIN pg_attribute a ON a.attrelid = s.relation AND a.attnum = t.tgattr[0]
     WHERE s.relation = attach_relation.relation AND s.attached AND a.attname = label_column
       AND s.classifier <> attach_relation.classifier;
    IF FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = format(
            'column "%s" of table %s is the label column of classifier "%s" already: each classifier needs one of its own',
            label_column, relation, candidate);
    END IF;
    IF EXISTS (SELECT FROM triage_internal.source s
                WHERE s.relation = attach_relation.relation AND s.attached AND s.classifier = attach_relation.classifier) THEN
        RAISE duplicate_object USING MESSAGE = format('table %s is attached to classifier "%s" already: triage.detach(%L) first',
            relation, classifier, relation);
    END IF;
    known_as := triage_internal.source_name(relation);
    INSERT INTO triage_internal.source AS s (source, classifier, relation, attached, record_given_labels, search_path, attached_by)
        VALUES (known_as, classifier, relation, true, record_given_labels, path, caller)
    ON CONFLICT ON CONSTRAINT source_source_classifier_key DO UPDATE
        SET attached = true, relation = excluded.relation, record_given_labels = excluded.record_given_labels,
            search_path = excluded.search_path, attached_at = now(), attached_by = excluded.attached_by
    RETURNING s.source_id INTO id;

    FOREACH candidate IN ARRAY ARRAY[rel.relname || '_queue', rel.relname || '_' || classifier || '_queue',
            (SELECT nspname FROM pg_namespace WHERE oid = rel.relnamespace) || '_' || rel.relname || '_' || classifier || '_queue',
            rel.relname || '_' || id || '_queue'] LOOP
        EXIT WHEN view_name IS NOT NULL;
        IF octet_length(candidate) < 64 AND to_regclass(format('triage.%I', candidate)) IS NULL THEN
            view_name := candidate;
        END IF;
    END LOOP;
    view_name := coalesce(view_name, 'table_' || id || '_queue');
    PERFORM triage_internal.create_triggers(relation, id, label_column, key_column, text_columns);
    PERFORM triage_internal.create_queue_view(id, view_name, known_as, classifier, relation, label_column, key_column, text_columns);
    UPDATE triage_internal.source s SET queue_view = view_name WHERE s.source_id = id;
    RETURN id;
END
$$;
COMMENT ON FUNCTION triage_internal.attach_relation(text, text, regclass, text[], text, text, text, boolean) IS 'part of attach()';

CREATE FUNCTION triage_internal.detach_relation(caller text, relation regclass) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner  oid := (SELECT relowner FROM pg_class WHERE oid = relation);
    source triage_internal.source;
    step   text;
    n      integer := 0;
BEGIN
    IF NOT pg_has_role(caller::name, owner, 'USAGE') THEN
        RAISE insufficient_privilege USING MESSAGE =
            format('must be owner of table %s to detach it (its owner is %s)', relation, pg_get_userbyid(owner));
    END IF;
    IF relation = 'triage.email'::regclass AND NOT EXISTS (SELECT FROM triage_internal.source WHERE source_id = 0) THEN
        INSERT INTO triage_internal.source (source_id, source, classifier, relation, attached, queue_view, search_path, attached_by)
            OVERRIDING SYSTEM VALUE
            VALUES (0, 'triage.email', 'default', relation, true, 'email_queue', '', caller);
    END IF;
    -- Locked first: of two at once, the second finds nothing.
    FOR source IN SELECT * FROM triage_internal.source s WHERE s.relation = detach_relation.relation AND s.attached FOR UPDATE LOOP
        n := n + 1;
        IF source.source_id <> 0 THEN
            FOR step IN SELECT tgname FROM pg_trigger
                         WHERE tgrelid = relation AND tgparentid = 0
                           AND tgargs = convert_to(source.source_id::text, 'UTF8') || '\x00'::bytea
                           AND tgfoid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'triage_internal'::regnamespace) LOOP
                EXECUTE format('DROP TRIGGER %I ON %s', step, relation);
            END LOOP;
            IF to_regclass(format('triage.%I', source.queue_view)) IS NOT NULL THEN
                EXECUTE format('DROP VIEW triage.%I', source.queue_view);
            END IF;
        END IF;
        UPDATE triage_internal.source s SET attached = false WHERE s.source_id = source.source_id;
    END LOOP;
    IF n = 0 THEN
        RAISE undefined_object USING MESSAGE = format('table %s is not attached (attached: %s)', relation,
            coalesce((SELECT string_agg(s.relation::text, ', ') FROM triage_internal.source s WHERE s.attached), 'none'));
    END IF;
    RETURN n;
END
$$;
COMMENT ON FUNCTION triage_internal.detach_relation(text, regclass) IS 'part of detach()';

CREATE FUNCTION triage.attach(relation regclass, text_columns text[], label_column text, key_column text DEFAULT NULL,
        classifier text DEFAULT 'default', record_given_labels boolean DEFAULT false)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'attach_wrapper';
COMMENT ON FUNCTION triage.attach(regclass, text[], text, text, text, boolean) IS
    'from now on, new rows of a table get a label when it is null, and an update of the label is a correction. Makes a queue view in schema triage; returns the number of the attachment';

CREATE FUNCTION triage.detach(relation regclass) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'detach_wrapper';
COMMENT ON FUNCTION triage.detach(regclass) IS
    'takes triggers and queue view off a table; its reviews and decisions stay. Returns how many classifiers it was attached to';

CREATE FUNCTION triage.classify_pending(relation regclass DEFAULT NULL, most integer DEFAULT 10000) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'classify_pending_wrapper';
COMMENT ON FUNCTION triage.classify_pending(regclass, integer) IS
    'labels rows of one attached table, or of all, that have no label yet, at most so many; returns how many it labelled: call it again until that is 0';
