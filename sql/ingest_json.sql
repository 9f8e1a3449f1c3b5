-- Mail that a web hook brings as JSON: whatever shape it has, it becomes one RFC 5322 message
-- and goes in through triage.ingest(). All of it runs with the rights of its caller.

CREATE FUNCTION triage_internal.json_or_null(value text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN ltrim(left(value, 100), E' \t\r\n') ~ '^[[{]' THEN value::jsonb END;
-- Nesting that is too deep is a limit (54001).
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION triage_internal.json_or_null(text) IS 'a text as JSON object or array; NULL if it is none';

CREATE FUNCTION triage_internal.json_fields(payload jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    -- Of keys that differ only in what is left out here, one that says something is kept, and
    -- the one in small letters.
    SELECT coalesce(jsonb_object_agg(translate(lower(key COLLATE "C"), '-_ ', ''), nullif(value, '""')
                                     ORDER BY value NOT IN ('null', '""'), key COLLATE "C"), '{}')
      FROM jsonb_each(CASE jsonb_typeof(payload) WHEN 'object' THEN payload ELSE '{}' END)
$$;
COMMENT ON FUNCTION triage_internal.json_fields(jsonb) IS
    'what an object says, under keys in small letters without hyphens, underscores and spaces; an empty text is null';

CREATE FUNCTION triage_internal.json_bytes(value text) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    base64 text := value;
    char   text;
BEGIN
    -- A message has a header, and so a colon; base64 (RFC 4648, either alphabet) has none.
    IF strpos(value, ':') = 0 THEN
        -- One by one: replace() is some twenty times faster than translate().
        FOREACH char IN ARRAY ARRAY['=', ' ', E'\t', E'\r', E'\n'] LOOP
            base64 := replace(base64, char, '');
        END LOOP;
        base64 := replace(replace(base64, '-', '+'), '_', '/');
        RETURN decode(base64 || repeat('=', -octet_length(base64) & 3), 'base64');
    END IF;
    RETURN convert_to(value, 'UTF8');
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN convert_to(value, 'UTF8');
END
$$;
COMMENT ON FUNCTION triage_internal.json_bytes(text) IS 'the bytes of a text that is base64, or is meant as it is';

CREATE FUNCTION triage_internal.json_header_value(value text) RETURNS text
    -- Called for each of many, so it has to be inlined: not strict, and no settings of its own.
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT pg_catalog.btrim(pg_catalog.regexp_replace(value, E'[\\u0001-\\u001f\\u007f-\\u009f\\u2028\\u2029]+', ' ', 'g'))
$$;
COMMENT ON FUNCTION triage_internal.json_header_value(text) IS
    'what can stand in one line of a header: line breaks and other control characters become spaces';

CREATE FUNCTION triage_internal.json_addresses(value jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    SET standard_conforming_strings = on
AS $$
    WITH part AS (
        SELECT n,
               CASE jsonb_typeof(e)
                   WHEN 'array' THEN e ->> 0
                   WHEN 'object' THEN coalesce(e ->> 'email', e ->> 'Email', e ->> 'address', e ->> 'Address')
                   ELSE e #>> '{}'
               END AS address,
               nullif(CASE jsonb_typeof(e) WHEN 'array' THEN e ->> 1 WHEN 'object' THEN coalesce(e ->> 'name', e ->> 'Name') END, '') AS name
          FROM jsonb_array_elements(CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE jsonb_build_array(value) END)
               WITH ORDINALITY AS l (e, n)
    )
    SELECT nullif(triage_internal.json_header_value(string_agg(
               CASE WHEN name IS NULL OR address IS NULL THEN address
                    ELSE format('"%s" <%s>', regexp_replace(name, '(["\\])', '\\\1', 'g'), translate(address, '<> ', '')) END,
               ', ' ORDER BY n)), '')
      FROM part
$$;
COMMENT ON FUNCTION triage_internal.json_addresses(jsonb) IS
    'addresses for a header, from a string, {"email", "name"}, [email, name] in a list, or a list of these';

CREATE FUNCTION triage_internal.json_date(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET standard_conforming_strings = on
    SET timezone = 'UTC'
AS $$
DECLARE
    moment timestamptz;
BEGIN
    moment := CASE
        WHEN value ~ '^\d{8,11}(\.\d{1,9})?$' THEN to_timestamp(value::float8)
        WHEN value ~ '^\d{12,14}$' THEN to_timestamp(value::float8 / 1000)
        WHEN value ~ '^\d{4}-\d\d-\d\d' THEN left(value, 40)::timestamptz
    END;
    -- Else it is a date as in mail.
    RETURN coalesce(to_char(moment, 'Dy, DD Mon YYYY HH24:MI:SS +0000'), triage_internal.json_header_value(left(value, 100)));
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION triage_internal.json_date(text) IS
    'a Date header from seconds or milliseconds since 1970, ISO 8601, or a date as mail has it';

CREATE FUNCTION triage_internal.json_headers(headers jsonb) RETURNS TABLE (name text, value text)
    LANGUAGE sql IMMUTABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET standard_conforming_strings = on
AS $$
    WITH given AS (
        SELECT CASE jsonb_typeof(headers) WHEN 'string' THEN coalesce(triage_internal.json_or_null(headers #>> '{}'), headers) ELSE headers END AS h
    ), header (name, value, n) AS (
        -- One text, long lines continued on the next one.
        SELECT btrim(split_part(line, ':', 1)), substr(line, strpos(line, ':') + 1), n
          FROM given, regexp_split_to_table(regexp_replace(h #>> '{}', '\r?\n[ \t]+', ' ', 'g'), '\r?\n') WITH ORDINALITY AS l (line, n)
         WHERE jsonb_typeof(h) = 'string' AND strpos(line, ':') > 0
        UNION ALL
        -- [{"Name": ..., "Value": ...}] or [[name, value]]
        SELECT CASE jsonb_typeof(e) WHEN 'array' THEN e ->> 0 ELSE coalesce(e ->> 'name', e ->> 'Name') END,
               CASE jsonb_typeof(e) WHEN 'array' THEN e ->> 1 ELSE coalesce(e ->> 'value', e ->> 'Value') END, n
          FROM given, jsonb_array_elements(CASE jsonb_typeof(h) WHEN 'array' THEN h ELSE '[]' END) WITH ORDINALITY AS l (e, n)
        UNION ALL
        -- {name: value} or {name: [value, value]}, with underscores in names of Ruby's kind
        SELECT replace(key, '_', '-'), v #>> '{}', n * 1000000 + m
          FROM given, jsonb_each(CASE jsonb_typeof(h) WHEN 'object' THEN h ELSE '{}' END) WITH ORDINALITY AS l (key, e, n),
               jsonb_array_elements(CASE jsonb_typeof(e) WHEN 'array' THEN e ELSE jsonb_build_array(e) END) WITH ORDINALITY AS k (v, m)
    )
    SELECT h.name, triage_internal.json_header_value(h.value)
      FROM header AS h
     WHERE h.name ~ '^[!-9;-~]{1,100}$' AND h.value <> ''
       -- The body is composed anew, and says itself how.
       AND lower(h.name COLLATE "C") !~ '^(content-|mime-version$)'
     ORDER BY h.n
$$;
COMMENT ON FUNCTION triage_internal.json_headers(jsonb) IS
    'the fields of a header that came as object, list of {"Name", "Value"}, list of [name, value], or text';

CREATE FUNCTION triage_internal.json_attachments(attachments jsonb) RETURNS TABLE (name text, media_type text, content bytea)
    LANGUAGE sql IMMUTABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET standard_conforming_strings = on
AS $$
    WITH given AS (
        SELECT CASE jsonb_typeof(attachments) WHEN 'string' THEN triage_internal.json_or_null(attachments #>> '{}') ELSE attachments END AS a
    -- Megabytes that are not to be taken apart for each of the columns below.
    ), entry (key, fields, n) AS MATERIALIZED (
        SELECT key, triage_internal.json_fields(e), n
          FROM (SELECT NULL, e, n
                  FROM given, jsonb_array_elements(CASE jsonb_typeof(a) WHEN 'array' THEN a ELSE '[]' END) WITH ORDINALITY AS l (e, n)
                UNION ALL
                SELECT key, e, n
                  FROM given, jsonb_each(CASE jsonb_typeof(a) WHEN 'object' THEN a ELSE '{}' END) WITH ORDINALITY AS l (key, e, n)
                -- One more part than is looked at by default.
                LIMIT 1001) AS l (key, e, n)
         WHERE jsonb_typeof(e) = 'object'
    )
    SELECT regexp_replace(triage_internal.json_header_value(coalesce(fields ->> 'filename', fields ->> 'name', key)), '(["\\])', '\\\1', 'g'),
           coalesce(substring(coalesce(fields ->> 'contenttype', fields ->> 'type') FROM '^[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}'),
                    'application/octet-stream'),
           CASE WHEN fields ->> 'base64' = 'false' THEN convert_to(fields ->> 'content', 'UTF8') ELSE triage_internal.json_bytes(fields ->> 'content') END
      FROM entry
     ORDER BY n
$$;
COMMENT ON FUNCTION triage_internal.json_attachments(jsonb) IS 'attachments of a payload; content is NULL where there is only a description';

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
                 fields ->> 'text', fields ->> 'plain', fields ->> 'bodyplain', fields ->> 'textbody', fields ->> 'body', fields ->> 'bodytext',
                 -- Mean something else, or are only a part, where there is one of the others.
                 CASE WHEN html IS NULL THEN coalesce(fields ->> 'strippedtext', fields ->> 'message', fields ->> 'content') END);
    header   text;
    given    text[];
    has_headers boolean;
    content  text;
    boundary text;
    files    text;
BEGIN
    SELECT coalesce(string_agg(h.name || ': ' || h.value || eol, ''), ''), coalesce(array_agg(lower(h.name COLLATE "C")), '{}')
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
              triage_internal.json_addresses(fields -> 'from'), triage_internal.json_addresses(fields -> 'sender'), triage_internal.json_addresses(envelope -> 'from'))),
          (2, 'to', coalesce(
              triage_internal.json_addresses(fields -> 'tofull'), triage_internal.json_addresses(fields -> 'to'), triage_internal.json_addresses(fields -> 'recipients'),
              triage_internal.json_addresses(fields -> 'recipient'), triage_internal.json_addresses(fields -> 'email'), triage_internal.json_addresses(envelope -> 'to'))),
          (3, 'cc', coalesce(triage_internal.json_addresses(fields -> 'ccfull'), triage_internal.json_addresses(fields -> 'cc'))),
          (4, 'subject', triage_internal.json_header_value(fields ->> 'subject')),
          (5, 'date', triage_internal.json_date(coalesce(fields ->> 'date',
              CASE WHEN fields ->> 'signature' IS NULL THEN coalesce(fields ->> 'timestamp', fields ->> 'ts') END))),
          (6, 'message-id', '<' || nullif(btrim(triage_internal.json_header_value(fields ->> 'messageid'), '<> '), '') || '>'),
          (7, 'in-reply-to', triage_internal.json_header_value(fields ->> 'inreplyto')),
          (8, 'references', triage_internal.json_header_value(fields ->> 'references'))
      ) AS f (n, name, value)
     WHERE f.value <> '' AND f.name <> ALL (given);

    -- Follows from what is in the message, so that the same is the same, and occurs nowhere in it.
    boundary := encode(sha256(convert_to(concat_ws(eol, header, plain, html), 'UTF8')), 'hex');
    content := 'Content-Type: text/' || CASE WHEN plain IS NULL AND html IS NOT NULL THEN 'html' ELSE 'plain' END || '; charset=utf-8' || eol
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
               || 'Content-Transfer-Encoding: base64' || eol || eol || coalesce(encode(a.content, 'base64'), '') || eol, '')
      INTO files
      -- With SendGrid, attachments is how many there are.
      FROM triage_internal.json_attachments(CASE WHEN jsonb_typeof(fields -> 'attachments') IN ('array', 'object')
                                          OR triage_internal.json_or_null(fields ->> 'attachments') IS NOT NULL
                                        THEN fields -> 'attachments' ELSE fields -> 'attachmentinfo' END) AS a;
    -- Mail may be without subject and text. What has nothing of a message is no mail.
    IF NOT (has_headers OR given && '{from,message-id}' OR files IS NOT NULL
            OR fields ?| '{subject,text,plain,bodyplain,textbody,body,bodytext,html,bodyhtml,htmlbody,strippedtext,message,content}') THEN
        RETURN NULL;
    END IF;
    IF files IS NOT NULL THEN
        content := 'Content-Type: multipart/mixed; boundary="m' || boundary || '"' || eol || eol
            || '--m' || boundary || eol || content || files || '--m' || boundary || '--' || eol;
    END IF;
    -- First what says how to read the body: of very long headers the end is not read.
    RETURN convert_to('MIME-Version: 1.0' || eol || left(content, strpos(content, eol || eol) + 1) || header || substr(content, strpos(content, eol || eol) + 2), 'UTF8');
END
$$;
COMMENT ON FUNCTION triage_internal.json_message(jsonb) IS
    'a message (RFC 5322, 2045, 6532) composed of the fields of a payload; NULL if it has no sender, id, header, attachment, nor a key for subject or text';

-- One parameter without a name: PostgREST passes it the body of a request.
CREATE FUNCTION triage.ingest_json(jsonb) RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 10000
    SET search_path = pg_catalog, pg_temp
    SET standard_conforming_strings = on
AS $$
DECLARE
    fields  jsonb := triage_internal.json_fields($1);
    mailbox constant text := coalesce(fields ->> 'mailbox', 'inbox');
    events  jsonb;
    given   text;
    raw     bytea;
BEGIN
    IF $1 IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'the payload is NULL: pass the JSON object that the web hook sent';
    ELSIF jsonb_typeof($1) = 'array' THEN
        RAISE invalid_parameter_value USING MESSAGE =
            'the payload is an array: take in its elements one by one, SELECT triage.ingest_json(e) FROM jsonb_array_elements($1) AS e';
    ELSIF jsonb_typeof($1) <> 'object' THEN
        RAISE invalid_parameter_value USING MESSAGE =
            format('the payload is a JSON %s: pass the JSON object that the web hook sent', jsonb_typeof($1));
    END IF;

    -- What services put around a message.
    IF fields ? 'mandrillevents' THEN
        events := triage_internal.json_or_null(fields ->> 'mandrillevents');
        IF jsonb_typeof(events) = 'array' AND jsonb_array_length(events) <> 1 THEN
            RAISE invalid_parameter_value USING MESSAGE = format(
                'mandrill_events has %s events: take them in one by one, SELECT triage.ingest_json(e) FROM jsonb_array_elements($1) AS e',
                jsonb_array_length(events));
        END IF;
        fields := triage_internal.json_fields(events -> 0);
    ELSIF fields ->> 'type' IN ('SubscriptionConfirmation', 'UnsubscribeConfirmation') THEN
        RAISE invalid_parameter_value USING MESSAGE = 'the payload is no message but asks to confirm a subscription: open its SubscribeURL';
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
        CASE WHEN left(fields ->> 'email', 2000) ~ '^\s*(>?From [^\n]*\n)?[!-9;-~]+[ \t]*:[^\n]*\n' THEN ltrim(fields ->> 'email', E'\r\n') END);
    raw := triage_internal.json_bytes(given);
    -- A text of letters and spaces can be decoded, too.
    IF strpos(given, ':') = 0 AND position(E'\\x3a'::bytea IN raw) = 0 THEN
        raw := convert_to(given, 'UTF8');
    END IF;
    IF raw IS NULL AND jsonb_typeof(fields -> 'mail') = 'object' THEN
        RAISE invalid_parameter_value USING MESSAGE =
            'the notification has no "content": let Amazon SES publish the message to SNS, or read it from S3 and call triage.ingest(raw)';
    END IF;
    raw := coalesce(raw, triage_internal.json_message(fields));
    IF raw IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format(
            'the payload is no message (its keys: %s): pass a raw message as raw, RawEmail, body-mime, raw_msg or email, or at least one of from, message_id, headers, subject, text, plain, body-plain, TextBody, html, body-html, HtmlBody, attachments',
            coalesce((SELECT string_agg(left(key, 30), ', ') FROM (SELECT key FROM jsonb_object_keys($1) AS k (key) LIMIT 20) AS k), 'none'));
    END IF;
    RETURN triage.ingest(raw, mailbox);
END
$$;
COMMENT ON FUNCTION triage.ingest_json(jsonb) IS
    'takes in the message that an inbound-mail web hook brings (Mailgun, SendGrid, Postmark, CloudMailin, Amazon SES, Mandrill, Gmail, or any with such keys), into the mailbox that its key "mailbox" names, and returns its email_id; the same message is not taken twice';
