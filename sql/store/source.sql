-- Which tables are attached to which classifiers.

CREATE TABLE triage_internal.source (
    source_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source              text     NOT NULL,
    classifier          text     NOT NULL,
    relation            regclass NOT NULL,
    attached            boolean  NOT NULL,
    record_given_labels boolean  NOT NULL DEFAULT false,
    queue_view          text,
    search_path         text     NOT NULL,
    attached_at         timestamptz NOT NULL DEFAULT now(),
    attached_by         text     NOT NULL DEFAULT CURRENT_USER,
    key_columns         integer  NOT NULL DEFAULT 1,
    corrections         text[],
    text_paths          jsonb,
    label_table         regclass,
    empty_label         text,
    received_at_place   integer,
    attached_with       jsonb,
    lost_names          jsonb NOT NULL DEFAULT '{}',
    partition_files     oid[],
    UNIQUE (source, classifier)
);
COMMENT ON TABLE triage_internal.source IS
    'tables whose rows are labelled; kept after detach(), because decisions name them';
COMMENT ON COLUMN triage_internal.source.source_id IS 'argument of the triggers on the table';
COMMENT ON COLUMN triage_internal.source.source IS
    'name of the table when it was first attached; it stays when the table is renamed';
COMMENT ON COLUMN triage_internal.source.classifier IS 'the classifier that labels it';
COMMENT ON COLUMN triage_internal.source.relation IS
    'the table; which of its columns hold label, key and text is in the column list of its trigger '
    'zz_triage_columns_<source_id>, because PostgreSQL keeps that up to date';
COMMENT ON COLUMN triage_internal.source.attached IS
    'false after detach(), and for tables that were only imported from';
COMMENT ON COLUMN triage_internal.source.record_given_labels IS
    'whether a label that a row comes with is recorded as a human decision';
COMMENT ON COLUMN triage_internal.source.queue_view IS 'the view on its reviews with the live text';
COMMENT ON COLUMN triage_internal.source.search_path IS
    'of the session that attached it: its own triggers run with it when a correction changes its label';
COMMENT ON COLUMN triage_internal.source.attached_at IS 'when';
COMMENT ON COLUMN triage_internal.source.attached_by IS 'who';
COMMENT ON COLUMN triage_internal.source.key_columns IS 'how many columns its key has';
COMMENT ON COLUMN triage_internal.source.text_paths IS
    'the parts of an email''s text, each an array of the text column, from 0, and the steps of a path in its JSON '
    'document; NULL where each text column is one part';
COMMENT ON COLUMN triage_internal.source.corrections IS
    'roles that may decide by updating the table itself; NULL for everybody who may update it';
COMMENT ON COLUMN triage_internal.source.label_table IS
    'the lookup table with the names of the ids in its label column; which of its columns these are is in the column '
    'list of its trigger zz_triage_names_<source_id>. NULL where the column holds the labels themselves';
COMMENT ON COLUMN triage_internal.source.empty_label IS
    'the default of its label column, where that counts as no label: default_is_empty of attach(). NULL where only '
    'NULL does';
COMMENT ON COLUMN triage_internal.source.received_at_place IS
    'place of the column that says when an email was received in that column list; NULL for the time of the insertion';
COMMENT ON COLUMN triage_internal.source.attached_with IS
    'what attach() was told, with the names that columns had, for adopt(); columns and columns_now are those of the '
    'column list when it was attached and detached';
COMMENT ON COLUMN triage_internal.source.lost_names IS
    'the last names of ids that have lost theirs in the lookup table: an id that gets another one is warned about';
COMMENT ON COLUMN triage_internal.source.partition_files IS
    'files_of_partitions() when maintenance last looked for rows that are gone; NULL for a table without partitions';
COMMENT ON SEQUENCE triage_internal.source_source_id_seq IS 'numbers attached tables';

SELECT pg_extension_config_dump('triage_internal.source', '');
SELECT pg_extension_config_dump('triage_internal.source_source_id_seq', '');
