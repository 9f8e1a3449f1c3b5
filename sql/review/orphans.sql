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
