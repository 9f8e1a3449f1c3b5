-- Why a label, and why not another.
BEGIN;
-- Without a model: no rows, and the notice that says what to do.
SELECT * FROM explain_email('invoice');
CREATE TABLE mail (body text, label text);
INSERT INTO mail VALUES
    ('The invoice was paid twice, please refund', 'billing'),
    ('Wrong amount on my invoice', 'billing'),
    ('Refund the second payment', 'Billing'),
    ('Login error after the update', 'support'),
    ('The dashboard shows an error', 'support'),
    ('Parcel lost, where is my delivery', 'logistics'),
    ('Delivery arrived damaged', 'logistics');
CREATE FUNCTION why(body text, label text DEFAULT NULL, classifier text DEFAULT 'default', top integer DEFAULT 20)
    RETURNS TABLE (token text, field text, contribution numeric, rank integer) LANGUAGE sql AS
    $$ SELECT token, field, round(contribution::numeric, 3), rank FROM explain_email(body, label, classifier, top) ORDER BY rank $$;
-- One label leaves nothing to compare.
SELECT triage.create_classifier('one');
SELECT triage.deploy('one', train_classifier(body, 'mail')) FROM mail;
SELECT * FROM why('invoice', classifier => 'one');
SELECT triage.deploy('default', train_classifier(body, label)) FROM mail;
-- Words as they were written, pairs on one line; what nobody knows says nothing.
SELECT * FROM why(E'My \t INVOICE\nwas PAID, zzz, my invoice!', top => 1000);
-- Why not: the log-odds are negative.
SELECT * FROM why('My invoice was paid', 'LOGISTICS', top => 4);
-- The rows add up, however many there are, for every label.
SELECT label, n AS top, count(*),
       abs(sum(contribution) - ln(s.probability / (SELECT max(probability) FROM classify_email_scores(body) AS o WHERE o.label <> s.label))) < 1e-9 AS adds_up,
       sum(contribution) > 0 AS is_predicted, max(e.rank) AS last
  FROM (VALUES ('My invoice was paid; is the parcel lost?')) AS m (body), classify_email_scores(body) AS s,
       generate_series(1, 41, 20) AS n, explain_email(body, label, top => n) AS e
 GROUP BY 1, 2, body, s.label, s.probability ORDER BY 1, 2;
-- Without a known word: the labels' shares.
SELECT * FROM why('?');
SELECT ln(3 / 2.0);
-- Fields. Nothing breaks the line or turns the direction of writing.
SELECT triage.create_classifier('fields');
SELECT triage.deploy('fields', train_classifier(body, label))
  FROM (VALUES (E'URGENT prices\nsee http://shop.example.com/buy\n> old offer', 'spam'), ('請求書', 'spam'), ('meeting', 'mail'), ('notes', 'mail')) AS mail (body, label);
SELECT DISTINCT token, field FROM why(E'Urgent prices\nURGENT, see http://www.Example.COM/buy\n> old\n>> offer', classifier => 'fields', top => 1000) ORDER BY field, token;
SELECT token, field FROM why(E'old\001\u202eoffer, 請求書, Meetings', classifier => 'fields') ORDER BY field, token;
SELECT length(token), left(token, 10), right(token, 10) FROM explain_email('see' || repeat('! ', 5000) || 'http', classifier => 'fields', top => 100) WHERE length(token) > 20;
SELECT length(token), left(token, 10), right(token, 10) FROM explain_email('see' || repeat('!', 5000) || 'http', classifier => 'fields', top => 100) WHERE length(token) > 20;
-- No answer.
SELECT count(*) FROM explain_email(NULL);
SELECT count(*) FROM explain_email('invoice', classifier => NULL);
-- No label, and no number: as if left out.
SELECT (SELECT array_agg(e) FROM explain_email('my invoice', ' ', top => NULL) AS e) = (SELECT array_agg(e) FROM explain_email('my invoice') AS e) AS defaults;
-- What is wrong.
SAVEPOINT s;
SELECT * FROM explain_email('invoice', 'biling');
ROLLBACK TO s;
SELECT * FROM explain_email('invoice', repeat('x', 5000));
ROLLBACK TO s;
SELECT * FROM explain_email('invoice', classifier => 'defualt');
ROLLBACK TO s;
SELECT * FROM explain_email('invoice', top => 0);
ROLLBACK TO s;
SELECT * FROM explain_email('invoice', top => 1001);
ROLLBACK TO s;
SELECT triage.add_label('default', 'Legal');
SELECT * FROM explain_email('invoice', 'legal');
ROLLBACK TO s;
-- A decision counts at once.
SELECT triage.add_label('default', 'legal');
INSERT INTO triage.email (body) VALUES ('a summons of the court') RETURNING label;
SELECT count(triage.correct(review_id, 'legal')) FROM triage.review;
SELECT * FROM why('the court', 'legal');
SELECT abs(sum(contribution) - (SELECT ln(a.probability / b.probability) FROM classify_email_scores('the court') AS a, classify_email_scores('the court') AS b
                                 WHERE a.rank = 1 AND b.rank = 2)) < 1e-9 AS adds_up
  FROM explain_email('the court');
-- The same in a parallel worker.
SET LOCAL force_parallel_mode = on;
SELECT token, rank FROM explain_email('my court') WHERE contribution > 0 AND token = 'court' ORDER BY rank;
ROLLBACK;
