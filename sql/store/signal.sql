-- Sessions watch the relation-cache entry of this table: see src/predict/signal.rs.
CREATE TABLE triage_internal.model_signal ();
COMMENT ON TABLE triage_internal.model_signal IS
    'empty; its relation-cache invalidation tells sessions that a model, label or activation changed';

CREATE FUNCTION triage_internal.signal_change() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'signal_change_wrapper';
COMMENT ON FUNCTION triage_internal.signal_change() IS
    'tells all sessions, at commit, to look again which model is active';

-- FOR EACH ROW and ENABLE ALWAYS: changes that arrive by logical replication count, too.
DO $$
DECLARE
    relation regclass;
BEGIN
    FOREACH relation IN ARRAY ARRAY['triage.classifier', 'triage.label', 'triage_internal.model',
            'triage_internal.activation', 'triage_internal.pending', 'triage_internal.base',
            'triage_internal.source']::regclass[] LOOP
        EXECUTE format('CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON %s
            FOR EACH ROW EXECUTE FUNCTION triage_internal.signal_change()', relation);
        EXECUTE format('CREATE TRIGGER signal_truncate AFTER TRUNCATE ON %s
            FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.signal_change()', relation);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER signal_change', relation);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER signal_truncate', relation);
        EXECUTE format('COMMENT ON TRIGGER signal_change ON %s IS %L', relation,
                       'tells sessions that what they answer with has changed');
        EXECUTE format('COMMENT ON TRIGGER signal_truncate ON %s IS %L', relation,
                       'tells sessions that what they answer with has changed');
    END LOOP;
END
$$;
