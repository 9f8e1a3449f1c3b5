-- Sessions watch the relation-cache entry of this table; see src/cache.rs.
CREATE TABLE triage_internal.model_signal ();
COMMENT ON TABLE triage_internal.model_signal IS
    'empty; its relation-cache invalidation tells sessions that a model, label or activation changed';

CREATE FUNCTION triage_internal.signal_change() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'signal_change_wrapper';
COMMENT ON FUNCTION triage_internal.signal_change() IS
    'tells all sessions, at commit, to look again which model is active';

-- FOR EACH ROW and ENABLE ALWAYS: changes that arrive by logical replication count too.
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage.classifier
    FOR EACH ROW EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage.classifier ENABLE ALWAYS TRIGGER signal_change;
COMMENT ON TRIGGER signal_change ON triage.classifier IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage.label
    FOR EACH ROW EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage.label ENABLE ALWAYS TRIGGER signal_change;
COMMENT ON TRIGGER signal_change ON triage.label IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage_internal.model
    FOR EACH ROW EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage_internal.model ENABLE ALWAYS TRIGGER signal_change;
COMMENT ON TRIGGER signal_change ON triage_internal.model IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage_internal.activation
    FOR EACH ROW EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage_internal.activation ENABLE ALWAYS TRIGGER signal_change;
COMMENT ON TRIGGER signal_change ON triage_internal.activation IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage.classifier
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage.classifier ENABLE ALWAYS TRIGGER signal_truncate;
COMMENT ON TRIGGER signal_truncate ON triage.classifier IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage.label
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage.label ENABLE ALWAYS TRIGGER signal_truncate;
COMMENT ON TRIGGER signal_truncate ON triage.label IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage_internal.model
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage_internal.model ENABLE ALWAYS TRIGGER signal_truncate;
COMMENT ON TRIGGER signal_truncate ON triage_internal.model IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage_internal.activation
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage_internal.activation ENABLE ALWAYS TRIGGER signal_truncate;
COMMENT ON TRIGGER signal_truncate ON triage_internal.activation IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage_internal.pending
    FOR EACH ROW EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage_internal.pending ENABLE ALWAYS TRIGGER signal_change;
COMMENT ON TRIGGER signal_change ON triage_internal.pending IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage_internal.base
    FOR EACH ROW EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage_internal.base ENABLE ALWAYS TRIGGER signal_change;
COMMENT ON TRIGGER signal_change ON triage_internal.base IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage_internal.source
    FOR EACH ROW EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage_internal.source ENABLE ALWAYS TRIGGER signal_change;
COMMENT ON TRIGGER signal_change ON triage_internal.source IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage_internal.pending
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage_internal.pending ENABLE ALWAYS TRIGGER signal_truncate;
COMMENT ON TRIGGER signal_truncate ON triage_internal.pending IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage_internal.base
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage_internal.base ENABLE ALWAYS TRIGGER signal_truncate;
COMMENT ON TRIGGER signal_truncate ON triage_internal.base IS 'see triage_internal.model_signal';

CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage_internal.source
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage_internal.source ENABLE ALWAYS TRIGGER signal_truncate;
COMMENT ON TRIGGER signal_truncate ON triage_internal.source IS 'see triage_internal.model_signal';
