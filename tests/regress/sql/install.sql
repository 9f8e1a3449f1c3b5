-- Somebody was there before: installing the extension into a schema that is full of another's
-- operators and functions, which fit better than the server's own.
DROP EXTENSION pg_triage CASCADE;
CREATE ROLE hostile_creator;
GRANT CREATE ON SCHEMA public TO hostile_creator;
SET ROLE hostile_creator;
DO $$
DECLARE
    types constant text[] := ARRAY['text', 'name', 'varchar', '"char"', 'boolean', 'smallint', 'integer', 'bigint', 'oid', 'float8', 'numeric',
        'date', 'timestamptz', 'interval', 'text[]', 'name[]', 'bytea', 'regclass'];
    l text;
    r text;
    operator text;
BEGIN
    FOREACH l IN ARRAY types LOOP
        FOREACH r IN ARRAY types LOOP
            EXECUTE format('CREATE FUNCTION public.equal(%s, %s) RETURNS boolean LANGUAGE sql AS ''SELECT NULL::boolean''', l, r);
            FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>='] LOOP
                EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.equal)', operator, l, r);
            END LOOP;
            EXECUTE format('CREATE FUNCTION public.add(%s, %s) RETURNS %s LANGUAGE sql AS ''SELECT NULL::%s''', l, r, l, l);
            FOREACH operator IN ARRAY ARRAY['+', '-', '*', '/', '||'] LOOP
                EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.add)', operator, l, r);
            END LOOP;
        END LOOP;
        FOREACH operator IN ARRAY ARRAY['length', 'btrim', 'left', 'abs', 'sqrt', 'ln', 'floor', 'round', 'timezone', 'format', 'current_setting'] LOOP
            EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE sql AS ''SELECT NULL::%s''', operator, l, l, l);
        END LOOP;
    END LOOP;
END
$$;
RESET ROLE;
CREATE EXTENSION pg_triage SCHEMA public;
SET search_path = pg_catalog;
-- PostgreSQL writes down what a view, default, constraint, index, trigger or function is made of, but for what is its own.
WITH member AS (
    SELECT classid, objid FROM pg_depend
     WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_triage')
), part AS (
    SELECT classid, objid FROM member
    UNION ALL
    SELECT 'pg_rewrite'::regclass, r.oid FROM pg_rewrite r JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = r.ev_class
    UNION ALL
    SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint k JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = k.conrelid
    UNION ALL
    SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef a JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = a.adrelid
    UNION ALL
    SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger t JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = t.tgrelid
    UNION ALL
    SELECT 'pg_class'::regclass, i.indexrelid FROM pg_index i JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = i.indrelid
)
SELECT count(*) > 500 AS looked_at,
       count(*) FILTER (WHERE s.owner = 'hostile_creator'::regrole) AS made_of_what_another_owns
  FROM part p
  JOIN pg_depend d ON d.classid = p.classid AND d.objid = p.objid
 CROSS JOIN LATERAL (
       SELECT oprowner AS owner FROM pg_operator WHERE d.refclassid = 'pg_operator'::regclass AND oid = d.refobjid
       UNION ALL SELECT proowner FROM pg_proc WHERE d.refclassid = 'pg_proc'::regclass AND oid = d.refobjid
       UNION ALL SELECT typowner FROM pg_type WHERE d.refclassid = 'pg_type'::regclass AND oid = d.refobjid
       UNION ALL SELECT relowner FROM pg_class WHERE d.refclassid = 'pg_class'::regclass AND oid = d.refobjid) s;
RESET search_path;
-- It works among them.
SELECT triage.deploy('default', train_classifier(body, label))
  FROM (VALUES ('invoice money'::text, 'billing'::text), ('password login', 'support')) AS mail (body, label);
INSERT INTO triage.email (body) VALUES ('invoice') RETURNING label;
SELECT triage.correct(1, 'support');
SELECT classifier, state FROM triage.status;
SELECT source, table_name, queue_view, state FROM triage.sources;
SET client_min_messages = warning;
DROP EXTENSION pg_triage CASCADE;
DROP OWNED BY hostile_creator CASCADE;
DROP ROLE hostile_creator;
CREATE EXTENSION pg_triage;
