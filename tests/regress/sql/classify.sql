-- From the first question to an answer.
BEGIN;
-- Without a model: NULL, and one notice per session that says what to do.
SELECT classify_email('invoice') IS NULL AS no_answer;
SELECT classify_email('invoice') IS NULL AS no_answer;
SELECT count(*) FROM classify_email_scores('invoice');
CREATE TABLE mail (body text, label text);
INSERT INTO mail VALUES
    ('The invoice was paid twice, please refund', 'billing'),
    ('Wrong amount on my invoice', 'billing'),
    ('Refund the second payment', 'Billing'),
    ('Login error after the update', 'support'),
    ('The dashboard shows an error', 'support'),
    ('Parcel lost, where is my delivery', 'logistics'),
    ('Delivery arrived damaged', 'logistics'),
    (NULL, 'billing'),
    ('nobody labelled this', NULL),
    ('only blanks as a label', '  ');
SELECT triage.deploy('default', train_classifier(body, label), note => 'first') FROM mail;
SELECT classify_email('my invoice is wrong');
SELECT classify_email('an error'), classify_email('lost parcel'), classify_email(NULL);
SELECT label, round(probability::numeric, 3) AS probability, rank
  FROM classify_email_scores('my invoice is wrong');
-- Nothing known: the labels' shares.
SELECT label, round(probability::numeric, 3) AS probability FROM classify_email_scores('?');
-- The tokenizer.
SELECT * FROM email_tokens('Re: Rechnung ÜBERFÄLLIG, Rechnung 4711!');
SELECT count(*) FROM email_tokens('... !');
-- The catalogue.
SELECT name, description FROM triage.classifier;
SELECT classifier, label FROM triage.label ORDER BY label;
SELECT classifier, version, status, documents, skipped, labels, judged, note FROM triage.model_versions;
-- A pinned model does not care which one is active.
CREATE TABLE pinned AS SELECT train_classifier(body, label) AS model FROM mail WHERE label <> 'billing';
SELECT classify_with(model, 'my invoice is wrong'), classify_email('my invoice is wrong') FROM pinned;
SELECT classify_with(NULL, 'x') IS NULL AS strict, classify_with(model, NULL) IS NULL AS strict FROM pinned;
-- The text form and the bytes are the model.
SELECT model::text::email_model::text = model::text AS same_text,
       length(email_model_send(model)) > 1000 AS has_bytes FROM pinned;
-- States add up to what one pass gives.
SELECT fit_email_model(merge_states(s))::text = (SELECT train_classifier(body, label)::text FROM mail) AS same_model
  FROM (SELECT collect_emails(body, label) AS s FROM mail GROUP BY label) parts;
ROLLBACK;
