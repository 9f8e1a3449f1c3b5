-- Mail that a web hook brings as JSON: whatever shape it has, it becomes a raw message and goes in
-- as triage.ingest() has it.

CREATE FUNCTION triage_internal.is_hook_shape(columns text[]) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'is_hook_shape_wrapper';
COMMENT ON FUNCTION triage_internal.is_hook_shape(text[]) IS
    'true for columns of triage.hook_shape, in their order, that make a shape; else an error that says what is wrong';

CREATE TABLE triage.hook_shape (
    name          text NOT NULL PRIMARY KEY,
    requires      text,
    messages      text,
    raw           text,
    text          text,
    html          text,
    subject       text,
    sender        text,
    sender_name   text,
    recipients    text,
    cc            text,
    sent_at       text,
    message_id    text,
    in_reply_to   text,
    reference_ids text,
    headers       text,
    attachments   text,
    ignored       text,
    CONSTRAINT hook_shape_paths CHECK (triage_internal.is_hook_shape(ARRAY[
        name, requires, messages, raw, text, html, subject, sender, sender_name, recipients, cc, sent_at, message_id,
        in_reply_to, reference_ids, headers, attachments, ignored]))
);
COMMENT ON TABLE triage.hook_shape IS
    'shapes of payloads of your own, for triage.ingest_json: which key holds what. One INSERT with a name and where '
    'the '
    'text is, and the next payload is read with it. They come before the shapes that are known, in the order of '
    'their names; the first that finds a text is used, and what it does not say is looked for under the usual keys. '
    'Each '
    'column has paths, the first that says something counts: "order.note, lines[*].text"; a step is a key (capitals, '
    'hyphens and underscores do not matter), [*] each element of a list, [0] its first, and texts that are JSON are '
    'looked into';
COMMENT ON COLUMN triage.hook_shape.name IS 'the service or program that posts such payloads';
COMMENT ON COLUMN triage.hook_shape.requires IS
    'what has to be there, all of it, or the shape is not used; for a payload that would fit several';
COMMENT ON COLUMN triage.hook_shape.messages IS
    'where the message is in the payload, or a list of them; the other paths begin there. Without it, at the top';
COMMENT ON COLUMN triage.hook_shape.raw IS 'the raw message (RFC 5322), as text or base64';
COMMENT ON COLUMN triage.hook_shape.text IS 'the text; what is written in HTML is read as HTML';
COMMENT ON COLUMN triage.hook_shape.html IS 'the text as HTML, if it comes in both forms';
COMMENT ON COLUMN triage.hook_shape.subject IS 'the subject';
COMMENT ON COLUMN triage.hook_shape.sender IS
    'the sender: an address, an object with address and name, or a list of these';
COMMENT ON COLUMN triage.hook_shape.sender_name IS 'the name of the sender, where it is not with the address';
COMMENT ON COLUMN triage.hook_shape.recipients IS 'the recipients, as the sender';
COMMENT ON COLUMN triage.hook_shape.cc IS 'who gets a copy, as the sender';
COMMENT ON COLUMN triage.hook_shape.sent_at IS
    'when it was sent: ISO 8601, seconds or milliseconds since 1970, or a date as in mail';
COMMENT ON COLUMN triage.hook_shape.message_id IS 'its Message-ID';
COMMENT ON COLUMN triage.hook_shape.in_reply_to IS 'the Message-ID of what it answers';
COMMENT ON COLUMN triage.hook_shape.reference_ids IS 'the Message-IDs of its thread (References)';
COMMENT ON COLUMN triage.hook_shape.headers IS
    'its header: an object, a list of {"name", "value"} or [name, value], or one text. A header field wins';
COMMENT ON COLUMN triage.hook_shape.attachments IS
    'what is attached: a list of objects with name, type, content in base64';
COMMENT ON COLUMN triage.hook_shape.ignored IS
    'keys, wherever they are, that are others when the same message is delivered again, such as a number of '
    'attempts: payloads that differ in nothing else are the same message';

SELECT pg_extension_config_dump('triage.hook_shape', '');

CREATE FUNCTION triage_internal.ingest_payload(payload text, mailbox text, several boolean) RETURNS SETOF bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10000 ROWS 1
    -- As triage.ingest().
    SET enable_seqscan = off
    AS 'MODULE_PATHNAME', 'ingest_payload_wrapper';
COMMENT ON FUNCTION triage_internal.ingest_payload(text, text, boolean) IS
    'takes in the message of a payload, or all of several';

-- One parameter without a name: PostgREST passes it the body of a request.
CREATE FUNCTION triage.ingest_json(jsonb) RETURNS bigint
    LANGUAGE sql VOLATILE PARALLEL UNSAFE COST 10000
    BEGIN ATOMIC
        SELECT id FROM triage_internal.ingest_payload($1::text, NULL, false) AS id;
    END;
COMMENT ON FUNCTION triage.ingest_json(jsonb) IS
    'takes in the message that an inbound-mail web hook brings (Mailgun, SendGrid, Postmark, Amazon SES, Mailjet, '
    'Brevo, '
    'Microsoft Graph, a contact form, ... or a shape of your own, triage.hook_shape), into the mailbox that its key '
    '"mailbox" names, and returns its email_id; the same message is not taken twice. What has no text that is '
    'understood '
    'is refused, with the keys that were seen';

CREATE FUNCTION triage.ingest_json_all(payload jsonb, mailbox text DEFAULT NULL) RETURNS SETOF bigint
    LANGUAGE sql VOLATILE PARALLEL UNSAFE COST 10000 ROWS 10
    BEGIN ATOMIC
        SELECT id FROM triage_internal.ingest_payload($1::text, $2, true) AS id;
    END;
COMMENT ON FUNCTION triage.ingest_json_all(jsonb, text) IS
    'takes in all messages of a payload that has several, as some web hooks post them, and returns the email_id of '
    'each, in '
    'their order: NULL for one that is refused, and a warning that says which and why, while the others are taken in. '
    'If all are refused, it is an error. mailbox is where they go; without it, where the payload''s key "mailbox" says';
