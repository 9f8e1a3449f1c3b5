-- Classifiers, labels and model versions. These functions write with the rights of the
-- tables' owner; EXECUTE on them is what a role is granted.

CREATE FUNCTION triage.create_classifier(name text, description text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'create_classifier_wrapper';
COMMENT ON FUNCTION triage.create_classifier(text, text) IS
    'registers a classifier and returns its name; "default" needs no registration';

CREATE FUNCTION triage.add_label(classifier text, label text, description text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'add_label_wrapper';
COMMENT ON FUNCTION triage.add_label(text, text, text) IS
    'adds a label, or a description to one that exists, and returns its spelling';

CREATE FUNCTION triage.deploy(classifier text, model email_model, activate boolean DEFAULT true, note text DEFAULT NULL)
    RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'deploy_wrapper';
COMMENT ON FUNCTION triage.deploy(text, email_model, boolean, text) IS
    'stores a model as the classifier''s next version, activates it unless told not to, and returns the version';

CREATE FUNCTION triage.activate(classifier text, version integer, why text DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'activate_wrapper';
COMMENT ON FUNCTION triage.activate(text, integer, text) IS
    'makes a stored version answer from the next statement of every session on; returns the version';

CREATE FUNCTION triage.rollback(classifier text, why text DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'rollback_wrapper';
COMMENT ON FUNCTION triage.rollback(text, text) IS
    'goes back to the version that was active before; calling it twice goes two back. Returns the version now active';

CREATE FUNCTION triage.load_sample() RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'load_sample_wrapper';
COMMENT ON FUNCTION triage.load_sample() IS
    'puts the sample mails into triage.email, mailboxes sample/train and sample/new, with their true labels; returns how many were not there yet';

CREATE FUNCTION triage.preview(classifier text, version integer, most integer DEFAULT 1000)
    RETURNS TABLE (label_now text, label_then text, emails bigint, compared bigint, review_ids text)
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000000 ROWS 20
    AS 'MODULE_PATHNAME', 'preview_wrapper';
COMMENT ON FUNCTION triage.preview(text, integer, integer) IS
    'which of the latest emails would get another label if this version were active: how many, of how many compared, and the reviews of some of them. No row: none would';
