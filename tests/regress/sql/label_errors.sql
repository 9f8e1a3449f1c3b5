-- Labels that the rest of the ledger contradicts, and from which confidence on nobody needs to look.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_triage CASCADE;
CREATE EXTENSION pg_triage;
RESET client_min_messages;
SET pg_triage.compact_after = 0;
CREATE SCHEMA suspect;
SET search_path = suspect, public;
CREATE FUNCTION body(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['invoice money refund', 'login password reset', 'parcel driver van'])[1 + n % 3] || ' hello ' || (ARRAY['today', 'now', 'please'])[1 + n / 3 % 3] || ' own' || n $$;
CREATE FUNCTION label(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT (ARRAY['billing', 'support', 'logistics'])[1 + n % 3] $$;
CREATE TABLE history (id int PRIMARY KEY, body text, label text);
INSERT INTO history SELECT n, body(n), label(n) FROM generate_series(1, 60) n;
UPDATE history SET label = 'logistics' WHERE id = 9;
UPDATE history SET label = 'billing' WHERE id = 10;
CREATE VIEW suspects AS
    SELECT email_key, label, suggested_label AS suggested, margin > 0 AS positive, abs(margin - ln(suggested_probability / label_probability)) < 1e-9 AS is_log_odds,
           label_probability + suggested_probability <= 1 AS probabilities, source, reviewed_by = current_user AS by, reviewed_at > now() - interval '1 day' AS recent
      FROM triage.suspect_labels WHERE classifier = 'c';

-- Nothing without a ledger, or with too small a one.
SELECT * FROM triage.suspect_labels;
SELECT triage.create_classifier('c');
SELECT * FROM triage_internal.find_suspects('c');
SELECT * FROM triage_internal.find_suspects('d');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM triage_internal.find_suspects(NULL);
SET client_min_messages = warning;
BEGIN;
CREATE TABLE few AS SELECT * FROM history WHERE id BETWEEN 1 AND 19;
SELECT triage.learn_from('c', 'few', ARRAY['body'], 'label');
SELECT * FROM suspects;
ROLLBACK;
BEGIN;
CREATE TABLE one AS SELECT id, body, 'all'::text AS label FROM history;
SELECT triage.learn_from('c', 'one', ARRAY['body'], 'label');
SELECT * FROM suspects;
ROLLBACK;

-- The two that are wrong, and who said so.
SELECT triage.learn_from('c', 'history', ARRAY['body'], 'label');
SELECT * FROM suspects ORDER BY email_key::int;
SELECT s.review_id = r.review_id AS review, s.decision_id = r.decision_id AS decision, s.reviewed_at = d.decided_at AS "when"
  FROM triage.suspect_labels s JOIN triage.review r USING (classifier, source, email_key) JOIN triage.decision d ON d.decision_id = s.decision_id;
-- Worst first, also as it comes.
SELECT bool_and(margin <= previous) AS worst_first FROM (SELECT margin, lag(margin, 1, 1000::float8) OVER () AS previous FROM triage.suspect_labels) s;
-- The label's spelling is that of the catalogue.
UPDATE triage.label SET label = 'Billing' WHERE label = 'billing';
SELECT label, suggested FROM suspects ORDER BY 1;
-- Decisions that are not compacted count, taken back and corrected ones do not. Compaction and training change nothing.
SELECT review_id AS ten FROM triage.review WHERE email_key = '10' \gset
SELECT review_id AS eleven FROM triage.review WHERE email_key = '11' \gset
SELECT triage.correct(:ten, 'support') > 0, triage.correct(:eleven, 'support') > 0;
SELECT email_key, label, suggested FROM suspects ORDER BY email_key::int;
CREATE VIEW figures AS SELECT classifier, decision_id, label, suggested_label, label_probability, suggested_probability, margin FROM triage.suspect_labels;
CREATE TABLE before AS SELECT * FROM figures;
SELECT triage.compact('c');
SELECT count(*) AS differ FROM (TABLE figures EXCEPT TABLE before) d;
SELECT triage.retrain('c');
SELECT count(*) AS differ FROM (TABLE figures EXCEPT TABLE before) d;
SELECT triage.correct(:eleven, NULL) > 0;
SELECT email_key, label, suggested FROM suspects ORDER BY email_key::int;
-- Only the ledger has a say, whatever was deployed.
BEGIN;
SELECT triage.deploy('c', train_classifier(body(n), 'logistics')) FROM generate_series(3, 600, 3) n;
SELECT email_key, label, suggested FROM suspects ORDER BY email_key::int;
ROLLBACK;
-- One that nobody else can be compared with is not suspect.
BEGIN;
CREATE TABLE odd (id int PRIMARY KEY, body text, label text);
INSERT INTO odd VALUES (1, 'invoice money refund', 'complaint'), (2, 'xyzzy plugh', 'billing'), (3, '', 'support');
SELECT triage.learn_from('c', 'odd', ARRAY['body'], 'label');
SELECT count(*) FROM suspects WHERE source = 'suspect.odd';
ROLLBACK;
-- An import without a key has no review, but can be undone.
CREATE TABLE keyless AS SELECT body(n) AS body, CASE n WHEN 70 THEN 'logistics' ELSE label(n) END AS label FROM generate_series(61, 90) n;
SELECT triage.learn_from('c', 'keyless', ARRAY['body'], 'label');
SELECT review_id, source, email_key, label, suggested_label FROM triage.suspect_labels WHERE classifier = 'c' AND review_id IS NULL;
SELECT count(triage.undo(decision_id)) FROM triage.suspect_labels WHERE classifier = 'c' AND review_id IS NULL;
SELECT count(*) FROM triage.suspect_labels WHERE review_id IS NULL;
-- Several classifiers, one view.
SELECT triage.create_classifier('second');
SELECT triage.learn_from('second', 'history', ARRAY['body'], 'label');
SELECT classifier, email_key FROM triage.suspect_labels ORDER BY 1, email_key::int;
-- A statement's own snapshot: read only, and in a cursor.
BEGIN READ ONLY;
SELECT count(*) FROM triage.suspect_labels;
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
DECLARE worst CURSOR FOR SELECT classifier, label FROM triage.suspect_labels WHERE classifier = 'second';
FETCH 1 FROM worst;
COMMIT;
-- Reviewers read it, although not the ledger's features.
SET ROLE triage_reviewer;
SELECT count(*) FROM triage.suspect_labels;
SELECT features FROM triage.decision;
SET ROLE triage_reader;
SELECT count(*) FROM triage.suspect_labels;
SELECT * FROM triage_internal.find_suspects('c');
RESET ROLE;
-- A ledger that its owner wrote to.
BEGIN;
INSERT INTO triage.decision (classifier, kind, new_label, actor, batch_id, door, connected_as, acting_as, tokenizer_version, sample_priority, features)
    SELECT 'second', 'import', l, 'x', 1, 'import', 'x', 'x', tokenizer_version, sample_priority, features
      FROM triage.decision, unnest(ARRAY['billing', 'support', 'nonsense']) l WHERE classifier = 'second' AND features IS NOT NULL;
SELECT count(*) >= 2 AS answers FROM triage.suspect_labels WHERE classifier = 'second';
ROLLBACK;
DROP VIEW suspects, figures;
DROP TABLE before;

-- How sure is sure enough.
RESET client_min_messages;
SELECT review_below FROM triage.classifier ORDER BY name;
CREATE TABLE mail (id int PRIMARY KEY, body text, label text);
SELECT triage.attach('mail', ARRAY['body'], 'label', classifier => 'c') > 0 AS attached;
INSERT INTO mail VALUES (1, 'invoice money refund');
-- One known word among unknown ones says little.
INSERT INTO mail VALUES (2, 'xyzzy plugh frotz gnusto rezrov blorb yomin invoice bozbar izyuk vaxum nitfol');
CREATE VIEW queue AS SELECT email_key, predicted_label, queue_reason FROM triage.review WHERE source = 'suspect.mail' ORDER BY 1;
TABLE queue;
-- From the next email on.
UPDATE triage.classifier SET review_below = 1 WHERE name = 'c';
INSERT INTO mail VALUES (3, 'invoice money refund');
TABLE queue;
UPDATE triage.classifier SET review_below = 0.000001 WHERE name = 'c';
INSERT INTO mail VALUES (4, 'xyzzy plugh frotz gnusto rezrov blorb yomin invoice bozbar izyuk vaxum nitfol');
TABLE queue;
SELECT bool_and(queue_reason = CASE WHEN confidence < 0.8 THEN 'uncertain' ELSE 'confident' END) FROM triage.review WHERE source = 'suspect.mail' AND email_key IN ('1', '2');
-- Where a decision is taken back it counts what holds then. Another classifier has its own.
UPDATE triage.classifier SET review_below = 1 WHERE name = 'second';
SELECT review_id AS three FROM triage.review WHERE source = 'suspect.mail' AND email_key = '3' \gset
SELECT triage.accept(:three) > 0 AS accepted, triage.correct(:three, NULL) > 0 AS taken_back;
TABLE queue;
UPDATE triage.classifier SET review_below = 1 WHERE name = 'c';
SELECT triage.accept(:three) AS three \gset
SELECT triage.undo(:three) > 0 AS undone;
SELECT queue_reason FROM queue WHERE email_key = '3';
UPDATE triage.classifier SET review_below = 0 WHERE name = 'c';
UPDATE mail SET label = 'support' WHERE id = 1;
UPDATE mail SET label = NULL WHERE id = 1;
SELECT queue_reason FROM queue WHERE email_key = '1';
-- A rolled back setting never held.
BEGIN;
UPDATE triage.classifier SET review_below = 1 WHERE name = 'c';
INSERT INTO mail VALUES (5, 'invoice money refund');
SELECT queue_reason FROM queue WHERE email_key = '5';
ROLLBACK;
INSERT INTO mail VALUES (5, 'invoice money refund');
SELECT queue_reason FROM queue WHERE email_key = '5';
-- As exact as it was set, whatever digits are shown.
UPDATE triage.classifier SET review_below = (SELECT confidence FROM triage.review WHERE source = 'suspect.mail' AND email_key = '5') WHERE name = 'c';
SET extra_float_digits = -15;
INSERT INTO mail VALUES (6, 'invoice money refund');
RESET extra_float_digits;
SELECT queue_reason FROM queue WHERE email_key = '6';
-- Only a share of one, set by trainers.
UPDATE triage.classifier SET review_below = 1.5;
\echo :LAST_ERROR_SQLSTATE
UPDATE triage.classifier SET review_below = 'NaN';
UPDATE triage.classifier SET review_below = -0.1;
UPDATE triage.classifier SET review_below = NULL;
SET ROLE triage_trainer;
UPDATE triage.classifier SET review_below = 0.5 WHERE name = 'c';
UPDATE triage.classifier SET open_labels = true;
SET ROLE triage_reviewer;
UPDATE triage.classifier SET review_below = 0.5 WHERE name = 'c';
RESET ROLE;
SELECT name, review_below FROM triage.classifier ORDER BY name;
