-- There are no foreign keys: see store/classifier.sql.

CREATE FUNCTION triage_internal.cascade_classifier() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        IF EXISTS (SELECT FROM triage.decision) THEN
            RAISE object_in_use USING MESSAGE =
                'classifiers have decisions, which are kept: erase them first with triage.forget_classifier(name)';
        END IF;
        -- Not TRUNCATE: the statement may have them open, too.
        DELETE FROM triage.review;
        DELETE FROM triage_internal.base;
        DELETE FROM triage_internal.job WHERE classifier IS NOT NULL;
        DELETE FROM triage_internal.alert WHERE classifier IS NOT NULL;
        DELETE FROM triage_internal.activation;
        DELETE FROM triage_internal.model;
        DELETE FROM triage.label;
        DELETE FROM triage.cost;
        DELETE FROM triage_internal.relabelled;
        DELETE FROM triage_internal.label_change;
    ELSIF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM triage.decision WHERE classifier = OLD.name) THEN
            RAISE object_in_use USING MESSAGE = format(
                'classifier "%s" has decisions, which are kept: erase them first with triage.forget_classifier(name)',
                OLD.name);
        END IF;
        DELETE FROM triage.review WHERE classifier = OLD.name;
        DELETE FROM triage_internal.base WHERE classifier = OLD.name;
        DELETE FROM triage_internal.job WHERE classifier = OLD.name;
        DELETE FROM triage_internal.alert WHERE classifier = OLD.name;
        DELETE FROM triage_internal.activation WHERE classifier = OLD.name;
        DELETE FROM triage_internal.model WHERE classifier = OLD.name;
        DELETE FROM triage.label WHERE classifier = OLD.name;
        DELETE FROM triage.cost WHERE classifier = OLD.name;
        DELETE FROM triage_internal.relabelled r USING triage_internal.label_change c
         WHERE c.change_id = r.change_id AND c.classifier = OLD.name;
        DELETE FROM triage_internal.label_change WHERE classifier = OLD.name;
        -- The deletion of reviews has waited for decisions about them.
        IF EXISTS (SELECT FROM triage.decision WHERE classifier = OLD.name) THEN
            RAISE object_in_use USING MESSAGE = format(
                'classifier "%s" has decisions, which are kept: erase them first with triage.forget_classifier(name)',
                OLD.name);
        END IF;
    ELSE
        -- The inbox is attached to "default" without a row that says so.
        IF OLD.name = 'default' AND NOT EXISTS (SELECT FROM triage_internal.source WHERE source_id = 0) THEN
            INSERT INTO triage_internal.source (source_id, source, classifier, relation, attached, queue_view,
                search_path)
                OVERRIDING SYSTEM VALUE
                VALUES (0, 'triage.email', OLD.name, 'triage.email', true, 'email_queue', 'pg_catalog, pg_temp');
        END IF;
        UPDATE triage_internal.source SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage.review SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage.decision SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.pending SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.base SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.job SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.alert SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.activation SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.model SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage.label SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage.cost SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.label_change SET classifier = NEW.name WHERE classifier = OLD.name;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION triage_internal.cascade_classifier() IS
    'what belongs to a classifier follows its name and goes when it goes';

CREATE TRIGGER cascade_delete AFTER DELETE ON triage.classifier
    FOR EACH ROW EXECUTE FUNCTION triage_internal.cascade_classifier();
COMMENT ON TRIGGER cascade_delete ON triage.classifier IS 'deletes its labels, models and activations';

CREATE TRIGGER cascade_truncate AFTER TRUNCATE ON triage.classifier
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.cascade_classifier();
COMMENT ON TRIGGER cascade_truncate ON triage.classifier IS 'empties labels, models and activations';

CREATE TRIGGER cascade_rename AFTER UPDATE OF name ON triage.classifier
    FOR EACH ROW WHEN (OLD.name <> NEW.name)
    EXECUTE FUNCTION triage_internal.cascade_classifier();
COMMENT ON TRIGGER cascade_rename ON triage.classifier IS 'renames it in labels, models and activations';
