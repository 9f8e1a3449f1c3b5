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
    SELECT s.source INTO known_as
      FROM triage_internal.source s
     WHERE s.relation = source_name.relation
     ORDER BY s.source_id LIMIT 1;
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

CREATE FUNCTION triage_internal.is_key_type(type oid) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT base = ANY (ARRAY['text', 'varchar', 'bpchar', 'uuid', 'int2', 'int4', 'int8', 'numeric', 'date', 'time',
                             'timetz', 'timestamp', 'timestamptz']::regtype[]::oid[])
        OR triage_internal.is_citext(base)
      FROM triage_internal.base_type(type) AS base
$$;
COMMENT ON FUNCTION triage_internal.is_key_type(oid) IS 'part of attach()';

CREATE FUNCTION triage_internal.attach_relation(caller text, path text, relation regclass, text_columns text[],
        label_column text, key_column text, classifier text, record_given_labels boolean,
        label_table regclass, label_name_column text, show text[], corrections text, received_at_column text,
        default_is_empty boolean)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rel        pg_class := (SELECT c FROM pg_class c WHERE c.oid = relation);
    known_as   text;
    view_name  text;
    keys       text[];
    text_names text[];
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
    IF rel.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = relation) THEN
        RAISE wrong_object_type USING MESSAGE = format(
            'table %s has children that inherit from it (%s), whose rows its triggers do not see: attach each of them '
            'by itself, or make it a partitioned table', relation,
            (SELECT string_agg(c.name, ', ' ORDER BY c.name)
               FROM (SELECT i.inhrelid::regclass::text AS name FROM pg_inherits i
                      WHERE i.inhparent = relation ORDER BY 1 LIMIT 5) c));
    END IF;
    IF NOT pg_has_role(caller::name, rel.relowner, 'USAGE') THEN
        RAISE insufficient_privilege USING MESSAGE =
            format('must be owner of table %s to attach it (its owner is %s)', relation, owner_name);
    END IF;
    IF relation = 'triage.email'::regclass THEN
        -- Its triggers and its view are the extension's own.
        INSERT INTO triage_internal.source (source_id, source, classifier, relation, attached, record_given_labels,
            queue_view, search_path, attached_by, corrections)
            OVERRIDING SYSTEM VALUE
            VALUES (0, 'triage.email', classifier, relation, true, record_given_labels, 'email_queue', path, caller,
                    triage_internal.correctors(corrections))
        ON CONFLICT (source_id) DO UPDATE
            SET classifier = excluded.classifier, attached = true, record_given_labels = excluded.record_given_labels,
                attached_at = now(), attached_by = excluded.attached_by, corrections = excluded.corrections;
        IF text_columns NOT IN (ARRAY['header', 'subject', 'body'], ARRAY['subject', 'body']) OR label_column <> 'label'
           OR coalesce(key_column, 'email_id') <> 'email_id' THEN
            RAISE feature_not_supported USING MESSAGE =
                'triage.email has fixed columns: triage.attach(''triage.email'', '
                'ARRAY[''header'', ''subject'', ''body''], ''label'')';
        END IF;
        RETURN 0;
    END IF;
    IF key_column IS NULL THEN
        keys := triage_internal.primary_key(relation);
        IF keys IS NULL THEN
            RAISE invalid_parameter_value USING MESSAGE = format(
                'table %s has no primary key: name a unique column, or several, as key_column', relation);
        END IF;
    ELSIF key_column = ANY (known) THEN
        keys := ARRAY[key_column];
    ELSE
        keys := regexp_split_to_array(btrim(key_column), '\s*,\s*');
    END IF;
    text_names := triage_internal.text_names(relation, text_columns);
    FOREACH candidate IN ARRAY text_names || label_column || keys || show || received_at_column LOOP
        CONTINUE WHEN candidate IS NULL;
        SELECT * INTO attribute FROM pg_attribute
         WHERE attrelid = relation AND attname = candidate AND attnum > 0 AND NOT attisdropped;
        IF NOT FOUND THEN
            RAISE undefined_column USING MESSAGE = format('column "%s" of table %s does not exist (there are: %s)',
                left(candidate, 64), relation, array_to_string(known[:40], ', '));
        END IF;
        problem := CASE
            WHEN candidate = ANY (keys) AND NOT triage_internal.is_key_type(attribute.atttypid)
                THEN format('is of type %s; a key must be text, char, citext, uuid, a number, a date or a time',
                            format_type(attribute.atttypid, NULL))
            WHEN candidate = received_at_column
                 AND triage_internal.base_type(attribute.atttypid)
                     <> ALL (ARRAY['timestamptz', 'timestamp', 'date']::regtype[]::oid[])
                THEN format('is of type %s; received_at_column must be timestamp with time zone, timestamp or date',
                            format_type(attribute.atttypid, NULL))
            WHEN candidate = label_column
                 AND triage_internal.label_column_problem(relation, label_column, label_table) IS NOT NULL
                THEN triage_internal.label_column_problem(relation, label_column, label_table)
            WHEN attribute.attgenerated <> '' AND candidate = label_column
                THEN 'is generated: nobody can set it'
            WHEN candidate = label_column AND (candidate = ANY (keys) OR candidate = ANY (text_names))
                THEN 'is used twice'
            WHEN candidate = label_column AND EXISTS (SELECT FROM pg_partitioned_table p
                    WHERE p.partrelid = relation AND attribute.attnum = ANY (p.partattrs))
                THEN 'decides the partition, which a label that comes later cannot'
            WHEN candidate = label_column AND EXISTS (SELECT FROM pg_constraint c
                     WHERE c.conrelid = relation AND c.contype = 'f' AND c.condeferred
                       AND attribute.attnum = ANY (c.conkey))
                THEN format('has the deferred foreign key "%s": ALTER TABLE %s '
                            'ALTER CONSTRAINT %1$I NOT DEFERRABLE first',
                     (SELECT min(c.conname) FROM pg_constraint c WHERE c.conrelid = relation AND c.contype = 'f'
                         AND c.condeferred AND attribute.attnum = ANY (c.conkey)), relation)
        END;
        IF problem IS NOT NULL THEN
            RAISE invalid_parameter_value USING MESSAGE =
                format('column "%s" of table %s %s', candidate, relation, problem);
        END IF;
    END LOOP;
    IF NOT EXISTS (
            SELECT FROM pg_index i
             WHERE i.indrelid = relation AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
               AND i.indisvalid
               -- That of a partitioned table has the partition key, too.
               AND (i.indnkeyatts = cardinality(keys) OR rel.relkind = 'p' AND cardinality(keys) = 1)
               AND NOT EXISTS (SELECT FROM unnest(keys) AS k
                                WHERE k NOT IN (SELECT a.attname FROM pg_attribute a
                                                 WHERE a.attrelid = relation
                                                   AND a.attnum = ANY (i.indkey[:i.indnkeyatts - 1])))) THEN
        RAISE invalid_parameter_value USING MESSAGE = format(CASE cardinality(keys)
            WHEN 1 THEN 'column %s of table %s is not unique: create a unique index on it first'
            ELSE 'columns %s of table %s are not unique: create a unique index on them first' END,
            (SELECT string_agg('"' || left(k, 64) || '"', ', ') FROM unnest(keys) AS k), relation);
    END IF;
    SELECT k INTO candidate FROM unnest(keys) AS k WHERE k = ANY (text_names) LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = format('column "%s" of table %s is used twice', candidate,
            relation);
    END IF;
    IF EXISTS (SELECT FROM pg_attribute a
                WHERE a.attrelid = relation AND a.attname = ANY (keys) AND NOT a.attnotnull) THEN
        RAISE WARNING 'rows of % whose key (%) is null are not classified: make it NOT NULL, or name another one as '
            'key_column', relation, array_to_string(keys, ', ');
    END IF;
    -- A row would be labelled by the triggers of both, and reviewed under one of them.
    SELECT r.relid::text INTO candidate
      FROM (SELECT relid FROM pg_partition_ancestors(attach_relation.relation)
             UNION
            SELECT relid FROM pg_partition_tree(attach_relation.relation)) r
      JOIN triage_internal.source s ON s.relation = r.relid AND s.attached
     WHERE r.relid <> attach_relation.relation ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format(
            'table %s has rows of table %s, which is attached already: each row can be labelled through one of them '
            'only, SELECT triage.detach(%L) first', relation, candidate, candidate);
    END IF;
    SELECT s.classifier INTO candidate
      FROM triage_internal.source s
      JOIN pg_trigger t ON t.tgrelid = s.relation AND t.tgname = 'zz_triage_columns_' || s.source_id
      JOIN pg_attribute a ON a.attrelid = s.relation AND a.attnum = t.tgattr[0]
     WHERE s.relation = attach_relation.relation AND s.attached AND a.attname = label_column
       AND s.classifier <> attach_relation.classifier;
    IF FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = format(
            'column "%s" of table %s is the label column of classifier "%s" already: each classifier '
            'needs one of its own',
            label_column, relation, candidate);
    END IF;
    IF EXISTS (SELECT FROM triage_internal.source s
                WHERE s.relation = attach_relation.relation AND s.attached
                  AND s.classifier = attach_relation.classifier) THEN
        RAISE duplicate_object USING MESSAGE = format(
            'table %s is attached to classifier "%s" already: triage.detach(%L) first', relation, classifier, relation);
    END IF;
    -- Before there is an attachment of the number that they may have.
    PERFORM triage_internal.drop_orphans(relation);
    known_as := triage_internal.source_name(relation);
    INSERT INTO triage_internal.source AS s (source, classifier, relation, attached, record_given_labels, search_path,
        attached_by, key_columns, corrections, text_paths, label_table, received_at_place)
        VALUES (known_as, classifier, relation, true, record_given_labels, path, caller, cardinality(keys),
                triage_internal.correctors(corrections), triage_internal.text_paths(relation, text_columns),
                label_table,
                -- A part of the key may say it.
                1 + coalesce(array_position(keys, received_at_column),
                             CASE WHEN received_at_column IS NOT NULL
                                  THEN cardinality(keys) + cardinality(text_names) + 1 END))
    ON CONFLICT ON CONSTRAINT source_source_classifier_key DO UPDATE
        SET attached = true, relation = excluded.relation, record_given_labels = excluded.record_given_labels,
            search_path = excluded.search_path, attached_at = now(), attached_by = excluded.attached_by,
            key_columns = excluded.key_columns, corrections = excluded.corrections,
            text_paths = excluded.text_paths, label_table = excluded.label_table,
            received_at_place = excluded.received_at_place
    RETURNING s.source_id INTO id;

    FOREACH candidate IN ARRAY ARRAY[rel.relname || '_queue', rel.relname || '_' || classifier || '_queue',
            (SELECT nspname FROM pg_namespace WHERE oid = rel.relnamespace)
                || '_' || rel.relname || '_' || classifier || '_queue',
            rel.relname || '_' || id || '_queue'] LOOP
        EXIT WHEN view_name IS NOT NULL;
        IF octet_length(candidate) < 64 AND to_regclass(format('triage.%I', candidate)) IS NULL THEN
            view_name := candidate;
        END IF;
    END LOOP;
    view_name := coalesce(view_name, 'table_' || id || '_queue');
    PERFORM triage_internal.create_triggers(relation, id, label_column, keys, text_names,
                                            CASE WHEN received_at_column <> ALL (keys) THEN received_at_column END);
    IF label_table IS NOT NULL THEN
        PERFORM triage_internal.create_label_table_triggers(caller, id, relation, label_column, label_table,
                                                            label_name_column);
    END IF;
    PERFORM triage_internal.create_queue_view(id, view_name, known_as, classifier, relation,
        triage_internal.label_expression(relation, label_column, label_table, label_name_column), keys, text_columns,
        show);
    UPDATE triage_internal.source s
       SET queue_view = view_name,
           partition_files = triage_internal.files_of_partitions(attach_relation.relation),
           attached_with = jsonb_build_object(
               'columns', triage_internal.attached_columns(attach_relation.relation, id), 'label', label_column,
               'keys', keys, 'key_types', triage_internal.types_of(attach_relation.relation, keys),
               'texts', text_columns,
               'label_table', attach_relation.label_table::text, 'label_name', label_name_column,
               'show', attach_relation.show, 'received_at', received_at_column,
               'default_is_empty', attach_relation.default_is_empty, 'corrections', attach_relation.corrections)
     WHERE s.source_id = id;
    RETURN id;
END
$$;
COMMENT ON FUNCTION triage_internal.attach_relation(text, text, regclass, text[], text, text, text, boolean, regclass,
    text, text[], text, text, boolean) IS
    'part of attach()';

CREATE FUNCTION triage_internal.detach_relation(caller text, relation regclass) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner  oid := (SELECT relowner FROM pg_class WHERE oid = relation);
    source triage_internal.source;
    step   text;
    n      integer := 0;
    orphans integer;
BEGIN
    IF NOT pg_has_role(caller::name, owner, 'USAGE') THEN
        RAISE insufficient_privilege USING MESSAGE =
            format('must be owner of table %s to detach it (its owner is %s)', relation, pg_get_userbyid(owner));
    END IF;
    IF relation = 'triage.email'::regclass AND NOT EXISTS (SELECT FROM triage_internal.source WHERE source_id = 0) THEN
        INSERT INTO triage_internal.source (source_id, source, classifier, relation, attached, queue_view, search_path,
            attached_by)
            OVERRIDING SYSTEM VALUE
            VALUES (0, 'triage.email', 'default', relation, true, 'email_queue', '', caller);
    END IF;
    -- Locked first: of two at once, the second finds nothing.
    FOR source IN
        SELECT * FROM triage_internal.source s
         WHERE s.relation = detach_relation.relation AND s.attached FOR UPDATE
    LOOP
        n := n + 1;
        IF source.source_id <> 0 THEN
            -- They may have been renamed.
            UPDATE triage_internal.source s
               SET attached_with = s.attached_with
                       || jsonb_build_object('columns_now',
                                             triage_internal.attached_columns(detach_relation.relation,
                                                                              source.source_id))
             WHERE s.source_id = source.source_id;
            FOR step IN SELECT tgname FROM pg_trigger
                         WHERE tgrelid = relation AND tgparentid = 0
                           AND tgargs = convert_to(source.source_id::text, 'UTF8') || '\x00'::bytea
                           AND tgfoid IN (SELECT oid FROM pg_proc
                                           WHERE pronamespace = 'triage_internal'::regnamespace) LOOP
                EXECUTE format('DROP TRIGGER %I ON %s', step, relation);
            END LOOP;
            IF to_regclass(format('triage.%I', source.queue_view)) IS NOT NULL THEN
                EXECUTE format('DROP VIEW triage.%I', source.queue_view);
            END IF;
        END IF;
        IF source.label_table IS NOT NULL THEN
            PERFORM triage_internal.drop_label_table_triggers(source.source_id, source.label_table);
        END IF;
        UPDATE triage_internal.source s SET attached = false WHERE s.source_id = source.source_id;
        -- Another attachment with these names goes on.
        UPDATE triage_internal.name_change n SET source_id = o.source_id
          FROM (SELECT min(s.source_id) AS source_id FROM triage_internal.source s
                 WHERE s.attached AND s.classifier = source.classifier AND s.label_table = source.label_table) o
         WHERE n.source_id = source.source_id AND o.source_id IS NOT NULL;
        DELETE FROM triage_internal.name_change n WHERE n.source_id = source.source_id;
    END LOOP;
    orphans := triage_internal.drop_orphans(relation);
    IF orphans > 0 THEN
        RAISE NOTICE 'removed % triggers of another table or database from %', orphans, relation;
    ELSIF n = 0 THEN
        RAISE undefined_object USING MESSAGE = format('table %s is not attached (attached: %s)', relation,
            coalesce((SELECT string_agg(s.relation::text, ', ') FROM triage_internal.source s
                       WHERE s.attached), 'none'));
    END IF;
    RETURN n;
END
$$;
COMMENT ON FUNCTION triage_internal.detach_relation(text, regclass) IS 'part of detach()';

CREATE FUNCTION triage.attach(relation regclass, text_columns text[], label_column text, key_column text DEFAULT NULL,
        classifier text DEFAULT 'default', record_given_labels boolean DEFAULT false,
        label_table regclass DEFAULT NULL, label_name_column text DEFAULT NULL, show text[] DEFAULT NULL,
        corrections text DEFAULT 'anyone', received_at_column text DEFAULT NULL,
        default_is_empty boolean DEFAULT false)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'attach_wrapper';
COMMENT ON FUNCTION triage.attach(regclass, text[], text, text, text, boolean, regclass, text, text[], text, text,
    boolean) IS
    'from now on, new rows of a table get a label when it is null, and an update of the label is a correction. '
    'text_columns are read in their order, the subject first; of json and jsonb name the path, too '
    '(payload->>''body''). The key is the primary key, or key_column (several: ''tenant, number''). label_table is the '
    'lookup table that the label column refers to by id; its names (label_name_column) are labels, and stay in step. '
    'record_given_labels: a label that a row comes with is a decision. default_is_empty: the default of the label '
    'column counts as no label. corrections: who may correct by updating the table itself, ''anyone'' who may update '
    'it, ''nobody'', or roles (''support, "Desk leads"''); superusers and other doors are not asked. '
    'received_at_column says how old a mail is. Makes a queue view in schema triage, with the columns of show in it; '
    'returns the number of the attachment';

CREATE FUNCTION triage.detach(relation regclass) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'detach_wrapper';
COMMENT ON FUNCTION triage.detach(regclass) IS
    'takes triggers and queue view off a table, also triggers that it has from another one or from another '
    'database; its reviews and decisions stay. Returns how many classifiers it was attached to';

CREATE FUNCTION triage.classify_pending(relation regclass DEFAULT NULL, most integer DEFAULT 10000) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'classify_pending_wrapper';
COMMENT ON FUNCTION triage.classify_pending(regclass, integer) IS
    'labels rows of one attached table, or of all, that have no label yet, at most so many; returns how many it '
    'labelled: call it again until that is 0';

CREATE FUNCTION triage.classify_again(relation regclass DEFAULT NULL, most integer DEFAULT 10000,
        predicted_label text DEFAULT NULL, confidence_below float8 DEFAULT NULL, version_before integer DEFAULT NULL,
        received_since timestamptz DEFAULT NULL, keys text[] DEFAULT NULL, newer_decisions boolean DEFAULT false)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'classify_again_wrapper';
COMMENT ON FUNCTION triage.classify_again(regclass, integer, text, float8, integer, timestamptz, text[], boolean) IS
    'predicts rows of one attached table, or of all, anew that nobody has decided about and another version than the '
    'active one predicted; with newer_decisions also those predicted before the latest decision. Of these, all that '
    'fulfil the conditions given, at most so many; returns how many it predicted: call it again until that is 0. '
    'Decided rows are left alone, and so are labels that nobody predicted';
