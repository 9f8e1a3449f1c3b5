-- The demo, run by `make demo`: train on 270 mails, classify 90 others.
\pset border 2
\pset footer off
\pset pager off

\echo
\echo '1. Install the extension and load the sample mails'
\echo
CREATE EXTENSION pg_triage;
SELECT triage.load_sample() AS mails_loaded;

SELECT mailbox, count(*) AS mails, count(DISTINCT label) AS labels
FROM triage.email
GROUP BY mailbox
ORDER BY mailbox DESC;

\echo
\echo '2. Train on the mails in sample/train, in SQL, and put the model in service'
\echo
SELECT triage.deploy('default', train_classifier(concat_ws(E'\n', subject, body), label)) AS version
FROM triage.email
WHERE mailbox = 'sample/train';

\echo
\echo '3. Classify the mails in sample/new, which the model has never seen; ten of them'
\echo
CREATE TEMP TABLE answer AS
SELECT e.message_id, e.subject, e.label, s.label AS predicted, s.probability
FROM triage.email AS e
CROSS JOIN LATERAL classify_email_scores(concat_ws(E'\n', e.subject, e.body)) AS s
WHERE e.mailbox = 'sample/new' AND s.rank = 1;

SELECT CASE WHEN length(subject) > 40 THEN left(subject, 37) || '...' ELSE subject END AS subject,
       label AS true_label,
       predicted,
       round(probability::numeric, 2) AS confidence
FROM answer
ORDER BY md5(message_id)
LIMIT 10;

\echo
\echo '4. How often it was right (some of these mails are ambiguous on purpose)'
\echo
SELECT coalesce(label, 'all') AS label,
       count(*) AS mails,
       count(*) FILTER (WHERE predicted = label) AS "right",
       round(100.0 * count(*) FILTER (WHERE predicted = label) / count(*), 1) || ' %' AS accuracy
FROM answer
GROUP BY ROLLUP (label)
ORDER BY grouping(label), label;

\echo
\echo '5. The model is data: every version is kept'
\echo
SELECT classifier, version, status, documents, round(accuracy::numeric, 3) AS accuracy
FROM triage.model_versions
ORDER BY classifier, version;
