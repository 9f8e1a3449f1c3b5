CREATE FUNCTION triage.forget(source text, key text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'forget_wrapper';
COMMENT ON FUNCTION triage.forget(text, text) IS
    'erases one email''s reviews and decisions, and what was learned from them; the table that it is in is yours. '
    'Returns how many decisions it erased';

CREATE FUNCTION triage.forget_classifier(classifier text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'forget_classifier_wrapper';
COMMENT ON FUNCTION triage.forget_classifier(text) IS
    'erases all reviews and decisions of a classifier, and what was learned from them; returns how many decisions';
