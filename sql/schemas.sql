-- Comes first. Names and operators below are those of PostgreSQL, or name their schema: whatever
-- somebody has put into the schema that the extension is created in, or into a temporary one, is
-- found by none of them. Bodies of functions that do not say SET search_path or BEGIN ATOMIC are
-- read when they run, with the path of their caller: those qualify all that they use.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format(
                'pg_triage needs a database with encoding UTF8, this one has %s: CREATE DATABASE ... ENCODING '
                '''UTF8'' TEMPLATE template0',
                current_setting('server_encoding'));
    END IF;
END
$$;

-- Fails if a schema of this name exists: adopting somebody's objects would be unsafe.
CREATE SCHEMA triage;
COMMENT ON SCHEMA triage IS 'pg_triage: classifiers, models, the inbox, and the views that people read';

CREATE SCHEMA triage_internal;
COMMENT ON SCHEMA triage_internal IS
    'pg_triage: what views and functions of schema triage are made of; nothing here is for people';
