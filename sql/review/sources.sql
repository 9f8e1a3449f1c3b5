CREATE VIEW triage.sources WITH (security_barrier) AS
SELECT s.source_id, s.source, s.classifier,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table_name,
       CASE WHEN s.attached THEN 'triage.' || quote_ident(s.queue_view) END AS queue_view,
       t.state, s.record_given_labels,
       CASE WHEN s.corrections IS NULL THEN 'anyone'
            WHEN cardinality(s.corrections) = 0 THEN 'nobody'
            ELSE (SELECT string_agg(quote_ident(role), ', ' ORDER BY n)
                    FROM unnest(s.corrections) WITH ORDINALITY AS u (role, n)) END AS corrections,
       s.attached_at, s.attached_by,
       CASE WHEN t.state = 'dropped' AND s.queue_view IS NOT NULL
                 THEN format('nothing; or SELECT triage.adopt(''name of the table'', %L) if another table has its rows',
                             s.source)
            WHEN b.problem IS NOT NULL THEN b.what_to_do
            WHEN t.state = 'attached' AND EXISTS (SELECT FROM pg_inherits i
                                                   WHERE i.inhparent = s.relation AND c.relkind = 'r')
                 THEN 'rows of the children that inherit from it are not labelled: attach each of them'
            ELSE 'nothing' END AS what_to_do
  FROM (SELECT s.source_id, s.source, s.classifier, s.relation::oid AS relation, s.attached, s.queue_view,
               s.record_given_labels, s.corrections, s.attached_at, s.attached_by
          FROM triage_internal.source s
        UNION ALL
        -- The inbox is attached to "default" without a row, until that is changed.
        SELECT 0, 'triage.email', 'default', 'triage.email'::regclass::oid, true, 'email_queue', false, NULL, NULL,
               NULL
         WHERE NOT EXISTS (SELECT FROM triage_internal.source s WHERE s.source_id = 0)) s
  LEFT JOIN pg_class c ON c.oid = s.relation
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN triage_internal.broken_source b ON b.source_id = s.source_id
 CROSS JOIN LATERAL (SELECT CASE WHEN c.oid IS NULL THEN 'dropped'
                                 WHEN b.problem IS NOT NULL THEN 'broken'
                                 WHEN s.attached THEN 'attached'
                                 WHEN s.queue_view IS NULL THEN 'imported'
                                 ELSE 'detached' END AS state) t
UNION ALL
SELECT NULL, NULL, NULL, o.table_name, NULL, 'orphan triggers', NULL, NULL, NULL, NULL, o.what_to_do
  FROM triage_internal.orphan o;
COMMENT ON VIEW triage.sources IS
    'tables whose rows are labelled, or labelled history was imported from: for which classifier, and in which '
    'view their reviews are with the live text';
COMMENT ON COLUMN triage.sources.source_id IS 'what triage.attach() returned; NULL for orphan triggers';
COMMENT ON COLUMN triage.sources.source IS
    'name of the table when it was first attached: what reviews call it, also after it was renamed';
COMMENT ON COLUMN triage.sources.classifier IS 'the classifier';
COMMENT ON COLUMN triage.sources.table_name IS 'what the table is called now; NULL if it was dropped';
COMMENT ON COLUMN triage.sources.queue_view IS 'the view of its reviews; NULL unless it is attached';
COMMENT ON COLUMN triage.sources.state IS
    'attached; detached (by triage.detach(): its reviews and decisions stay); imported (only learned from, by '
    'triage.learn_from()); broken (a column or trigger that it needs was dropped or disabled: its rows get no label, '
    'or corrections are lost; see what_to_do); dropped (the table is gone, or is another source''s since '
    'triage.adopt()); orphan triggers '
    '(a table that is not attached, with triggers of one that is: restored, copied, or of another database)';
COMMENT ON COLUMN triage.sources.record_given_labels IS
    'whether a label that a row comes with is recorded as a human decision';
COMMENT ON COLUMN triage.sources.corrections IS
    'who may decide by updating the table itself: anyone, nobody, or roles and their members. Other doors have rights '
    'of their own';
COMMENT ON COLUMN triage.sources.attached_at IS 'when it was attached, or first imported from';
COMMENT ON COLUMN triage.sources.attached_by IS 'by whom';
COMMENT ON COLUMN triage.sources.what_to_do IS 'what to do, and with which statement';
