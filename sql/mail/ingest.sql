-- Not strict: a message must not get lost over a mailbox that is NULL.
CREATE FUNCTION triage.ingest(raw bytea, mailbox text DEFAULT 'inbox') RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10000
    -- Plans are kept: one that was made while the inbox was small would go on reading all of it.
    SET enable_seqscan = off
    AS 'MODULE_PATHNAME', 'ingest_wrapper';
COMMENT ON FUNCTION triage.ingest(bytea, text) IS
    'takes a raw message into triage.email, where it gets its label, and returns its email_id; a message that its '
    'mailbox has already is not taken twice: the same email_id again';
