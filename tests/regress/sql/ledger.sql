-- The ledger: append-only, what is learned follows from it alone, and what is forgotten is gone.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_triage CASCADE;
CREATE EXTENSION pg_triage;
RESET client_min_messages;
-- Compaction happens when it is asked for.
SET pg_triage.compact_after = 0;
-- Mails of different lengths, with words that they share; the label of a person is not the predicted one as a rule.
CREATE FUNCTION body(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT string_agg(CASE i % 3 WHEN 0 THEN 'word' || (n * i) % 17 WHEN 1 THEN 'other' || (n + i) % 29 ELSE 'own' || n END, ' ') FROM generate_series(1, 3 + n % 11) i $$;
CREATE FUNCTION label(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT (ARRAY['billing', 'support', 'spam', 'hr'])[1 + n % 4] $$;
CREATE FUNCTION digest(model email_model) RETURNS text LANGUAGE sql AS $$ SELECT encode(sha256(email_model_send(model)), 'hex') $$;
CREATE FUNCTION digest(state email_state) RETURNS text LANGUAGE sql AS $$ SELECT encode(sha256(email_state_send(state)), 'hex') $$;
-- What a classifier has learned, in three ways: as sessions use it, from the ledger, and trained on the labelled mails.
CREATE FUNCTION states(name text) RETURNS TABLE (learned text, replayed text, trained text) LANGUAGE plpgsql AS $$ BEGIN
    RETURN QUERY EXECUTE format('SELECT digest(triage.learned_state(%1$L)), digest(triage.replayed_state(%1$L)),
        (SELECT digest(collect_emails(m.body, r.human_label)) FROM %2$I m JOIN triage.review r ON r.classifier = %1$L AND r.source = %3$L AND r.email_key = m.id::text WHERE r.human_label IS NOT NULL)',
        name, name || '_mail', 'public.' || name || '_mail');
END $$;
CREATE FUNCTION new_classifier(name text, mails int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    PERFORM triage.create_classifier(name);
    PERFORM triage.add_label(name, label) FROM unnest(ARRAY['billing', 'support', 'spam', 'hr']) AS label;
    EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, body text, label text)', name || '_mail');
    PERFORM triage.attach((name || '_mail')::regclass, ARRAY['body'], 'label', classifier => name);
    SET LOCAL client_min_messages = warning;
    EXECUTE format('INSERT INTO %I (id, body) SELECT i, body(i) FROM generate_series(1, %s) i', name || '_mail', mails);
END $$;
CREATE FUNCTION review(name text, mail int) RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT review_id FROM triage.review WHERE classifier = name AND email_key = mail::text $$;
SELECT new_classifier('a', 40), new_classifier('b', 40), new_classifier('c', 40), new_classifier('second', 0), new_classifier('empty', 0);

-- Append-only, also for the owner and a superuser.
SELECT count(triage.correct(review('a', i), label(i))) FROM generate_series(1, 40) i;
UPDATE triage.decision SET new_label = 'spam' WHERE decision_id = 1;
\echo :LAST_ERROR_SQLSTATE
UPDATE triage.decision SET classifier = 'b' WHERE decision_id = 1;
UPDATE triage.decision SET decided_at = now();
DELETE FROM triage.decision WHERE decision_id = 1;
\echo :LAST_ERROR_SQLSTATE
DELETE FROM triage.decision WHERE false;
TRUNCATE triage.decision;
\echo :LAST_ERROR_SQLSTATE
TRUNCATE triage.review, triage.decision;
DELETE FROM triage.classifier WHERE name = 'a';
TRUNCATE triage.classifier;
SELECT count(*), sum(decision_id) FROM triage.decision;
-- A classifier's name may change, and its history with it.
UPDATE triage.classifier SET name = 'renamed' WHERE name = 'a';
SELECT classifier, count(*) FROM triage.decision GROUP BY 1;
SELECT classifier, count(*) FROM triage.review WHERE source = 'public.a_mail' GROUP BY 1;
UPDATE triage.classifier SET name = 'a' WHERE name = 'renamed';
SELECT learned = replayed AND learned = trained AS equal FROM states('a');

-- Compaction gives the number of what it moved, and changes no answer and no count.
CREATE FUNCTION answers(name text) RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(concat_ws(' ', n, s.label, s.probability::text, s.rank), E'\n' ORDER BY n, s.rank)
         FROM generate_series(0, 60) n, classify_email_scores(left(body(n), 5 + n * 2), name) s $$;
SELECT learned AS before FROM states('a') \gset
SELECT answers('a') AS answers \gset
SELECT length(:'answers') > 1000 AS asked;
SELECT triage.compact('a'), triage.compact('a'), triage.compact('b');
SELECT answers('a') = :'answers' AS same_answers, learned = :'before' AS same_state FROM states('a');
SELECT decisions, learned IS NULL AS one_state FROM triage_internal.base WHERE classifier = 'a';
-- Half of them compacted, some of those un-learned, some relabelled.
SELECT count(triage.correct(review('a', i), label(i + 1))) FROM generate_series(1, 10) i;
SELECT count(triage.correct(review('a', i), NULL)) FROM generate_series(8, 14) i;
SELECT answers('a') AS answers, learned AS before FROM states('a') \gset
SELECT triage.compact('a');
SELECT answers('a') = :'answers' AS same_answers, learned = :'before' AS same_state, learned = replayed AND learned = trained AS equal FROM states('a');
-- Beside a model from outside.
SELECT triage.deploy('c', train_classifier(body(i), label(i + 2))) FROM generate_series(100, 180) i;
SELECT answers('c') AS of_model \gset
SELECT count(triage.correct(review('c', i), label(i))) FROM generate_series(1, 30) i;
SELECT answers('c') <> :'of_model' AS other_answers;
SELECT answers('c') AS answers, learned AS before FROM states('c') \gset
SELECT triage.compact('c');
SELECT answers('c') = :'answers' AS same_answers, learned = :'before' AS same_state, learned = replayed AND learned = trained AS equal FROM states('c');
SELECT decisions, learned IS NULL AS one_state FROM triage_internal.base WHERE classifier = 'c';
-- Another version: the decisions stay, the model below them changes.
SELECT triage.deploy('c', train_classifier(body(i), label(i + 3))) FROM generate_series(200, 290) i;
SELECT answers('c') <> :'answers' AS other_answers, learned = :'before' AS same_state, learned = replayed AND learned = trained AS equal FROM states('c');
SELECT triage.rollback('c');
SELECT answers('c') = :'answers' AS same_answers, learned = :'before' AS same_state FROM states('c');
SELECT triage.compact('nobody');
SELECT triage.compact(NULL);

-- Forgotten: as if it had never been there. "b" gets all that "a" gets but one mail.
SELECT count(triage.correct(review('a', i), label(i + 2), 'private')) FROM generate_series(1, 40) i;
SELECT count(triage.correct(review('b', i), label(i + 2))) FROM generate_series(1, 40) i WHERE i <> 13;
SELECT (SELECT learned FROM states('a')) = (SELECT learned FROM states('b')) AS equal;
SELECT triage.forget('public.a_mail', '13');
SELECT (SELECT learned FROM states('a')) = (SELECT learned FROM states('b')) AS equal, learned = replayed AND learned = trained AS all FROM states('a');
SELECT digest(triage.learned_model(c)) = digest(triage.replayed_model(c)) AS replayed FROM unnest(ARRAY['a', 'b']) AS c;
SELECT triage.compact('a'), triage.compact('b');
SELECT (SELECT learned FROM states('a')) = (SELECT learned FROM states('b')) AS equal, digest(triage.learned_model('b')) = digest(triage.replayed_model('b')) AS replayed;
-- How earlier decisions were learned may have depended on the erased email, until the next training.
SELECT triage.retrain('a') + triage.retrain('b') > 1 AS trained;
SELECT answers('a') = answers('b') AS same_answers;
SELECT count(*) FROM triage.review WHERE source = 'public.a_mail' AND email_key = '13';
SELECT count(*) FROM triage.decision d WHERE classifier = 'a' AND NOT EXISTS (SELECT FROM triage.review r WHERE r.review_id = d.review_id);
SELECT count(*) FROM triage_internal.pending p WHERE NOT EXISTS (SELECT FROM triage.decision d WHERE d.decision_id = p.decision_id);
-- The mail itself is the user's.
SELECT id, label IS NOT NULL AS labelled FROM a_mail WHERE id = 13;
SELECT triage.forget('public.a_mail', '13');
\echo :LAST_ERROR_SQLSTATE
SELECT triage.forget('public.a_mail', NULL);
SELECT triage.forget('nowhere', '1');
-- While some is pending and some is compacted.
SELECT count(triage.correct(review('a', i), label(i))) FROM generate_series(1, 6) i;
SELECT count(triage.correct(review('b', i), label(i))) FROM generate_series(1, 5) i WHERE i <> 3;
SELECT triage.forget('public.a_mail', '3') > 0 AND triage.forget('public.a_mail', '6') > 0 AND triage.forget('public.b_mail', '3') > 0 AND triage.forget('public.b_mail', '6') > 0 AS forgotten;
SELECT (SELECT learned FROM states('a')) = (SELECT learned FROM states('b')) AS equal, learned = replayed AND learned = trained AS all FROM states('a');
-- It can be decided about again.
UPDATE a_mail SET label = label(13) WHERE id = 13;
SELECT learned = replayed AND learned = trained AS equal FROM states('a');
-- One of two classifiers' reviews is not kept behind.
ALTER TABLE a_mail ADD other text;
SELECT triage.attach('a_mail', ARRAY['body'], 'other', classifier => 'second') > 0 AS attached;
UPDATE a_mail SET other = 'hr' WHERE id = 20;
SELECT triage.forget('public.a_mail', '20') > 1 AS forgotten;
SELECT digest(triage.learned_state('second')) = digest(triage.learned_state('empty')) AS empty;
-- All of them.
SELECT count(triage.forget('public.a_mail', email_key)) > 30 AS forgotten FROM (SELECT email_key FROM triage.review WHERE source = 'public.a_mail') AS r;
SELECT digest(triage.learned_state('a')) = digest(triage.learned_state('empty')) AS empty, digest(triage.learned_state('a')) = digest(triage.replayed_state('a')) AS replayed;
SELECT count(*) FROM triage.decision WHERE classifier = 'a';
SELECT classify_email('word1', 'a') IS NULL AS nothing_learned;
-- By taking back, too.
SELECT count(triage.correct(review_id, NULL)) FROM triage.review WHERE classifier = 'b';
SELECT digest(triage.learned_state('b')) = digest(triage.learned_state('empty')) AS empty;
SELECT count(*) > 40 AS history_stays FROM triage.decision WHERE classifier = 'b';
SELECT triage.compact('b') > 0 AS compacted;
SELECT digest(triage.learned_state('b')) = digest(triage.learned_state('empty')) AS empty;
SELECT triage.forget_classifier('b') > 40 AS forgotten, triage.forget_classifier('b') AS again;
SELECT (SELECT count(*) FROM triage.review WHERE classifier = 'b') AS reviews, (SELECT count(*) FROM triage.decision WHERE classifier = 'b') AS decisions,
       (SELECT count(*) FROM triage_internal.pending WHERE classifier = 'b') AS pending, (SELECT decisions FROM triage_internal.base WHERE classifier = 'b') AS in_base;
SELECT triage.forget_classifier('nobody');
-- "c" has a model of its own, which stays.
SELECT triage.forget_classifier('c') AS forgotten;
SELECT answers('c') = :'of_model' AS same_answers, digest(triage.learned_state('c')) = digest(triage.learned_state('empty')) AS empty;

-- Imported history.
SELECT triage.create_classifier('history');
CREATE TABLE past (nr int PRIMARY KEY, subject text, body text, department text);
INSERT INTO past SELECT i, 'subject' || i % 3, body(i), label(i) FROM generate_series(1, 50) i;
INSERT INTO past VALUES (51, 'x', 'y', NULL), (52, 'x', 'y', '  '), (53, 'x', 'y', ' BILLING'), (54, NULL, NULL, 'hr');
SELECT triage.learn_from('history', 'past', ARRAY['subject', 'body'], 'department');
SELECT digest(triage.learned_state('history')) = digest(triage.replayed_state('history')) AS replayed,
       digest(triage.learned_state('history')) = (SELECT digest(collect_emails(concat_ws(E'\n', subject, body), lower(btrim(department)))) FROM past WHERE nr NOT IN (51, 52)) AS trained;
SELECT version, status, documents, labels, from_ledger, note FROM triage.model_versions WHERE classifier = 'history';
SELECT classify_email('subject1 ' || body(5), 'history') = label(5) AS answers;
SELECT label FROM triage.label WHERE classifier = 'history' ORDER BY label COLLATE "C";
SELECT kind, door, count(*), count(DISTINCT batch_id) AS batches, bool_and(learned) AS learned FROM triage.decision_history WHERE classifier = 'history' GROUP BY 1, 2;
SELECT source, human_label, reviewed_by = current_user AS by, queue_reason, predicted_label FROM triage.review WHERE classifier = 'history' AND email_key = '1';
-- A second time there is nothing new, and new rows are all that is learned.
SELECT triage.learn_from('history', 'past', ARRAY['subject', 'body'], 'department');
INSERT INTO past SELECT i, 'subject' || i % 3, body(i), label(i) FROM generate_series(60, 64) i;
SELECT triage.learn_from('history', 'past', ARRAY['subject', 'body'], 'department');
SELECT max(version) FROM triage.model_versions WHERE classifier = 'history';
-- Rows that the classifier labelled itself teach nothing; those that a person decided about are in the ledger already.
SELECT triage.attach('past', ARRAY['subject', 'body'], 'department', classifier => 'history') > 0 AS attached;
INSERT INTO past VALUES (70, 'subject1', 'word3 other5'), (71, 'subject2', 'word3 other5'), (72, 'subject2', 'word3 other6');
UPDATE past SET department = CASE department WHEN 'spam' THEN 'hr' ELSE 'spam' END WHERE nr = 72;
SELECT triage.learn_from('history', 'past', ARRAY['subject', 'body'], 'department');
SELECT digest(triage.learned_state('history')) = digest(triage.replayed_state('history')) AS replayed,
       digest(triage.learned_state('history')) = (SELECT digest(collect_emails(concat_ws(E'\n', p.subject, p.body), r.human_label)) FROM past p JOIN triage.review r ON r.classifier = 'history' AND r.email_key = p.nr::text WHERE human_label IS NOT NULL) AS trained;
-- Each can be corrected and forgotten; a batch of an import can be taken back.
UPDATE past SET department = 'hr' WHERE nr = 1;
SELECT triage.forget('public.past', '2');
SELECT digest(triage.learned_state('history')) = digest(triage.replayed_state('history')) AS replayed,
       digest(triage.learned_state('history')) = (SELECT digest(collect_emails(concat_ws(E'\n', p.subject, p.body), r.human_label)) FROM past p JOIN triage.review r ON r.classifier = 'history' AND r.email_key = p.nr::text WHERE human_label IS NOT NULL) AS trained;
SELECT triage.undo_batch((SELECT max(batch_id) FROM triage.decision WHERE classifier = 'history' AND kind = 'import')) AS taken_back;
SELECT digest(triage.learned_state('history')) = digest(triage.replayed_state('history')) AS replayed,
       digest(triage.learned_state('history')) = (SELECT digest(collect_emails(concat_ws(E'\n', p.subject, p.body), r.human_label)) FROM past p JOIN triage.review r ON r.classifier = 'history' AND r.email_key = p.nr::text WHERE human_label IS NOT NULL) AS trained;
-- Without a key: no reviews, and the ledger still knows all of it.
SELECT triage.create_classifier('view');
CREATE VIEW past_view AS SELECT body, department FROM past WHERE nr < 10;
SELECT triage.learn_from('view', 'past_view', ARRAY['body'], 'department');
SELECT count(*) AS reviews FROM triage.review WHERE classifier = 'view';
SELECT digest(triage.learned_state('view')) = digest(triage.replayed_state('view')) AS replayed,
       digest(triage.learned_state('view')) = (SELECT digest(collect_emails(body, department)) FROM past_view) AS trained;
SELECT triage.undo(min(decision_id)) > 0 AS taken_back FROM triage.decision WHERE classifier = 'view';
SELECT triage.undo(min(decision_id)) FROM triage.decision WHERE classifier = 'view';
SELECT digest(triage.learned_state('view')) = digest(triage.replayed_state('view')) AS replayed;
SELECT triage.undo_batch(min(batch_id)) FROM triage.decision WHERE classifier = 'view';
SELECT triage.learn_from('view', 'past_view', ARRAY['bdoy'], 'department');
SELECT triage.learn_from('view', 'past_view', ARRAY['body'], 'departmnet');
SELECT triage.learn_from('view', 'past_view', '{}', 'department');
SELECT triage.learn_from('nobody', 'past_view', ARRAY['body'], 'department');
SELECT triage.learn_from('view', NULL, ARRAY['body'], 'department');
-- A reader's own rights count.
CREATE ROLE regress_triage_trainer;
GRANT triage_trainer, triage_reader TO regress_triage_trainer;
SET ROLE regress_triage_trainer;
SELECT triage.learn_from('view', 'past', ARRAY['body'], 'department');
RESET ROLE;

-- Retraining: a version of what the ledger says, with figures.
SELECT learned FROM (SELECT digest(triage.learned_state('history')) AS learned) AS s \gset
SELECT triage.retrain('history', 'after corrections');
SELECT version, status, documents = (SELECT count(human_label) FROM triage.review WHERE classifier = 'history') AS documents, from_ledger, note, accuracy IS NOT NULL AS measured
  FROM triage.model_versions WHERE classifier = 'history' ORDER BY version;
SELECT digest(triage.learned_state('history')) = :'learned' AS same_state, (SELECT count(*) FROM triage_internal.pending WHERE classifier = 'history') AS pending;
SELECT count(*) AS probes, count(*) FILTER (WHERE classify_with(model, probe) = classify_email(probe, 'history')) AS same
  FROM (SELECT fit_email_model(triage.replayed_state('history')) AS model) AS m, (SELECT left(body(n), 5 + n * 2) AS probe FROM generate_series(0, 60) n) AS p;
SELECT triage.retrain('empty');
\echo :LAST_ERROR_SQLSTATE
SELECT triage.retrain('nobody');
SELECT triage.retrain(NULL);

-- Whatever happens in whatever order, the counts are those of the labels that hold.
SELECT new_classifier('random', 40);
CREATE FUNCTION walk(steps int) RETURNS TABLE (step int, equal boolean) LANGUAGE plpgsql AS $$
DECLARE
    mail int;
    id   bigint;
BEGIN
    PERFORM setseed(0.4);
    FOR step IN 1 .. steps LOOP
        mail := 1 + floor(random() * 40);
        id := review('random', mail);
        CASE floor(random() * 10)
            WHEN 0, 1, 2 THEN
                UPDATE random_mail m SET label = label(floor(random() * 4)::int) WHERE m.id = mail;
            WHEN 3, 4 THEN
                PERFORM triage.correct(id, label(floor(random() * 4)::int)) WHERE id IS NOT NULL;
            WHEN 5 THEN
                UPDATE triage.review SET human_label = NULL WHERE review_id = id;
            WHEN 6 THEN
                PERFORM triage.undo(decision_id) FROM triage.review WHERE review_id = id AND decision_id IS NOT NULL;
            WHEN 7 THEN
                INSERT INTO triage.review_queue (review_id, human_label)
                    SELECT review_id, label(floor(random() * 4)::int) FROM triage.review WHERE classifier = 'random' ORDER BY random() LIMIT 3;
            WHEN 8 THEN
                PERFORM triage.compact('random');
            ELSE
                IF id IS NOT NULL AND random() < 0.5 THEN PERFORM triage.forget('public.random_mail', mail::text); END IF;
        END CASE;
        IF step % 20 = 0 THEN
            walk.step := step;
            SELECT s.learned = s.replayed AND s.learned = s.trained INTO equal FROM states('random') AS s;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
SELECT bool_and(equal) AS equal, count(*) FROM walk(300);
SELECT string_agg(DISTINCT kind, ', ' ORDER BY kind) AS kinds, count(*) > 100 AS many FROM triage.decision WHERE classifier = 'random';
SELECT count(*) FROM random_mail m JOIN triage.review r ON r.classifier = 'random' AND r.email_key = m.id::text WHERE m.label IS DISTINCT FROM coalesce(r.human_label, r.predicted_label);

-- More than a state's sample holds: un-learning takes others from the ledger into it.
SELECT triage.create_classifier('large');
CREATE TABLE large_mail AS SELECT i AS id, body(i) AS body, label(i) AS label FROM generate_series(1, 4600) i;
ALTER TABLE large_mail ADD PRIMARY KEY (id);
SELECT triage.learn_from('large', 'large_mail', ARRAY['body'], 'label');
SELECT learned = replayed AND learned = trained AS equal FROM states('large');
SELECT triage.attach('large_mail', ARRAY['body'], 'label', classifier => 'large') > 0 AS attached;
-- Half of them, so that the sample would be short.
UPDATE large_mail SET label = NULL WHERE id <= 2300;
SELECT learned = replayed AND learned = trained AS equal FROM states('large');
SELECT answers('large') AS answers \gset
SELECT triage.compact('large');
SELECT learned = replayed AND learned = trained AS equal, answers('large') = :'answers' AS same_answers FROM states('large');
SELECT count(triage.forget('public.large_mail', i::text)) FROM generate_series(2301, 2320) i;
UPDATE large_mail SET label = label(id + 1) WHERE id > 4000;
SELECT learned = replayed AND learned = trained AS equal FROM states('large');
SELECT triage.compact('large');
SELECT learned = replayed AND learned = trained AS equal FROM states('large');

SET client_min_messages = warning;
DROP EXTENSION pg_triage CASCADE;
DROP TABLE a_mail, b_mail, c_mail, second_mail, empty_mail, random_mail, large_mail, past CASCADE;
DROP FUNCTION body, label, new_classifier, review, walk;
DROP ROLE regress_triage_trainer;
CREATE EXTENSION pg_triage;
