CREATE FUNCTION triage_internal.json_message(fields jsonb) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    eol      constant text := E'\r\n';
    envelope constant jsonb := triage_internal.json_fields(CASE jsonb_typeof(fields -> 'envelope')
                 WHEN 'string' THEN triage_internal.json_or_null(fields ->> 'envelope') ELSE fields -> 'envelope' END);
    html     constant text := coalesce(fields ->> 'html', fields ->> 'bodyhtml', fields ->> 'htmlbody');
    plain    constant text := coalesce(
                 fields ->> 'text', fields ->> 'plain', fields ->> 'bodyplain', fields ->> 'textbody',
                 fields ->> 'body', fields ->> 'bodytext',
                 -- Mean something else, or are only a part, where there is one of the others.
                 CASE WHEN html IS NULL
                      THEN coalesce(fields ->> 'strippedtext', fields ->> 'message', fields ->> 'content') END);
    header   text;
    given    text[];
    has_headers boolean;
    content  text;
    boundary text;
    files    text;
BEGIN
    SELECT coalesce(string_agg(h.name || ': ' || h.value || eol, ''), ''),
           coalesce(array_agg(lower(h.name COLLATE "C")), '{}')
      INTO header, given
      FROM triage_internal.json_headers(coalesce(nullif(fields -> 'messageheaders', 'null'), fields -> 'headers')) AS h;
    has_headers := given <> '{}';
    -- Nothing of the present may go in: the same payload, sent again, has to be the same message.
    -- Nor the time at which a request was signed, which is another one when it is sent again.
    SELECT header || coalesce(string_agg(f.name || ': ' || f.value || eol, '' ORDER BY f.n), ''),
           given || coalesce(array_agg(f.name), '{}')
      INTO header, given
      FROM (VALUES
          (1, 'from', coalesce(
              triage_internal.json_addresses(fields -> 'fromfull'),
              triage_internal.json_addresses(CASE WHEN fields ->> 'fromemail' IS NOT NULL
                  THEN jsonb_build_object('email', fields -> 'fromemail', 'name', fields -> 'fromname') END),
              triage_internal.json_addresses(fields -> 'from'), triage_internal.json_addresses(fields -> 'sender'),
              triage_internal.json_addresses(envelope -> 'from'))),
          (2, 'to', coalesce(
              triage_internal.json_addresses(fields -> 'tofull'), triage_internal.json_addresses(fields -> 'to'),
              triage_internal.json_addresses(fields -> 'recipients'),
              triage_internal.json_addresses(fields -> 'recipient'), triage_internal.json_addresses(fields -> 'email'),
              triage_internal.json_addresses(envelope -> 'to'))),
          (3, 'cc', coalesce(triage_internal.json_addresses(fields -> 'ccfull'),
                             triage_internal.json_addresses(fields -> 'cc'))),
          (4, 'subject', triage_internal.json_header_value(fields ->> 'subject')),
          (5, 'date', triage_internal.json_date(coalesce(fields ->> 'date',
              CASE WHEN fields ->> 'signature' IS NULL THEN coalesce(fields ->> 'timestamp', fields ->> 'ts') END))),
          (6, 'message-id',
              '<' || nullif(btrim(triage_internal.json_header_value(fields ->> 'messageid'), '<> '), '') || '>'),
          (7, 'in-reply-to', triage_internal.json_header_value(fields ->> 'inreplyto')),
          (8, 'references', triage_internal.json_header_value(fields ->> 'references'))
      ) AS f (n, name, value)
     WHERE f.value <> '' AND f.name <> ALL (given);

    -- Follows from what is in the message, so that the same is the same, and occurs nowhere in it.
    boundary := encode(sha256(convert_to(concat_ws(eol, header, plain, html), 'UTF8')), 'hex');
    content := 'Content-Type: text/'
        || CASE WHEN plain IS NULL AND html IS NOT NULL THEN 'html' ELSE 'plain' END || '; charset=utf-8' || eol
        || 'Content-Transfer-Encoding: 8bit' || eol || eol || coalesce(plain, html, '') || eol;
    IF plain IS NOT NULL AND html IS NOT NULL THEN
        content := 'Content-Type: multipart/alternative; boundary="a' || boundary || '"' || eol || eol
            || '--a' || boundary || eol || content
            || '--a' || boundary || eol || 'Content-Type: text/html; charset=utf-8' || eol
            || 'Content-Transfer-Encoding: 8bit' || eol || eol || html || eol
            || '--a' || boundary || '--' || eol;
    END IF;
    SELECT string_agg('--m' || boundary || eol
               || 'Content-Type: ' || a.media_type || coalesce('; name="' || nullif(a.name, '') || '"', '') || eol
               || 'Content-Disposition: attachment' || coalesce('; filename="' || nullif(a.name, '') || '"', '') || eol
               || 'Content-Transfer-Encoding: base64' || eol || eol
               || coalesce(encode(a.content, 'base64'), '') || eol, '')
      INTO files
      -- With SendGrid, attachments is how many there are.
      FROM triage_internal.json_attachments(CASE WHEN jsonb_typeof(fields -> 'attachments') IN ('array', 'object')
                                          OR triage_internal.json_or_null(fields ->> 'attachments') IS NOT NULL
                                        THEN fields -> 'attachments' ELSE fields -> 'attachmentinfo' END) AS a;
    -- Mail may be without subject and text. What has nothing of a message is no mail.
    IF NOT (has_headers OR given && '{from,message-id}' OR files IS NOT NULL
            OR fields ?| ARRAY['subject', 'text', 'plain', 'bodyplain', 'textbody', 'body', 'bodytext', 'html',
                               'bodyhtml', 'htmlbody', 'strippedtext', 'message', 'content']) THEN
        RETURN NULL;
    END IF;
    IF files IS NOT NULL THEN
        content := 'Content-Type: multipart/mixed; boundary="m' || boundary || '"' || eol || eol
            || '--m' || boundary || eol || content || files || '--m' || boundary || '--' || eol;
    END IF;
    -- First what says how to read the body: of very long headers the end is not read.
    RETURN convert_to('MIME-Version: 1.0' || eol || left(content, strpos(content, eol || eol) + 1) || header
                      || substr(content, strpos(content, eol || eol) + 2), 'UTF8');
END
$$;
COMMENT ON FUNCTION triage_internal.json_message(jsonb) IS
    'a message (RFC 5322, 2045, 6532) composed of the fields of a payload; NULL if it has no sender, id, header, '
    'attachment, nor a key for subject or text';

-- With the rights of the owner, so that who hands in mail needs none to what it is made of. It
-- looks at nothing but its argument.
CREATE FUNCTION triage_internal.read_web_hook(payload jsonb, OUT raw bytea, OUT mailbox text)
    LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET standard_conforming_strings = on
AS $$
DECLARE
    fields jsonb := triage_internal.json_fields(payload);
    events jsonb;
    given  text;
BEGIN
    mailbox := coalesce(fields ->> 'mailbox', 'inbox');
    IF payload IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'the payload is NULL: pass the JSON object that the web hook sent';
    ELSIF jsonb_typeof(payload) = 'array' THEN
        RAISE invalid_parameter_value USING MESSAGE =
            'the payload is an array: take in its elements one by one, SELECT triage.ingest_json(e) FROM '
            'jsonb_array_elements($1) AS e';
    ELSIF jsonb_typeof(payload) <> 'object' THEN
        RAISE invalid_parameter_value USING MESSAGE =
            format('the payload is a JSON %s: pass the JSON object that the web hook sent', jsonb_typeof(payload));
    END IF;

    -- What services put around a message.
    IF fields ? 'mandrillevents' THEN
        events := triage_internal.json_or_null(fields ->> 'mandrillevents');
        IF jsonb_typeof(events) = 'array' AND jsonb_array_length(events) <> 1 THEN
            RAISE invalid_parameter_value USING MESSAGE = format(
                'mandrill_events has %s events: take them in one by one, SELECT triage.ingest_json(e) FROM '
                'jsonb_array_elements($1) AS e',
                jsonb_array_length(events));
        END IF;
        fields := triage_internal.json_fields(events -> 0);
    ELSIF fields ->> 'type' IN ('SubscriptionConfirmation', 'UnsubscribeConfirmation') THEN
        RAISE invalid_parameter_value
            USING MESSAGE = 'the payload is no message but asks to confirm a subscription: open its SubscribeURL';
    ELSIF fields ->> 'type' = 'Notification' THEN
        fields := triage_internal.json_fields(coalesce(triage_internal.json_or_null(fields ->> 'message'), '{}'));
    END IF;
    IF jsonb_typeof(fields -> 'msg') = 'object' THEN
        fields := jsonb_build_object('ts', fields -> 'ts') || triage_internal.json_fields(fields -> 'msg');
    END IF;

    given := coalesce(
        fields ->> 'rawemail', fields ->> 'bodymime', fields ->> 'rawmsg', fields ->> 'raw',
        CASE WHEN jsonb_typeof(fields -> 'mail') = 'object' THEN fields ->> 'content' END,
        -- Else an address.
        CASE WHEN left(fields ->> 'email', 2000) ~ '^\s*(>?From [^\n]*\n)?[!-9;-~]+[ \t]*:[^\n]*\n'
             THEN ltrim(fields ->> 'email', E'\r\n') END);
    raw := triage_internal.json_bytes(given);
    -- A text of letters and spaces can be decoded, too.
    IF strpos(given, ':') = 0 AND position(E'\\x3a'::bytea IN raw) = 0 THEN
        raw := convert_to(given, 'UTF8');
    END IF;
    IF raw IS NULL AND jsonb_typeof(fields -> 'mail') = 'object' THEN
        RAISE invalid_parameter_value USING MESSAGE =
            'the notification has no "content": let Amazon SES publish the message to SNS, or read it from S3 and '
            'call triage.ingest(raw)';
    END IF;
    raw := coalesce(raw, triage_internal.json_message(fields));
    IF raw IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format(
            'the payload is no message (its keys: %s): pass a raw message as raw, RawEmail, body-mime, raw_msg or '
            'email, or at least one of from, message_id, headers, subject, text, plain, body-plain, TextBody, html, '
            'body-html, HtmlBody, attachments',
            coalesce((SELECT string_agg(left(key, 30), ', ')
                       FROM (SELECT key FROM jsonb_object_keys(payload) AS k (key) LIMIT 20) AS k), 'none'));
    END IF;
END
$$;
COMMENT ON FUNCTION triage_internal.read_web_hook(jsonb) IS
    'the message that the payload of a web hook brings, and the mailbox that it names';

-- One parameter without a name: PostgREST passes it the body of a request.
CREATE FUNCTION triage.ingest_json(jsonb) RETURNS bigint
    LANGUAGE sql VOLATILE PARALLEL UNSAFE COST 10000
    BEGIN ATOMIC
        SELECT triage.ingest(m.raw, m.mailbox) FROM triage_internal.read_web_hook($1) m;
    END;
COMMENT ON FUNCTION triage.ingest_json(jsonb) IS
    'takes in the message that an inbound-mail web hook brings (Mailgun, SendGrid, Postmark, CloudMailin, Amazon '
    'SES, Mandrill, Gmail, or any with such keys), into the mailbox that its key "mailbox" names, and returns its '
    'email_id; the same message is not taken twice';
