CREATE FUNCTION triage.deploy(classifier text, model @extschema@.email_model, activate boolean DEFAULT true,
        note text DEFAULT NULL)
    RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'deploy_wrapper';
COMMENT ON FUNCTION triage.deploy(text, @extschema@.email_model, boolean, text) IS
    'stores a model as the classifier''s next version, activates it unless told not to, and returns the version';

CREATE FUNCTION triage.activate(classifier text, version integer, why text DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'activate_wrapper';
COMMENT ON FUNCTION triage.activate(text, integer, text) IS
    'makes a stored version answer from the next statement of every session on; returns the version';

CREATE FUNCTION triage.rollback(classifier text, why text DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'rollback_wrapper';
COMMENT ON FUNCTION triage.rollback(text, text) IS
    'goes back to the version that was active before; calling it twice goes two back. Returns the version now active';

CREATE FUNCTION triage.preview(classifier text, version integer, most integer DEFAULT 1000)
    RETURNS TABLE (label_now text, label_then text, emails bigint, compared bigint, review_ids text)
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000000 ROWS 20
    AS 'MODULE_PATHNAME', 'preview_wrapper';
COMMENT ON FUNCTION triage.preview(text, integer, integer) IS
    'which of the latest emails would get another label if this version were active: how many, of how many compared, '
    'and the reviews of some of them. No row: none would';
