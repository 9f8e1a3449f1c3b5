-- Roles: each has all rights of the one before it. PUBLIC may call pure functions only.

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['triage_reader', 'triage_reviewer', 'triage_trainer', 'triage_admin'] LOOP
        -- Roles belong to the whole cluster: another database may have made them.
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r
                        WHERE r.rolname OPERATOR(pg_catalog.=) role_name::pg_catalog.name) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
            EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', role_name,
                'pg_triage: ' OPERATOR(pg_catalog.||) CASE role_name
                    WHEN 'triage_reader' THEN 'may classify and read models'' figures'
                    WHEN 'triage_reviewer' THEN 'reader who may read and correct emails'
                    WHEN 'triage_trainer' THEN 'reviewer who may train, deploy and roll back'
                    ELSE 'trainer who may read models and delete emails'
                END);
        END IF;
    END LOOP;
END
$$;
GRANT triage_reader TO triage_reviewer;
GRANT triage_reviewer TO triage_trainer;
GRANT triage_trainer TO triage_admin;

REVOKE ALL ON SCHEMA triage FROM PUBLIC;
GRANT USAGE ON SCHEMA triage TO triage_reader;
REVOKE ALL ON ALL TABLES IN SCHEMA triage FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA triage FROM PUBLIC;

-- Not pure: they read the active model.
REVOKE ALL ON FUNCTION classify_email(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION classify_email_scores(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION classify_email(text, text) TO triage_reader;
GRANT EXECUTE ON FUNCTION classify_email_scores(text, text) TO triage_reader;

-- Pure. The functions that an aggregate consists of need no grant to its callers.
GRANT EXECUTE ON FUNCTION triage.label_key(text) TO PUBLIC;

GRANT SELECT ON triage.classifier, triage.label, triage.activations, triage.model_versions TO triage_reader;
GRANT SELECT, INSERT, UPDATE ON triage.email TO triage_reviewer;
GRANT EXECUTE ON FUNCTION triage.create_classifier(text, text),
    triage.add_label(text, text, text),
    triage.deploy(text, email_model, boolean, text),
    triage.activate(text, integer),
    triage.rollback(text),
    triage.load_sample() TO triage_trainer;
-- Models hold hashes and counts of private mail: admins and the owner only.
GRANT SELECT ON triage.model, triage.activation TO triage_admin;
GRANT DELETE, TRUNCATE ON triage.email TO triage_admin;
