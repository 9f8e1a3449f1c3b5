-- What the extension consists of, as an administrator sees it.
\dx+ pg_triage
-- Every object that people can meet has a comment.
SELECT pg_describe_object(classid, objid, 0) AS without_comment
  FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_triage')
   AND obj_description(objid, classid::regclass::name) IS NULL
   AND NOT (classid = 'pg_type'::regclass
            AND (SELECT typelem <> 0 OR typrelid <> 0 FROM pg_type WHERE oid = objid))
 ORDER BY 1;
SELECT attrelid::regclass AS relation, attname AS column_without_comment
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
 WHERE relnamespace = 'triage'::regnamespace AND relkind IN ('r', 'v') AND attnum > 0
   AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL
 ORDER BY 1, 2;
SELECT tgrelid::regclass, tgname FROM pg_trigger
 WHERE tgrelid::regclass::text LIKE 'triage.%' AND NOT tgisinternal AND obj_description(oid, 'pg_trigger') IS NULL;
-- Volatility, strictness, parallel safety and cost of what people call.
SELECT p.oid::regprocedure AS function, provolatile AS vol, proisstrict AS strict, proparallel AS par, procost AS cost
  FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
 WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_triage')
   AND p.oid::regprocedure::text !~ '^(triage\.train_.*|email_(state|model)_(in|out|send|recv)\(.*)$'
 ORDER BY p.oid::regprocedure::text COLLATE "C";
-- An index on an answer that can change is refused.
CREATE TABLE mail (body text);
CREATE INDEX ON mail (classify_email(body));
-- PUBLIC may only call what reads nothing.
SELECT p.oid::regprocedure AS public_function
  FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
 WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_triage')
   AND has_function_privilege('public', p.oid, 'EXECUTE')
   AND p.provolatile <> 'i'
 ORDER BY 1;
SELECT c.oid::regclass AS public_relation
  FROM pg_class c WHERE relnamespace = 'triage'::regnamespace AND has_table_privilege('public', c.oid, 'SELECT');
-- Settings say what the user will see; the first call loads them.
SELECT count(*) FROM email_tokens('word');
SELECT name, boot_val, unit, min_val, context, short_desc FROM pg_settings WHERE name LIKE 'pg\_triage.%' ORDER BY 1;
DROP TABLE mail;
