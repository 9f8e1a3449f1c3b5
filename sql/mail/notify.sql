-- Telling others what label a mail got.

CREATE FUNCTION triage_internal.notify_label() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- A payload is less than 8,000 bytes.
    most    constant integer := 7999;
    message json;
BEGIN
    -- A listener that sleeps must not stop mail: a full queue makes every commit fail.
    IF pg_notification_queue_usage() > 0.5 THEN
        RAISE WARNING USING MESSAGE =
            'labels are not announced: the notification queue is half full; end the session that listens and does not '
            'read (pg_stat_activity)';
        RETURN NULL;
    END IF;
    message := json_build_object(
        'review_id', NEW.review_id, 'classifier', NEW.classifier, 'source', NEW.source, 'email_key', NEW.email_key,
        'mailbox', (SELECT e.mailbox FROM triage.email e
                     WHERE NEW.source = 'triage.email'
                       AND e.email_id = CASE WHEN NEW.email_key ~ '^[0-9]{1,18}$' THEN NEW.email_key END::bigint),
        'label', coalesce(NEW.human_label, NEW.predicted_label),
        'by', CASE WHEN NEW.human_label IS NULL THEN 'model' ELSE 'person' END,
        'confidence', NEW.confidence);
    IF octet_length(message::text) > most THEN
        message := json_build_object('review_id', NEW.review_id, 'classifier', left(NEW.classifier, 128));
    END IF;
    PERFORM pg_notify('pg_triage', message::text);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION triage_internal.notify_label() IS
    'announces a new label on channel pg_triage, if the setting pg_triage.notify is on';

CREATE TRIGGER notify_insert AFTER INSERT ON triage.review
    FOR EACH ROW WHEN (current_setting('pg_triage.notify', true) = 'on' AND NOT triage_internal.is_restoring()
        AND coalesce(NEW.human_label, NEW.predicted_label) IS NOT NULL)
    EXECUTE FUNCTION triage_internal.notify_label();
COMMENT ON TRIGGER notify_insert ON triage.review IS 'announces the label of a new email';

CREATE TRIGGER notify_update AFTER UPDATE ON triage.review
    FOR EACH ROW WHEN (current_setting('pg_triage.notify', true) = 'on' AND NOT triage_internal.is_restoring()
        AND coalesce(NEW.human_label, NEW.predicted_label)
            IS DISTINCT FROM coalesce(OLD.human_label, OLD.predicted_label)
        -- Another name is no other label.
        AND NOT triage_internal.is_changing_labels())
    EXECUTE FUNCTION triage_internal.notify_label();
COMMENT ON TRIGGER notify_update ON triage.review IS 'announces a label that has changed';
