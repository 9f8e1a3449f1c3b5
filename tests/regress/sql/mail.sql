-- Raw mail: reading it, classifying it, taking it in, telling others.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_triage CASCADE;
CREATE EXTENSION pg_triage;
SET extra_float_digits = 0;
SET timezone = 'UTC';

CREATE FUNCTION raw(message text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT convert_to(replace(message, E'\n', E'\r\n'), 'UTF8') $$;
CREATE TABLE mail (name text PRIMARY KEY, raw bytea);
INSERT INTO mail VALUES
('plain', raw('Received: from a by b; Tue, 3 Mar 2026 10:00:05 +0100
From: =?utf-8?q?J=C3=B6rg_M=C3=BCller?= <joerg@example.org>
To: "Support, first line" <support@example.com>, sales@example.com
Cc: Ann <ann@example.com>
Subject: =?iso-8859-1?q?Rechnung_f=FCr?=
 =?iso-8859-1?q?_M=E4rz?=
Date: Tue, 3 Mar 2026 10:00:00 +0100
Message-ID: <1@example.org>
X-Mailer: Fax-o-Matic 3.1
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Sehr geehrte Damen und Herren, die Rechnung f=FCr M=E4rz stimmt nicht: =
es wurde zweimal abgebucht. Mit freundlichen Gr=FC=DFen
')),
('alternative', raw('From: shop@example.net
Subject: Your order
Message-ID: <2@example.net>
In-Reply-To: <1@example.org>
References: <0@example.org> <1@example.org>
List-Id: Orders <orders.example.net>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="out"

--out
Content-Type: multipart/alternative; boundary="in"

--in
Content-Type: text/plain; charset=utf-8

The parcel was sent today.
--in
Content-Type: text/html; charset=utf-8

<p>The <b>parcel</b> was sent today.</p>
--in--
--out
Content-Type: application/pdf; name="invoice.pdf"
Content-Disposition: attachment; filename*=utf-8''''rechnung%20m%C3%A4rz.pdf
Content-Transfer-Encoding: base64

JVBERi0xLjQKJSBhIHNtYWxsIG9uZQo=
--out--
')),
('html', raw('From: Deals <deals@example.biz>
Subject: Win!
Content-Type: text/html; charset=utf-8

<html><head><style>p { color: red }</style><script>alert("boo")</script></head>
<body><p>Claim your prize &amp; more&nbsp;now</p><a href="https://evil.example.biz/x?y=1">here</a>
<img src="x.png" alt="A golden cup"><!-- hidden --></body></html>
')),
('broken', '\x46726f6d3a20780aff00fe0a2d2d0a436f6e74656e742d547970653a206d756c7469706172742f6d697865640a0a00'),
('empty', '');

SELECT m.name, p.message_id, p.sent_at, p.sender, p.recipients, p.subject FROM mail m, parse_email(m.raw) p ORDER BY m.name;
SELECT m.name, p.body, p.language, p.attachments, p.truncated FROM mail m, parse_email(m.raw) p ORDER BY m.name;
SELECT m.name, email_text(m.raw) FROM mail m WHERE m.name IN ('alternative', 'plain') ORDER BY m.name;
SELECT count(*) FROM parse_email(NULL);

-- Caps: what is beyond is left out, and it is said.
SET pg_triage.max_text_bytes = '1kB';
SELECT length(body), truncated FROM parse_email(raw(E'Subject: long\n\n' || repeat('word ', 1000)));
RESET pg_triage.max_text_bytes;
SET pg_triage.max_message_bytes = '1kB';
SELECT length(body) < 1024 AS short, truncated FROM parse_email(raw(E'Subject: long\n\n' || repeat('word ', 1000)));
RESET pg_triage.max_message_bytes;
SET pg_triage.max_header_bytes = '1kB';
SELECT subject, truncated FROM parse_email(raw(E'Subject: first\nX-Long: ' || repeat('word ', 100000) || E'\n\nbody'));
SET pg_triage.max_mime_parts = 2;
SELECT body, attachments, truncated FROM mail, parse_email(raw) WHERE name = 'alternative';
RESET pg_triage.max_mime_parts;
SET pg_triage.max_mime_depth = 1;
SELECT attachments, truncated FROM mail, parse_email(raw) WHERE name = 'alternative';
RESET pg_triage.max_mime_depth;

-- A raw message gets the label of its text, header fields included.
SELECT classify_email(raw) FROM mail WHERE name = 'plain';
SELECT triage.deploy('default', train_classifier(body, label)) FROM (VALUES
    (E'From: Fax <fax@example.org>\nFax\nnothing to read', 'fax'),
    (E'From: shop@example.net\nYour order\nthe parcel was sent', 'shop'),
    (E'From: Ann <ann@example.com>\nInvoice\nrechnung stimmt nicht, zweimal abgebucht', 'billing')) AS t (body, label);
SELECT name, classify_email(raw), classify_email(raw) IS NOT DISTINCT FROM classify_email(email_text(raw)) AS same FROM mail ORDER BY name;
SELECT classify_email(raw(E'From: fax@example.org\n\nhello')), classify_email(raw(E'From: shop@example.net\n\nhello'));
SELECT classify_email(raw, 'unknown') FROM mail LIMIT 1;
SELECT classify_email(NULL::bytea) IS NULL AS strict;
SELECT train_classifier(email_text(raw), name)::text IS NOT NULL AS trains FROM mail;

-- Into the inbox: once.
SELECT name, triage.ingest(raw) AS email_id FROM mail ORDER BY name;
SELECT name, triage.ingest(raw) AS email_id FROM mail ORDER BY name;
-- Over another path, with other line ends.
SELECT triage.ingest(convert_to(E'Received: from c by d\nX-Spam-Level: **\n' || replace(convert_from(raw, 'UTF8'), E'\r\n', E'\n'), 'UTF8'))
       = (SELECT email_id FROM triage.email WHERE message_id = '1@example.org') AS same
  FROM mail WHERE name = 'plain';
SELECT triage.ingest(raw, 'support') <> triage.ingest(raw) AS another_mailbox FROM mail WHERE name = 'plain';
SELECT triage.ingest(raw, NULL) = triage.ingest(raw) AS the_inbox, triage.ingest(raw, '  ') = triage.ingest(raw) AS too FROM mail WHERE name = 'plain';
SELECT triage.ingest(NULL);
SELECT email_id, mailbox, message_id, in_reply_to, sender, subject, header, label, language, attachments, truncated, length(content_hash), raw
  FROM triage.email ORDER BY email_id;
-- What is in the row is what was classified.
SELECT count(*) AS rows, count(*) FILTER (WHERE e.label = classify_email(t.raw)) AS same
  FROM (SELECT m.raw, triage.ingest(m.raw) AS email_id FROM mail m OFFSET 0) t JOIN triage.email e USING (email_id);
SET pg_triage.keep_raw = on;
SELECT triage.ingest(E'Subject: kept\n\nas it came\x0d\x0a'::bytea) IS NOT NULL AS kept;
SELECT raw FROM triage.email WHERE subject = 'kept';
RESET pg_triage.keep_raw;
-- A mailbox's name is part of an address that anybody may write.
SELECT triage.ingest(raw(E'Subject: x\n\ny'), E'two\nlines ' || repeat('m', 1000000)) > 0 AS ingested;
SELECT triage.ingest(raw('Message-ID: <' || repeat('m', 10000) || E'@x>\nIn-Reply-To: <' || repeat('r', 10000) || E'@x>\n\ny')) > 0 AS ingested;
SELECT max(length(mailbox)) AS mailbox, max(length(message_id)) AS message_id, max(length(in_reply_to)) AS in_reply_to FROM triage.email;

-- Conversations, in whatever order they come.
SELECT triage.ingest(raw(E'Subject: ' || id || E'\nMessage-ID: <' || id || E'>\n' || coalesce(E'In-Reply-To: <' || answers || E'>\n', '')
                         || coalesce(E'References: ' || refs || E'\n', '') || E'\ntext'), 'threads') IS NOT NULL AS ingested
  FROM (VALUES (1, 'c', 'b', NULL), (2, 'b', 'a', '<a>'), (3, 'a', NULL, NULL), (4, 'd', NULL, '<a> <b>'), (5, 'e', 'd', NULL), (6, 'alone', NULL, NULL)) AS t (n, id, answers, refs) ORDER BY n;
SELECT count(*) AS mails, string_agg(subject, ' ' ORDER BY subject) FROM triage.email WHERE mailbox = 'threads' GROUP BY thread_id ORDER BY 1;
-- Whoever copies a Message-ID, or uses one that never came, moves nobody's conversation.
SELECT triage.ingest(raw(E'Message-ID: <a>\nReferences: <alone>\n\nmine'), 'threads') IS NOT NULL AS ingested;
SELECT triage.ingest(raw(E'Subject: f\nMessage-ID: <f>\nReferences: <sent>\n\nx'), 'threads') IS NOT NULL AS ingested;
SELECT triage.ingest(raw(E'Message-ID: <sent>\nReferences: <alone>\n\nmine'), 'threads') IS NOT NULL AS ingested;
SELECT count(*) AS mails, string_agg(subject, ' ' ORDER BY subject) FROM triage.email WHERE mailbox = 'threads' GROUP BY thread_id ORDER BY 1;

-- Mail with its labels.
SELECT mailbox, label, subject, sender, predicted_label, round(confidence::numeric, 2) AS confidence, human_label, queue_reason
  FROM triage.labelled_email WHERE mailbox IN ('inbox', 'support') ORDER BY email_id;
UPDATE triage.email SET label = 'fax' WHERE mailbox = 'support';
SELECT label, predicted_label, human_label, reviewed_by IS NOT NULL AS reviewed FROM triage.labelled_email WHERE mailbox = 'support';

-- The writer may hand in mail and nothing else.
CREATE ROLE regress_writer IN ROLE triage_writer;
SET ROLE regress_writer;
SELECT triage.ingest(E'Subject: from the writer\n\nhello'::bytea) > 0 AS ingested;
SELECT classify_email('hello');
SELECT count(*) FROM triage.email;
SELECT count(*) FROM triage.labelled_email;
SELECT count(*) FROM triage.label;
SET pg_triage.keep_raw = on;
SET pg_triage.max_text_bytes = '64MB';
RESET ROLE;
DROP ROLE regress_writer;

-- The inbox is attached by either list of its columns.
SELECT triage.detach('triage.email'), triage.attach('triage.email', ARRAY['header', 'subject', 'body'], 'label', 'email_id');
SELECT triage.detach('triage.email'), triage.attach('triage.email', ARRAY['subject', 'body'], 'label', 'email_id');
SELECT triage.attach('triage.email', ARRAY['body'], 'label', 'email_id');

-- A row takes the key of one that was deleted: both reviews can be decided about, announced or not.
SET pg_triage.notify = on;
SELECT triage.attach('triage.email', ARRAY['header', 'subject', 'body'], 'label', 'email_id') IS NOT NULL AS attached;
CREATE TABLE reused (id bigint PRIMARY KEY, body text, label text);
SELECT triage.attach('reused', ARRAY['body'], 'label') IS NOT NULL AS attached;
INSERT INTO reused VALUES (1, 'the parcel was sent'), (2, 'nothing to read');
DELETE FROM reused WHERE id = 1;
UPDATE reused SET id = 1 WHERE id = 2;
SELECT email_key, label, predicted_label FROM triage.reused_queue;
SELECT count(triage.correct(review_id, 'billing')) AS corrected FROM triage.review WHERE source = 'public.reused';
SELECT email_key, label, human_label FROM triage.reused_queue;
SELECT id, label FROM reused;

DROP TABLE reused, mail CASCADE;
DROP FUNCTION raw;
DROP EXTENSION pg_triage CASCADE;
CREATE EXTENSION pg_triage;
