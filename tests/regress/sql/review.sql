-- Reviews: what a person says, through a table, views and functions, and what is stored.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_triage CASCADE;
CREATE EXTENSION pg_triage;
RESET client_min_messages;
SET application_name = 'regress';
SELECT triage.deploy('default', train_classifier(b, l))
  FROM (VALUES ('invoice money refund', 'Billing'), ('invoice overdue', 'Billing'), ('login password reset', 'support'), ('cannot login', 'support'),
               ('van parcel driver', 'logistics'), ('parcel lost', 'logistics')) t (b, l), generate_series(1, 20);
CREATE TABLE mail (id int PRIMARY KEY, subject text, note text, label text);
SELECT triage.attach('mail', ARRAY['subject', 'note'], 'label');
INSERT INTO mail (id, subject) SELECT i, (ARRAY['invoice', 'login', 'parcel'])[1 + i % 3] FROM generate_series(1, 60) AS i;
-- review_id is the key of the mail here, which makes the rest readable.
SELECT count(*) FROM triage.review WHERE email_key <> review_id::text;
CREATE FUNCTION show(id bigint) RETURNS TABLE (label text, predicted text, human text, note text, by text, "when" boolean, open boolean, version int, decision bigint)
    LANGUAGE sql AS $$ SELECT m.label, predicted_label, human_label, r.note, reviewed_by, reviewed_at IS NOT NULL, queue_reason IS NOT NULL, row_version, decision_id
                         FROM triage.review r JOIN mail m ON m.id::text = email_key WHERE review_id = show.id $$;
CREATE VIEW decisions AS
    SELECT decision_id AS id, review_id AS review, kind, old_label AS old, new_label AS new, note, actor, batch_id AS batch, door, replaces, undoes, learned
      FROM triage.decision_history ORDER BY decision_id;

-- Functions.
SELECT * FROM show(1);
SELECT triage.accept(1);
SELECT * FROM show(1);
SELECT triage.correct(2, ' BILLING ', 'looks like money', 'ann');
SELECT * FROM show(2);
SELECT triage.skip(3, 'cannot say');
SELECT * FROM show(3);
SELECT * FROM decisions;
SELECT predicted_label, round(confidence::numeric, 1) AS confidence, model_version, connected_as = session_user AS connected, acting_as = current_user AS acting,
       application_name, source, email_key FROM triage.decision_history WHERE decision_id = 2;
-- The predicted label is an accept, whatever it is set with; the same again is nothing.
SELECT triage.correct(4, 'support'), triage.correct(4, 'SUPPORT'), triage.accept(4), triage.skip(3);
SELECT kind, old, new FROM decisions WHERE review IN (3, 4);
SELECT human, version FROM show(4);
-- From one label to another, and back to none.
SELECT triage.correct(4, 'logistics'), triage.correct(4, NULL), triage.correct(4, '  ');
SELECT * FROM show(4);
SELECT id, kind, old, new, replaces, undoes, learned FROM decisions WHERE review = 4;
-- A skipped one can be decided, a decided one is not skipped.
SELECT triage.correct(3, 'logistics');
SELECT triage.skip(3);
-- What is wrong is said in one line.
\set VERBOSITY terse
SELECT triage.correct(4, 'suport');
\echo :LAST_ERROR_SQLSTATE
SELECT triage.correct(4, 'nonsense');
SELECT triage.correct(4, repeat('x', 3000));
SELECT triage.correct(4711, 'support');
\echo :LAST_ERROR_SQLSTATE
SELECT triage.correct(NULL, 'support');
\echo :LAST_ERROR_SQLSTATE
SELECT triage.accept(4, row_version => 1);
\echo :LAST_ERROR_SQLSTATE
SELECT triage.correct(4, 'support', repeat('x', 70000));
\echo :LAST_ERROR_SQLSTATE
SELECT human, note, version FROM show(4);
SELECT triage.accept(4, row_version => 4) > 0 AS accepted;

-- The review table. What a tool writes back unchanged is accepted.
UPDATE triage.review SET human_label = 'logistics', note = 'by table' WHERE review_id = 6 RETURNING human_label, note, reviewed_by, reviewed_at IS NOT NULL AS "when", queue_reason, row_version;
SELECT * FROM show(6);
UPDATE triage.review SET review_id = review_id, classifier = classifier, source = source, email_key = email_key, received_at = received_at, predicted_label = predicted_label,
       confidence = confidence, second_label = second_label, second_confidence = second_confidence, margin = margin, model_version = model_version,
       human_label = 'LOGISTICS', note = note, reviewed_by = reviewed_by, reviewed_at = reviewed_at, queue_reason = queue_reason, row_version = row_version,
       decision_id = decision_id
 WHERE review_id = 6 RETURNING human_label, row_version;
UPDATE triage.review SET human_label = '' WHERE review_id = 6 RETURNING human_label, note, reviewed_by, queue_reason, row_version;
SELECT * FROM show(6);
UPDATE triage.review SET note = 'only a note' WHERE review_id = 6 RETURNING note, human_label, row_version;
UPDATE triage.review SET note = '' WHERE review_id = 6 RETURNING note IS NULL AS cleared, row_version;
SELECT kind, old, new, note, door FROM decisions WHERE review = 6;
UPDATE triage.review SET human_label = predicted_label WHERE review_id = 7 RETURNING human_label;
UPDATE triage.review SET human_label = 'x' WHERE review_id = 4711;
SELECT kind, old, new, door FROM decisions WHERE review = 7;
UPDATE triage.review SET predicted_label = 'support' WHERE review_id = 8;
\echo :LAST_ERROR_SQLSTATE
UPDATE triage.review SET human_label = 'support', reviewed_by = 'somebody else' WHERE review_id = 8;
UPDATE triage.review SET decision_id = 1 WHERE review_id = 8;
UPDATE triage.review SET review_id = 4711 WHERE review_id = 8;
\echo :LAST_ERROR_SQLSTATE
UPDATE triage.review SET human_label = 'suport' WHERE review_id = 8;
UPDATE triage.review SET human_label = 'support', row_version = 7 WHERE review_id = 8;
\echo :LAST_ERROR_SQLSTATE
-- A whole row that is out of date is a conflict, no attempt to write protected columns.
UPDATE triage.review SET human_label = 'support', reviewed_by = NULL, queue_reason = 'confident', row_version = 1 WHERE review_id = 7;
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM show(8);
INSERT INTO triage.review (classifier, source, email_key) SELECT 'default', 'public.mail', '1';
\echo :LAST_ERROR_SQLSTATE

-- The views. RETURNING shows what was stored, and a key that does not exist is no error.
UPDATE triage.review_queue SET human_label = ' billing', note = ' n ' WHERE review_id = 8 RETURNING human_label, note, reviewed_by, queue_reason, row_version;
UPDATE triage.mail_queue SET human_label = 'support' WHERE review_id = 8 RETURNING label, human_label, subject, row_version;
UPDATE triage.mail_queue SET human_label = NULL WHERE review_id = 8 RETURNING label, human_label, queue_reason, row_version;
SELECT * FROM show(8);
UPDATE triage.review_queue SET human_label = 'support' WHERE review_id = 4711;
\echo :ROW_COUNT
UPDATE triage.mail_queue SET human_label = human_label, subject = subject, label = label, row_version = row_version WHERE review_id = 8;
\echo :ROW_COUNT
UPDATE triage.mail_queue SET subject = 'another' WHERE review_id = 8;
UPDATE triage.mail_queue SET label = 'support' WHERE review_id = 8;
UPDATE triage.review_queue SET confidence = 1 WHERE review_id = 8;
UPDATE triage.mail_queue SET human_label = 'support', row_version = 1 WHERE review_id = 8;
\echo :LAST_ERROR_SQLSTATE
UPDATE triage.review_queue SET review_id = 9, human_label = 'support' WHERE review_id = 8;
SELECT human, version FROM show(8);
-- Text columns of names that the view needs itself.
SELECT column_name FROM information_schema.columns WHERE table_schema = 'triage' AND table_name = 'mail_queue' ORDER BY ordinal_position;
-- Decisions as a file: one row each, by number or by key.
INSERT INTO triage.review_queue (review_id, human_label) VALUES (9, 'support'), (10, 'Support') RETURNING review_id, human_label, predicted_label;
INSERT INTO triage.mail_queue (source, email_key, human_label, note) VALUES ('public.mail', '11', 'support', 'by key') RETURNING review_id, label, human_label, note;
COPY triage.review_queue (review_id, human_label) FROM STDIN (FORMAT csv);
12,support
13,logistics
\.
SELECT review, kind, new, note, door FROM decisions WHERE review BETWEEN 9 AND 13;
SELECT count(DISTINCT batch) FROM decisions WHERE review IN (12, 13);
INSERT INTO triage.review_queue (human_label) VALUES ('support');
INSERT INTO triage.review_queue (review_id, human_label) VALUES (14, 'support'), (15, 'suport');
INSERT INTO triage.review_queue (review_id, human_label) VALUES (4711, 'support');
INSERT INTO triage.review_queue (source, email_key, human_label) VALUES ('public.mail', 'none', 'support');
SELECT human FROM show(14);

-- A forgotten WHERE clause.
UPDATE triage.review SET human_label = 'support';
\echo :LAST_ERROR_SQLSTATE
UPDATE triage.review_queue SET human_label = 'support';
UPDATE triage.mail_queue SET note = 'x';
SET pg_triage.max_rows_per_correction = 2;
UPDATE triage.review SET human_label = 'support' WHERE review_id IN (14, 15, 16);
UPDATE triage.review SET human_label = 'support' WHERE review_id IN (14, 15);
UPDATE triage.mail_queue SET human_label = 'logistics' WHERE review_id IN (14, 15);
-- Rows that do not change are not counted.
UPDATE triage.review SET human_label = human_label;
UPDATE triage.mail_queue SET human_label = human_label;
RESET pg_triage.max_rows_per_correction;
SELECT count(*) FROM triage.review WHERE human_label IS NOT NULL AND review_id > 15;
SELECT review, new, door, dense_rank() OVER (ORDER BY batch) AS batch FROM decisions WHERE review IN (14, 15);

-- Many at once, all or none; numbers as tools write them.
SELECT triage.correct_many('16, 17, 18', 'support') AS batch \gset
SELECT count(*) FROM decisions WHERE batch = :batch;
SELECT triage.correct_many('{19,20}', 'support') > 0 AS a, triage.correct_many(E'21\n22', 'support') > 0 AS b, triage.correct_many('(23);[24]', 'support') > 0 AS c,
       triage.correct_many('25 25,25', 'support', 'twice', 'bob') > 0 AS d;
SELECT review, new, note, actor FROM decisions WHERE review BETWEEN 16 AND 25 ORDER BY review;
SELECT triage.correct_many('', 'support');
SELECT triage.correct_many(NULL, 'support');
SELECT triage.correct_many('26, x', 'support');
\echo :LAST_ERROR_SQLSTATE
SELECT triage.correct_many('26, 4711', 'support');
SELECT triage.correct_many('26, 27', 'suport');
SELECT triage.correct_many('99999999999999999999', 'support');
SELECT count(*) FROM decisions WHERE review IN (26, 27);
-- More than the cap in one UPDATE of the user's own table is one batch, and can be taken back.
SET pg_triage.max_rows_per_correction = 2;
UPDATE mail SET label = 'Logistics' WHERE id BETWEEN 30 AND 40;
RESET pg_triage.max_rows_per_correction;
SELECT count(*), count(DISTINCT batch), string_agg(DISTINCT kind, ', ' ORDER BY kind) FROM decisions WHERE review BETWEEN 30 AND 40;
SELECT triage.undo_batch((SELECT max(batch) FROM decisions)) AS taken_back;
SELECT count(*) FROM mail WHERE id BETWEEN 30 AND 40 AND label <> (ARRAY['Billing', 'support', 'logistics'])[1 + id % 3];
SELECT count(human_label), count(queue_reason) FROM triage.review WHERE review_id BETWEEN 30 AND 40;
-- Taking back is a batch of its own.
SELECT triage.undo_batch((SELECT max(batch) FROM decisions)) AS taken_back;
SELECT DISTINCT label FROM mail WHERE id BETWEEN 30 AND 40;
SELECT triage.undo_batch(4711);
\echo :LAST_ERROR_SQLSTATE
SELECT triage.undo_batch(NULL);

-- Undo, undo of the undo, and why not.
SELECT triage.correct(41, 'logistics') AS first \gset
SELECT triage.correct(41, 'Billing') AS second \gset
SELECT triage.undo(:first);
\echo :LAST_ERROR_SQLSTATE
SELECT triage.undo(:second, 'sorry', 'eve') AS third \gset
SELECT * FROM show(41) \gx
SELECT triage.undo(:second);
SELECT triage.undo(:third) AS fourth \gset
SELECT label, human FROM show(41);
SELECT triage.undo(:fourth) AS fifth \gset
SELECT kind, old, new, note, actor, replaces - :first AS replaces, undoes - :first AS undoes, learned FROM decisions WHERE review = 41;
SELECT label, human, by, open FROM show(41);
-- The first decision of all: back to the prediction.
SELECT triage.accept(42) AS first \gset
SELECT triage.undo(:first) > 0 AS undone;
SELECT label, human, by, open FROM show(42);
-- A skip.
SELECT triage.skip(43) AS first \gset
SELECT triage.undo(:first) > 0 AS undone;
SELECT human, by, open FROM show(43);
SELECT triage.undo(4711);
\echo :LAST_ERROR_SQLSTATE
SELECT triage.undo(NULL);
SELECT triage.correct(48, 'support') AS first \gset
SELECT triage.undo(:first, repeat('x', 70000));
SELECT triage.undo(:first, '  ') > 0 AS undone;
SELECT length(note) FROM show(48);
-- A batch of which one was decided about again stays as it is.
SELECT triage.correct_many('44, 45', 'support') AS batch \gset
SELECT triage.correct(45, 'logistics') > 0 AS later;
SELECT triage.undo_batch(:batch);
SELECT review, kind, new FROM decisions WHERE review IN (44, 45);
-- Several decisions about one email in one batch are taken back together.
DO $$ BEGIN PERFORM triage.correct(46, 'Billing'); PERFORM triage.correct(46, 'logistics'); PERFORM triage.correct(47, 'Billing'); END $$;
SELECT triage.undo_batch((SELECT max(batch) FROM decisions)) AS decisions;
SELECT human, label FROM show(46) UNION ALL SELECT human, label FROM show(47);

-- Who: the argument, the setting, the web token, the role.
SET request.jwt.claims = '{"role": "web", "email": "carol@example.com"}';
SELECT triage.accept(50) > 0 AS by_token;
SET pg_triage.actor = 'dan';
SELECT triage.accept(51) > 0 AS by_setting, triage.accept(52, actor => 'erin') > 0 AS by_argument;
UPDATE mail SET label = 'support' WHERE id = 53;
RESET pg_triage.actor;
SET request.jwt.claims = 'no json';
UPDATE mail SET label = 'support' WHERE id = 54;
RESET request.jwt.claims;
SELECT review, actor FROM decisions WHERE review BETWEEN 50 AND 54 AND actor <> session_user;
SELECT reviewed_by FROM triage.review WHERE review_id IN (50, 53) ORDER BY 1;

-- Open labels: a decision may name a new one.
UPDATE triage.classifier SET open_labels = true;
SELECT triage.correct(55, ' Complaints ') > 0 AS corrected;
UPDATE mail SET label = 'COMPLAINTS' WHERE id = 56 RETURNING label;
SELECT label FROM triage.label_choices ORDER BY label COLLATE "C";
UPDATE triage.classifier SET open_labels = false;
UPDATE mail SET label = 'praise' WHERE id = 57;

-- A label that is not in the table's text any more, a row that is gone.
DELETE FROM mail WHERE id = 58;
SELECT triage.correct(58, 'logistics') > 0 AS corrected;
SELECT kind, new, learned FROM decisions WHERE review = 58;
SELECT count(*) FROM triage.mail_queue WHERE review_id = 58;
-- All that a reviewer needs, and nothing else.
CREATE ROLE regress_triage_reviewer;
GRANT triage_reviewer, triage_reader TO regress_triage_reviewer;
SET ROLE regress_triage_reviewer;
SELECT count(*) > 0 AS queue FROM triage.review_queue;
SELECT triage.accept(59) > 0 AS accepted;
UPDATE triage.mail_queue SET human_label = 'support' WHERE review_id = 59 RETURNING label, reviewed_by;
UPDATE triage.review SET note = 'hm' WHERE review_id = 59 RETURNING reviewed_by;
UPDATE mail SET label = 'support' WHERE id = 59;
DELETE FROM triage.review;
DELETE FROM triage.decision;
SELECT features FROM triage.decision;
SELECT triage.compact('default');
RESET ROLE;
SELECT actor, connected_as = session_user AS connected, acting_as FROM triage.decision_history WHERE review_id = 59;
SELECT * FROM triage.review_progress;

-- After all this the three places agree.
SELECT count(*) FROM triage.review r JOIN mail m ON m.id::text = r.email_key WHERE m.label IS DISTINCT FROM coalesce(r.human_label, r.predicted_label);
SELECT count(*) FROM triage.review r LEFT JOIN triage.decision d USING (decision_id) WHERE r.human_label IS DISTINCT FROM d.new_label;
SELECT count(*) FROM triage.review WHERE (reviewed_by IS NULL) <> (queue_reason IS NOT NULL) OR (reviewed_at IS NULL) <> (queue_reason IS NOT NULL);
SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text AS same_state;

SET client_min_messages = warning;
DROP EXTENSION pg_triage CASCADE;
DROP TABLE mail;
DROP FUNCTION show;
DROP ROLE regress_triage_reviewer;
CREATE EXTENSION pg_triage;
