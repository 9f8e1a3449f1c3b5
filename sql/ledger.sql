-- What people decided, and what follows from it. Data flows one way: a decision is appended
-- to triage.decision and listed in triage.pending; a session answers with the active model
-- (or triage.base, if decisions have been folded) plus the decisions that its snapshot sees
-- in triage.pending; a fold moves them from there into triage.base, in one transaction.
-- Which decisions count is therefore decided by row visibility alone.

CREATE TABLE triage.source (
    source_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source              text     NOT NULL,
    classifier          text     NOT NULL,
    relation            regclass NOT NULL,
    attached            boolean  NOT NULL,
    record_given_labels boolean  NOT NULL DEFAULT false,
    queue_view          text,
    search_path         text     NOT NULL,
    attached_at         timestamptz NOT NULL DEFAULT pg_catalog.now(),
    attached_by         text     NOT NULL DEFAULT CURRENT_USER,
    UNIQUE (source, classifier)
);
COMMENT ON TABLE triage.source IS 'tables whose rows are labelled; kept after detach(), because decisions name them';
COMMENT ON COLUMN triage.source.source_id IS 'argument of the triggers on the table';
COMMENT ON COLUMN triage.source.source IS 'name of the table when it was first attached; it stays when the table is renamed';
COMMENT ON COLUMN triage.source.classifier IS 'the classifier that labels it';
COMMENT ON COLUMN triage.source.relation IS 'the table; which of its columns hold label, key and text is in the column list of its trigger zz_triage_decided_<source_id>, because PostgreSQL keeps that up to date';
COMMENT ON COLUMN triage.source.attached IS 'false after detach(), and for tables that were only imported from';
COMMENT ON COLUMN triage.source.record_given_labels IS 'whether a label that a row comes with is recorded as a human decision';
COMMENT ON COLUMN triage.source.queue_view IS 'the view on its reviews with the live text';
COMMENT ON COLUMN triage.source.search_path IS 'of the session that attached it: its own triggers run with it when a correction changes its label';
COMMENT ON COLUMN triage.source.attached_at IS 'when';
COMMENT ON COLUMN triage.source.attached_by IS 'who';
COMMENT ON SEQUENCE triage.source_source_id_seq IS 'numbers attached tables';

CREATE TABLE triage.review (
    review_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    classifier        text    NOT NULL,
    source            text    NOT NULL,
    email_key         text    NOT NULL,
    received_at       timestamptz NOT NULL DEFAULT pg_catalog.now(),
    predicted_label   text,
    confidence        float8,
    second_label      text,
    second_confidence float8,
    margin            float8,
    model_version     integer,
    human_label       text,
    note              text,
    reviewed_by       text,
    reviewed_at       timestamptz,
    queue_reason      text,
    row_version       integer NOT NULL DEFAULT 1,
    decision_id       bigint
);
CREATE UNIQUE INDEX review_email ON triage.review (source, email_key, classifier);
CREATE INDEX review_open ON triage.review (classifier, margin NULLS FIRST) WHERE queue_reason IS NOT NULL;
COMMENT ON TABLE triage.review IS 'one row per email and classifier: what was predicted, how sure, what a person said. Set human_label or note; nothing else can be changed';
COMMENT ON COLUMN triage.review.review_id IS 'key';
COMMENT ON COLUMN triage.review.classifier IS 'the classifier';
COMMENT ON COLUMN triage.review.source IS 'the table that the email is in';
COMMENT ON COLUMN triage.review.email_key IS 'its key there';
COMMENT ON COLUMN triage.review.received_at IS 'when the row was inserted';
COMMENT ON COLUMN triage.review.predicted_label IS 'what the classifier said; never overwritten. NULL if it could not say anything';
COMMENT ON COLUMN triage.review.confidence IS 'probability of that label, 0 to 1';
COMMENT ON COLUMN triage.review.second_label IS 'the next best label';
COMMENT ON COLUMN triage.review.second_confidence IS 'its probability';
COMMENT ON COLUMN triage.review.margin IS 'difference of the two: small means unsure';
COMMENT ON COLUMN triage.review.model_version IS 'which model said so; NULL for decisions alone';
COMMENT ON COLUMN triage.review.human_label IS 'what a person said; setting it to the predicted label accepts, to another one corrects, to NULL takes the decision back';
COMMENT ON COLUMN triage.review.note IS 'for people';
COMMENT ON COLUMN triage.review.reviewed_by IS 'who decided';
COMMENT ON COLUMN triage.review.reviewed_at IS 'when';
COMMENT ON COLUMN triage.review.queue_reason IS 'why it is in the queue: unclassified, uncertain (confidence below 0.8) or confident; NULL once it was decided or skipped';
COMMENT ON COLUMN triage.review.row_version IS 'counts changes; sending an old one makes the update fail instead of overwriting';
COMMENT ON COLUMN triage.review.decision_id IS 'the latest decision about it';
COMMENT ON SEQUENCE triage.review_review_id_seq IS 'numbers reviews';
COMMENT ON INDEX triage.review_email IS 'one review per email and classifier';
COMMENT ON INDEX triage.review_open IS 'the queue, least certain first';

CREATE TABLE triage.decision (
    decision_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    review_id         bigint,
    classifier        text   NOT NULL,
    kind              text   NOT NULL
        CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['accept'::text, 'correct'::text, 'skip'::text, 'undo'::text, 'import'::text])),
    old_label         text,
    new_label         text,
    predicted_label   text,
    confidence        float8,
    model_version     integer,
    note              text,
    actor             text   NOT NULL,
    decided_at        timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    batch_id          bigint NOT NULL,
    door              text   NOT NULL,
    connected_as      text   NOT NULL,
    acting_as         text   NOT NULL,
    application_name  text,
    replaces          bigint,
    undoes            bigint,
    tokenizer_version integer,
    sample_priority   bigint,
    features          bytea
);
-- Hashes do not compress.
ALTER TABLE triage.decision ALTER COLUMN features SET STORAGE EXTERNAL;
CREATE INDEX decision_review ON triage.decision (review_id, decision_id);
CREATE INDEX decision_batch ON triage.decision (batch_id);
CREATE INDEX decision_replaces ON triage.decision (replaces) WHERE replaces IS NOT NULL;
CREATE INDEX decision_sample ON triage.decision (classifier, sample_priority) WHERE features IS NOT NULL;
CREATE SEQUENCE triage.batch_id_seq;
COMMENT ON TABLE triage.decision IS 'the ledger: append-only, and the truth that models are derived from; people read triage.decision_history';
COMMENT ON COLUMN triage.decision.decision_id IS 'ascending; a lower one may be committed later';
COMMENT ON COLUMN triage.decision.review_id IS 'the review decided on; NULL for an import from a relation without a key';
COMMENT ON COLUMN triage.decision.classifier IS 'the classifier';
COMMENT ON COLUMN triage.decision.kind IS 'accept (the predicted label), correct (another one), skip, undo, import';
COMMENT ON COLUMN triage.decision.old_label IS 'human label before';
COMMENT ON COLUMN triage.decision.new_label IS 'human label after';
COMMENT ON COLUMN triage.decision.predicted_label IS 'what had been predicted';
COMMENT ON COLUMN triage.decision.confidence IS 'with what confidence';
COMMENT ON COLUMN triage.decision.model_version IS 'by which model';
COMMENT ON COLUMN triage.decision.note IS 'for people';
COMMENT ON COLUMN triage.decision.actor IS 'who decided, as they say';
COMMENT ON COLUMN triage.decision.decided_at IS 'when';
COMMENT ON COLUMN triage.decision.batch_id IS 'decisions of one statement share it; undo_batch() takes it';
COMMENT ON COLUMN triage.decision.door IS 'table, review, view, function, insert or import';
COMMENT ON COLUMN triage.decision.connected_as IS 'session_user';
COMMENT ON COLUMN triage.decision.acting_as IS 'current_user';
COMMENT ON COLUMN triage.decision.application_name IS 'the tool, as it says';
COMMENT ON COLUMN triage.decision.replaces IS 'the review''s decision before: what that one taught is taken back';
COMMENT ON COLUMN triage.decision.undoes IS 'the decision that was taken back';
COMMENT ON COLUMN triage.decision.tokenizer_version IS 'which tokenizer made the features';
COMMENT ON COLUMN triage.decision.sample_priority IS 'order in which emails enter a state''s sample';
COMMENT ON COLUMN triage.decision.features IS 'hashes of the email''s tokens, ascending, 8 bytes each, little-endian; NULL if nothing was learned';
COMMENT ON SEQUENCE triage.decision_decision_id_seq IS 'numbers decisions';
COMMENT ON SEQUENCE triage.batch_id_seq IS 'numbers statements that decided';
COMMENT ON INDEX triage.decision_review IS 'the history of one email';
COMMENT ON INDEX triage.decision_batch IS 'the decisions of one statement';
COMMENT ON INDEX triage.decision_replaces IS 'tells whether a decision still holds';
COMMENT ON INDEX triage.decision_sample IS 'fills a sample again after un-learning';

CREATE TABLE triage.pending (
    classifier  text   NOT NULL,
    decision_id bigint NOT NULL,
    PRIMARY KEY (classifier, decision_id)
);
COMMENT ON TABLE triage.pending IS 'decisions that sessions add to the base; a fold removes them';
COMMENT ON COLUMN triage.pending.classifier IS 'the classifier';
COMMENT ON COLUMN triage.pending.decision_id IS 'the decision';

CREATE TABLE triage.base (
    classifier text PRIMARY KEY,
    version    integer,
    serving    email_model NOT NULL,
    learned    email_state,
    decisions  bigint      NOT NULL,
    folded_at  timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE triage.base IS 'the active model with the decisions folded in';
COMMENT ON COLUMN triage.base.classifier IS 'the classifier';
COMMENT ON COLUMN triage.base.version IS 'the version that it was made for; NULL for decisions alone';
COMMENT ON COLUMN triage.base.serving IS 'what sessions load';
COMMENT ON COLUMN triage.base.learned IS 'the decisions'' own counts; NULL where those are all that serving has';
COMMENT ON COLUMN triage.base.decisions IS 'number of decisions folded in so far';
COMMENT ON COLUMN triage.base.folded_at IS 'when';

CREATE FUNCTION triage.refuse_erasure() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'refuse_erasure_wrapper';
COMMENT ON FUNCTION triage.refuse_erasure() IS 'keeps the ledger append-only; forget() passes';
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON triage.decision
    FOR EACH STATEMENT EXECUTE FUNCTION triage.refuse_erasure();
COMMENT ON TRIGGER append_only ON triage.decision IS 'only forget() deletes';

CREATE FUNCTION triage.refuse_change() RETURNS trigger
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
    RAISE insufficient_privilege USING MESSAGE =
        'triage.decision is append-only: take a decision back with triage.undo(decision_id)';
END
$$;
COMMENT ON FUNCTION triage.refuse_change() IS 'keeps the ledger append-only';
CREATE TRIGGER unchanged BEFORE UPDATE ON triage.decision
    FOR EACH ROW EXECUTE FUNCTION triage.refuse_change();
COMMENT ON TRIGGER unchanged ON triage.decision IS 'decisions are never changed';

CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage.pending
    FOR EACH ROW EXECUTE FUNCTION triage.signal_change();
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage.base
    FOR EACH ROW EXECUTE FUNCTION triage.signal_change();
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage.source
    FOR EACH ROW EXECUTE FUNCTION triage.signal_change();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage.pending
    FOR EACH STATEMENT EXECUTE FUNCTION triage.signal_change();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage.base
    FOR EACH STATEMENT EXECUTE FUNCTION triage.signal_change();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage.source
    FOR EACH STATEMENT EXECUTE FUNCTION triage.signal_change();
ALTER TABLE triage.pending ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE triage.base ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE triage.source ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE triage.pending ENABLE ALWAYS TRIGGER signal_truncate;
ALTER TABLE triage.base ENABLE ALWAYS TRIGGER signal_truncate;
ALTER TABLE triage.source ENABLE ALWAYS TRIGGER signal_truncate;
COMMENT ON TRIGGER signal_change ON triage.pending IS 'see triage.model_signal';
COMMENT ON TRIGGER signal_change ON triage.base IS 'see triage.model_signal';
COMMENT ON TRIGGER signal_change ON triage.source IS 'see triage.model_signal';
COMMENT ON TRIGGER signal_truncate ON triage.pending IS 'see triage.model_signal';
COMMENT ON TRIGGER signal_truncate ON triage.base IS 'see triage.model_signal';
COMMENT ON TRIGGER signal_truncate ON triage.source IS 'see triage.model_signal';

SELECT pg_catalog.pg_extension_config_dump('triage.source', '');
SELECT pg_catalog.pg_extension_config_dump('triage.source_source_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('triage.review', '');
SELECT pg_catalog.pg_extension_config_dump('triage.review_review_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('triage.decision', '');
SELECT pg_catalog.pg_extension_config_dump('triage.decision_decision_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('triage.batch_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('triage.pending', '');
SELECT pg_catalog.pg_extension_config_dump('triage.base', '');
