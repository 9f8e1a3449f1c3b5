-- What the ledger has led to: see store/decision.sql.

CREATE TABLE triage_internal.pending (
    classifier  text   NOT NULL,
    decision_id bigint NOT NULL,
    PRIMARY KEY (classifier, decision_id)
);
COMMENT ON TABLE triage_internal.pending IS 'decisions that sessions add to the base; a compaction removes them';
COMMENT ON COLUMN triage_internal.pending.classifier IS 'the classifier';
COMMENT ON COLUMN triage_internal.pending.decision_id IS 'the decision';

CREATE VIEW triage_internal.decision_in_base AS
SELECT d.*
  FROM triage.decision d
 WHERE NOT EXISTS (SELECT FROM triage_internal.pending p
                    WHERE p.classifier = d.classifier
                      AND p.decision_id = d.decision_id)
   AND NOT EXISTS (SELECT FROM triage.decision r
                    WHERE r.replaces = d.decision_id
                      AND NOT EXISTS (SELECT FROM triage_internal.pending p
                                       WHERE p.classifier = r.classifier
                                         AND p.decision_id = r.decision_id));
COMMENT ON VIEW triage_internal.decision_in_base IS
    'decisions in force as far as the base goes: compacted, and not replaced by one that is compacted, too';

-- Their columns are those of the ledger.
DO $$
DECLARE
    relation  regclass;
    attribute record;
BEGIN
    FOREACH relation IN ARRAY ARRAY['triage_internal.decision_in_force',
            'triage_internal.decision_in_base']::regclass[] LOOP
        FOR attribute IN
            SELECT attname AS name, col_description(attrelid, attnum) AS about FROM pg_attribute
             WHERE attrelid = 'triage.decision'::regclass AND attnum > 0
        LOOP
            EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, attribute.name, attribute.about);
        END LOOP;
    END LOOP;
END
$$;

CREATE TABLE triage_internal.base (
    classifier text PRIMARY KEY,
    version    integer,
    serving    @extschema@.email_model NOT NULL,
    learned    @extschema@.email_state,
    decisions  bigint      NOT NULL,
    compacted_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE triage_internal.base IS 'the active model with the decisions that were compacted into it';
COMMENT ON COLUMN triage_internal.base.classifier IS 'the classifier';
COMMENT ON COLUMN triage_internal.base.version IS 'the version that it was made for; NULL for decisions alone';
COMMENT ON COLUMN triage_internal.base.serving IS 'what sessions load';
COMMENT ON COLUMN triage_internal.base.learned IS
    'the decisions'' own counts; NULL where those are all that serving has';
COMMENT ON COLUMN triage_internal.base.decisions IS 'number of decisions compacted into it so far';
COMMENT ON COLUMN triage_internal.base.compacted_at IS 'when';

SELECT pg_extension_config_dump('triage_internal.pending', '');
SELECT pg_extension_config_dump('triage_internal.base', '');
