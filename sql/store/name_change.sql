-- Names that have changed in lookup tables, until labels follow: when the transaction commits or, where
-- somebody would have to wait for that, with the next maintenance.

CREATE TABLE triage_internal.name_change (
    change_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id  bigint  NOT NULL,
    id         text,
    label      text,
    name       text,
    is_new     boolean NOT NULL DEFAULT false,
    at_commit  boolean NOT NULL,
    changed_by text    NOT NULL
);
COMMENT ON TABLE triage_internal.name_change IS
    'names that have changed in lookup tables and that labels do not follow yet; until then an id means what it did';
COMMENT ON COLUMN triage_internal.name_change.change_id IS 'ascending';
COMMENT ON COLUMN triage_internal.name_change.source_id IS
    'the attachment: of several of a classifier that share a lookup table the first';
COMMENT ON COLUMN triage_internal.name_change.id IS
    'the id in the lookup table; NULL where the label column holds the labels themselves';
COMMENT ON COLUMN triage_internal.name_change.label IS 'the name before; NULL if it had none that was in use';
COMMENT ON COLUMN triage_internal.name_change.name IS 'the name now; NULL if it has none that is in use';
COMMENT ON COLUMN triage_internal.name_change.is_new IS
    'whether the row was inserted: its id need not mean what it did before';
COMMENT ON COLUMN triage_internal.name_change.at_commit IS
    'whether labels follow when its transaction commits, and not with maintenance only';
COMMENT ON COLUMN triage_internal.name_change.changed_by IS 'who has changed the name';
COMMENT ON SEQUENCE triage_internal.name_change_change_id_seq IS 'numbers changes of names';
CREATE INDEX name_change_of ON triage_internal.name_change (source_id, change_id);
COMMENT ON INDEX triage_internal.name_change_of IS 'what labels of one attachment have to follow';

SELECT pg_extension_config_dump('triage_internal.name_change', '');
SELECT pg_extension_config_dump('triage_internal.name_change_change_id_seq', '');
