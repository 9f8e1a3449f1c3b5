CREATE FUNCTION triage.retrain(classifier text, note text DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retrain_wrapper';
COMMENT ON FUNCTION triage.retrain(text, text) IS
    'trains a new version on the active one''s own counts and all decisions that hold, and activates it; returns the '
    'version';
