-- Not strict: no label means the predicted one.
CREATE FUNCTION @extschema@.explain_email(body text, label text DEFAULT NULL, classifier text DEFAULT 'default',
        top integer DEFAULT 20)
    RETURNS TABLE (token text, field text, contribution float8, rank integer)
    LANGUAGE c STABLE PARALLEL SAFE COST 2000 ROWS 20
    AS 'MODULE_PATHNAME', 'explain_email_wrapper';
COMMENT ON FUNCTION @extschema@.explain_email(text, text, text, integer) IS
    'why an email gets its label, or why not the label given: what each token adds to the log-odds, ln(p / p of the '
    'most probable other label). Contributions sum to them: above zero speaks for the label, below against it. Rank '
    '0 is the bias, which says which labels are compared and what their frequency adds; then the top tokens, as they '
    'were written, the largest contribution first; then the rest as one row. A stem stands for all words that begin '
    'like the one shown, letters for all groups of three in it. No rows while fewer than two labels of the classifier '
    'have emails';

CREATE FUNCTION @extschema@.email_tokens(body text) RETURNS TABLE (token text, field text)
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 200
    AS 'MODULE_PATHNAME', 'email_tokens_wrapper';
COMMENT ON FUNCTION @extschema@.email_tokens(text) IS
    'the words and pairs of neighbouring words that a classifier sees in a text, each once, in reading order';
