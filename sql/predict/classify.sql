-- COST tells the planner that these take tens of microseconds, so that other filters run first
-- and large scans go parallel.

CREATE FUNCTION @extschema@.classify_email(body text, classifier text DEFAULT 'default') RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000
    AS 'MODULE_PATHNAME', 'classify_email_wrapper';
COMMENT ON FUNCTION @extschema@.classify_email(text, text) IS
    'the most probable label of an email''s text; put the subject in the first line. NULL while the classifier has '
    'neither a model nor a decision, or a single label';

CREATE FUNCTION @extschema@.classify_email_scores(body text, classifier text DEFAULT 'default')
    RETURNS TABLE (label text, probability float8, rank integer)
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000 ROWS 10
    AS 'MODULE_PATHNAME', 'classify_email_scores_wrapper';
COMMENT ON FUNCTION @extschema@.classify_email_scores(text, text) IS
    'every label with its calibrated probability, most probable first; of k labels after n emails, each without '
    'emails has 1 / (n + k). No rows while the classifier has neither a model nor a decision, or a single label';

CREATE FUNCTION @extschema@.classify_with(model @extschema@.email_model, body text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000
    AS 'MODULE_PATHNAME', 'classify_with_wrapper';
COMMENT ON FUNCTION @extschema@.classify_with(@extschema@.email_model, text) IS
    'the most probable label according to one given model, whichever is active';

CREATE FUNCTION @extschema@.classify_email(raw bytea, classifier text DEFAULT 'default') RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 6000
    AS 'MODULE_PATHNAME', 'classify_raw_email_wrapper';
COMMENT ON FUNCTION @extschema@.classify_email(bytea, text) IS
    'the most probable label of a raw message (RFC 5322): that of email_text(raw). NULL while the classifier has '
    'neither a model nor a decision, or a single label';
