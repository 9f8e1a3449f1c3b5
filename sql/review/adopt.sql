-- A table takes the place of another one, and gets its reviews and decisions.

CREATE FUNCTION triage_internal.renamed(names jsonb, before jsonb, now jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(coalesce((SELECT now ->> (b.n - 1)::integer
                                 FROM jsonb_array_elements_text(before) WITH ORDINALITY AS b (name, n)
                                WHERE b.name = u.name ORDER BY b.n LIMIT 1), u.name) ORDER BY u.n)
      FROM jsonb_array_elements_text(CASE jsonb_typeof(names) WHEN 'array' THEN names
                                     WHEN 'string' THEN jsonb_build_array(names) END) WITH ORDINALITY AS u (name, n)
$$;
COMMENT ON FUNCTION triage_internal.renamed(jsonb, jsonb, jsonb) IS
    'part of adopt(): names of columns, where the columns "before" are called "now"';

CREATE FUNCTION triage_internal.adopt_relation(caller text, path text, relation regclass, of_source text,
        text_columns text[], label_column text, key_column text)
    RETURNS bigint[]
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner  oid := (SELECT relowner FROM pg_class WHERE oid = relation);
    old    triage_internal.source;
    was    jsonb;
    now_is jsonb;
    keys   text[];
    new    triage_internal.source;
    place  integer;
    id     bigint;
    ids    bigint[] := '{}';
    label  text;
    lookup regclass;
BEGIN
    IF NOT pg_has_role(caller::name, owner, 'USAGE') THEN
        RAISE insufficient_privilege USING MESSAGE =
            format('must be owner of table %s to adopt it (its owner is %s)', relation, pg_get_userbyid(owner));
    END IF;
    IF of_source = 'triage.email' THEN
        RAISE feature_not_supported USING MESSAGE =
            'the built-in inbox triage.email stays the table of its own reviews: no other can take its place';
    END IF;
    PERFORM FROM triage_internal.source s WHERE s.source = of_source ORDER BY s.source_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('source "%s" does not exist (there are: %s)', left(of_source, 99),
            coalesce((SELECT string_agg(DISTINCT s.source, ', ') FROM triage_internal.source s
                       WHERE s.source_id <> 0), 'none'));
    END IF;
    -- Of a table that is gone, who attached it had its rights.
    SELECT s.* INTO old
      FROM triage_internal.source s
      LEFT JOIN pg_class c ON c.oid = s.relation
     WHERE s.source = of_source
       AND NOT pg_has_role(caller::name, coalesce(c.relowner, to_regrole(quote_ident(s.attached_by))::oid), 'USAGE')
     LIMIT 1;
    IF FOUND THEN
        RAISE insufficient_privilege USING MESSAGE =
            format('must be owner of source "%s" to adopt its reviews: let %s adopt them, or a superuser', of_source,
                   coalesce((SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = old.relation),
                            old.attached_by));
    END IF;
    SELECT * INTO old FROM triage_internal.source s
     WHERE s.relation = adopt_relation.relation AND s.attached ORDER BY s.source_id LIMIT 1;
    IF FOUND THEN
        RAISE object_in_use USING MESSAGE = format(
            'table %s is attached already, as source "%s": triage.detach(%L) first', relation, old.source,
            relation::text);
    END IF;
    SELECT s.* INTO old FROM triage_internal.source s JOIN pg_class c ON c.oid = s.relation
     WHERE s.source = of_source AND s.attached ORDER BY s.source_id LIMIT 1;
    IF FOUND THEN
        RAISE object_in_use USING MESSAGE = format(
            'source "%s" is the attached table %s: triage.detach(%L) first, or drop it', of_source, old.relation,
            old.relation::text);
    END IF;
    -- Under another name it has no reviews any more.
    UPDATE triage_internal.source s SET relation = 0::oid::regclass
     WHERE s.relation = adopt_relation.relation AND s.source <> of_source;
    FOR old IN
        SELECT s.* FROM triage_internal.source s
          JOIN triage.classifier c ON c.name = s.classifier
         WHERE s.source = of_source AND s.queue_view IS NOT NULL
           -- What was detached before its table was dropped stays so.
           AND (s.attached OR NOT EXISTS (SELECT FROM triage_internal.source o
                                           WHERE o.source = of_source AND o.attached))
         ORDER BY s.source_id
    LOOP
        was := old.attached_with -> 'columns';
        -- A restored table has the triggers of the one that it was.
        now_is := coalesce(to_jsonb(triage_internal.attached_columns(relation, old.source_id)),
                           to_jsonb(triage_internal.attached_columns(old.relation, old.source_id)),
                           nullif(old.attached_with -> 'columns_now', 'null'), was);
        keys := triage_internal.renamed(old.attached_with -> 'keys', was, now_is);
        label := coalesce(label_column, (triage_internal.renamed(old.attached_with -> 'label', was, now_is))[1]);
        IF to_regclass(format('triage.%I', old.queue_view)) IS NOT NULL THEN
            EXECUTE format('DROP VIEW triage.%I', old.queue_view);
        END IF;
        IF EXISTS (SELECT FROM pg_class c WHERE c.oid = old.label_table) THEN
            PERFORM triage_internal.drop_label_table_triggers(old.source_id, old.label_table);
        END IF;
        UPDATE triage_internal.source s
           SET attached = false, relation = adopt_relation.relation WHERE s.source_id = old.source_id;
        lookup := coalesce((SELECT c.oid FROM pg_class c WHERE c.oid = old.label_table)::regclass,
                           to_regclass(old.attached_with ->> 'label_table'));
        IF old.label_table IS NOT NULL THEN
            -- What the table refers to has the names, as when the lookup table was copied with it.
            lookup := coalesce(triage_internal.referred_table(relation, label, lookup), lookup);
        END IF;
        id := triage_internal.attach_relation(caller, path, relation,
            coalesce(text_columns, triage_internal.renamed(old.attached_with -> 'texts', was, now_is)),
            label,
            coalesce(key_column, array_to_string(keys, ', ')), old.classifier, old.record_given_labels,
            lookup, old.attached_with ->> 'label_name',
            triage_internal.renamed(old.attached_with -> 'show', was, now_is),
            coalesce(old.attached_with ->> 'corrections', 'anyone'),
            (triage_internal.renamed(old.attached_with -> 'received_at', was, now_is))[1],
            coalesce((old.attached_with ->> 'default_is_empty')::boolean, false));
        SELECT * INTO new FROM triage_internal.source s WHERE s.source_id = id;
        IF new.key_columns <> old.key_columns THEN
            RAISE invalid_parameter_value USING MESSAGE = format(
                'the key of source "%s" has %s columns, that of table %s has %s: name them as key_column', of_source,
                old.key_columns, relation, new.key_columns);
        END IF;
        -- A text can hold every key, a number those of numbers, and so on.
        SELECT u.n INTO place
          FROM jsonb_array_elements_text(old.attached_with -> 'key_types') WITH ORDINALITY AS u (type, n)
          JOIN pg_type o ON o.oid = to_regtype(u.type)
          JOIN pg_type t ON t.oid = to_regtype(new.attached_with -> 'key_types' ->> (u.n - 1)::integer)
         WHERE t.typcategory NOT IN ('S', o.typcategory) ORDER BY u.n LIMIT 1;
        IF FOUND THEN
            RAISE invalid_parameter_value USING MESSAGE = format(
                'key column "%s" of table %s is of type %s, and that of source "%s" was %s: name the right one as '
                'key_column', new.attached_with -> 'keys' ->> (place - 1), relation,
                new.attached_with -> 'key_types' ->> (place - 1), of_source,
                old.attached_with -> 'key_types' ->> (place - 1));
        END IF;
        ids := ids || id;
    END LOOP;
    UPDATE triage_internal.source s SET relation = adopt_relation.relation WHERE s.source = of_source;
    RETURN ids;
END
$$;
COMMENT ON FUNCTION triage_internal.adopt_relation(text, text, regclass, text, text[], text, text) IS
    'part of adopt(): numbers of the attachments that are about this table now';

CREATE FUNCTION triage.adopt(relation regclass, source text, text_columns text[] DEFAULT NULL,
        label_column text DEFAULT NULL, key_column text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'adopt_wrapper';
COMMENT ON FUNCTION triage.adopt(regclass, text, text[], text, text) IS
    'attaches a table that takes the place of another one which was dropped or detached (restored, swapped, moved): '
    'its rows get the reviews and decisions of that source, see triage.sources, so that nothing is learned twice. '
    'Rows without a label, or with the one from before somebody decided, get the decided one; others keep theirs. '
    'Columns are those of the earlier attachment, unless named. Returns how many reviews have their row there; those '
    'of other rows stay, and leave the queue';
