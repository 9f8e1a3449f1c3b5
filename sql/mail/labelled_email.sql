CREATE VIEW triage.labelled_email AS
SELECT e.email_id,
       e.mailbox,
       e.label,
       e.received_at,
       e.sent_at,
       left(e.sender, 300)::varchar(300) AS sender,
       left(e.subject, 300)::varchar(300) AS subject,
       left(e.body, 500)::varchar(500) AS body_preview,
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
    ON r.source = 'triage.email'
   AND r.email_key = e.email_id::text
   AND r.classifier = coalesce(
           (SELECT s.classifier FROM triage_internal.source s WHERE s.source_id = 0), 'default')
 WHERE e.label IS NOT NULL;
COMMENT ON VIEW triage.labelled_email IS
    'mail of the inbox with its label, and who gave it: filter by mailbox and label. To change a label, set '
    'human_label in triage.email_queue, or label in triage.email';
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
COMMENT ON COLUMN triage.labelled_email.queue_reason IS
    'why a person should look at it, or confident; NULL once it was decided or skipped';
COMMENT ON COLUMN triage.labelled_email.review_id IS 'its review';
COMMENT ON COLUMN triage.labelled_email.thread_id IS 'number of the conversation';
COMMENT ON COLUMN triage.labelled_email.message_id IS 'Message-ID without angle brackets';
COMMENT ON COLUMN triage.labelled_email.language IS 'of the body, guessed: a BCP 47 tag such as en';
COMMENT ON COLUMN triage.labelled_email.attachments IS 'what is attached, one a line: name (type, size)';
COMMENT ON COLUMN triage.labelled_email.truncated IS 'the message was larger than what is read';
