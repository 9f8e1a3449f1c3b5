-- Reading raw mail.

CREATE FUNCTION @extschema@.parse_email(raw bytea)
    RETURNS TABLE (message_id text, sent_at timestamptz, sender text, recipients text, subject text, body text,
                   language text, attachments text, truncated boolean)
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 5000 ROWS 1
    AS 'MODULE_PATHNAME', 'parse_email_wrapper';
COMMENT ON FUNCTION @extschema@.parse_email(bytea) IS
    'what a raw message (RFC 5322) says: always one row, with what could be read. body is the plain text, else the '
    'HTML as text; what stands in a signature (S/MIME) or in winmail.dat is read, other attachments are listed, never '
    'unpacked. truncated: it was larger than the settings pg_triage.max_* allow';

CREATE FUNCTION @extschema@.email_text(raw bytea) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 5000
    AS 'MODULE_PATHNAME', 'email_text_wrapper';
COMMENT ON FUNCTION @extschema@.email_text(bytea) IS
    'the text of a raw message as classifiers see it: header fields that say something about the label, subject, '
    'body. Train on it: train_classifier(email_text(raw), label)';
