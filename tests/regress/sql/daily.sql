-- What a team with a table of its own does in its first days.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_triage CASCADE;
CREATE EXTENSION pg_triage;
RESET client_min_messages;
CREATE TABLE ticket (id int PRIMARY KEY, subject text, body text, category text);
INSERT INTO ticket
SELECT n, CASE n % 3 WHEN 0 THEN 'invoice' WHEN 1 THEN 'login' ELSE 'parcel' END || ' ' || n, E'first line\nsecond line',
       CASE WHEN n <= 300 THEN (ARRAY['Billing', 'support', 'shipping'])[1 + n % 3]
            WHEN n <= 310 THEN 'BILLING' WHEN n <= 320 THEN '' WHEN n = 321 THEN 'shiping' END
  FROM generate_series(1, 1500) AS n;

-- History first: spellings by their number, and what is new is said.
SELECT triage.attach('ticket', ARRAY['subject', 'body'], 'category') > 0 AS attached;
SELECT triage.learn_from('default', 'ticket', ARRAY['subject', 'body'], 'category');
SELECT label FROM triage.label_choices ORDER BY 1;
-- One call labels all that fit into it, blanks too, whatever the keys' order as text.
SELECT triage.classify_pending('ticket');
SELECT triage.classify_pending('ticket');
SELECT count(*) FROM ticket WHERE category IS NULL OR category = '';
SELECT count(*), count(DISTINCT category) FROM ticket WHERE id > 321;
-- A mail without a word gets a label, and is among the first that a person should see.
INSERT INTO ticket VALUES (2000, '', NULL) RETURNING category;
SELECT queue_reason FROM triage.review WHERE email_key = '2000';

-- The typo of the history is corrected, and then deleted.
UPDATE ticket SET category = 'shipping' WHERE id = 321;
DELETE FROM triage.label WHERE label = 'shipping';
UPDATE triage.label SET label = 'dispatch' WHERE label = 'shipping';
DELETE FROM triage.label WHERE label = 'shiping';
-- Another spelling is the same label.
UPDATE triage.label SET label = 'BILLING' WHERE label = 'Billing';
SELECT review_id AS one FROM triage.review WHERE predicted_label = 'Billing' ORDER BY review_id LIMIT 1 \gset
SELECT triage.accept(:one) > 0 AS accepted;
SELECT kind, new_label FROM triage.decision_history WHERE review_id = :one;

-- A form sends back what it showed: line ends of its own, and numbers with fewer digits.
SELECT review_id AS one FROM triage.review WHERE human_label IS NULL AND confidence IS NOT NULL ORDER BY review_id LIMIT 1 \gset
UPDATE triage.ticket_queue
   SET body = replace(body, E'\n', E'\r\n'), confidence = round(confidence::numeric, 8), received_at = date_trunc('second', received_at),
       human_label = 'support'
 WHERE review_id = :one RETURNING human_label;
UPDATE triage.ticket_queue SET body = 'forged' WHERE review_id = :one;

-- Many at once, and back again.
SELECT count(triage.accept(review_id)) > 100 AS accepted FROM triage.ticket_queue WHERE queue_reason IS NOT NULL AND predicted_label = 'support';
SELECT triage.correct_many(ARRAY(SELECT review_id FROM triage.review WHERE predicted_label = 'shipping' AND human_label IS NULL), 'support') > 0 AS done;
SELECT door, decisions > 100 AS many, undos, labels, still_latest = decisions AS can_be_undone FROM triage.batches ORDER BY batch_id DESC LIMIT 2;
SELECT triage.undo_batch((SELECT max(batch_id) FROM triage.batches)) > 100 AS undone;
SELECT count(*) FROM ticket t JOIN triage.review r ON r.email_key = t.id::text
 WHERE triage_internal.label_key(t.category) IS DISTINCT FROM triage_internal.label_key(coalesce(r.human_label, r.predicted_label, r.given_label));
-- The import, too: the table keeps the labels that it came with.
SELECT count(*) FROM ticket WHERE id <= 300 AND category = (ARRAY['Billing', 'support', 'shipping'])[1 + id % 3];
SELECT triage.undo_batch(min(batch_id)) FROM triage.batches WHERE door = 'import';
UPDATE ticket SET category = 'Billing' WHERE id = 321;
SELECT triage.undo(max(decision_id)) > 0 AS undone FROM triage.decision;
SELECT category FROM ticket WHERE id = 321;

-- Mistakes.
DELETE FROM triage.review;
SELECT triage.forget('ticket', '1');
SELECT triage.forget('public.ticket', 'no such key');
SELECT triage.correct(NULL, 'support');
SELECT triage.correct(1, 'suport');
SELECT triage.correct(0, 'support');
SELECT triage.correct_many('1, x', 'support');
SELECT triage.correct_many('', 'support');
SELECT triage.undo_batch(0);
SELECT triage.undo(NULL);
SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text AS same;

-- The queue is read from its index, however many reviews there are.
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT review_id FROM triage.review_queue WHERE queue_reason <> 'confident' AND classifier = 'default' ORDER BY margin NULLS FIRST LIMIT 5;
RESET enable_seqscan;
RESET enable_bitmapscan;

SELECT triage.detach('ticket');
DROP TABLE ticket;
SET client_min_messages = warning;
DROP EXTENSION pg_triage CASCADE;
CREATE EXTENSION pg_triage;
