-- The column that labels are written to.

CREATE FUNCTION triage_internal.referred_table(relation regclass, label_column text, preferred regclass)
    RETURNS regclass
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.confrelid::regclass
      FROM pg_constraint c
      JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
     WHERE c.conrelid = relation AND c.contype = 'f' AND c.conparentid = 0 AND a.attname = label_column
     ORDER BY c.confrelid = preferred DESC NULLS LAST, c.confrelid::regclass::text LIMIT 1
$$;
COMMENT ON FUNCTION triage_internal.referred_table(regclass, text, regclass) IS
    'the table that a foreign key of a column refers to, of several the preferred one; NULL without';

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
    IF label_table IN (SELECT relid FROM pg_partition_tree(relation)
                        UNION SELECT relid FROM pg_partition_ancestors(relation)) OR label_table = relation THEN
        RETURN format('cannot have its labels in %s, which is the table itself: label_table must be another one',
                      label_table);
    END IF;
    IF label_table <> triage_internal.referred_table(relation, label_column, label_table) THEN
        RETURN format('refers to %s: label_table => %1$L',
                      triage_internal.referred_table(relation, label_column, label_table));
    END IF;
    IF label_table IS NOT NULL THEN
        RETURN CASE WHEN NOT is_text AND NOT is_number THEN
            format('is of type %s, which is no key of table %s', shown, label_table) END;
    END IF;
    -- The queue view would call it with the rights of whoever looks.
    IF EXISTS (SELECT FROM pg_cast WHERE castsource = base AND casttarget = 'text'::regtype AND castfunc <> 0)
       AND NOT is_text THEN
        RETURN format('is of type %s, which a function of its owner makes text of: drop the cast to text first', shown);
    END IF;
    IF is_text OR (SELECT typtype FROM pg_type WHERE oid = base) = 'e' THEN
        RETURN NULL;
    END IF;
    IF is_number THEN
        RETURN format('is of type %s: say which table has the names of the labels with label_table => %L', shown,
            coalesce((SELECT r::text FROM triage_internal.referred_table(relation, label_column, NULL) AS r
                       WHERE r <> relation), '...'));
    END IF;
    RETURN format('is of type %s; a label column must be text, varchar, char, citext, an enum or a domain of these',
                  shown);
END
$$;
COMMENT ON FUNCTION triage_internal.label_column_problem(regclass, text, regclass) IS
    'why labels cannot be written to a column; NULL if they can';

CREATE FUNCTION triage_internal.label_table_columns(relation regclass, label_column text, label_table regclass,
        name_column text)
    RETURNS text[]
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own      pg_attribute := (SELECT a FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = label_column
                                                         AND a.attnum > 0 AND NOT a.attisdropped);
    id       pg_attribute;
    texts    text[];
    name     text := name_column;
    retired  text;
BEGIN
    IF (SELECT relkind NOT IN ('r', 'p') OR relpersistence = 't' FROM pg_class WHERE oid = label_table) THEN
        RAISE wrong_object_type USING MESSAGE = format('%s cannot be a label_table: only permanent tables can',
                                                       label_table);
    END IF;
    -- What a foreign key says; without one, the primary key.
    SELECT a.* INTO id FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = c.confkey[1]
     WHERE c.conrelid = relation AND c.contype = 'f' AND c.confrelid = label_table AND c.conkey = ARRAY[own.attnum]
     ORDER BY c.oid LIMIT 1;
    IF NOT FOUND AND cardinality(triage_internal.primary_key(label_table)) = 1 THEN
        SELECT a.* INTO id FROM pg_attribute a
         WHERE a.attrelid = label_table AND a.attname = (triage_internal.primary_key(label_table))[1];
    END IF;
    IF id.attname IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format(
            'column "%s" of table %s does not refer to table %s: add a foreign key, or a primary key of one column to '
            'the latter', label_column, relation, label_table);
    END IF;
    IF (SELECT t.typcategory FROM pg_type t WHERE t.oid = triage_internal.base_type(id.atttypid))
       <> (SELECT t.typcategory FROM pg_type t WHERE t.oid = triage_internal.base_type(own.atttypid)) THEN
        RAISE datatype_mismatch USING MESSAGE = format(
            'column "%s" of table %s is of type %s, but the key of table %s is of type %s', label_column, relation,
            format_type(own.atttypid, NULL), label_table, format_type(id.atttypid, NULL));
    END IF;
    SELECT array_agg(a.attname::text ORDER BY a.attnum) INTO texts
      FROM pg_attribute a
     CROSS JOIN LATERAL triage_internal.base_type(a.atttypid) AS base
      JOIN pg_type t ON t.oid = base
     WHERE a.attrelid = label_table AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> id.attname
       AND (t.typcategory = 'S' OR t.typtype = 'e');
    IF name_column IS NOT NULL AND name_column <> ALL (coalesce(texts, '{}') || id.attname::text) THEN
        RAISE undefined_column USING MESSAGE = format('table %s has no column "%s" of text (there are: %s)',
            label_table, left(name_column, 64), coalesce(array_to_string(texts, ', '), 'none'));
    END IF;
    IF name IS NULL AND cardinality(texts) = 1 THEN
        name := texts[1];
    END IF;
    IF name IS NULL THEN
        SELECT c INTO name FROM unnest(ARRAY['name', 'label', 'title']) WITH ORDINALITY AS u (c, n)
         WHERE c = ANY (texts) ORDER BY n LIMIT 1;
    END IF;
    IF name IS NULL THEN
        SELECT CASE WHEN count(*) = 1 THEN min(a.attname::text) END INTO name
          FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
         WHERE i.indrelid = label_table AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL
           AND a.attname = ANY (texts);
    END IF;
    IF name IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format(
            'which column of table %s has the names of the labels? Say it with label_name_column => ... '
            '(there are: %s)',
            label_table, coalesce(array_to_string(texts, ', '), 'none of text'));
    END IF;
    -- learn_from() would call it with the rights of its caller.
    IF EXISTS (SELECT FROM pg_attribute a JOIN pg_cast c ON c.castsource = triage_internal.base_type(a.atttypid)
                WHERE a.attrelid = label_table AND a.attname = name AND c.castfunc <> 0
                  AND c.casttarget = 'text'::regtype
                  AND (SELECT t.typtype FROM pg_type t WHERE t.oid = c.castsource) = 'e') THEN
        RAISE invalid_parameter_value USING MESSAGE = format('column "%s" of table %s is of a type which a function of '
            'its owner makes text of: drop the cast to text first', name, label_table);
    END IF;
    SELECT a.attname INTO retired
      FROM pg_attribute a
     CROSS JOIN LATERAL triage_internal.base_type(a.atttypid) AS base
     WHERE a.attrelid = label_table AND a.attnum > 0 AND NOT a.attisdropped
       AND (base = 'boolean'::regtype
            AND a.attname ~* '^(is_)?(retired|deleted|archived|disabled|inactive|active|enabled)$'
            OR base = ANY (ARRAY['date', 'timestamp', 'timestamptz']::regtype[]::oid[])
            AND a.attname ~* '^(retired|deleted|archived|disabled|deactivated)(_at|_on)?$')
     ORDER BY a.attnum LIMIT 1;
    RETURN ARRAY[id.attname::text, name] || retired;
END
$$;
COMMENT ON FUNCTION triage_internal.label_table_columns(regclass, text, regclass, text) IS
    'which columns of a lookup table have the ids and the names of the labels and, if there is one, what marks rows '
    'that are not used any more';

CREATE FUNCTION triage_internal.follow_label_table() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'follow_label_table_wrapper';
COMMENT ON FUNCTION triage_internal.follow_label_table() IS
    'after a change of a lookup table: a new name is a new label, and what else has changed is noted for '
    'follow_names()';

CREATE FUNCTION triage_internal.follow_names() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'follow_names_wrapper';
COMMENT ON FUNCTION triage_internal.follow_names() IS
    'when a transaction commits that has changed names in a lookup table: a changed name is a renamed label, a '
    'deleted or retired row a retired label';

-- At commit, because only then is it known what a transaction makes of all names together, and because labels are
-- locked while they follow.
CREATE CONSTRAINT TRIGGER follow_names AFTER INSERT ON triage_internal.name_change
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.at_commit)
    EXECUTE FUNCTION triage_internal.follow_names();
COMMENT ON TRIGGER follow_names ON triage_internal.name_change IS 'lets labels follow';

CREATE FUNCTION triage_internal.create_label_table_triggers(caller text, id bigint, relation regclass,
        label_column text, label_table regclass, name_column text)
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner   oid := (SELECT relowner FROM pg_class WHERE oid = label_table);
    columns text;
    step    record;
BEGIN
    IF NOT pg_has_role(caller::name, owner, 'USAGE') THEN
        RAISE insufficient_privilege USING MESSAGE =
            format('must be owner of table %s to use it as label_table (its owner is %s)', label_table,
                   pg_get_userbyid(owner));
    END IF;
    -- A restored table has them already.
    PERFORM triage_internal.drop_label_table_triggers(id, label_table);
    SELECT string_agg(quote_ident(c), ', ' ORDER BY n) INTO columns
      FROM unnest(triage_internal.label_table_columns(relation, label_column, label_table, name_column))
           WITH ORDINALITY AS u (c, n);
    FOR step IN
        SELECT * FROM (VALUES
            -- It never fires: see zz_triage_columns_<id> in create_triggers().
            ('zz_triage_names_', format('AFTER UPDATE OF %s', columns), 'ROW WHEN (false)',
             'pg_triage: its column list is id, name, retired'),
            ('zz_triage_named_', 'AFTER INSERT OR UPDATE OR DELETE', 'ROW', 'pg_triage: keeps labels in step'),
            ('zz_triage_emptied_', 'BEFORE TRUNCATE', 'STATEMENT', 'pg_triage: keeps labels in step'))
            AS t (name, event, level, about) LOOP
        EXECUTE format('CREATE TRIGGER %s%s %s ON %s FOR EACH %s '
                       'EXECUTE FUNCTION triage_internal.follow_label_table(%2$s)',
                       step.name, id, step.event, label_table, step.level);
        EXECUTE format('COMMENT ON TRIGGER %s%s ON %s IS %L', step.name, id, label_table, step.about);
    END LOOP;
END
$$;
COMMENT ON FUNCTION triage_internal.create_label_table_triggers(text, bigint, regclass, text, regclass, text) IS
    'part of attach()';

CREATE FUNCTION triage_internal.drop_label_table_triggers(id bigint, label_table regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT tgname FROM pg_trigger
                 WHERE tgrelid = label_table AND tgparentid = 0
                   AND tgargs = convert_to(id::text, 'UTF8') || '\x00'::bytea
                   AND tgfoid = 'triage_internal.follow_label_table'::regproc LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', name, label_table);
    END LOOP;
END
$$;
COMMENT ON FUNCTION triage_internal.drop_label_table_triggers(bigint, regclass) IS 'part of detach()';

CREATE FUNCTION triage_internal.label_expression(relation regclass, label_column text, label_table regclass,
        name_column text)
    RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns text[];
BEGIN
    IF label_table IS NULL THEN
        RETURN format('t.%I::pg_catalog.text', label_column);
    END IF;
    columns := triage_internal.label_table_columns(relation, label_column, label_table, name_column);
    RETURN format('(SELECT l.%I::pg_catalog.text FROM %s l WHERE l.%I = t.%I LIMIT 1)', columns[2], label_table,
                  columns[1], label_column);
END
$$;
COMMENT ON FUNCTION triage_internal.label_expression(regclass, text, regclass, text) IS
    'the label of a row of a table under the name t, in SQL; NULL if the lookup table does not have its id';
