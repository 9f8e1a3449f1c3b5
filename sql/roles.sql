-- Roles: each has all rights of the one before it; triage_worker and triage_writer stand aside.
-- PUBLIC may call pure functions only.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY
            ARRAY['triage_analyst', 'triage_reader', 'triage_reviewer', 'triage_trainer', 'triage_admin'] LOOP
        -- Roles belong to the whole cluster: another database may have made them.
        IF NOT EXISTS (SELECT FROM pg_roles r
                        WHERE r.rolname = role_name::name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            EXECUTE format('COMMENT ON ROLE %I IS %L', role_name,
                'pg_triage: ' || CASE role_name
                    WHEN 'triage_analyst' THEN 'may read the views without text and nothing else; for dashboards'
                    WHEN 'triage_reader' THEN 'analyst who may classify'
                    WHEN 'triage_reviewer' THEN 'reader who may read and correct emails'
                    WHEN 'triage_trainer' THEN 'reviewer who may train, deploy and roll back'
                    ELSE 'trainer who may read models and delete emails'
                END);
        END IF;
    END LOOP;
END
$$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles r
                    WHERE r.rolname = 'triage_worker'::name) THEN
        -- PostgreSQL asks background workers, too, whether their role may log in. Without a
        -- password nobody else can, unless pg_hba.conf says "trust".
        CREATE ROLE triage_worker LOGIN;
        COMMENT ON ROLE triage_worker IS
            'pg_triage: what the background worker connects as; may do maintenance and nothing else';
    END IF;
END
$$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles r
                    WHERE r.rolname = 'triage_writer'::name) THEN
        CREATE ROLE triage_writer NOLOGIN;
        COMMENT ON ROLE triage_writer IS
            'pg_triage: may hand in mail and nothing else; for mail servers and web hooks';
    END IF;
END
$$;

GRANT triage_analyst TO triage_reader;
GRANT triage_reader TO triage_reviewer;
GRANT triage_reviewer TO triage_trainer;
GRANT triage_trainer TO triage_admin;
