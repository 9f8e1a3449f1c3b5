-- Versions, and which of them is active. Versions are never changed, activations only added.

CREATE TABLE triage_internal.model (
    classifier        text    NOT NULL,
    version           integer NOT NULL CHECK (version > 0),
    model             @extschema@.email_model NOT NULL,
    from_ledger       boolean NOT NULL DEFAULT false,
    checksum          text    NOT NULL,
    bytes             bigint  NOT NULL,
    documents         bigint  NOT NULL,
    skipped           bigint  NOT NULL,
    labels            integer NOT NULL,
    score_form        text    NOT NULL,
    judged            integer NOT NULL,
    accuracy          float8,
    macro_f1          float8,
    log_loss          float8,
    calibration_error float8,
    held_out          integer NOT NULL,
    held_out_accuracy float8,
    baseline_accuracy float8,
    note              text,
    trained_at        timestamptz NOT NULL DEFAULT now(),
    created_by        text        NOT NULL,
    last_decision     bigint      NOT NULL DEFAULT 0,
    champion          integer,
    compared          integer,
    compared_accuracy float8,
    champion_accuracy float8,
    refused           text,
    reviewer          text,
    known_as          text,
    evidence          text,
    inverse_temperature float8      DEFAULT 1,
    steps_of          integer,
    label_change      bigint      NOT NULL DEFAULT 0,
    relabelled_from   integer,
    PRIMARY KEY (classifier, version)
);
COMMENT ON TABLE triage_internal.model IS 'model versions, kept for good; people read triage.model_versions';
COMMENT ON COLUMN triage_internal.model.classifier IS 'the classifier it answers for';
COMMENT ON COLUMN triage_internal.model.version IS 'counts up from 1 within the classifier';
COMMENT ON COLUMN triage_internal.model.model IS
    'the model itself; where decisions made all its counts, only how counts become probabilities: the counts are in '
    'triage_internal.base';
COMMENT ON COLUMN triage_internal.model.from_ledger IS
    'whether decisions made all its counts; those of another model are added to';
COMMENT ON COLUMN triage_internal.model.checksum IS 'xxh3-128 over its content, in hexadecimal';
COMMENT ON COLUMN triage_internal.model.bytes IS 'its size in bytes';
COMMENT ON COLUMN triage_internal.model.documents IS 'emails learned';
COMMENT ON COLUMN triage_internal.model.skipped IS 'rows without body or label';
COMMENT ON COLUMN triage_internal.model.labels IS 'number of labels';
COMMENT ON COLUMN triage_internal.model.score_form IS 'how counts became scores, chosen by leave-one-out log loss';
COMMENT ON COLUMN triage_internal.model.judged IS 'sampled training emails that were left out and scored';
COMMENT ON COLUMN triage_internal.model.accuracy IS
    'share of the judged emails that got their label; optimistic where emails repeat';
COMMENT ON COLUMN triage_internal.model.macro_f1 IS 'mean F1 over the labels of the judged emails';
COMMENT ON COLUMN triage_internal.model.log_loss IS 'mean of -ln(probability of the true label) over the judged emails';
COMMENT ON COLUMN triage_internal.model.calibration_error IS 'mean gap between confidence and accuracy in 15 bins';
COMMENT ON COLUMN triage_internal.model.held_out IS 'judged emails on which the baseline was judged too';
COMMENT ON COLUMN triage_internal.model.held_out_accuracy IS 'accuracy of this model on those';
COMMENT ON COLUMN triage_internal.model.baseline_accuracy IS
    'accuracy of an independent Bernoulli naive Bayes (linfa) on those';
COMMENT ON COLUMN triage_internal.model.note IS 'given to deploy()';
COMMENT ON COLUMN triage_internal.model.trained_at IS 'when it was stored';
COMMENT ON COLUMN triage_internal.model.created_by IS 'who stored it';
COMMENT ON COLUMN triage_internal.model.last_decision IS
    'the latest decision that it may have learned from: later ones can judge it';
COMMENT ON COLUMN triage_internal.model.champion IS
    'the version whose place it was to take when maintenance trained it, 0 for decisions alone; NULL for one that a '
    'person made';
COMMENT ON COLUMN triage_internal.model.compared IS
    'decided emails that both were asked about, and neither had learned';
COMMENT ON COLUMN triage_internal.model.compared_accuracy IS 'share of them that it answered right';
COMMENT ON COLUMN triage_internal.model.champion_accuracy IS 'share of them that the other one answered right';
COMMENT ON COLUMN triage_internal.model.reviewer IS
    'whose decisions that it learned from are contradicted more often than those of others about emails of the same '
    'kind; NULL if nobody''s are';
COMMENT ON COLUMN triage_internal.model.known_as IS 'the same, with the roles or names that they connected as';
COMMENT ON COLUMN triage_internal.model.evidence IS 'how often they are, and how often those of others';
COMMENT ON COLUMN triage_internal.model.inverse_temperature IS
    'its probabilities are those that it was trained with, raised to this; NULL if another calibration was fitted';
COMMENT ON COLUMN triage_internal.model.steps_of IS
    'the version whose steps count with this one; NULL for its own. A version that was only calibrated shares those '
    'of the other';
COMMENT ON COLUMN triage_internal.model.label_change IS
    'the latest change of labels before it was stored: later ones have to be made up for when it is activated';
COMMENT ON COLUMN triage_internal.model.relabelled_from IS
    'the version that it is under other names of labels; NULL for none';
COMMENT ON COLUMN triage_internal.model.refused IS 'why it was not activated; NULL if it was, or a person made it';

CREATE TABLE triage_internal.activation (
    activation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    classifier    text    NOT NULL,
    version       integer NOT NULL,
    kind          text    NOT NULL CHECK (kind IN ('activate', 'rollback')),
    returns_to    bigint,
    activated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    activated_by  text    NOT NULL,
    why           text
);
COMMENT ON TABLE triage_internal.activation IS 'append-only: the latest row of a classifier names its active version';
COMMENT ON COLUMN triage_internal.activation.activation_id IS 'ascending';
COMMENT ON COLUMN triage_internal.activation.classifier IS 'the classifier';
COMMENT ON COLUMN triage_internal.activation.version IS 'the version that became active';
COMMENT ON COLUMN triage_internal.activation.kind IS 'activate or rollback';
COMMENT ON COLUMN triage_internal.activation.returns_to IS 'the activation that a rollback from here goes back to';
COMMENT ON COLUMN triage_internal.activation.activated_at IS 'when';
COMMENT ON COLUMN triage_internal.activation.activated_by IS 'who';
COMMENT ON COLUMN triage_internal.activation.why IS 'why, as given to activate() or rollback(), or as maintenance says';
COMMENT ON SEQUENCE triage_internal.activation_activation_id_seq IS 'numbers activations';
CREATE INDEX activation_latest ON triage_internal.activation (classifier, activation_id DESC);
COMMENT ON INDEX triage_internal.activation_latest IS 'finds the active version';

-- The one place that says which version is active: it starts at the classifier, so that for
-- one of them it is two look-ups in an index, however many activations there are.
CREATE VIEW triage_internal.active_version AS
SELECT c.name AS classifier, a.version, a.activation_id, a.returns_to
  FROM triage.classifier c
 CROSS JOIN LATERAL (SELECT a.version, a.activation_id, a.returns_to
                       FROM triage_internal.activation a
                      WHERE a.classifier = c.name
                      ORDER BY a.activation_id DESC
                      LIMIT 1) a;
COMMENT ON VIEW triage_internal.active_version IS
    'the active version of each classifier that has one: what its latest activation names';
COMMENT ON COLUMN triage_internal.active_version.classifier IS 'the classifier';
COMMENT ON COLUMN triage_internal.active_version.version IS 'its active version';
COMMENT ON COLUMN triage_internal.active_version.activation_id IS 'the activation that says so';
COMMENT ON COLUMN triage_internal.active_version.returns_to IS 'the activation that a rollback goes back to';

SELECT pg_extension_config_dump('triage_internal.model', '');
SELECT pg_extension_config_dump('triage_internal.activation', '');
SELECT pg_extension_config_dump('triage_internal.activation_activation_id_seq', '');
