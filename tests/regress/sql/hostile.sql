-- Owners of attached tables, reviewers and odd sequences of statements: what each may not
-- bring about.
SET client_min_messages = warning;
CREATE ROLE hostile_owner;
CREATE ROLE hostile_reviewer;
GRANT triage_trainer TO hostile_owner;
GRANT triage_reviewer TO hostile_reviewer;
CREATE SCHEMA hostile AUTHORIZATION hostile_owner;
GRANT USAGE ON SCHEMA hostile TO hostile_reviewer;
SELECT triage.deploy('default', train_classifier(body, label))
  FROM (VALUES ('invoice money', 'billing'), ('password login', 'support'), ('parcel truck', 'logistics')) AS mail (body, label);

SET ROLE hostile_owner;
CREATE TABLE hostile.mail (id bigint PRIMARY KEY, body text, category text, secret text, place point);
SELECT triage.attach('hostile.mail', ARRAY['body'], 'category') > 0 AS attached;
INSERT INTO hostile.mail (id, body) VALUES (1, 'invoice'), (2, 'password'), (3, 'parcel');
RESET ROLE;

-- A trigger of the table's owner changes settings for good: they do not outlive the correction,
-- and no query of ours runs with the owner's operators.
SET ROLE hostile_owner;
CREATE FUNCTION hostile.equal(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        ALTER ROLE hostile_owner SUPERUSER;
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    RETURN pg_catalog.int8eq($1, $2);
END $$;
CREATE OPERATOR hostile.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = hostile.equal);
CREATE FUNCTION hostile.take_over() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'hostile, pg_catalog', false);
    PERFORM pg_catalog.set_config('pg_triage.actor', 'the boss', false);
    RETURN NEW;
END $$;
CREATE TRIGGER take_over BEFORE UPDATE ON hostile.mail FOR EACH ROW EXECUTE FUNCTION hostile.take_over();
RESET ROLE;
SELECT triage.correct_many(string_agg(review_id::text, ','), 'support') > 0 AS done FROM triage.review WHERE source = 'hostile.mail';
SELECT rolsuper FROM pg_roles WHERE rolname = 'hostile_owner';
SHOW search_path;
SHOW pg_triage.actor;
DROP TRIGGER take_over ON hostile.mail;

-- What they leave behind to run at commit is refused.
SET ROLE hostile_owner;
CREATE FUNCTION hostile.later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING 'runs as %', current_user;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON hostile.mail DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION hostile.later();
RESET ROLE;
SELECT triage.correct(review_id, 'billing') FROM triage.review WHERE email_key = '2' AND source = 'hostile.mail';
DROP TRIGGER later ON hostile.mail;

-- A reviewer cannot forge the columns that are not his.
SET ROLE hostile_reviewer;
UPDATE triage.review SET decision_id = 1 WHERE email_key = '3' AND source = 'hostile.mail';
UPDATE triage.review SET given_label = 'x' WHERE email_key = '3' AND source = 'hostile.mail';
UPDATE triage.review SET row_version = NULL, predicted_label = 'forged' WHERE email_key = '3' AND source = 'hostile.mail';
UPDATE triage.review_queue SET row_version = NULL, confidence = 1 WHERE email_key = '3' AND source = 'hostile.mail';
UPDATE triage.review SET row_version = NULL, human_label = 'billing' WHERE email_key = '3' AND source = 'hostile.mail'
    RETURNING human_label, row_version, predicted_label;
-- A form sends back all that it read, the key too.
UPDATE triage.review SET review_id = review_id, classifier = classifier, confidence = confidence, note = 'seen'
 WHERE email_key = '3' AND source = 'hostile.mail' RETURNING note, row_version;
RESET ROLE;

-- Triggers that our own write fires are not us.
SET ROLE hostile_owner;
CREATE FUNCTION hostile.forge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE triage.review SET human_label = 'not a label', predicted_label = 'x' WHERE source = 'hostile.mail' AND email_key = '2';
    RETURN NULL;
END $$;
CREATE TRIGGER forge AFTER UPDATE ON hostile.mail FOR EACH ROW EXECUTE FUNCTION hostile.forge();
RESET ROLE;
SELECT triage.correct(review_id, 'logistics') FROM triage.review WHERE email_key = '1' AND source = 'hostile.mail';
DROP TRIGGER forge ON hostile.mail;
SET ROLE hostile_owner;
CREATE FUNCTION hostile.follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO hostile.mail (id, body) VALUES (NEW.id + 100, 'invoice again');
    RETURN NULL;
END $$;
CREATE TRIGGER follow AFTER UPDATE OF category ON hostile.mail FOR EACH ROW EXECUTE FUNCTION hostile.follow();
RESET ROLE;
SELECT triage.correct(review_id, 'billing') > 0 AS done FROM triage.review WHERE email_key = '1' AND source = 'hostile.mail';
SELECT m.id, m.category IS NOT NULL AS labelled, r.predicted_label IS NOT NULL AS reviewed
  FROM hostile.mail m JOIN triage.review r ON r.email_key = m.id::text AND r.source = 'hostile.mail' WHERE m.id = 101;
DROP TRIGGER follow ON hostile.mail;

-- Another trigger's column list is not taken for ours, and odd types are refused.
SET ROLE hostile_owner;
CREATE FUNCTION hostile.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
DO $$
BEGIN
    EXECUTE format('CREATE TRIGGER aaa BEFORE UPDATE OF secret, place, body ON hostile.mail FOR EACH ROW EXECUTE FUNCTION hostile.nothing(%s)',
        (SELECT source_id FROM triage.sources WHERE source = 'hostile.mail'));
END $$;
SELECT triage.classify_pending('hostile.mail');
SELECT triage.correct(review_id, 'support') > 0 AS done FROM triage.review WHERE email_key = '1' AND source = 'hostile.mail';
SELECT category, secret FROM hostile.mail WHERE id = 1;
CREATE TYPE hostile.citext AS (a int, b text);
CREATE TABLE hostile.odd (id hostile.citext PRIMARY KEY, body text, category text);
SELECT triage.attach('hostile.odd', ARRAY['body'], 'category');
RESET ROLE;

-- The queue view belongs to the extension's owner.
SET ROLE hostile_owner;
ALTER VIEW triage.mail_queue SET SCHEMA hostile;
RESET ROLE;

-- A label column serves one classifier.
SELECT triage.create_classifier('second');
SELECT triage.attach('hostile.mail', ARRAY['body'], 'category', classifier => 'second');

-- Taking back an accepted label through the column.
SELECT triage.add_label('second', 'yes'), triage.add_label('second', 'no');
INSERT INTO hostile.mail (id, body) VALUES (20, 'parcel on the truck') RETURNING category;
SELECT triage.accept(review_id) > 0 AS done FROM triage.review WHERE email_key = '20' AND source = 'hostile.mail';
UPDATE hostile.mail SET category = NULL WHERE id = 20 RETURNING category;
SELECT human_label, queue_reason FROM triage.review WHERE email_key = '20' AND source = 'hostile.mail';

-- A label that the row had before anybody decided comes back.
INSERT INTO hostile.mail (id, body, category) VALUES (21, 'invoice', 'legacy');
UPDATE hostile.mail SET category = 'support' WHERE id = 21;
SELECT triage.undo(max(decision_id)) > 0 AS done FROM triage.decision;
SELECT category FROM hostile.mail WHERE id = 21;

-- Within one statement of the client: the second one is a person's.
DO $$
BEGIN
    INSERT INTO hostile.mail (id, body) VALUES (21, 'invoice money') ON CONFLICT DO NOTHING;
    UPDATE hostile.mail SET category = 'billing' WHERE id = 21;
END $$;
SELECT human_label FROM triage.review WHERE email_key = '21' AND source = 'hostile.mail';

-- An upsert does not decide, whatever it does to the label.
INSERT INTO hostile.mail (id, body) VALUES (21, 'parcel') ON CONFLICT (id) DO UPDATE SET body = excluded.body, category = excluded.category
    RETURNING category;
SELECT human_label, predicted_label FROM triage.review WHERE email_key = '21' AND source = 'hostile.mail';
-- In a MERGE, a label that is set is a person's, even if it is what another row was just given.
CREATE TEMP TABLE arriving (id bigint, body text);
INSERT INTO arriving VALUES (30, 'invoice'), (20, 'parcel');
MERGE INTO hostile.mail AS m USING (SELECT * FROM arriving ORDER BY id DESC) AS a ON a.id = m.id
    WHEN MATCHED THEN UPDATE SET category = 'billing'
    WHEN NOT MATCHED THEN INSERT (id, body) VALUES (a.id, a.body);
SELECT email_key, predicted_label, human_label FROM triage.review WHERE email_key IN ('20', '30') AND source = 'hostile.mail' ORDER BY 1;

-- Two doors in one statement, and a trigger that decides about its own row: row and review agree.
WITH a AS (UPDATE hostile.mail SET category = 'support' WHERE id = 30 RETURNING id),
     b AS (UPDATE triage.review SET human_label = 'logistics' WHERE email_key = '30' AND source = 'hostile.mail' RETURNING review_id)
SELECT count(*) FROM a, b;
SELECT m.category = r.human_label AS same FROM hostile.mail m JOIN triage.review r ON r.email_key = m.id::text AND r.source = 'hostile.mail'
 WHERE m.id = 30;

-- The key is unknown while the label is filled in.
CREATE TABLE hostile.late (n int, id bigint GENERATED ALWAYS AS (n * 10) STORED PRIMARY KEY, body text, category text);
SELECT triage.attach('hostile.late', ARRAY['body'], 'category') > 0 AS attached;
INSERT INTO hostile.late (n, body) VALUES (1, 'invoice'), (2, 'parcel');
SELECT email_key, predicted_label FROM triage.review WHERE source = 'hostile.late' ORDER BY 1;

-- Rows move between partitions: one review, one decision.
CREATE TABLE hostile.parted (id bigint, region text, body text, category text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE hostile.parted_eu PARTITION OF hostile.parted FOR VALUES IN ('eu');
CREATE TABLE hostile.parted_us PARTITION OF hostile.parted FOR VALUES IN ('us');
SELECT triage.attach('hostile.parted', ARRAY['body'], 'category', 'id', record_given_labels => true) > 0 AS attached;
INSERT INTO hostile.parted VALUES (1, 'eu', 'invoice', NULL), (2, 'eu', 'parcel', 'support');
UPDATE hostile.parted SET region = 'us' WHERE id = 2;
UPDATE hostile.parted SET region = 'us', category = 'support' WHERE id = 1;
SELECT r.email_key, r.predicted_label, r.human_label, (SELECT count(*) FROM triage.decision d WHERE d.review_id = r.review_id) AS decisions
  FROM triage.review r WHERE source = 'hostile.parted' ORDER BY 1;

-- A renamed classifier takes everything along.
UPDATE triage.classifier SET name = 'mail' WHERE name = 'default';
SELECT triage.correct(review_id, 'billing') > 0 AS done FROM triage.review WHERE email_key = '2' AND source = 'hostile.mail';
SELECT count(*) FROM triage.mail_queue WHERE email_key = '2';
UPDATE triage.classifier SET name = 'default' WHERE name = 'mail';

-- Nobody but a person's own rights decide who may hold up compaction.
SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text AS same;
SELECT triage.compact('default') > 0 AS compacted;
SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text AS same;
-- A compaction that cannot be does not fail a decision.
SET pg_triage.compact_after = 1;
SET pg_triage.training_memory = '1MB';
SELECT triage.correct_many(string_agg(review_id::text, ','), 'logistics') > 0 AS done FROM triage.review WHERE source = 'hostile.mail';
RESET pg_triage.compact_after;
RESET pg_triage.training_memory;

-- Too much of anything.
SELECT triage.correct_many(repeat('1,', 10000000), 'billing');
SELECT triage.undo(max(decision_id), repeat('n', 100000)) FROM triage.decision;

-- The same session goes on after the extension was made anew.
DROP EXTENSION pg_triage CASCADE;
CREATE EXTENSION pg_triage;
SELECT triage.deploy('default', train_classifier(body, label))
  FROM (VALUES ('invoice money', 'billing'), ('password login', 'support')) AS mail (body, label);
INSERT INTO triage.email (body) VALUES ('invoice') RETURNING label;
SELECT triage.correct(1, 'support');
SELECT triage.compact('default');
SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text AS same;
SELECT triage.forget_classifier('default');
DELETE FROM triage.classifier;
TRUNCATE triage.email;
DROP SCHEMA hostile CASCADE;
DROP OWNED BY hostile_owner, hostile_reviewer;
DROP ROLE hostile_owner, hostile_reviewer;

-- What else an owner of an attached table can hang into our update of it: rules and checks.
SET client_min_messages = warning;
CREATE ROLE hostile_owner;
GRANT triage_trainer TO hostile_owner;
CREATE SCHEMA hostile AUTHORIZATION hostile_owner;
GRANT USAGE ON SCHEMA public TO hostile_owner;
SELECT triage.deploy('default', train_classifier(body, label))
  FROM (VALUES ('invoice money', 'billing'), ('password login', 'support'), ('parcel truck', 'logistics')) AS mail (body, label);
INSERT INTO triage.email (body) VALUES ('invoice') RETURNING label;
SET ROLE hostile_owner;
CREATE TABLE hostile.ruled (id int PRIMARY KEY, body text, category text);
SELECT triage.attach('hostile.ruled', ARRAY['body'], 'category') > 0 AS attached;
INSERT INTO hostile.ruled (id, body) VALUES (1, 'invoice');
CREATE RULE forge AS ON UPDATE TO hostile.ruled DO ALSO
    UPDATE triage.review SET human_label = 'forged', confidence = 9 WHERE source = 'triage.email';
RESET ROLE;
SELECT triage.correct(review_id, 'support') FROM triage.review WHERE source = 'hostile.ruled';
SELECT human_label FROM triage.review WHERE source = 'triage.email';
DROP RULE forge ON hostile.ruled;

-- A domain is what it is made of, whatever extension it belongs to.
CREATE EXTENSION citext SCHEMA hostile;
CREATE DOMAIN hostile.text_key AS text;
ALTER EXTENSION citext ADD DOMAIN hostile.text_key;
CREATE TABLE hostile.odd (id hostile.text_key PRIMARY KEY, body text, category text);
SELECT triage.attach('hostile.odd', ARRAY['body'], 'category') > 0 AS attached;
DROP TABLE hostile.odd CASCADE;

-- A path that only looks as if it named pg_temp.
SET search_path = app_pg_temp, pg_temp, public;
CREATE TABLE public.pathed (id int PRIMARY KEY, body text, category varchar(2));
SELECT triage.attach('public.pathed', ARRAY['body'], 'category') > 0 AS attached;
RESET search_path;
SELECT search_path FROM triage_internal.source WHERE source = 'public.pathed';
-- No label is longer than its column.
SELECT triage.add_label('default', 'fix');
INSERT INTO pathed VALUES (1, 'invoice', NULL);
UPDATE pathed SET category = U&'\FB01x' WHERE id = 1;
SELECT triage.detach('pathed');
DROP TABLE pathed;

-- A correction of many rows by triggers that change attached tables has one batch and one limit.
CREATE TABLE main (id int PRIMARY KEY, body text, category text);
CREATE TABLE aud (id int PRIMARY KEY, body text, category text);
SELECT triage.attach('main', ARRAY['body'], 'category') > 0 AND triage.attach('aud', ARRAY['body'], 'category') > 0 AS attached;
CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aud VALUES (NEW.id, 'invoice') ON CONFLICT (id) DO UPDATE SET body = 'again';
    RETURN NULL;
END $$;
CREATE TRIGGER follow AFTER UPDATE ON main FOR EACH ROW EXECUTE FUNCTION follow();
INSERT INTO main SELECT n, 'invoice' FROM generate_series(1, 20) AS n;
SET pg_triage.max_rows_per_correction = 5;
UPDATE triage.review SET human_label = 'support' WHERE source = 'public.main';
RESET pg_triage.max_rows_per_correction;
UPDATE main SET category = 'support';
SELECT count(DISTINCT batch_id), count(*) FROM triage.decision_history WHERE source = 'public.main';

-- A key that was another email's, with a label of its own: the old review is not about it.
UPDATE aud SET category = 'logistics' WHERE id = 1;
DELETE FROM aud WHERE id = 1;
INSERT INTO aud VALUES (1, 'another mail', 'billing');
SELECT human_label, given_label FROM triage.review WHERE source = 'public.aud' AND email_key = '1';
SELECT triage.undo(max(decision_id)) FROM triage.decision;
SELECT category FROM aud WHERE id = 1;

-- Rows that move to another partition, with another key, label or none.
CREATE TABLE parted (id bigint, region text, body text, category text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE parted_eu PARTITION OF parted FOR VALUES IN ('eu');
CREATE TABLE parted_us PARTITION OF parted FOR VALUES IN ('us');
SELECT triage.attach('parted', ARRAY['body'], 'category', 'id', record_given_labels => true) > 0 AS attached;
INSERT INTO parted VALUES (1, 'eu', 'invoice', NULL), (2, 'eu', 'parcel', NULL), (3, 'eu', 'parcel', NULL);
UPDATE parted SET category = CASE category WHEN 'logistics' THEN 'billing' ELSE 'logistics' END WHERE id IN (1, 3);
UPDATE parted SET region = 'us', id = id + 100 WHERE id IN (1, 2);
UPDATE parted SET region = 'us', category = NULL WHERE id = 3;
SELECT r.email_key, p.category, r.human_label, r.predicted_label = p.category AS predicted,
       (SELECT count(*) FROM triage.decision d WHERE d.review_id = r.review_id) AS decisions
  FROM triage.review r LEFT JOIN parted p ON p.id::text = r.email_key WHERE source = 'public.parted' ORDER BY 1;

-- Sessions agree on what a deleted version leaves behind.
SELECT triage.compact('default') > 0 AS compacted;
DELETE FROM triage_internal.model;
UPDATE main SET category = 'billing' WHERE id < 5;
SELECT classify_email('invoice money') AS before \gset
SELECT triage.compact('default') > 0 AS compacted;
SELECT classify_email('invoice money') = :'before' AS same;
SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text AS same;

-- Dates in any style.
SET datestyle = 'SQL, DMY';
SET timezone = 'Asia/Kolkata';
UPDATE triage.review SET human_label = 'logistics' WHERE source = 'public.main' AND email_key = '9'
    RETURNING abs(extract(epoch FROM reviewed_at - clock_timestamp())) < 60 AS now;
SELECT triage.correct(review_id, 'billing') > 0 AS done FROM triage.review WHERE source = 'public.main' AND email_key = '9';
SELECT bool_and(abs(extract(epoch FROM reviewed_at - clock_timestamp())) < 600) AS now FROM triage.review WHERE reviewed_at IS NOT NULL;
RESET datestyle;
RESET timezone;

-- After an import nothing keeps the table busy.
BEGIN;
CREATE TABLE hist AS SELECT n AS id, 'invoice' AS body, 'billing' AS category FROM generate_series(1, 10) AS n;
SELECT triage.learn_from('default', 'hist', ARRAY['body'], 'category');
DROP TABLE hist;
ROLLBACK;
SELECT triage.detach('main'), triage.detach('aud'), triage.detach('parted'), triage.detach('hostile.ruled');
DROP TABLE main, aud, parted;
DROP FUNCTION follow;
DROP SCHEMA hostile CASCADE;
DROP EXTENSION pg_triage CASCADE;
CREATE EXTENSION pg_triage;
DROP OWNED BY hostile_owner;
DROP ROLE hostile_owner;
