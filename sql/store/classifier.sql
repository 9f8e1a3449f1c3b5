-- Tables. People read them through views and write them through functions, which keep them
-- consistent under a lock on the classifier's row. There are no foreign keys: an extension's
-- tables have them before their rows, and a parallel pg_restore then fails, because nothing
-- tells it an order.

CREATE FUNCTION triage_internal.label_key(label text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'label_key_wrapper';
COMMENT ON FUNCTION triage_internal.label_key(text) IS
    'the form of a label that decides whether two labels are the same: trimmed, NFKC, casefolded';

CREATE TABLE triage.classifier (
    name        text PRIMARY KEY,
    description text,
    open_labels boolean     NOT NULL DEFAULT false,
    review_below float8     NOT NULL DEFAULT 0.8
        CHECK (review_below >= 0.0 AND review_below <= 1.0),
    created_at  timestamptz NOT NULL DEFAULT now(),
    created_by  text        NOT NULL DEFAULT CURRENT_USER,
    erasures    bigint      NOT NULL DEFAULT 0,
    CONSTRAINT classifier_name_is_short
        CHECK (name = btrim(name)
               AND length(name) >= 1
               AND length(name) <= 128)
);
COMMENT ON TABLE triage.classifier IS 'named questions with a closed set of labels';
COMMENT ON COLUMN triage.classifier.name IS 'what SQL functions are given; "default" needs no registration';
COMMENT ON COLUMN triage.classifier.description IS 'for people';
COMMENT ON COLUMN triage.classifier.open_labels IS
    'whether a decision may use a label that does not exist yet, which then is added';
COMMENT ON COLUMN triage.classifier.review_below IS
    'predictions with a lower confidence are queued as uncertain, 0 to 1; set it with UPDATE. It holds for emails '
    'that are classified, and decisions that are taken back, from then on: what is in the queue stays as it is';
COMMENT ON COLUMN triage.classifier.created_at IS 'when it was created';
COMMENT ON COLUMN triage.classifier.created_by IS 'who created it';
COMMENT ON COLUMN triage.classifier.erasures IS
    'how often forget() or forget_classifier() erased something, or a label got another name: what was read before is '
    'not stored after';

CREATE TABLE triage.label (
    classifier  text NOT NULL,
    label       text NOT NULL,
    description text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    created_by  text        NOT NULL DEFAULT CURRENT_USER,
    retired_at  timestamptz,
    PRIMARY KEY (classifier, label),
    CONSTRAINT label_is_not_empty
        CHECK (label = btrim(label)
               AND label <> '')
);
COMMENT ON TABLE triage.label IS 'the answers that a classifier can give; spelling here is what people see';
COMMENT ON COLUMN triage.label.classifier IS 'the classifier it belongs to';
COMMENT ON COLUMN triage.label.label IS 'the label as shown; case and width do not make a new label';
COMMENT ON COLUMN triage.label.description IS
    'what belongs under this label; triage.add_label() also learns it, as one small email';
COMMENT ON COLUMN triage.label.created_at IS 'when it was added';
COMMENT ON COLUMN triage.label.created_by IS 'who added it';
COMMENT ON COLUMN triage.label.retired_at IS
    'since when it is neither predicted nor may be set, by triage.retire_label(); NULL if it is in use';
CREATE UNIQUE INDEX label_key ON triage.label (classifier, triage_internal.label_key(label));
COMMENT ON INDEX triage.label_key IS 'one label per casefolded spelling';

SELECT pg_extension_config_dump('triage.classifier', '');
SELECT pg_extension_config_dump('triage.label', '');

CREATE FUNCTION triage_internal.is_changing_labels() RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'is_changing_labels_wrapper';
COMMENT ON FUNCTION triage_internal.is_changing_labels() IS
    'whether a trigger fires because triage.rename_label() or merge_labels() rewrites rows';

CREATE FUNCTION triage_internal.keep_label() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    emails bigint;
BEGIN
    IF triage_internal.is_changing_labels() THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF triage_internal.label_key(NEW.label) = triage_internal.label_key(OLD.label) THEN
            RETURN NEW;
        END IF;
    END IF;
    -- It goes with its classifier, or moves to the classifier's new name.
    IF NOT EXISTS (SELECT FROM triage.classifier WHERE name = OLD.classifier) THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    SELECT count(*) INTO emails FROM triage.review r
     WHERE r.classifier = OLD.classifier AND OLD.label IN (r.human_label, r.predicted_label);
    IF emails > 0 THEN
        RAISE object_in_use USING MESSAGE = format(
            'label "%s" is in use: %s reviews of classifier "%s" have it. Use triage.rename_label(), merge_labels() '
            'or retire_label()',
            OLD.label, emails, OLD.classifier);
    END IF;
    IF OLD.description <> '' THEN
        RAISE object_in_use USING MESSAGE = format(
            'label "%s" has a description, which was learned: SELECT triage.add_label(%L, %L, '''') takes it back',
            OLD.label, OLD.classifier, OLD.label);
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
COMMENT ON FUNCTION triage_internal.keep_label() IS
    'a label that emails or a description have taught is neither renamed nor deleted';

CREATE TRIGGER kept BEFORE DELETE OR UPDATE OF label ON triage.label
    FOR EACH ROW EXECUTE FUNCTION triage_internal.keep_label();
COMMENT ON TRIGGER kept ON triage.label IS 'emails have it';
