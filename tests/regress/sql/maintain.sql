-- Maintenance: what is due is done, once; versions that are worse, or that a reviewer who
-- guesses has taught, are not activated. In a database of its own: it works on all classifiers.
SET client_min_messages = warning;
CREATE DATABASE regression_maintain;
\c regression_maintain
SET client_min_messages = warning;
CREATE EXTENSION pg_triage;
ALTER DATABASE regression_maintain SET pg_triage.audit_rate = 0;
\c
SET client_min_messages = warning;

-- In an empty database nothing is left to do after the first time.
SELECT task, classifier, reason, status, result, error FROM triage.maintain();
SELECT * FROM triage.maintain();
SELECT * FROM triage.status;
SELECT triage.maintain(0);

-- Two kinds of mail that share many words.
CREATE TABLE mail (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text, label text, truth text);
SELECT triage.create_classifier('desk'), triage.add_label('desk', 'money'), triage.add_label('desk', 'parcel');
SELECT triage.attach('mail', ARRAY['body'], 'label', classifier => 'desk') > 0 AS attached;
CREATE FUNCTION arrive(mails int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO mail (body, truth)
    SELECT CASE WHEN kind = 0 THEN 'the invoice of order ' ELSE 'the parcel of order ' END || n || ', word' || n % 17 || ' thing' || n % 23
           || CASE WHEN n % 9 = 0 THEN '' WHEN kind = 0 THEN ' was paid twice' ELSE ' arrived broken' END,
           CASE WHEN kind = 0 THEN 'money' ELSE 'parcel' END
      FROM (SELECT n, n % 2 AS kind FROM generate_series(1, mails) AS n) AS x;
END
$$;
-- A reviewer decides about the mails that nobody has decided; of so many, the first are wrong.
CREATE FUNCTION decide(who text, mails int, wrong int DEFAULT 0) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(triage.correct(review_id, CASE WHEN n > wrong THEN truth WHEN truth = 'money' THEN 'parcel' ELSE 'money' END, actor => who))
      FROM (SELECT r.review_id, m.truth, row_number() OVER (ORDER BY r.review_id) AS n
              FROM triage.review r JOIN mail m ON m.id::text = r.email_key
             WHERE r.human_label IS NULL ORDER BY r.review_id LIMIT mails) AS x
$$;

-- Few decisions are no reason.
SELECT arrive(400), decide('ann', 40);
SELECT task, classifier, status, result FROM triage.maintain() WHERE task NOT IN ('statistics', 'watch');
SELECT classifier, ok, state, active_version, new_decisions FROM triage.status;
-- Enough of them are. Mails that came before the first version get their label then.
SELECT decide('ann', 80), count(*) FILTER (WHERE label IS NULL) AS without_label FROM mail;
SELECT task, classifier, reason, status FROM triage.maintain() WHERE task NOT IN ('statistics', 'watch');
SELECT count(*) FILTER (WHERE label IS NULL) AS without_label, count(*) FILTER (WHERE label IS DISTINCT FROM truth) AS wrong FROM mail;
SELECT version, status, champion, compared > 20 AS compared, compared_accuracy >= champion_accuracy AS no_worse, refused, note FROM triage.model_versions;
SELECT version, from_version, kind, why ~ '^120 new decisions; \d+ of \d+ decided emails right, \d+ before$' AS why FROM triage.activations;
SELECT classifier, ok, state, what_to_do, active_version, new_decisions, pending_decisions, open_alerts FROM triage.status;
SELECT task, classifier, status, done, total, ended_at >= started_at AS ended, seconds >= 0 AS seconds, error FROM triage.jobs WHERE task = 'train';
-- Nothing changes by it that the ledger does not lead to.
SELECT triage.learned_model('desk')::text = triage.replayed_model('desk')::text AS replayed;

-- Somebody guesses: refused, whatever the comparison says, and the alert says who.
SELECT arrive(300), decide('bob', 40), decide('mallory', 80, 30);
SELECT task, status, regexp_replace(result, '\d+(\.\d)?', 'N', 'g') AS result FROM triage.maintain() WHERE task = 'train';
SELECT version, status FROM triage.model_versions ORDER BY version;
SELECT classifier, severity, kind, subject, what_to_do FROM triage.alerts;
SELECT classifier, ok, active_version FROM triage.status;
-- A person may activate it all the same, and go back.
SELECT count(*) AS mails, md5(string_agg(classify_email(body, 'desk'), ' ' ORDER BY id)) AS answers FROM mail \gset
SELECT triage.activate('desk', 2, 'to see'), triage.rollback('desk', 'seen');
SELECT md5(string_agg(classify_email(body, 'desk'), ' ' ORDER BY id)) = :'answers' AS same_answers FROM mail;
SELECT activation_id, version, from_version, kind, why FROM triage.activations WHERE activation_id > 1;
SELECT version, status FROM triage.model_versions ORDER BY version;
-- What the alert says to do: let somebody else decide anew. Until all of it is answered nothing is trained.
SELECT split_part(substring(what_to_do FROM 'SELECT triage.ask_again.*'), ';', 1) AS ask FROM triage.alerts WHERE kind = 'reviewer' \gset
SELECT count(*) > 0 AS asked FROM (:ask) a;
SELECT count(*) AS trained FROM triage.maintain() WHERE task = 'train';
SELECT count(triage.correct(r.review_id, m.truth, actor => 'ann')) > 20 AS answered FROM triage.review r JOIN mail m ON m.id::text = r.email_key WHERE r.queue_reason = 'reopened';
SELECT task, reason, status, regexp_replace(result, ': .*', '') AS result FROM triage.maintain() WHERE task = 'train';
SELECT count(*) AS alerts FROM triage.alerts;

-- What would change.
SELECT * FROM triage.preview('desk', 3);
SELECT triage.deploy('desk', train_classifier(body, CASE truth WHEN 'money' THEN 'parcel' ELSE 'money' END), activate => false, note => 'upside down') FROM mail, generate_series(1, 20);
SELECT label_now, label_then, emails > 50 AS many, compared, review_ids ~ '^\d+(, \d+)*$' AS ids FROM triage.preview('desk', 4, 200) ORDER BY 1;
SELECT count(*) FROM triage.preview('desk', 4, 0);
SELECT * FROM triage.preview('desk', 9);
SELECT * FROM triage.preview('dsek', 1);
SELECT * FROM triage.preview('desk', NULL);

-- A step that fails says why, and waits before it is tried again; the others go on.
SELECT arrive(200), decide('ann', 150);
ALTER TABLE triage_internal.model ADD CONSTRAINT full_disk CHECK (version < 5);
SELECT task, status, result, error FROM triage.maintain() WHERE classifier = 'desk' AND task <> 'compact';
SELECT count(*) FROM triage.maintain() WHERE classifier = 'desk';
ALTER TABLE triage_internal.model DROP CONSTRAINT full_disk;
SELECT count(*) FROM triage.maintain() WHERE classifier = 'desk';
SELECT triage.learned_model('desk')::text = triage.replayed_model('desk')::text AS replayed;
UPDATE triage_internal.job SET ended_at = ended_at - interval '10 s' WHERE status = 'failed';
SELECT task, status FROM triage.maintain() WHERE classifier = 'desk' AND task <> 'compact';

-- What is old goes; what people made, what answers and what it went back to stays.
SELECT version, status FROM triage.model_versions ORDER BY version;
UPDATE triage_internal.job SET started_at = started_at - interval '40 days' WHERE task IN ('audit', 'retain');
SELECT triage.activate('desk', 3), triage.activate('desk', 5), triage.activate('desk', 3), triage.activate('desk', 5);
SET pg_triage.keep_versions = 1;
SELECT task, result FROM triage.maintain() WHERE task = 'retain';
SELECT version, status FROM triage.model_versions ORDER BY version;
SELECT triage.rollback('desk') IS NOT NULL AS rolled_back;

-- Another session's step that never ended.
INSERT INTO triage_internal.job (task, classifier, reason) VALUES ('compact', 'desk', 'test');
UPDATE triage_internal.job SET started_at = started_at - interval '2 days' WHERE task = 'audit';
SELECT task, status FROM triage.maintain() WHERE task = 'audit';
SELECT status FROM triage.jobs WHERE reason = 'test';

-- A transaction that ends badly leaves nothing.
SELECT decide('ann', 150);
BEGIN;
SELECT count(*) > 0 AS worked FROM triage.maintain();
ROLLBACK;
SELECT status, count(*) FROM triage.jobs WHERE status = 'running' GROUP BY 1;
SELECT triage.learned_model('desk')::text = triage.replayed_model('desk')::text AS replayed;
-- Read only.
BEGIN READ ONLY;
SELECT triage.maintain();
ROLLBACK;
-- Who may.
SET ROLE triage_reviewer;
SELECT triage.maintain();
RESET ROLE;
SET ROLE triage_reader;
SELECT count(*) > 0 AS jobs, (SELECT count(*) FROM triage.alerts) AS alerts, (SELECT count(*) FROM triage.status) AS status FROM triage.jobs;
RESET ROLE;
SET ROLE triage_trainer;
SELECT count(*) >= 0 AS may FROM triage.maintain();
RESET ROLE;

-- The audit sample says that the classifier is too sure: it becomes less so, and no label changes.
SELECT triage.create_classifier('noisy');
SELECT triage.deploy('noisy', train_classifier(CASE n % 2 WHEN 0 THEN 'invoice ' ELSE 'parcel ' END || n % 7, CASE n % 2 WHEN 0 THEN 'money' ELSE 'parcel' END))
  FROM generate_series(1, 400) AS n;
CREATE TABLE noise (id int PRIMARY KEY, body text, label text);
SELECT triage.attach('noise', ARRAY['body'], 'label', classifier => 'noisy') > 0 AS attached;
SET pg_triage.audit_rate = 1;
INSERT INTO noise (id, body) SELECT n, CASE n % 2 WHEN 0 THEN 'invoice ' ELSE 'parcel ' END || n % 7 FROM generate_series(1, 300) AS n;
RESET pg_triage.audit_rate;
CREATE VIEW sure AS
SELECT avg(s.probability) AS probability, md5(string_agg(s.label, ' ' ORDER BY n)) AS labels
  FROM generate_series(1, 40) AS n, classify_email_scores(CASE n % 2 WHEN 0 THEN 'invoice ' ELSE 'parcel ' END || n % 7, 'noisy') AS s WHERE s.rank = 1;
-- A quarter is not what it seems.
SELECT count(triage.correct(review_id, CASE WHEN (email_key::int % 8 < 2) = (email_key::int % 2 = 0) THEN 'parcel' ELSE 'money' END))
  FROM triage.review WHERE classifier = 'noisy' AND audit;
SELECT labels, probability FROM sure \gset before_
SET pg_triage.retrain_after = 0;
SELECT task, classifier, status, result FROM triage.maintain() WHERE task = 'calibrate' AND classifier = 'noisy';
SELECT labels = :'before_labels' AS same_labels, probability < :before_probability - 0.02 AS less_sure FROM sure;
SELECT labels, probability FROM sure \gset after_
SELECT triage.learned_model('noisy')::text = triage.replayed_model('noisy')::text AS replayed;
-- Steps of decisions count with both versions, also those that are made now.
SELECT count(triage.correct(review_id, CASE human_label WHEN 'money' THEN 'parcel' ELSE 'money' END)) FROM triage.review WHERE classifier = 'noisy' AND email_key::int <= 20;
SELECT probability <> :after_probability AS learned FROM sure;
SELECT triage.undo_batch(max(batch_id)) AS undone FROM triage.batches WHERE classifier = 'noisy';
SELECT labels = :'after_labels' AS same_labels, probability = :after_probability AS same_probability FROM sure;
SELECT triage.rollback('noisy');
SELECT labels = :'before_labels' AS same_labels, probability = :before_probability AS same_probability FROM sure;
SELECT triage.learned_model('noisy')::text = triage.replayed_model('noisy')::text AS replayed;
RESET pg_triage.retrain_after;

-- All versions and decisions erased: it learns again.
SELECT triage.forget_classifier('desk') > 0 AS erased;
SELECT classify_email('the invoice was paid twice', 'desk');
SELECT arrive(100), decide('ann', 100);
SELECT count(*) FILTER (WHERE classify_email(body, 'desk') = truth) > 80 AS learned FROM (SELECT * FROM mail ORDER BY id DESC LIMIT 100) AS m;
\c regression
DROP DATABASE regression_maintain;
