-- Versions: deploy, activate, roll back.
SET client_min_messages = warning;
DROP EXTENSION pg_triage CASCADE;
CREATE EXTENSION pg_triage;
RESET client_min_messages;
BEGIN;
CREATE FUNCTION pg_temp.model(label text) RETURNS email_model LANGUAGE sql
    RETURN (SELECT train_classifier(b, l) FROM (VALUES ('invoice', label), ('login', 'rest')) t (b, l));
SELECT triage.create_classifier('department', 'who answers');
SELECT triage.deploy('department', pg_temp.model('one'));
SELECT triage.deploy('department', pg_temp.model('two'));
SELECT triage.deploy('department', pg_temp.model('three'), activate => false);
SELECT classify_email('invoice', 'department');
SELECT version, status FROM triage.model_versions WHERE classifier = 'department' ORDER BY version;
SELECT triage.activate('department', 3);
SELECT triage.activate('department', 3);
SELECT classify_email('invoice', 'department');
SELECT triage.rollback('department'), classify_email('invoice', 'department');
SELECT classify_email('invoice', 'department');
SELECT triage.rollback('department');
SELECT classify_email('invoice', 'department');
SAVEPOINT s;
SELECT triage.rollback('department');
ROLLBACK TO s;
SELECT version, kind, from_version FROM triage.activations WHERE classifier = 'department' ORDER BY activation_id;
SELECT version, status FROM triage.model_versions WHERE classifier = 'department' ORDER BY version;
-- A deleted version: going back passes over it, and its number is not used again.
SAVEPOINT s;
SELECT triage.activate('department', 2);
SELECT triage.activate('department', 3);
DELETE FROM triage_internal.model WHERE classifier = 'department' AND version = 2;
SELECT triage.rollback('department'), classify_email('invoice', 'department');
-- Going back to what is active already would be no way back.
SELECT triage.activate('department', 3);
SELECT triage.activate('department', 1);
DELETE FROM triage_internal.model WHERE classifier = 'department' AND version = 3;
SAVEPOINT t;
SELECT triage.rollback('department');
ROLLBACK TO t;
DELETE FROM triage_internal.model WHERE classifier = 'department';
SELECT triage.deploy('department', pg_temp.model('candidate'), activate => false);
SELECT classify_email('invoice', 'department') IS NULL AS candidate_does_not_answer;
SELECT triage.rollback('department');
ROLLBACK TO s;
-- What belongs to classifiers goes with them.
TRUNCATE triage.classifier;
SELECT (SELECT count(*) FROM triage_internal.model) AS models, (SELECT count(*) FROM triage.label) AS labels,
       (SELECT count(*) FROM triage_internal.activation) AS activations;
ROLLBACK TO s;
TRUNCATE triage.classifier, triage.label, triage_internal.model, triage_internal.activation;
ROLLBACK TO s;
-- A name that is too long is not taken for its beginning.
SELECT length(triage.create_classifier(repeat('😀', 128)));
SAVEPOINT t;
SELECT triage.create_classifier(repeat('😀', 129));
ROLLBACK TO t;
SELECT classify_email('x', repeat('😀', 300));
ROLLBACK TO s;
-- Another classifier is not touched.
SELECT classify_email('invoice') IS NULL AS default_has_no_model;
-- Labels
SELECT triage.add_label('department', 'Büro "Nord", 1. Stock 🏢', 'the office');
SELECT triage.add_label('department', '  BÜRO "nord", 1. stock 🏢 ', 'the office in the north');
SELECT label, description FROM triage.label WHERE classifier = 'department' ORDER BY label COLLATE "C";
SELECT triage_internal.label_key('  STRASSE ') = triage_internal.label_key('straße') AS same_label;
SAVEPOINT s;
INSERT INTO triage.label (classifier, label) VALUES ('department', 'ONE');
ROLLBACK TO s;
-- Errors name what exists.
SELECT classify_email('x', 'departmnet');
ROLLBACK TO s;
SELECT triage.activate('department', 4);
ROLLBACK TO s;
SELECT triage.activate(NULL, 4);
ROLLBACK TO s;
SELECT triage.deploy('department', NULL);
ROLLBACK TO s;
SELECT triage.create_classifier('department');
ROLLBACK TO s;
-- encode() breaks lines.
SELECT encode(email_model_send(m), 'base64')::email_model::text = m::text AS same
  FROM pg_temp.model('x') m;
SELECT 'not base64!'::email_model;
ROLLBACK TO s;
SELECT 'UEdUUklBR0U='::email_model;
ROLLBACK TO s;
SET LOCAL pg_triage.training_memory = '1MB';
SELECT train_classifier(md5(i::text) || ' ' || md5((-i)::text), 'x') FROM generate_series(1, 100000) i;
ROLLBACK;
