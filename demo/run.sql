-- The demo, run by `make demo`: train, classify, label on insert, correct, learn at once, retrain by itself.
\pset border 2
\pset footer off
\pset pager off

\echo
\echo '1. Install the extension and load the sample mails'
\echo
\set QUIET on
-- A small demo: ordinary are a hundred decisions, and one in fifty mails to check.
SELECT current_database() AS db \gset
ALTER DATABASE :"db" SET pg_triage.retrain_after = 30;
ALTER DATABASE :"db" SET pg_triage.audit_rate = 1;
\c -
\set QUIET off
CREATE EXTENSION pg_triage;
SELECT triage.load_sample() AS mails_loaded;

SELECT mailbox, count(*) AS mails, count(DISTINCT label) AS labels
FROM triage.email
GROUP BY mailbox
ORDER BY mailbox DESC;

\echo
\echo '2. Train on the mails in sample/train, in SQL, and put the model in service'
\echo
SELECT triage.deploy('default', train_classifier(concat_ws(E'\n', subject, body), label)) AS version
FROM triage.email
WHERE mailbox = 'sample/train';

\echo
\echo '3. Classify the mails in sample/new, which the model has never seen; ten of them'
\echo
CREATE TEMP TABLE answer AS
SELECT e.message_id, e.subject, e.label, s.label AS predicted, s.probability
FROM triage.email AS e
CROSS JOIN LATERAL classify_email_scores(concat_ws(E'\n', e.subject, e.body)) AS s
WHERE e.mailbox = 'sample/new' AND s.rank = 1;

SELECT CASE WHEN length(subject) > 40 THEN left(subject, 37) || '...' ELSE subject END AS subject,
       label AS true_label,
       predicted,
       round(probability::numeric, 2) AS confidence
FROM answer
ORDER BY md5(message_id)
LIMIT 10;

\echo
\echo '4. How often it was right (some of these mails are ambiguous on purpose)'
\echo
SELECT coalesce(label, 'all') AS label,
       count(*) AS mails,
       count(*) FILTER (WHERE predicted = label) AS "right",
       round(100.0 * count(*) FILTER (WHERE predicted = label) / count(*), 1) || ' %' AS accuracy
FROM answer
GROUP BY ROLLUP (label)
ORDER BY grouping(label), label;

\echo
\echo '5. Attach a table: from now on its rows are labelled in the INSERT that brings them'
\echo
CREATE TABLE ticket (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject  text,
    body     text,
    category text
);
SELECT triage.attach('ticket', ARRAY['subject', 'body'], 'category') AS attachment;

\echo
\echo '6. Fifteen mails arrive. Ten are wrong: since today, leased bicycles have a team of their own, "mobility"'
\echo
SELECT triage.add_label('default', 'mobility', 'bicycles that the company leases') AS new_label;
\set QUIET on
\ir arrivals.sql
\set QUIET off
INSERT INTO ticket (subject, body)
SELECT subject, body FROM arriving WHERE n <= 15 ORDER BY n
RETURNING id, subject, category;

\echo
\echo '7. What the classifier would say about the next 21 mails, before anybody has corrected anything'
\echo
\set QUIET on
CREATE TEMP VIEW accuracy AS
SELECT count(*) AS mails,
       count(*) FILTER (WHERE classify_email(concat_ws(E'\n', subject, body)) = truth) AS "right",
       round(100.0 * count(*) FILTER (WHERE classify_email(concat_ws(E'\n', subject, body)) = truth) / count(*), 1) || ' %' AS accuracy
FROM arriving
WHERE n > 15;
\set QUIET off
SELECT 'before' AS correction, * FROM accuracy;

\echo
\echo '8. A person fixes the ten with an ordinary UPDATE. Every session knows it at once'
\echo
UPDATE ticket SET category = 'mobility' WHERE id IN (1, 3, 5, 6, 8, 9, 11, 12, 14, 15);
SELECT 'after' AS correction, * FROM accuracy;

\echo
\echo '9. The next 21 mails arrive'
\echo
INSERT INTO ticket (subject, body)
SELECT subject, body FROM arriving WHERE n > 15 ORDER BY n;
SELECT t.category, count(*) AS mails, count(*) FILTER (WHERE t.category = a.truth) AS "right"
FROM ticket AS t
JOIN arriving AS a ON a.n = t.id
WHERE t.id > 15
GROUP BY t.category
ORDER BY t.category;

\echo
\echo '10. What a person should look at next: the queue, least certain first'
\echo
SELECT review_id, left(subject, 34) AS subject, predicted_label, round(confidence::numeric, 2) AS confidence, second_label
FROM triage.ticket_queue
WHERE queue_reason <> 'confident'
ORDER BY margin NULLS FIRST
LIMIT 5;

\echo
\echo '11. Who decided what, and with which tool. triage.undo(decision_id) takes it back'
\echo
SELECT decision_id, email_key AS ticket, kind, predicted_label, new_label, actor, application_name AS tool, door
FROM triage.decision_history
ORDER BY decision_id
LIMIT 3;

\echo
\echo '12. The team answers the rest of the queue. Each prediction was made before its answer was known'
\echo
INSERT INTO triage.ticket_queue (review_id, human_label)
SELECT r.review_id, a.truth
FROM triage.review AS r
JOIN arriving AS a ON a.n::text = r.email_key
WHERE r.human_label IS NULL
ORDER BY r.review_id;
SELECT day, model_version, audited, answered, correct,
       round(accuracy::numeric, 2) AS accuracy, round(accuracy_low::numeric, 2) AS low, round(accuracy_high::numeric, 2) AS high
FROM triage.accuracy_daily;

\echo
\echo '13. Nobody has to retrain. A background worker trains a version, asks it and the active one about'
\echo '    decided mails that neither has learned, and activates it if it is not worse'
\echo
\set QUIET on
-- Without a worker, SELECT * FROM triage.maintain() does the same.
DO $$
BEGIN
    FOR tenths IN 1..100 LOOP
        EXIT WHEN NOT (SELECT served FROM triage.worker_status())
            OR EXISTS (SELECT FROM triage.jobs WHERE task = 'train' AND status = 'done');
        PERFORM pg_sleep(0.1);
    END LOOP;
    PERFORM triage.maintain();
END
$$;
\set QUIET off
SELECT task, status, result FROM triage.jobs WHERE task = 'train';

SELECT classifier, version, status, documents, labels, compared, round(compared_accuracy::numeric, 2) AS accuracy,
       round(champion_accuracy::numeric, 2) AS before
FROM triage.model_versions
ORDER BY classifier, version;

\echo
\echo '14. Is all well? One row per classifier. SELECT triage.rollback(''default'') would go back'
\echo
SELECT classifier, ok, state, active_version, open_alerts FROM triage.status;

\echo
\echo '15. Mail need not be text when it comes: a raw message, as a mail server has it, read and labelled'
\echo
\set QUIET on
CREATE TEMP TABLE raw_mail AS SELECT convert_to('From: =?utf-8?q?J=C3=B6rg_M=C3=BCller?= <joerg@example.org>
Subject: =?iso-8859-1?q?Doppelte_Rechnung_f=FCr_M=E4rz?=
Message-ID: <4711@example.org>
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>Die Rechnung f=C3=BCr M=C3=A4rz wurde <b>zweimal</b> abgebucht, bitte erstatten Sie den Betrag.</p>
', 'UTF8') AS raw;
\set QUIET off
SELECT triage.ingest(raw, 'support') AS email_id FROM raw_mail;
SELECT mailbox, label, sender, subject FROM triage.labelled_email WHERE mailbox = 'support';
