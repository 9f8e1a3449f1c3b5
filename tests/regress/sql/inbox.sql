-- The inbox is attached from the start.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_triage CASCADE;
CREATE EXTENSION pg_triage;
RESET client_min_messages;
CREATE FUNCTION train(classifier text, one text, other text) RETURNS integer LANGUAGE sql AS
    $$ SELECT triage.deploy(classifier, train_classifier(b, l))
         FROM (VALUES ('invoice money refund', one), ('charged money twice', one), ('invoice overdue', one),
                      ('login password reset', other), ('cannot login', other), ('password forgotten', other)) t (b, l),
              -- Enough that the few corrections below change few answers.
              generate_series(1, 20) $$;
SELECT train('default', 'billing', 'support');
SELECT triage.create_classifier('urgency');
SELECT train('urgency', 'high', 'low');
CREATE VIEW reviews AS
    SELECT source, classifier, predicted_label AS predicted, human_label AS human
      FROM triage.review ORDER BY source COLLATE "C", email_key COLLATE "C", classifier COLLATE "C";
CREATE VIEW decisions AS
    SELECT source, kind, old_label AS old, new_label AS new, door FROM triage.decision_history ORDER BY decision_id;
INSERT INTO triage.email (subject, body) VALUES ('invoice overdue', 'charged money twice') RETURNING label;
UPDATE triage.email SET label = 'support' WHERE subject = 'invoice overdue' RETURNING label;
SELECT label, human_label, predicted_label, subject FROM triage.email_queue;
UPDATE triage.email_queue SET human_label = NULL RETURNING label;
SELECT kind, old, new, door FROM decisions WHERE source = 'triage.email';
SELECT triage.detach('triage.email');
INSERT INTO triage.email (subject) VALUES ('login') RETURNING label;
SELECT triage.attach('triage.email', ARRAY['subject', 'body'], 'label', classifier => 'urgency');
INSERT INTO triage.email (subject) VALUES ('login') RETURNING label;
SELECT triage.classify_pending('triage.email');
SELECT subject, label FROM triage.email ORDER BY email_id;
SELECT classifier, predicted, human FROM reviews WHERE source = 'triage.email';
SELECT label, predicted_label FROM triage.email_queue WHERE classifier = 'urgency';
SELECT source, classifier, state, queue_view FROM triage.sources;
SET client_min_messages = warning;
DROP EXTENSION pg_triage CASCADE;
DROP FUNCTION train;
CREATE EXTENSION pg_triage;
