-- Triggers that act for no table: of one that was restored or copied, or of another database.

CREATE VIEW triage_internal.orphan_trigger AS
SELECT t.tgrelid AS relation, t.tgname AS name, a.source_id
  FROM pg_trigger t
  JOIN pg_proc p ON p.oid = t.tgfoid
 CROSS JOIN LATERAL (SELECT split_part(encode(t.tgargs, 'escape'), '\000', 1) AS source_id) a
 WHERE p.pronamespace = 'triage_internal'::regnamespace AND t.tgnargs > 0 AND t.tgparentid = 0
   AND p.proname IN ('label_row', 'record_row', 'decide_row', 'record_decision', 'record_deletion', 'begin_batch',
                     'end_batch')
   AND t.tgrelid <> 'triage.email'::regclass
   AND NOT EXISTS (SELECT FROM triage_internal.source s
                    WHERE s.relation = t.tgrelid AND s.attached AND s.source_id::text = a.source_id);
COMMENT ON VIEW triage_internal.orphan_trigger IS
    'triggers of attach() on tables that are not attached under their number: they do nothing';
COMMENT ON COLUMN triage_internal.orphan_trigger.relation IS 'the table';
COMMENT ON COLUMN triage_internal.orphan_trigger.name IS 'the trigger';
COMMENT ON COLUMN triage_internal.orphan_trigger.source_id IS 'the number of the attachment that it was made for';

CREATE VIEW triage_internal.orphan AS
SELECT o.relation, t.table_name,
       format('SELECT triage.detach(%L) to remove its triggers, or triage.attach() to attach it', t.table_name)
           -- Of another database the table is not known here.
           || coalesce((SELECT format(', or SELECT triage.adopt(%L, %L) if it takes the place of that table',
                                      t.table_name, s.source)
                          FROM triage_internal.source s
                         WHERE s.source_id::text = o.source_id AND s.source_id <> 0), '') AS what_to_do
  FROM (SELECT o.relation, min(o.source_id) AS source_id FROM triage_internal.orphan_trigger o GROUP BY 1) o
  JOIN pg_class c ON c.oid = o.relation
  JOIN pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table_name) t;
COMMENT ON VIEW triage_internal.orphan IS 'tables with such triggers';
COMMENT ON COLUMN triage_internal.orphan.relation IS 'the table';
COMMENT ON COLUMN triage_internal.orphan.table_name IS 'its name';
COMMENT ON COLUMN triage_internal.orphan.what_to_do IS 'what to do about it';

CREATE FUNCTION triage_internal.drop_orphans(relation regclass) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    orphan record;
    n      integer := 0;
BEGIN
    -- Those of its partitions, too: they may have been restored by themselves.
    FOR orphan IN
        SELECT o.relation::regclass AS relation, o.name
          FROM triage_internal.orphan_trigger o
         WHERE o.relation = drop_orphans.relation
            OR o.relation IN (SELECT p.relid FROM pg_partition_tree(drop_orphans.relation) p)
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', orphan.name, orphan.relation);
        n := n + 1;
    END LOOP;
    RETURN n;
END
$$;
COMMENT ON FUNCTION triage_internal.drop_orphans(regclass) IS
    'part of attach(), adopt() and detach(): takes triggers off a table that act for no attachment';

CREATE FUNCTION triage_internal.files_of_partitions(relation oid) RETURNS oid[]
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    -- pg_partition_tree() would lock them all, and wait for who drops one.
    WITH RECURSIVE tree AS (
        SELECT relation AS oid
         UNION ALL
        SELECT i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid)
    SELECT array_agg(c.relfilenode ORDER BY c.relfilenode)
      FROM tree t
      JOIN pg_class c ON c.oid = t.oid AND c.relfilenode <> 0
     WHERE EXISTS (SELECT FROM pg_class r WHERE r.oid = relation AND r.relkind = 'p')
$$;
COMMENT ON FUNCTION triage_internal.files_of_partitions(oid) IS
    'numbers of the files that the partitions of a table are in: others once one was emptied, dropped, detached or '
    'attached, for which no trigger fires; NULL for a table without partitions';

CREATE VIEW triage_internal.broken_source AS
SELECT s.source_id, s.classifier, n.table_name, p.problem,
       CASE WHEN p.is_disabled
            THEN format('ALTER TABLE %s ENABLE TRIGGER USER, then SELECT triage.classify_pending(%L) for the rows that '
                        'came meanwhile', n.table_name, n.table_name)
            WHEN a.above IS NOT NULL
            THEN format('SELECT triage.detach(%L) to have its rows labelled through %s; its reviews and decisions stay',
                        n.table_name, a.above)
            ELSE format('SELECT triage.detach(%L), then triage.attach() with the columns that it has now; its reviews '
                        'and decisions stay', n.table_name) END AS what_to_do
  FROM triage_internal.source s
  JOIN pg_class c ON c.oid = s.relation
  JOIN pg_namespace m ON m.oid = c.relnamespace
 CROSS JOIN LATERAL (SELECT quote_ident(m.nspname) || '.' || quote_ident(c.relname) AS table_name) n
 CROSS JOIN LATERAL (
      SELECT count(*) FILTER (WHERE t.tgparentid = 0) AS there,
             bool_or(cardinality(t.tgattr::int2[]) > 2 AND t.tgparentid = 0) AS has_columns,
             bool_or(t.tgenabled IN ('D', 'R')) AS is_disabled,
             CASE WHEN c.relkind = 'p' OR c.relispartition THEN 10 ELSE 9 END AS wanted
        -- A function would need the rights of who reads the view.
        FROM (WITH RECURSIVE tree AS (
                  SELECT s.relation::oid AS oid
                   UNION ALL
                  SELECT i.inhrelid FROM tree r JOIN pg_inherits i ON i.inhparent = r.oid)
              SELECT oid FROM tree) r
        JOIN pg_trigger t ON t.tgrelid = r.oid
        JOIN pg_proc f ON f.oid = t.tgfoid
       WHERE f.pronamespace = 'triage_internal'::regnamespace
         AND f.proname IN ('label_row', 'record_row', 'decide_row', 'record_decision', 'record_deletion', 'begin_batch',
                           'end_batch')
         AND t.tgargs = convert_to(s.source_id::text, 'UTF8') || '\x00'::bytea) t
  LEFT JOIN LATERAL (
      SELECT o.source AS above FROM pg_partition_ancestors(s.relation) r
        JOIN triage_internal.source o ON o.relation = r.relid AND o.attached
       WHERE r.relid <> s.relation::oid ORDER BY o.source_id LIMIT 1) a ON true
 CROSS JOIN LATERAL (
      SELECT CASE WHEN a.above IS NOT NULL
                  THEN format('is attached itself and a partition of %s, which is attached, too', a.above)
                  WHEN t.has_columns IS NOT TRUE THEN 'has lost a column that its attachment needs'
                  WHEN t.there = 9 AND c.relispartition THEN 'has become a partition since it was attached'
                  WHEN t.there < t.wanted THEN 'has lost triggers of its attachment'
                  WHEN to_regclass(format('triage.%I', s.queue_view)) IS NULL THEN 'has lost its queue view'
                  WHEN t.is_disabled THEN 'has disabled triggers' END AS problem,
             a.above IS NULL AND t.is_disabled IS TRUE AND t.there >= t.wanted AND t.has_columns
                 AND to_regclass(format('triage.%I', s.queue_view)) IS NOT NULL AS is_disabled) p
 WHERE s.attached AND s.source_id <> 0 AND p.problem IS NOT NULL;
COMMENT ON VIEW triage_internal.broken_source IS
    'attached tables of which a column or trigger was dropped or disabled: rows get no label, or corrections are lost';
COMMENT ON COLUMN triage_internal.broken_source.source_id IS 'the attachment';
COMMENT ON COLUMN triage_internal.broken_source.classifier IS 'by which classifier';
COMMENT ON COLUMN triage_internal.broken_source.table_name IS 'what the table is called now';
COMMENT ON COLUMN triage_internal.broken_source.problem IS 'what is wrong with it';
COMMENT ON COLUMN triage_internal.broken_source.what_to_do IS 'what to do about it';

CREATE VIEW triage_internal.dropped_source AS
SELECT s.source_id, s.source, s.classifier, s.attached
  FROM triage_internal.source s
 WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.relation);
COMMENT ON VIEW triage_internal.dropped_source IS
    'tables that are gone: their emails wait for nobody, also before maintenance has noticed';
COMMENT ON COLUMN triage_internal.dropped_source.source_id IS 'the attachment';
COMMENT ON COLUMN triage_internal.dropped_source.source IS 'under which name its emails were reviewed';
COMMENT ON COLUMN triage_internal.dropped_source.classifier IS 'by which classifier';
COMMENT ON COLUMN triage_internal.dropped_source.attached IS 'whether maintenance has yet to notice';
