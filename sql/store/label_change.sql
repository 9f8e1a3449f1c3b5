-- Changes of labels, and what is needed to take them back. A label is stored under its name, in the
-- ledger too, so a change rewrites what has the old name: src/training/labels/ does it, and
-- triggers let it pass.

CREATE TABLE triage_internal.label_change (
    change_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    classifier     text   NOT NULL,
    kind           text   NOT NULL
        CHECK (kind IN ('rename', 'merge', 'retire', 'restore', 'split', 'undo')),
    label          text   NOT NULL,
    new_label      text,
    undoes         bigint,
    emails         bigint NOT NULL DEFAULT 0,
    version_before integer,
    version_after  integer,
    kept           jsonb,
    changed_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by     text   NOT NULL
);
COMMENT ON TABLE triage_internal.label_change IS
    'append-only: what was done to labels; people read triage.label_changes';
COMMENT ON COLUMN triage_internal.label_change.change_id IS 'ascending';
COMMENT ON COLUMN triage_internal.label_change.classifier IS 'the classifier';
COMMENT ON COLUMN triage_internal.label_change.kind IS 'rename, merge, retire, restore, split or undo';
COMMENT ON COLUMN triage_internal.label_change.label IS 'the label that was changed, as it was called';
COMMENT ON COLUMN triage_internal.label_change.new_label IS
    'what its emails have from then on; NULL where they keep it';
COMMENT ON COLUMN triage_internal.label_change.undoes IS 'the change that was taken back';
COMMENT ON COLUMN triage_internal.label_change.emails IS 'how many reviews it was about';
COMMENT ON COLUMN triage_internal.label_change.version_before IS 'the active version before; NULL for none';
COMMENT ON COLUMN triage_internal.label_change.version_after IS 'the active version after; NULL for none';
COMMENT ON COLUMN triage_internal.label_change.kept IS
    'what a merge has put in the place of: descriptions, who added the label, and costs';
COMMENT ON COLUMN triage_internal.label_change.changed_at IS 'when';
COMMENT ON COLUMN triage_internal.label_change.changed_by IS 'who';
COMMENT ON SEQUENCE triage_internal.label_change_change_id_seq IS 'numbers changes of labels';
CREATE INDEX label_change_of ON triage_internal.label_change (classifier, change_id);
COMMENT ON INDEX triage_internal.label_change_of IS 'the changes of one classifier';

CREATE TABLE triage_internal.relabelled (
    relabelled_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    change_id     bigint NOT NULL,
    relation      text   NOT NULL CHECK (relation IN ('decision', 'review', 'source')),
    row_id        bigint NOT NULL,
    email_key     text,
    columns       text[] NOT NULL,
    step          jsonb
);
COMMENT ON TABLE triage_internal.relabelled IS
    'which rows had the label that was merged into another one, and with which decisions a split has asked again';
COMMENT ON COLUMN triage_internal.relabelled.relabelled_id IS 'ascending';
COMMENT ON COLUMN triage_internal.relabelled.change_id IS 'the change';
COMMENT ON COLUMN triage_internal.relabelled.relation IS 'decision, review, or source for an attached table';
COMMENT ON COLUMN triage_internal.relabelled.row_id IS 'number of the decision, review or attachment';
COMMENT ON COLUMN triage_internal.relabelled.email_key IS 'of a row of an attached table: its key';
COMMENT ON COLUMN triage_internal.relabelled.columns IS 'which columns had the label';
COMMENT ON COLUMN triage_internal.relabelled.step IS 'the decision''s step as it was';
COMMENT ON SEQUENCE triage_internal.relabelled_relabelled_id_seq IS 'numbers rows that were relabelled';
CREATE INDEX relabelled_by ON triage_internal.relabelled (change_id);
COMMENT ON INDEX triage_internal.relabelled_by IS 'the rows of one change';
CREATE INDEX relabelled_row ON triage_internal.relabelled (row_id, relation);
COMMENT ON INDEX triage_internal.relabelled_row IS 'forgets an email';

SELECT pg_extension_config_dump('triage_internal.label_change', '');
SELECT pg_extension_config_dump('triage_internal.label_change_change_id_seq', '');
SELECT pg_extension_config_dump('triage_internal.relabelled', '');
SELECT pg_extension_config_dump('triage_internal.relabelled_relabelled_id_seq', '');

-- What the statements that rewrite rows are made of.
CREATE FUNCTION triage_internal.is_label(label text, key text) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'is_label_wrapper';
COMMENT ON FUNCTION triage_internal.is_label(text, text) IS
    'whether a text is the label with this key, in whatever spelling; what is too long for a label is none';

CREATE FUNCTION triage_internal.sample_priority(features bytea, label text) RETURNS bigint
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sample_priority_wrapper';
COMMENT ON FUNCTION triage_internal.sample_priority(bytea, text) IS
    'sample_priority of a decision with these features and this label';

CREATE FUNCTION triage_internal.relabel_step(step jsonb, key text, new_key text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    BEGIN ATOMIC
        SELECT CASE WHEN step ? key AND key <> new_key
                    THEN (step - key) || jsonb_build_object(new_key,
                        coalesce((step ->> new_key)::bigint, 0) + (step ->> key)::bigint)
                    ELSE step END;
    END;
COMMENT ON FUNCTION triage_internal.relabel_step(jsonb, text, text) IS
    'a decision''s step with the amounts of one label added to another';
