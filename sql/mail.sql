-- Raw mail: reading it, taking it in, and telling others what label it got.

CREATE FUNCTION parse_email(raw bytea)
    RETURNS TABLE (message_id text, sent_at timestamptz, sender text, recipients text, subject text, body text, language text, attachments text, truncated boolean)
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 5000 ROWS 1
    AS 'MODULE_PATHNAME', 'parse_email_wrapper';
COMMENT ON FUNCTION parse_email(bytea) IS
    'what a raw message (RFC 5322) says: always one row, with what could be read. body is the plain text, else the HTML as text; attachments are listed, never unpacked. truncated: it was larger than the settings pg_triage.max_* allow';

CREATE FUNCTION email_text(raw bytea) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 5000
    AS 'MODULE_PATHNAME', 'email_text_wrapper';
COMMENT ON FUNCTION email_text(bytea) IS
    'the text of a raw message as classifiers see it: header fields that say something about the label, subject, body. Train on it: train_classifier(email_text(raw), label)';

CREATE FUNCTION classify_email(raw bytea, classifier text DEFAULT 'default') RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 6000
    AS 'MODULE_PATHNAME', 'classify_raw_email_wrapper';
COMMENT ON FUNCTION classify_email(bytea, text) IS
    'the most probable label of a raw message (RFC 5322): that of email_text(raw). NULL while the classifier has no model';

-- Not strict: a message must not get lost over a mailbox that is NULL.
CREATE FUNCTION triage.ingest(raw bytea, mailbox text DEFAULT 'inbox') RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10000
    -- Plans are kept: one that was made while the inbox was small would go on reading all of it.
    SET enable_seqscan = off
    AS 'MODULE_PATHNAME', 'ingest_wrapper';
COMMENT ON FUNCTION triage.ingest(bytea, text) IS
    'takes a raw message into triage.email, where it gets its label, and returns its email_id; a message that its mailbox has already is not taken twice: the same email_id again';

CREATE FUNCTION triage.notify_label() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- A payload is less than 8,000 bytes.
    most    constant integer := 7999;
    message json;
BEGIN
    IF triage_internal.is_restoring() THEN
        RETURN NULL;
    END IF;
    -- A listener that sleeps must not stop mail: a full queue makes every commit fail.
    IF pg_notification_queue_usage() > 0.5 THEN
        RAISE WARNING USING MESSAGE =
            'labels are not announced: the notification queue is half full; end the session that listens and does not read (pg_stat_activity)';
        RETURN NULL;
    END IF;
    message := json_build_object(
        'review_id', NEW.review_id, 'classifier', NEW.classifier, 'source', NEW.source, 'email_key', NEW.email_key,
        'mailbox', (SELECT e.mailbox FROM triage.email e
                     WHERE NEW.source = 'triage.email' AND e.email_id = CASE WHEN NEW.email_key ~ '^[0-9]{1,18}$' THEN NEW.email_key END::bigint),
        'label', coalesce(NEW.human_label, NEW.predicted_label), 'by', CASE WHEN NEW.human_label IS NULL THEN 'model' ELSE 'person' END,
        'confidence', NEW.confidence);
    IF octet_length(message::text) > most THEN
        message := json_build_object('review_id', NEW.review_id, 'classifier', left(NEW.classifier, 128));
    END IF;
    PERFORM pg_notify('pg_triage', message::text);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION triage.notify_label() IS
    'announces a new label on channel pg_triage, if the setting pg_triage.notify is on';
CREATE TRIGGER notify_insert AFTER INSERT ON triage.review
    FOR EACH ROW WHEN (pg_catalog.current_setting('pg_triage.notify', true) OPERATOR(pg_catalog.=) 'on'
        AND coalesce(NEW.human_label, NEW.predicted_label) IS NOT NULL)
    EXECUTE FUNCTION triage.notify_label();
CREATE TRIGGER notify_update AFTER UPDATE ON triage.review
    FOR EACH ROW WHEN (pg_catalog.current_setting('pg_triage.notify', true) OPERATOR(pg_catalog.=) 'on'
        AND coalesce(NEW.human_label, NEW.predicted_label) IS DISTINCT FROM coalesce(OLD.human_label, OLD.predicted_label))
    EXECUTE FUNCTION triage.notify_label();
COMMENT ON TRIGGER notify_insert ON triage.review IS 'announces the label of a new email';
COMMENT ON TRIGGER notify_update ON triage.review IS 'announces a label that has changed';

CREATE VIEW triage.labelled_email AS
SELECT e.email_id,
       e.mailbox,
       e.label,
       e.received_at,
       e.sent_at,
       pg_catalog.left(e.sender, 300)::varchar(300) AS sender,
       pg_catalog.left(e.subject, 300)::varchar(300) AS subject,
       pg_catalog.left(e.body, 500)::varchar(500) AS body_preview,
       r.predicted_label,
       r.confidence,
       r.human_label,
       r.reviewed_by,
       r.reviewed_at,
       r.queue_reason,
       r.review_id,
       e.thread_id,
       e.message_id,
       e.language,
       e.attachments,
       e.truncated
  FROM triage.email e
  LEFT JOIN triage.review r
    ON r.source OPERATOR(pg_catalog.=) 'triage.email'
   AND r.email_key OPERATOR(pg_catalog.=) e.email_id::pg_catalog.text
   AND r.classifier OPERATOR(pg_catalog.=) coalesce(
           (SELECT s.classifier FROM triage_internal.source s WHERE s.source_id OPERATOR(pg_catalog.=) 0), 'default')
 WHERE e.label IS NOT NULL;
COMMENT ON VIEW triage.labelled_email IS
    'mail of the inbox with its label, and who gave it: filter by mailbox and label. To change a label, set human_label in triage.email_queue, or label in triage.email';
COMMENT ON COLUMN triage.labelled_email.email_id IS 'key';
COMMENT ON COLUMN triage.labelled_email.mailbox IS 'as given to triage.ingest()';
COMMENT ON COLUMN triage.labelled_email.label IS 'the label that holds: a person''s, else the predicted one';
COMMENT ON COLUMN triage.labelled_email.received_at IS 'when it came in';
COMMENT ON COLUMN triage.labelled_email.sent_at IS 'Date header; a claim of the sender';
COMMENT ON COLUMN triage.labelled_email.sender IS 'first From address with its name; a claim of the sender';
COMMENT ON COLUMN triage.labelled_email.subject IS 'decoded subject';
COMMENT ON COLUMN triage.labelled_email.body_preview IS 'the first 500 characters of the body';
COMMENT ON COLUMN triage.labelled_email.predicted_label IS 'what the classifier said';
COMMENT ON COLUMN triage.labelled_email.confidence IS 'probability of that label, 0 to 1';
COMMENT ON COLUMN triage.labelled_email.human_label IS 'what a person said';
COMMENT ON COLUMN triage.labelled_email.reviewed_by IS 'who decided';
COMMENT ON COLUMN triage.labelled_email.reviewed_at IS 'when';
COMMENT ON COLUMN triage.labelled_email.queue_reason IS 'why a person should look at it, or confident; NULL once it was decided or skipped';
COMMENT ON COLUMN triage.labelled_email.review_id IS 'its review';
COMMENT ON COLUMN triage.labelled_email.thread_id IS 'number of the conversation';
COMMENT ON COLUMN triage.labelled_email.message_id IS 'Message-ID without angle brackets';
COMMENT ON COLUMN triage.labelled_email.language IS 'of the body, guessed: a BCP 47 tag such as en';
COMMENT ON COLUMN triage.labelled_email.attachments IS 'what is attached, one a line: name (type, size)';
COMMENT ON COLUMN triage.labelled_email.truncated IS 'the message was larger than what is read';
