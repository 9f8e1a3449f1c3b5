-- Attached tables: rows come in by every way that PostgreSQL has, and get a label and one
-- review each; a decision is only what a person said.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_triage CASCADE;
CREATE EXTENSION pg_triage;
CREATE EXTENSION IF NOT EXISTS citext;
RESET client_min_messages;
CREATE FUNCTION train(classifier text, one text, other text) RETURNS integer LANGUAGE sql AS
    $$ SELECT triage.deploy(classifier, train_classifier(b, l))
         FROM (VALUES ('invoice money refund', one), ('charged money twice', one), ('invoice overdue', one),
                      ('login password reset', other), ('cannot login', other), ('password forgotten', other)) t (b, l),
              -- Enough that the few corrections below change few answers.
              generate_series(1, 20) $$;
CREATE VIEW reviews AS
    SELECT source, email_key AS key, classifier, predicted_label AS predicted, human_label AS human, queue_reason IS NOT NULL AS open
      FROM triage.review ORDER BY source COLLATE "C", email_key COLLATE "C", classifier COLLATE "C";
CREATE VIEW decisions AS
    SELECT source, email_key AS key, kind, old_label AS old, new_label AS new, door FROM triage.decision_history ORDER BY decision_id;
SELECT train('default', 'billing', 'support');

-- Ways in. The label is there when the statement returns.
CREATE TABLE mail (id text PRIMARY KEY, subject text, body text, label text, read boolean DEFAULT false);
SELECT triage.attach('mail', ARRAY['subject', 'body'], 'label') AS number;
INSERT INTO mail VALUES ('insert', 'invoice', 'money') RETURNING id, label;
INSERT INTO mail VALUES ('many 1', 'login', NULL), ('many 2', NULL, 'refund money'), ('many 3', 'password', '') RETURNING id, label;
INSERT INTO mail (id, subject) SELECT 'select ' || i, 'invoice' FROM generate_series(1, 3) AS i RETURNING id, label;
COPY mail (id, subject, body) FROM STDIN;
copy 1	invoice	money twice
copy 2	login	\N
\.
COPY mail (id, subject, label) FROM STDIN (FORMAT csv);
copy 3,invoice,
copy 4,invoice,support
\.
WITH arrived AS (INSERT INTO mail (id, subject) VALUES ('cte', 'login') RETURNING *) SELECT id, label FROM arrived;
PREPARE arrive AS INSERT INTO mail (id, subject) VALUES ($1, $2) RETURNING label;
EXECUTE arrive('prepared', 'invoice');
DO $$ BEGIN INSERT INTO mail (id, subject) VALUES ('plpgsql 1', 'invoice'); INSERT INTO mail (id, subject) VALUES ('plpgsql 2', 'login'); END $$;
-- What the writer has labelled is kept, and is no decision.
SELECT id, label FROM mail WHERE id = 'copy 4';
SELECT key, predicted, human, open FROM reviews;
SELECT * FROM decisions;
-- All about a review but its time.
SELECT predicted_label, round(confidence::numeric, 2) AS confidence, second_label, round(second_confidence::numeric, 2) AS second,
       margin = confidence - second_confidence AS margin, model_version, queue_reason, row_version, received_at > now() - interval '1 day' AS recent
  FROM triage.review WHERE email_key = 'insert';
-- A subtransaction that is rolled back leaves nothing, and the row can come again.
BEGIN;
SAVEPOINT s;
INSERT INTO mail (id, subject) VALUES ('savepoint', 'invoice');
ROLLBACK TO s;
SELECT count(*) FROM reviews WHERE key = 'savepoint';
INSERT INTO mail (id, subject) VALUES ('savepoint', 'login') RETURNING label;
COMMIT;
SELECT key, predicted FROM reviews WHERE key = 'savepoint';
-- A row that its table refuses leaves no review.
INSERT INTO mail (id, subject) VALUES ('insert', 'login');
SELECT key, predicted FROM reviews WHERE key = 'insert';

-- ON CONFLICT: no review for what was not inserted, and no decision by a loader.
SELECT triage.forget('public.mail', 'copy 1');
INSERT INTO mail (id, subject) VALUES ('copy 1', 'login'), ('new 1', 'login') ON CONFLICT DO NOTHING RETURNING id;
SELECT key, predicted FROM reviews WHERE key IN ('copy 1', 'new 1');
INSERT INTO mail (id, subject) VALUES ('insert', 'login'), ('new 2', 'login')
    ON CONFLICT (id) DO UPDATE SET subject = excluded.subject RETURNING id, subject, label;
INSERT INTO mail (id, subject) VALUES ('insert', 'login'), ('new 3', 'login')
    ON CONFLICT (id) DO UPDATE SET subject = excluded.subject, label = excluded.label RETURNING id, label;
SELECT key, predicted, human FROM reviews WHERE key IN ('insert', 'new 2', 'new 3');
SELECT * FROM decisions;
-- A loader that knows the label, and one that loads the same twice in a transaction.
BEGIN;
INSERT INTO mail (id, subject) VALUES ('many 1', 'invoice') ON CONFLICT (id) DO UPDATE SET label = excluded.label;
INSERT INTO mail (id, subject) VALUES ('many 1', 'invoice') ON CONFLICT (id) DO UPDATE SET label = excluded.label;
COMMIT;
SELECT * FROM decisions;
-- What a person has decided survives a loader.
UPDATE mail SET label = 'support' WHERE id = 'select 1';
INSERT INTO mail (id, subject) VALUES ('select 1', 'invoice') ON CONFLICT (id) DO UPDATE SET label = excluded.label;
SELECT m.label, r.human FROM mail m JOIN reviews r ON r.key = m.id WHERE m.id = 'select 1';
SELECT * FROM decisions;
-- The conflict is on another column than the key.
CREATE TABLE imap (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message_id text UNIQUE, subject text, label text);
SELECT triage.attach('imap', ARRAY['subject'], 'label');
INSERT INTO imap (message_id, subject) VALUES ('a', 'invoice') RETURNING label;
INSERT INTO imap (message_id, subject) VALUES ('a', 'login'), ('b', 'login')
    ON CONFLICT (message_id) DO UPDATE SET subject = excluded.subject, label = excluded.label RETURNING message_id, label;
SELECT * FROM decisions;

-- MERGE. What it inserts is labelled; a label that it sets on a row that is there is a correction.
MERGE INTO mail USING (VALUES ('merge 1', 'invoice', NULL), ('many 2', 'refund', 'support')) AS given (id, subject, label) ON mail.id = given.id
 WHEN MATCHED THEN UPDATE SET label = given.label
 WHEN NOT MATCHED THEN INSERT (id, subject) VALUES (given.id, given.subject);
SELECT id, label FROM mail WHERE id IN ('merge 1', 'many 2') ORDER BY id;
SELECT key, predicted, human, open FROM reviews WHERE key IN ('merge 1', 'many 2');
SELECT * FROM decisions;
MERGE INTO mail USING (VALUES ('merge 1')) AS given (id) ON mail.id = given.id WHEN MATCHED THEN DELETE;
-- The table's own column is a way to correct, and says no to what is not a label.
UPDATE mail SET label = ' SUPPORT ' WHERE id = 'prepared' RETURNING label;
UPDATE mail SET label = 'suport' WHERE id = 'prepared';
UPDATE mail SET label = '' WHERE id = 'prepared' RETURNING label;
UPDATE mail SET label = NULL WHERE id = 'cte' RETURNING label;
UPDATE mail SET read = true, subject = 'other' WHERE id = 'plpgsql 1' RETURNING label;
SELECT key, kind, old, new, door FROM decisions WHERE source = 'public.mail' AND key <> 'select 1';

-- Clearing the label of one that was accepted takes that back, though the label stays the same.
SELECT triage.accept(review_id) > 0 AS accepted FROM triage.review WHERE source = 'public.mail' AND email_key = 'select 2';
UPDATE mail SET label = NULL WHERE id = 'select 2' RETURNING label;
-- What one statement of several has left behind does not hide what the next one decides.
INSERT INTO mail (id, subject) VALUES ('copy 2', 'invoice') ON CONFLICT DO NOTHING \; UPDATE mail SET label = 'billing' WHERE id = 'copy 2';
UPDATE mail SET label = NULL WHERE id = 'select 3' \; UPDATE mail SET label = 'support' WHERE id = 'select 3';
DO $$ BEGIN
    INSERT INTO mail (id, subject) VALUES ('block', 'charged twice');
    UPDATE mail SET label = 'support' WHERE id = 'block';
    UPDATE mail SET label = NULL WHERE id = 'block';
    UPDATE mail SET label = 'support' WHERE id = 'block';
END $$;
SELECT key, label, predicted, human, open FROM reviews JOIN mail ON id = key WHERE key IN ('select 2', 'select 3', 'copy 2', 'block') ORDER BY key COLLATE "C";
SELECT key, kind, old, new, door FROM decisions WHERE key IN ('select 2', 'select 3', 'copy 2', 'block');

-- Keys: changed, deleted, used again.
UPDATE mail SET id = 'moved' WHERE id = 'many 2';
SELECT key, predicted, human FROM reviews WHERE key IN ('moved', 'many 2');
UPDATE mail SET id = 'moved again', label = 'billing' WHERE id = 'moved';
SELECT key, predicted, human FROM reviews WHERE key LIKE 'moved%';
DELETE FROM mail WHERE id = 'moved again';
SELECT key, predicted, human FROM reviews WHERE key LIKE 'moved%';
INSERT INTO mail (id, subject) VALUES ('moved again', 'login') RETURNING label;
SELECT key, predicted, human, open FROM reviews WHERE key LIKE 'moved%';
-- To the key of an email that is gone.
DELETE FROM mail WHERE id = 'moved again';
UPDATE mail SET id = 'moved again' WHERE id = 'plpgsql 2' RETURNING id, label;
SELECT key, predicted FROM reviews WHERE key IN ('moved again', 'plpgsql 2');

-- Many keys at once, each to the next one's.
CREATE TABLE shift (id int PRIMARY KEY DEFERRABLE, body text, label text);
SELECT triage.attach('shift', ARRAY['body'], 'label') > 0 AS attached;
INSERT INTO shift VALUES (1, 'invoice'), (2, 'login');
UPDATE shift SET id = -id;
UPDATE shift SET id = 3 + id;
UPDATE shift SET id = id + 1;
SELECT id, label FROM shift ORDER BY id;
SELECT key, predicted FROM reviews WHERE source = 'public.shift';

-- Labels that a row comes with.
CREATE TABLE given (id int PRIMARY KEY, body text, label text);
SELECT triage.attach('given', ARRAY['body'], 'label', record_given_labels => true);
INSERT INTO given VALUES (1, 'invoice', 'Support'), (2, 'invoice', 'billing'), (3, 'invoice', NULL), (4, 'invoice', 'nonsense'), (5, 'login', ' ');
SELECT * FROM given ORDER BY id;
SELECT key, predicted, human, open FROM reviews WHERE source = 'public.given';
SELECT key, kind, old, new, door FROM decisions WHERE source = 'public.given';
SET pg_triage.on_error = error;
INSERT INTO given VALUES (6, 'invoice', 'nonsense');
RESET pg_triage.on_error;
UPDATE given SET label = NULL WHERE id = 1 RETURNING label;

-- Types of keys.
CREATE TABLE k_varchar (k varchar(10) PRIMARY KEY, body text, label varchar(20));
CREATE TABLE k_citext (k citext PRIMARY KEY, body citext, label citext);
CREATE TABLE k_uuid (k uuid PRIMARY KEY DEFAULT gen_random_uuid(), body text, label text);
CREATE TABLE k_identity (k int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, body text, label text);
CREATE TABLE k_serial (body text, label text, k bigserial PRIMARY KEY);
CREATE TABLE k_small (k smallint UNIQUE, body text, label text);
SELECT triage.attach('k_varchar', ARRAY['body'], 'label') > 0 AND triage.attach('k_citext', ARRAY['body'], 'label') > 0
   AND triage.attach('k_uuid', ARRAY['body'], 'label') > 0 AND triage.attach('k_identity', ARRAY['body'], 'label') > 0
   AND triage.attach('k_serial', ARRAY['body'], 'label') > 0 AND triage.attach('k_small', ARRAY['body'], 'label', 'k') > 0 AS attached;
INSERT INTO k_varchar VALUES ('ä', 'invoice') RETURNING label;
INSERT INTO k_citext VALUES ('Abc', 'invoice') RETURNING label;
INSERT INTO k_uuid (body) VALUES ('invoice') RETURNING label;
INSERT INTO k_identity (body) VALUES ('invoice') RETURNING k, label;
INSERT INTO k_serial (body) VALUES ('invoice') RETURNING k, label;
INSERT INTO k_small (k, body) VALUES (-7, 'invoice'), (NULL, 'login') RETURNING k, label;
-- Each can be decided about through its review, which finds its row.
SELECT count(triage.correct(review_id, 'support')) FROM triage.review WHERE source LIKE 'public.k\_%';
SELECT (SELECT label FROM k_varchar) AS "varchar", (SELECT label FROM k_citext) AS "citext", (SELECT label FROM k_uuid) AS "uuid",
       (SELECT label FROM k_identity) AS "identity", (SELECT label FROM k_serial) AS "serial", (SELECT label FROM k_small WHERE k = -7) AS "small";
UPDATE k_citext SET label = 'billing' WHERE k = 'ABC';
INSERT INTO k_citext VALUES ('ABC', 'login') ON CONFLICT (k) DO UPDATE SET label = excluded.label;
SELECT source, kind, old, new, door FROM decisions WHERE source LIKE 'public.k\_%' ORDER BY source, kind, old, door;
SELECT source, label, human_label FROM triage.k_citext_queue;

-- Generated columns, defaults and the table's own triggers.
CREATE TABLE own (id int PRIMARY KEY, size int GENERATED ALWAYS AS (length(body)) STORED, body text DEFAULT 'login', label text, n int DEFAULT 7,
                  shown text GENERATED ALWAYS AS (coalesce(label, 'none')) STORED);
SELECT triage.attach('own', ARRAY['body'], 'label');
CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id = 1 THEN NEW.body := 'invoice money'; END IF;
    IF NEW.id = 2 THEN NEW.label := 'support'; END IF;
    IF NEW.id = 3 THEN RETURN NULL; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER change BEFORE INSERT ON own FOR EACH ROW EXECUTE FUNCTION change();
INSERT INTO own (id) VALUES (1), (2), (3), (4) RETURNING *;
SELECT key, predicted, human FROM reviews WHERE source = 'public.own';
-- The same after labelling.
ALTER TRIGGER change ON own RENAME TO zzz_change;
INSERT INTO own (id, body) VALUES (12, 'invoice'), (13, 'login');
TRUNCATE own;
INSERT INTO own (id, body) VALUES (2, 'invoice'), (3, 'login'), (4, 'login') RETURNING *;
SELECT key, predicted, human FROM reviews WHERE source = 'public.own';
SELECT count(*) FROM decisions WHERE source = 'public.own';
DROP TRIGGER zzz_change ON own;
-- A trigger of the table's own sees labels that come through a review.
CREATE TABLE seen (id int, label text);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (NEW.id, NEW.label); RETURN NEW; END $$;
CREATE TRIGGER see AFTER UPDATE ON own FOR EACH ROW EXECUTE FUNCTION see();
SELECT triage.correct(review_id, 'billing') > 0 AS corrected FROM triage.review WHERE source = 'public.own' AND email_key = '4';
SELECT * FROM seen;
SELECT id, label, shown FROM own WHERE id = 4;

-- Partitions, one with its columns in another order.
CREATE TABLE part (id int, box text, body text, label text, PRIMARY KEY (id, box)) PARTITION BY LIST (box);
CREATE TABLE part_in PARTITION OF part FOR VALUES IN ('in');
CREATE TABLE part_old (label text, body text, box text NOT NULL, gone int, id int NOT NULL, PRIMARY KEY (id, box));
ALTER TABLE part_old DROP COLUMN gone;
SELECT triage.attach('part', ARRAY['body'], 'label', 'id') > 0 AS attached;
ALTER TABLE part ATTACH PARTITION part_old FOR VALUES IN ('old');
INSERT INTO part VALUES (1, 'in', 'invoice'), (2, 'old', 'login') RETURNING id, box, label;
INSERT INTO part_in VALUES (3, 'in', 'login') RETURNING id, label;
INSERT INTO part_old (id, box, body) VALUES (4, 'old', 'invoice') RETURNING id, label;
UPDATE part SET label = 'support' WHERE id = 1;
UPDATE part_old SET label = 'support' WHERE id = 4;
SELECT triage.correct(review_id, 'billing') > 0 AS corrected FROM triage.review WHERE source = 'public.part' AND email_key IN ('2', '3');
SELECT key, predicted, human FROM reviews WHERE source = 'public.part';
UPDATE part SET label = 'support' WHERE id = 3;
SELECT id, box, label FROM part ORDER BY id;
-- A row that moves to another partition is the same email.
INSERT INTO part VALUES (5, 'in', 'invoice');
UPDATE part SET box = CASE box WHEN 'in' THEN 'old' ELSE 'in' END;
SELECT key, predicted, human FROM reviews WHERE source = 'public.part';
SELECT key, kind, old, new, door FROM decisions WHERE source = 'public.part';
UPDATE part SET label = 'support' WHERE id = 5;
-- Moved and corrected in one statement.
UPDATE part SET box = 'in', label = 'support' WHERE id = 1;
UPDATE part SET box = 'old', label = 'billing' WHERE id = 1;
SELECT key, kind, old, new, door FROM decisions WHERE source = 'public.part' AND key IN ('1', '5');
-- Also where labels that come with a row count as decisions.
CREATE TABLE part_given (id int, box text, body text, label text, PRIMARY KEY (id, box)) PARTITION BY LIST (box);
CREATE TABLE part_given_in PARTITION OF part_given FOR VALUES IN ('in');
CREATE TABLE part_given_old PARTITION OF part_given FOR VALUES IN ('old');
SELECT triage.attach('part_given', ARRAY['body'], 'label', 'id', record_given_labels => true) > 0 AS attached;
INSERT INTO part_given VALUES (1, 'in', 'invoice', NULL), (2, 'in', 'invoice', 'support');
UPDATE part_given SET box = 'old';
SELECT key, predicted, human, open FROM reviews WHERE source = 'public.part_given';
SELECT key, kind, old, new, door FROM decisions WHERE source = 'public.part_given';

-- A table and its columns are renamed and moved: everything goes on.
CREATE TABLE before (id int PRIMARY KEY, subject text, body text, label text);
SELECT triage.attach('before', ARRAY['subject', 'body'], 'label');
INSERT INTO before VALUES (1, 'invoice', NULL), (2, 'login', NULL), (3, 'login', NULL), (4, 'login', NULL);
CREATE SCHEMA elsewhere;
ALTER TABLE before RENAME TO after;
ALTER TABLE after SET SCHEMA elsewhere;
ALTER TABLE elsewhere.after RENAME COLUMN label TO "My Label";
ALTER TABLE elsewhere.after RENAME COLUMN id TO "number";
ALTER TABLE elsewhere.after RENAME COLUMN subject TO "what about";
-- A new table takes the old name and the old column names.
CREATE TABLE before (id int PRIMARY KEY, subject text, body text, label text);
INSERT INTO before VALUES (1, 'untouched') RETURNING label;
INSERT INTO elsewhere.after VALUES (5, 'invoice money', 'refund') RETURNING "My Label";
UPDATE elsewhere.after SET "My Label" = 'support' WHERE "number" = 1;
SELECT triage.correct(review_id, 'billing') > 0 AS function FROM triage.review WHERE source = 'public.before' AND email_key = '2';
UPDATE triage.review SET human_label = 'billing' WHERE source = 'public.before' AND email_key = '3' RETURNING human_label;
UPDATE triage.before_queue SET human_label = 'billing' WHERE email_key = '4' RETURNING human_label, label;
UPDATE triage.review_queue SET human_label = 'support' WHERE source = 'public.before' AND email_key = '5' RETURNING human_label;
SELECT * FROM elsewhere.after ORDER BY 1;
SELECT key, kind, new, door FROM decisions WHERE source = 'public.before';
SELECT triage.attach('before', ARRAY['subject'], 'label');
INSERT INTO before VALUES (2, 'invoice') RETURNING label;
SELECT source, relation, attached, queue_view FROM triage_internal.source WHERE source LIKE 'public.before%' ORDER BY source_id;

-- Odd texts.
INSERT INTO mail (id) VALUES ('no text') RETURNING label IN ('billing', 'support') AS labelled;
INSERT INTO mail (id, subject, body) VALUES ('empty', '', '') RETURNING label IN ('billing', 'support') AS labelled;
INSERT INTO mail (id, subject, body) VALUES ('5 MB', 'invoice', repeat('money ', 5 * 1024 * 1024 / 6)) RETURNING label;
INSERT INTO mail (id, subject, body) VALUES ('behind 1 MB', 'login', repeat('x ', 600000) || repeat('invoice money refund ', 100)) RETURNING label;
INSERT INTO mail (id, subject) VALUES ('emoji', '📬 INVOICE ｍｏｎｅｙ') RETURNING label;
-- A label that does not fit waits for a person, and does not stop the mail.
CREATE TABLE narrow (id int PRIMARY KEY, body text, label varchar(5));
SELECT triage.attach('narrow', ARRAY['body'], 'label');
INSERT INTO narrow VALUES (1, 'invoice'), (2, 'login') RETURNING *;
SELECT key, predicted, human, open FROM reviews WHERE source = 'public.narrow';
SET pg_triage.on_error = error;
INSERT INTO narrow VALUES (3, 'invoice');
RESET pg_triage.on_error;
SELECT count(*) FROM narrow;
SELECT triage.classify_pending('narrow');
UPDATE narrow SET label = 'billing' WHERE id = 1;

-- No model yet: the row comes in, one notice, one review that waits.
SELECT triage.create_classifier('later');
CREATE TABLE waiting (id int PRIMARY KEY, body text, label text);
SELECT triage.attach('waiting', ARRAY['body'], 'label', classifier => 'later');
INSERT INTO waiting SELECT i, CASE i % 2 WHEN 0 THEN 'invoice money' ELSE 'login' END FROM generate_series(1, 450) AS i;
INSERT INTO waiting VALUES (451, 'invoice');
SELECT predicted, human, open, count(*) FROM reviews WHERE source = 'public.waiting' GROUP BY 1, 2, 3;
SELECT reviews, unclassified, uncertain + confident AS predicted FROM triage.review_progress WHERE source = 'public.waiting';
SELECT triage.classify_pending('waiting');
-- Batches: no more than asked for, and none is left over or done twice.
SELECT train('later', 'billing', 'support');
SELECT triage.classify_pending('waiting', 1), triage.classify_pending('waiting', 0), triage.classify_pending('waiting', 300);
SELECT count(label), count(*) FROM waiting;
SELECT triage.classify_pending('waiting', 300);
SELECT triage.classify_pending('waiting', 300);
SELECT label, count(*), bool_and(label = CASE id % 2 WHEN 0 THEN 'billing' ELSE 'support' END OR id = 451) AS right FROM waiting GROUP BY 1 ORDER BY 1;
SELECT unclassified, uncertain + confident AS predicted FROM triage.review_progress WHERE source = 'public.waiting';
SELECT count(*) FROM decisions WHERE source = 'public.waiting';
-- A table that does not take the label: it was not labelled, so asking until there are none left ends.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER refuse BEFORE UPDATE ON waiting FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE waiting DISABLE TRIGGER USER;
INSERT INTO waiting VALUES (800, 'login');
ALTER TABLE waiting ENABLE TRIGGER USER;
SELECT triage.classify_pending('waiting', 50);
DROP TRIGGER refuse ON waiting;
SELECT triage.classify_pending('waiting', 50);
-- Rows from before the table was attached.
ALTER TABLE waiting DISABLE TRIGGER USER;
INSERT INTO waiting VALUES (900, 'invoice money');
ALTER TABLE waiting ENABLE TRIGGER USER;
UPDATE waiting SET label = 'support' WHERE id = 900;
SELECT key, predicted, human, open FROM reviews WHERE source = 'public.waiting' AND key = '900';
SELECT triage.classify_pending();
SELECT triage.classify_pending('seen');
SELECT triage.classify_pending('waiting', NULL);

-- Names that need quoting; a writer without any right in schema triage.
CREATE SCHEMA "S.x";
CREATE TABLE "S.x"."T ""q'" ("the 'id'" int PRIMARY KEY, "b%I'ody" text, "La""bel" text);
SELECT triage.attach('"S.x"."T ""q''"', ARRAY['b%I''ody'], 'La"bel') > 0 AS attached;
CREATE ROLE regress_triage_writer;
GRANT USAGE ON SCHEMA "S.x" TO regress_triage_writer;
GRANT SELECT, INSERT, UPDATE ON "S.x"."T ""q'" TO regress_triage_writer;
SET ROLE regress_triage_writer;
SET search_path = '';
INSERT INTO "S.x"."T ""q'" VALUES (1, 'login'), (2, 'invoice') RETURNING *;
UPDATE "S.x"."T ""q'" SET "La""bel" = 'billing' WHERE "the 'id'" = 1;
SELECT * FROM triage.review;
RESET search_path;
RESET ROLE;
SELECT triage.correct(review_id, 'support') > 0 AS corrected FROM triage."T ""q'_queue" WHERE email_key = '2';
SELECT * FROM "S.x"."T ""q'" ORDER BY 1;
SELECT d.source, email_key AS key, kind, new_label, actor, acting_as = session_user AS self FROM triage.decision_history d WHERE source LIKE '"S.x"%' ORDER BY decision_id;

-- Two questions about one table.
SELECT triage.create_classifier('urgency');
SELECT train('urgency', 'high', 'low');
ALTER TABLE mail ADD urgency text;
SELECT triage.attach('mail', ARRAY['subject', 'body'], 'urgency', classifier => 'urgency');
INSERT INTO mail (id, subject) VALUES ('both', 'invoice') RETURNING label, urgency;
UPDATE mail SET urgency = 'low' WHERE id = 'both';
UPDATE mail SET label = 'low' WHERE id = 'both';
UPDATE mail SET id = 'both moved', label = 'support', urgency = 'high' WHERE id = 'both';
SELECT key, classifier, predicted, human FROM reviews WHERE key LIKE 'both%';
SELECT d.key, d.kind, d.old, d.new FROM decisions d WHERE key LIKE 'both%';
SELECT table_name FROM information_schema.views WHERE table_schema = 'triage' AND table_name LIKE 'mail%' ORDER BY 1;

-- Detached: rows and labels are the user's alone, reviews stay, and it can be attached again.
SELECT triage.detach('mail');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'mail'::regclass;
INSERT INTO mail (id, subject) VALUES ('detached', 'invoice') RETURNING label;
UPDATE mail SET label = 'anything' WHERE id = 'detached' RETURNING label;
SELECT count(*) FROM reviews WHERE key = 'detached';
SELECT triage.correct(review_id, 'support') > 0 AS decided FROM triage.review WHERE email_key = 'insert' AND classifier = 'default';
SELECT label FROM mail WHERE id = 'insert';
SELECT triage.detach('mail');
SELECT to_regclass('triage.mail_queue') IS NULL AS view_is_gone;
UPDATE mail SET label = NULL WHERE id = 'detached';
SELECT triage.attach('mail', ARRAY['subject', 'body'], 'label') = (SELECT min(source_id) FROM triage_internal.source WHERE relation = 'mail'::regclass) AS same;
SELECT triage.classify_pending('mail');
SELECT m.label, r.predicted FROM mail m JOIN reviews r ON r.key = m.id AND r.classifier = 'default' WHERE m.id = 'detached';
UPDATE mail SET label = 'support' WHERE id = 'detached';
SELECT kind, old, new FROM decisions WHERE key = 'detached';

-- A table that is gone leaves its reviews, which can still be decided about and forgotten.
DROP TABLE k_serial;
SELECT to_regclass('triage.k_serial_queue') IS NULL AS view_is_gone;
DROP TABLE k_serial CASCADE;
SELECT triage.correct(review_id, 'billing') > 0 AS decided FROM triage.review WHERE source = 'public.k_serial';
SELECT triage.forget('public.k_serial', '1') AS erased;
SELECT triage.classify_pending();
CREATE TABLE k_serial (body text, label text, k bigserial PRIMARY KEY);
SELECT triage.attach('k_serial', ARRAY['body'], 'label') > 0 AS attached;
INSERT INTO k_serial (body) VALUES ('invoice') RETURNING label;
SELECT label, predicted_label FROM triage.k_serial_queue;

-- Without the extension tables are as they were before.
SET client_min_messages = warning;
DROP EXTENSION pg_triage CASCADE;
INSERT INTO own (id) VALUES (100) RETURNING label;
DROP TABLE mail, imap, shift, given, k_varchar, k_citext, k_uuid, k_identity, k_serial, k_small, own, seen, part, part_given, before, elsewhere.after,
    narrow, waiting CASCADE;
DROP SCHEMA elsewhere;
DROP SCHEMA "S.x" CASCADE;
DROP FUNCTION change, see, refuse, train CASCADE;
DROP ROLE regress_triage_writer;
DROP EXTENSION citext;
CREATE EXTENSION pg_triage;
