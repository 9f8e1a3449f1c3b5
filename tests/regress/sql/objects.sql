-- A line more or less is to change no other line here.
\pset format unaligned
\pset footer off
-- What the extension consists of, as an administrator sees it.
\dx+ pg_triage
-- What people open: a table of contents, without anything that is not for them.
SELECT relname AS relation, CASE relkind WHEN 'r' THEN 'table' ELSE 'view' END AS kind, left(obj_description(oid), 100) AS "for"
  FROM pg_class WHERE relnamespace = 'triage'::regnamespace AND relkind IN ('r', 'v')
   AND oid IN (SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e')
 ORDER BY relname COLLATE "C";
SELECT proname AS function, count(*) AS forms FROM pg_proc WHERE pronamespace = 'triage'::regnamespace GROUP BY proname ORDER BY proname COLLATE "C";
SELECT proname AS trigger_function_among_them FROM pg_proc WHERE pronamespace = 'triage'::regnamespace AND prorettype = 'trigger'::regtype;
-- Every object has a comment, and what people read there leads them to nothing that they may not see.
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
 WHERE relnamespace IN ('triage'::regnamespace, 'triage_internal'::regnamespace) AND relkind IN ('r', 'v') AND attnum > 0
   AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL
 ORDER BY 1, 2;
SELECT tgrelid::regclass, tgname FROM pg_trigger
 WHERE tgrelid::regclass::text ~ '^triage(_internal)?\.' AND NOT tgisinternal AND obj_description(oid, 'pg_trigger') IS NULL;
SELECT pg_describe_object(classoid, objoid, objsubid) AS names_what_is_hidden, description
  FROM pg_description
 WHERE description LIKE '%triage\_internal%' AND pg_describe_object(classoid, objoid, objsubid) NOT LIKE '%triage\_internal%';
-- What nobody should touch: only admins may look into the schema, and read what is listed here.
SELECT acl AS schema_triage_internal FROM pg_namespace n, unnest(nspacl::text[]) acl
 WHERE nspname = 'triage_internal' AND acl NOT LIKE '%=UC/%' ORDER BY acl COLLATE "C";
SELECT c.relname AS relation, g.grantee::regrole, string_agg(g.privilege_type, ', ' ORDER BY g.privilege_type) AS privileges
  FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) g
 WHERE c.relnamespace = 'triage_internal'::regnamespace AND g.grantee <> c.relowner
 GROUP BY 1, 2 ORDER BY 1;
SELECT p.proname AS function, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END AS grantee
  FROM pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
 WHERE p.pronamespace = 'triage_internal'::regnamespace AND g.grantee <> p.proowner
 ORDER BY 1, 2;
SELECT r.rolname AS role, has_schema_privilege(r.oid, 'triage', 'USAGE') AS triage, has_schema_privilege(r.oid, 'triage_internal', 'USAGE') AS triage_internal,
       count(*) FILTER (WHERE has_any_column_privilege(r.oid, c.oid, 'SELECT')) AS readable,
       count(*) FILTER (WHERE has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE') OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE')) AS writable
  FROM pg_roles r CROSS JOIN pg_class c
 WHERE r.rolname LIKE 'triage\_%' AND c.relnamespace = 'triage_internal'::regnamespace AND c.relkind IN ('r', 'v')
 GROUP BY r.oid, r.rolname ORDER BY r.rolname COLLATE "C";
-- What a dump leaves out: what is about this server, or empty.
SELECT c.oid::regclass AS not_dumped
  FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'S')
 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_triage')
   AND c.oid <> ALL (SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'pg_triage')
 ORDER BY 1;
-- Volatility, strictness, parallel safety and cost of what people call.
SELECT p.oid::regprocedure AS function, provolatile AS vol, proisstrict AS strict, proparallel AS par, procost AS cost
  FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
 WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_triage')
   AND p.oid::regprocedure::text !~ '^(triage_internal\..*|email_(state|model)_(in|out|send|recv)\(.*)$'
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
  FROM pg_class c WHERE relnamespace IN ('triage'::regnamespace, 'triage_internal'::regnamespace) AND has_table_privilege('public', c.oid, 'SELECT');
-- Settings say what the user will see; the first call loads them.
SELECT count(*) FROM email_tokens('word');
SELECT name, boot_val, unit, min_val, context, short_desc FROM pg_settings WHERE name LIKE 'pg\_triage.%' ORDER BY 1;
DROP TABLE mail;
