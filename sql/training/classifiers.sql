-- These functions write with the rights of the tables' owner; EXECUTE on them is what a role is
-- granted.

CREATE FUNCTION triage.create_classifier(name text, description text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'create_classifier_wrapper';
COMMENT ON FUNCTION triage.create_classifier(text, text) IS
    'registers a classifier and returns its name; "default" needs no registration';

CREATE FUNCTION triage.add_label(classifier text, label text, description text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'add_label_wrapper';
COMMENT ON FUNCTION triage.add_label(text, text, text) IS
    'adds a label, or a description to one that exists, and returns its spelling';
