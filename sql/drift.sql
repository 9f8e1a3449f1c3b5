CREATE VIEW triage.drift AS
SELECT NULL::text AS classifier, NULL::text AS measure, NULL::float8 AS recent, NULL::float8 AS reference, NULL::float8 AS score,
       NULL::float8 AS threshold, NULL::boolean AS drifted, NULL::bigint AS recent_mails, NULL::bigint AS reference_mails, NULL::text AS meaning
 WHERE false;
