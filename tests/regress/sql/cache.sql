-- A session looks into the catalogue once per change, not once per row or statement.
SELECT triage.deploy('default', train_classifier(b, l)) FROM (VALUES ('invoice', 'billing'), ('login', 'support')) t (b, l);
SELECT classify_email('invoice');
CREATE FUNCTION looks() RETURNS bigint LANGUAGE sql AS
    $$ SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relid = 'triage.classifier'::regclass $$;
-- Another session's transactions, and the catalogue's own, do not matter: settle first.
SELECT classify_email('invoice');
SELECT pg_stat_force_next_flush();
SELECT looks() AS before \gset
SELECT count(*) FROM generate_series(1, 1000) i WHERE classify_email('invoice ' || i) = 'billing';
SELECT classify_email('invoice');
BEGIN;
CREATE TEMP TABLE written (label text);
INSERT INTO written SELECT classify_email('login') FROM generate_series(1, 100);
INSERT INTO written SELECT classify_email('login') FROM generate_series(1, 100);
COMMIT;
DO $$ BEGIN FOR i IN 1 .. 100 LOOP PERFORM classify_email('invoice'); END LOOP; END $$;
SELECT pg_stat_force_next_flush();
SELECT looks() - :before <= 2 AS few_looks;
-- After a change it looks again.
SELECT triage.deploy('default', train_classifier(b, l)) FROM (VALUES ('invoice', 'money'), ('login', 'support')) t (b, l);
SELECT classify_email('invoice');
SELECT classify_email('invoice');
DROP FUNCTION looks();
DROP TABLE written;
TRUNCATE triage_internal.activation;
SELECT classify_email('invoice') IS NULL AS no_model;
UPDATE triage.classifier SET name = 'renamed' WHERE name = 'default';
SELECT classifier, count(*) FROM triage_internal.model GROUP BY 1;
DELETE FROM triage.classifier;
SELECT count(*) FROM triage_internal.model, triage.label;
SELECT classify_email('invoice') IS NULL AS no_model;
