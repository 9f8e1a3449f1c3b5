-- The residual layer's steps: one per decision, learned once, taken back exactly.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_triage CASCADE;
CREATE EXTENSION pg_triage;
CREATE FUNCTION steps_same(classifier text) RETURNS boolean LANGUAGE sql AS
    $$ SELECT triage.learned_model(classifier)::text = triage.replayed_model(classifier)::text
          AND triage.learned_state(classifier)::text = triage.replayed_state(classifier)::text $$;
CREATE FUNCTION step_answers(classifier text) RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(label || probability, ' ' ORDER BY n, label) FROM generate_series(1, 12) AS n, classify_email_scores('word' || n || ' money', classifier) $$;
CREATE TABLE mail (id int PRIMARY KEY, body text, label text);
SELECT triage.create_classifier('q'), triage.add_label('q', 'c');
SELECT triage.attach('mail', ARRAY['body'], 'label', classifier => 'q') > 0 AS attached;
SELECT triage.deploy('q', train_classifier('word' || i % 12 || ' money' || i % 5, CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END)) FROM generate_series(1, 60) AS i;
INSERT INTO mail SELECT i, 'word' || i % 12 || ' money' FROM generate_series(1, 40) AS i;
-- Equal mails in one statement do not each make up for the same mistake.
SELECT triage.correct_many(array_agg(review_id), 'c') > 0 AS decided FROM triage.review WHERE email_key::int % 12 = 1;
SELECT count(*) AS decisions, count(step) < 4 AS few_steps, count(DISTINCT step) = count(step) AS each_its_own FROM triage.decision;
SELECT steps_same('q');
UPDATE mail SET label = (ARRAY['a', 'b', 'c'])[1 + id % 3] WHERE id % 12 > 4;
SELECT steps_same('q');
SELECT step_answers('q') AS before \gset
SELECT triage.compact('q') > 0 AS compacted;
SELECT step_answers('q') = :'before' AS same_answers, steps_same('q');
-- Taken back, exactly.
UPDATE mail SET label = 'b' WHERE id IN (5, 6, 7);
SELECT step_answers('q') <> :'before' AS learned;
SELECT triage.undo_batch(max(batch_id)) > 0 AS undone FROM triage.decision;
SELECT step_answers('q') = :'before' AS same_answers, steps_same('q');
-- Another version, and back: its steps count again.
SELECT triage.retrain('q') AS version;
SELECT steps_same('q');
UPDATE mail SET label = 'a' WHERE id IN (8, 9);
SELECT steps_same('q');
SELECT step_answers('q') AS trained \gset
SELECT triage.rollback('q') AS version;
SELECT steps_same('q');
SELECT triage.activate('q', 2) AS version;
SELECT step_answers('q') = :'trained' AS same_answers, steps_same('q');
-- Erased, also in versions.
SELECT triage.forget('public.mail', '8') > 0 AS forgotten;
SELECT steps_same('q');
SELECT triage.rollback('q') AS version;
SELECT steps_same('q');
SELECT triage.activate('q', 2) AS version;
SELECT steps_same('q');
-- A long email is learned by the counts alone.
INSERT INTO mail SELECT 100, string_agg(md5(i::text), ' ') FROM generate_series(1, 9000) AS i;
UPDATE mail SET label = CASE label WHEN 'a' THEN 'b' ELSE 'a' END WHERE id = 100;
SELECT step IS NULL AS no_step, length(features) > 200000 AS long FROM triage.decision ORDER BY decision_id DESC LIMIT 1;
-- A label that is spelled differently keeps its description.
SELECT triage.create_classifier('d'), triage.add_label('d', 'billing', 'invoice money'), triage.add_label('d', 'help', 'server crash');
UPDATE triage.label SET label = 'Billing' WHERE label = 'billing' AND classifier = 'd';
SELECT triage.add_label('d', 'Billing', 'refund'), triage.add_label('d', 'Billing', '');
SELECT label, round(probability::numeric, 3) AS probability FROM classify_email_scores('invoice', 'd');
SET client_min_messages = warning;
DROP TABLE mail CASCADE;
DROP FUNCTION steps_same(text), step_answers(text);
