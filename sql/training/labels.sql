-- Labels change: src/training/labels/. Privileges are those of add_label().

CREATE FUNCTION triage.rename_label(classifier text, old text, new text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'rename_label_wrapper';
COMMENT ON FUNCTION triage.rename_label(text, text, text) IS
    'gives a label another name everywhere: emails, decisions, models, attached tables. Returns the change, which '
    'triage.undo_label_change() takes';

CREATE FUNCTION triage.merge_labels(classifier text, from_label text, into_label text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'merge_labels_wrapper';
COMMENT ON FUNCTION triage.merge_labels(text, text, text) IS
    'makes two labels one, everywhere, as if it had been one from the start. Returns the change, which '
    'triage.undo_label_change() takes';

CREATE FUNCTION triage.retire_label(classifier text, label text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retire_label_wrapper';
COMMENT ON FUNCTION triage.retire_label(text, text) IS
    'from the next statement on nobody is given this label; what has it keeps it, and triage.add_label() brings it '
    'back. Returns the change';

CREATE FUNCTION triage.split_label(classifier text, label text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'split_label_wrapper';
COMMENT ON FUNCTION triage.split_label(text, text) IS
    'asks again about the emails that a person gave this label: they are in the queue and keep it until somebody '
    'decides anew. Returns how many';

CREATE FUNCTION triage.undo_label_change(change_id bigint) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'undo_label_change_wrapper';
COMMENT ON FUNCTION triage.undo_label_change(bigint) IS
    'takes back what rename_label(), merge_labels(), retire_label() or split_label() did, unless a later change '
    'builds on it; what was decided since stays. Returns the change that does so';

CREATE VIEW triage.label_changes WITH (security_barrier) AS
SELECT c.change_id, c.classifier, c.kind, c.label, c.new_label, c.emails, c.version_after AS version, c.changed_at,
       c.changed_by, c.undoes,
       (SELECT u.change_id FROM triage_internal.label_change u
         WHERE u.classifier = c.classifier AND u.undoes = c.change_id) AS undone_by
  FROM triage_internal.label_change c;
COMMENT ON VIEW triage.label_changes IS
    'what was done to labels, by whom; triage.undo_label_change(change_id) takes it back';
COMMENT ON COLUMN triage.label_changes.change_id IS 'ascending';
COMMENT ON COLUMN triage.label_changes.classifier IS 'the classifier';
COMMENT ON COLUMN triage.label_changes.kind IS
    'rename; merge; retire; restore (triage.add_label() brought it back); split; undo';
COMMENT ON COLUMN triage.label_changes.label IS 'the label that was changed, as it was called';
COMMENT ON COLUMN triage.label_changes.new_label IS 'what its emails have from then on; NULL where they keep it';
COMMENT ON COLUMN triage.label_changes.emails IS
    'how many emails had it, as prediction or from a person; of a split, how many are asked again';
COMMENT ON COLUMN triage.label_changes.version IS 'the model version that answered after it; NULL for none';
COMMENT ON COLUMN triage.label_changes.changed_at IS 'when';
COMMENT ON COLUMN triage.label_changes.changed_by IS 'who';
COMMENT ON COLUMN triage.label_changes.undoes IS 'the change that was taken back';
COMMENT ON COLUMN triage.label_changes.undone_by IS 'the change that took it back; NULL if it holds';

CREATE FUNCTION triage_internal.follow_label_names(classifier text, label_table oid, old text[], new text[])
    RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'follow_label_names_wrapper';
COMMENT ON FUNCTION triage_internal.follow_label_names(text, oid, text[], text[]) IS
    'part of attach(): a statement has changed names in a lookup table, and the labels follow, also where they change '
    'places; returns why some cannot, NULL if all do';
