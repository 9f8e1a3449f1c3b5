-- The ledger: what people decided. Data flows one way: a decision is appended here and listed
-- in triage_internal.pending; a session answers with the active model (or triage_internal.base,
-- if decisions have been compacted) plus the decisions that its snapshot sees in
-- triage_internal.pending; compaction moves them from there into triage_internal.base, in one
-- transaction. Which decisions count is therefore decided by row visibility alone.

CREATE TABLE triage.decision (
    decision_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    review_id         bigint,
    source            text,
    email_key         text,
    classifier        text   NOT NULL,
    kind              text   NOT NULL
        CHECK (kind IN ('accept', 'correct', 'skip', 'ask', 'undo', 'import')),
    old_label         text,
    new_label         text,
    predicted_label   text,
    confidence        float8,
    model_version     integer,
    note              text,
    actor             text   NOT NULL,
    decided_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    batch_id          bigint NOT NULL,
    door              text   NOT NULL,
    connected_as      text   NOT NULL,
    acting_as         text   NOT NULL,
    application_name  text,
    replaces          bigint,
    undoes            bigint,
    queue_reason      text,
    tokenizer_version integer,
    sample_priority   bigint,
    features          bytea,
    step              jsonb,
    step_version      integer
);
COMMENT ON TABLE triage.decision IS
    'the ledger: append-only, and the truth that models are derived from; people read triage.decision_history';
COMMENT ON COLUMN triage.decision.decision_id IS 'ascending; a lower one may be committed later';
COMMENT ON COLUMN triage.decision.review_id IS
    'the review decided on; NULL for an import from a relation without a key';
COMMENT ON COLUMN triage.decision.source IS
    'the table that the email is in, as triage.sources names it; NULL for the description of a label';
COMMENT ON COLUMN triage.decision.email_key IS
    'its key there at that time; NULL for an import from a relation without a key';
COMMENT ON COLUMN triage.decision.classifier IS 'the classifier';
COMMENT ON COLUMN triage.decision.kind IS
    'accept (the predicted label), correct (another one), skip, ask (it was put to people again), undo, import';
COMMENT ON COLUMN triage.decision.old_label IS 'human label before';
COMMENT ON COLUMN triage.decision.new_label IS 'human label after';
COMMENT ON COLUMN triage.decision.predicted_label IS 'what had been predicted';
COMMENT ON COLUMN triage.decision.confidence IS 'with what confidence';
COMMENT ON COLUMN triage.decision.model_version IS 'by which model';
COMMENT ON COLUMN triage.decision.note IS 'for people';
COMMENT ON COLUMN triage.decision.actor IS 'who decided, as they say';
COMMENT ON COLUMN triage.decision.decided_at IS 'when';
COMMENT ON COLUMN triage.decision.batch_id IS 'decisions of one statement share it; undo_batch() takes it';
COMMENT ON COLUMN triage.decision.door IS 'table, review, view, function, insert, import or description';
COMMENT ON COLUMN triage.decision.connected_as IS 'session_user';
COMMENT ON COLUMN triage.decision.acting_as IS 'current_user';
COMMENT ON COLUMN triage.decision.application_name IS 'the tool, as it says';
COMMENT ON COLUMN triage.decision.replaces IS 'the review''s decision before: what that one taught is taken back';
COMMENT ON COLUMN triage.decision.undoes IS 'the decision that was taken back';
COMMENT ON COLUMN triage.decision.queue_reason IS
    'why its email waited from then on, as in triage.review; NULL if it did not';
COMMENT ON COLUMN triage.decision.tokenizer_version IS 'which tokenizer made the features';
COMMENT ON COLUMN triage.decision.sample_priority IS 'order in which emails enter a state''s sample';
COMMENT ON COLUMN triage.decision.features IS
    'hashes of the email''s tokens, ascending, 8 bytes each, little-endian; NULL if nothing was learned';
COMMENT ON COLUMN triage.decision.step IS
    'what the residual layer added for each of these features, per casefolded label, in 1/1048576; NULL if the '
    'classifier was sure already';
COMMENT ON COLUMN triage.decision.step_version IS
    'the model version that the step was computed against, 0 for none; it counts while that one is active, or one '
    'that was only calibrated from it';
COMMENT ON SEQUENCE triage.decision_decision_id_seq IS 'numbers decisions';
-- Hashes do not compress.
ALTER TABLE triage.decision ALTER COLUMN features SET STORAGE EXTERNAL;

CREATE INDEX decision_review ON triage.decision (review_id, decision_id);
COMMENT ON INDEX triage.decision_review IS 'the history of one email';
CREATE INDEX decision_batch ON triage.decision (batch_id);
COMMENT ON INDEX triage.decision_batch IS 'the decisions of one statement';
CREATE INDEX decision_replaces ON triage.decision (replaces) WHERE replaces IS NOT NULL;
COMMENT ON INDEX triage.decision_replaces IS 'tells whether a decision still holds';
CREATE INDEX decision_undoes ON triage.decision (undoes) WHERE undoes IS NOT NULL;
COMMENT ON INDEX triage.decision_undoes IS 'tells whether a decision was taken back';
CREATE INDEX decision_sample ON triage.decision (classifier, sample_priority) WHERE features IS NOT NULL;
COMMENT ON INDEX triage.decision_sample IS 'fills a sample again after un-learning';
CREATE INDEX decision_learned ON triage.decision (classifier, decision_id) WHERE features IS NOT NULL;
COMMENT ON INDEX triage.decision_learned IS 'what a version has not learned yet';
CREATE INDEX decision_description ON triage.decision (classifier) WHERE door = 'description';
COMMENT ON INDEX triage.decision_description IS 'descriptions of labels';
CREATE INDEX decision_time ON triage.decision (decided_at);
COMMENT ON INDEX triage.decision_time IS 'what was decided yesterday';

CREATE SEQUENCE triage_internal.batch_id_seq;
COMMENT ON SEQUENCE triage_internal.batch_id_seq IS 'numbers statements that decided';

-- Says which decisions hold, like decision_in_base in store/base.sql. PostgreSQL takes both apart
-- into the conditions that they are made of, so that whatever a query adds is looked up in an index.
CREATE VIEW triage_internal.decision_in_force AS
SELECT d.*
  FROM triage.decision d
 WHERE NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id);
COMMENT ON VIEW triage_internal.decision_in_force IS
    'decisions that no other decision replaces; with features IS NOT NULL those that count as learned';

-- An undo can be undone, and so on: of each decision the latest undo counts. Not part of the views
-- that ask: planned as a query in a query, it would look so dear that reading them were compiled.
CREATE FUNCTION triage_internal.is_undone(decision_id bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 100
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    undo   bigint := decision_id;
    undone boolean := false;
BEGIN
    LOOP
        undo := (SELECT max(d.decision_id) FROM triage.decision d WHERE d.undoes = undo);
        IF undo IS NULL THEN
            RETURN undone;
        END IF;
        undone := NOT undone;
    END LOOP;
END
$$;
COMMENT ON FUNCTION triage_internal.is_undone(bigint) IS 'whether somebody has taken a decision back';

CREATE FUNCTION triage_internal.refuse_erasure() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'refuse_erasure_wrapper';
COMMENT ON FUNCTION triage_internal.refuse_erasure() IS 'keeps the ledger append-only; forget() passes';

CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON triage.review
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.refuse_erasure();
COMMENT ON TRIGGER kept ON triage.review IS 'only forget() deletes: decisions are about them';

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON triage.decision
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.refuse_erasure();
COMMENT ON TRIGGER append_only ON triage.decision IS 'only forget() deletes';

CREATE FUNCTION triage_internal.refuse_change() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    renamed triage.decision := OLD;
BEGIN
    -- A classifier's new name, written by the trigger on triage.classifier.
    renamed.classifier := NEW.classifier;
    IF pg_trigger_depth() > 1 AND renamed IS NOT DISTINCT FROM NEW THEN
        RETURN NEW;
    END IF;
    -- A label's new name, and what depends on it: the words of a description begin with it.
    IF triage_internal.is_changing_labels() THEN
        renamed := OLD;
        renamed.old_label := NEW.old_label;
        renamed.new_label := NEW.new_label;
        renamed.predicted_label := NEW.predicted_label;
        renamed.sample_priority := NEW.sample_priority;
        renamed.step := NEW.step;
        IF OLD.door = 'description' THEN
            renamed.features := NEW.features;
        END IF;
        IF renamed IS NOT DISTINCT FROM NEW THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE insufficient_privilege USING MESSAGE =
        'triage.decision is append-only: take a decision back with triage.undo(decision_id)';
END
$$;
COMMENT ON FUNCTION triage_internal.refuse_change() IS 'keeps the ledger append-only';

CREATE TRIGGER unchanged BEFORE UPDATE ON triage.decision
    FOR EACH ROW EXECUTE FUNCTION triage_internal.refuse_change();
COMMENT ON TRIGGER unchanged ON triage.decision IS 'decisions are never changed';

SELECT pg_extension_config_dump('triage.decision', '');
SELECT pg_extension_config_dump('triage.decision_decision_id_seq', '');
SELECT pg_extension_config_dump('triage_internal.batch_id_seq', '');
