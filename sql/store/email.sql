-- The built-in inbox.

CREATE TABLE triage.email (
    email_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mailbox     text        NOT NULL DEFAULT 'inbox',
    received_at timestamptz NOT NULL DEFAULT now(),
    message_id  text,
    sender      text,
    subject     text,
    body        text,
    label       text,
    header      text,
    sent_at     timestamptz,
    recipients  text,
    in_reply_to text,
    thread_id   bigint,
    language    text,
    attachments text,
    truncated   boolean     NOT NULL DEFAULT false,
    content_hash text,
    raw         bytea
);
COMMENT ON TABLE triage.email IS 'the built-in inbox, for people who start without a table of their own';
COMMENT ON COLUMN triage.email.email_id IS 'ascending';
COMMENT ON COLUMN triage.email.mailbox IS 'a name of your choice; load_sample() uses sample/train and sample/new';
COMMENT ON COLUMN triage.email.received_at IS 'when it came into the table; of sample mails when they were sent';
COMMENT ON COLUMN triage.email.message_id IS 'Message-ID header without angle brackets';
COMMENT ON COLUMN triage.email.sender IS 'first From address with its name';
COMMENT ON COLUMN triage.email.subject IS 'decoded subject';
COMMENT ON COLUMN triage.email.body IS 'best text of the message';
COMMENT ON COLUMN triage.email.label IS 'its label';
COMMENT ON COLUMN triage.email.header IS
    'header fields that say something about the label, one a line (From, List-Id, X-Mailer, Attached); part of the '
    'text that is classified';
COMMENT ON COLUMN triage.email.sent_at IS 'Date header; a claim of the sender';
COMMENT ON COLUMN triage.email.recipients IS 'To and Cc addresses with their names';
COMMENT ON COLUMN triage.email.in_reply_to IS 'Message-ID of the message that it answers, without angle brackets';
COMMENT ON COLUMN triage.email.thread_id IS
    'number of the conversation, found by Message-ID, In-Reply-To and References; NULL for rows that were inserted '
    'by themselves';
COMMENT ON COLUMN triage.email.language IS 'of the body, guessed: a BCP 47 tag such as en';
COMMENT ON COLUMN triage.email.attachments IS 'what is attached, one a line: name (type, size)';
COMMENT ON COLUMN triage.email.truncated IS
    'the message was larger than the settings pg_triage.max_* allow: something was left out';
COMMENT ON COLUMN triage.email.content_hash IS
    'tells the same message that comes twice: SHA-256 of what the sender wrote';
COMMENT ON COLUMN triage.email.raw IS 'the message as it came, if pg_triage.keep_raw is on';
COMMENT ON SEQUENCE triage.email_email_id_seq IS 'numbers emails';
CREATE INDEX email_message_id ON triage.email (message_id, mailbox);
COMMENT ON INDEX triage.email_message_id IS 'finds the messages that one refers to';
CREATE INDEX email_mailbox ON triage.email (mailbox, email_id);
COMMENT ON INDEX triage.email_mailbox IS 'shows the latest mail of a mailbox';
CREATE INDEX email_thread ON triage.email (thread_id);
COMMENT ON INDEX triage.email_thread IS 'finds a conversation';
CREATE INDEX email_in_reply_to ON triage.email (in_reply_to) WHERE in_reply_to IS NOT NULL;
COMMENT ON INDEX triage.email_in_reply_to IS 'finds answers that came before the message';
CREATE UNIQUE INDEX email_content ON triage.email (content_hash, mailbox);
COMMENT ON INDEX triage.email_content IS 'a message is in a mailbox once';

SELECT pg_extension_config_dump('triage.email', '');
SELECT pg_extension_config_dump('triage.email_email_id_seq', '');
