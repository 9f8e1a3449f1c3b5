-- Tables. People read them through views and write them through functions, which keep them
-- consistent under a lock on the classifier's row. There are no foreign keys: an extension's
-- tables have them before their rows, and a parallel pg_restore then fails, because nothing
-- tells it an order.

CREATE FUNCTION triage_internal.label_key(label text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'label_key_wrapper';
COMMENT ON FUNCTION triage_internal.label_key(text) IS
    'the form of a label that decides whether two labels are the same: trimmed, NFKC, casefolded';

CREATE TABLE triage.classifier (
    name        text PRIMARY KEY,
    description text,
    open_labels boolean     NOT NULL DEFAULT false,
    review_below float8     NOT NULL DEFAULT 0.8
        CHECK (review_below OPERATOR(pg_catalog.>=) 0.0::float8 AND review_below OPERATOR(pg_catalog.<=) 1.0::float8),
    created_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
    created_by  text        NOT NULL DEFAULT CURRENT_USER,
    erasures    bigint      NOT NULL DEFAULT 0,
    CONSTRAINT classifier_name_is_short
        CHECK (name OPERATOR(pg_catalog.=) pg_catalog.btrim(name)
               AND pg_catalog.length(name) OPERATOR(pg_catalog.>=) 1
               AND pg_catalog.length(name) OPERATOR(pg_catalog.<=) 128)
);
COMMENT ON TABLE triage.classifier IS 'named questions with a closed set of labels';
COMMENT ON COLUMN triage.classifier.name IS 'what SQL functions are given; "default" needs no registration';
COMMENT ON COLUMN triage.classifier.description IS 'for people';
COMMENT ON COLUMN triage.classifier.open_labels IS 'whether a decision may use a label that does not exist yet, which then is added';
COMMENT ON COLUMN triage.classifier.review_below IS 'predictions with a lower confidence are queued as uncertain, 0 to 1; set it with UPDATE. It holds for emails that are classified, and decisions that are taken back, from then on: what is in the queue stays as it is';
COMMENT ON COLUMN triage.classifier.created_at IS 'when it was created';
COMMENT ON COLUMN triage.classifier.created_by IS 'who created it';
COMMENT ON COLUMN triage.classifier.erasures IS 'how often forget() or forget_classifier() erased something: what was read before is not stored after';

CREATE TABLE triage.label (
    classifier  text NOT NULL,
    label       text NOT NULL,
    description text,
    created_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
    created_by  text        NOT NULL DEFAULT CURRENT_USER,
    PRIMARY KEY (classifier, label),
    CONSTRAINT label_is_not_empty
        CHECK (label OPERATOR(pg_catalog.=) pg_catalog.btrim(label)
               AND label OPERATOR(pg_catalog.<>) '')
);
CREATE UNIQUE INDEX label_key ON triage.label (classifier, triage_internal.label_key(label));
COMMENT ON TABLE triage.label IS 'the answers that a classifier can give; spelling here is what people see';
COMMENT ON COLUMN triage.label.classifier IS 'the classifier it belongs to';
COMMENT ON COLUMN triage.label.label IS 'the label as shown; case and width do not make a new label';
COMMENT ON COLUMN triage.label.description IS 'what belongs under this label; triage.add_label() also learns it, as one small email';
COMMENT ON COLUMN triage.label.created_at IS 'when it was added';
COMMENT ON COLUMN triage.label.created_by IS 'who added it';
COMMENT ON INDEX triage.label_key IS 'one label per casefolded spelling';

CREATE TABLE triage_internal.model (
    classifier        text    NOT NULL,
    version           integer NOT NULL CHECK (version OPERATOR(pg_catalog.>) 0),
    model             email_model NOT NULL,
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
    trained_at        timestamptz NOT NULL DEFAULT pg_catalog.now(),
    created_by        text        NOT NULL,
    last_decision     bigint      NOT NULL DEFAULT 0,
    champion          integer,
    compared          integer,
    compared_accuracy float8,
    champion_accuracy float8,
    refused           text,
    reviewer          text,
    known_as          text,
    steps_of          integer,
    PRIMARY KEY (classifier, version)
);
COMMENT ON TABLE triage_internal.model IS 'model versions, kept for good; people read triage.model_versions';
COMMENT ON COLUMN triage_internal.model.classifier IS 'the classifier it answers for';
COMMENT ON COLUMN triage_internal.model.version IS 'counts up from 1 within the classifier';
COMMENT ON COLUMN triage_internal.model.model IS 'the model itself; where decisions made all its counts, only how counts become probabilities: the counts are in triage_internal.base';
COMMENT ON COLUMN triage_internal.model.from_ledger IS 'whether decisions made all its counts; those of another model are added to';
COMMENT ON COLUMN triage_internal.model.checksum IS 'xxh3-128 over its content, in hexadecimal';
COMMENT ON COLUMN triage_internal.model.bytes IS 'its size in bytes';
COMMENT ON COLUMN triage_internal.model.documents IS 'emails learned';
COMMENT ON COLUMN triage_internal.model.skipped IS 'rows without body or label';
COMMENT ON COLUMN triage_internal.model.labels IS 'number of labels';
COMMENT ON COLUMN triage_internal.model.score_form IS 'how counts became scores, chosen by leave-one-out log loss';
COMMENT ON COLUMN triage_internal.model.judged IS 'sampled training emails that were left out and scored';
COMMENT ON COLUMN triage_internal.model.accuracy IS 'share of the judged emails that got their label; optimistic where emails repeat';
COMMENT ON COLUMN triage_internal.model.macro_f1 IS 'mean F1 over the labels of the judged emails';
COMMENT ON COLUMN triage_internal.model.log_loss IS 'mean of -ln(probability of the true label) over the judged emails';
COMMENT ON COLUMN triage_internal.model.calibration_error IS 'mean gap between confidence and accuracy in 15 bins';
COMMENT ON COLUMN triage_internal.model.held_out IS 'judged emails on which the baseline was judged too';
COMMENT ON COLUMN triage_internal.model.held_out_accuracy IS 'accuracy of this model on those';
COMMENT ON COLUMN triage_internal.model.baseline_accuracy IS 'accuracy of an independent Bernoulli naive Bayes (linfa) on those';
COMMENT ON COLUMN triage_internal.model.note IS 'given to deploy()';
COMMENT ON COLUMN triage_internal.model.trained_at IS 'when it was stored';
COMMENT ON COLUMN triage_internal.model.created_by IS 'who stored it';
COMMENT ON COLUMN triage_internal.model.last_decision IS 'the latest decision that it may have learned from: later ones can judge it';
COMMENT ON COLUMN triage_internal.model.champion IS 'the version whose place it was to take when maintenance trained it, 0 for decisions alone; NULL for one that a person made';
COMMENT ON COLUMN triage_internal.model.compared IS 'decided emails that both were asked about, and neither had learned';
COMMENT ON COLUMN triage_internal.model.compared_accuracy IS 'share of them that it answered right';
COMMENT ON COLUMN triage_internal.model.champion_accuracy IS 'share of them that the other one answered right';
COMMENT ON COLUMN triage_internal.model.reviewer IS 'whose decisions all others contradict, if that is why it was refused';
COMMENT ON COLUMN triage_internal.model.known_as IS 'the same, with the roles or names that they connected as';
COMMENT ON COLUMN triage_internal.model.steps_of IS 'the version whose steps count with this one; NULL for its own. A version that was only calibrated shares those of the other';
COMMENT ON COLUMN triage_internal.model.refused IS 'why it was not activated; NULL if it was, or a person made it';

CREATE TABLE triage_internal.activation (
    activation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    classifier    text    NOT NULL,
    version       integer NOT NULL,
    kind          text    NOT NULL CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['activate'::text, 'rollback'::text])),
    returns_to    bigint,
    activated_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    activated_by  text    NOT NULL,
    why           text
);
CREATE INDEX activation_latest ON triage_internal.activation (classifier, activation_id DESC);
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
COMMENT ON INDEX triage_internal.activation_latest IS 'finds the active version';

-- The one place that says which version is active: it starts at the classifier, so that for
-- one of them it is two look-ups in an index, however many activations there are.
CREATE VIEW triage_internal.active_version AS
SELECT c.name AS classifier, a.version, a.activation_id, a.returns_to
  FROM triage.classifier c
 CROSS JOIN LATERAL (SELECT a.version, a.activation_id, a.returns_to
                       FROM triage_internal.activation a
                      WHERE a.classifier OPERATOR(pg_catalog.=) c.name
                      ORDER BY a.activation_id DESC
                      LIMIT 1) a;
COMMENT ON VIEW triage_internal.active_version IS
    'the active version of each classifier that has one: what its latest activation names';
COMMENT ON COLUMN triage_internal.active_version.classifier IS 'the classifier';
COMMENT ON COLUMN triage_internal.active_version.version IS 'its active version';
COMMENT ON COLUMN triage_internal.active_version.activation_id IS 'the activation that says so';
COMMENT ON COLUMN triage_internal.active_version.returns_to IS 'the activation that a rollback goes back to';

CREATE TABLE triage.email (
    email_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mailbox     text        NOT NULL DEFAULT 'inbox',
    received_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    message_id  text,
    sender      text,
    subject     text,
    body        text,
    label       text,
    header      text,
    sent_at     timestamptz,
    recipients  text,
    in_reply_to text,
    thread_id   bigint,
    language    text,
    attachments text,
    truncated   boolean     NOT NULL DEFAULT false,
    content_hash text,
    raw         bytea
);
CREATE INDEX email_message_id ON triage.email (message_id, mailbox);
CREATE INDEX email_mailbox ON triage.email (mailbox, email_id);
CREATE INDEX email_thread ON triage.email (thread_id);
CREATE INDEX email_in_reply_to ON triage.email (in_reply_to) WHERE in_reply_to IS NOT NULL;
CREATE UNIQUE INDEX email_content ON triage.email (content_hash, mailbox);
COMMENT ON TABLE triage.email IS 'the built-in inbox, for people who start without a table of their own';
COMMENT ON COLUMN triage.email.email_id IS 'ascending';
COMMENT ON COLUMN triage.email.mailbox IS 'a name of your choice; load_sample() uses sample/train and sample/new';
COMMENT ON COLUMN triage.email.received_at IS 'when it came into the table; of sample mails when they were sent';
COMMENT ON COLUMN triage.email.message_id IS 'Message-ID header without angle brackets';
COMMENT ON COLUMN triage.email.sender IS 'first From address with its name';
COMMENT ON COLUMN triage.email.subject IS 'decoded subject';
COMMENT ON COLUMN triage.email.body IS 'best text of the message';
COMMENT ON COLUMN triage.email.label IS 'its label';
COMMENT ON COLUMN triage.email.header IS 'header fields that say something about the label, one a line (From, List-Id, X-Mailer, Attached); part of the text that is classified';
COMMENT ON COLUMN triage.email.sent_at IS 'Date header; a claim of the sender';
COMMENT ON COLUMN triage.email.recipients IS 'To and Cc addresses with their names';
COMMENT ON COLUMN triage.email.in_reply_to IS 'Message-ID of the message that it answers, without angle brackets';
COMMENT ON COLUMN triage.email.thread_id IS 'number of the conversation, found by Message-ID, In-Reply-To and References; NULL for rows that were inserted by themselves';
COMMENT ON COLUMN triage.email.language IS 'of the body, guessed: a BCP 47 tag such as en';
COMMENT ON COLUMN triage.email.attachments IS 'what is attached, one a line: name (type, size)';
COMMENT ON COLUMN triage.email.truncated IS 'the message was larger than the settings pg_triage.max_* allow: something was left out';
COMMENT ON COLUMN triage.email.content_hash IS 'tells the same message that comes twice: SHA-256 of what the sender wrote';
COMMENT ON COLUMN triage.email.raw IS 'the message as it came, if pg_triage.keep_raw is on';
COMMENT ON SEQUENCE triage.email_email_id_seq IS 'numbers emails';
COMMENT ON INDEX triage.email_message_id IS 'finds the messages that one refers to';
COMMENT ON INDEX triage.email_mailbox IS 'shows the latest mail of a mailbox';
COMMENT ON INDEX triage.email_thread IS 'finds a conversation';
COMMENT ON INDEX triage.email_in_reply_to IS 'finds answers that came before the message';
COMMENT ON INDEX triage.email_content IS 'a message is in a mailbox once';

CREATE FUNCTION triage_internal.cascade_classifier() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        IF EXISTS (SELECT FROM triage.decision) THEN
            RAISE object_in_use USING MESSAGE =
                'classifiers have decisions, which are kept: erase them first with triage.forget_classifier(name)';
        END IF;
        -- Not TRUNCATE: the statement may have them open, too.
        DELETE FROM triage.review;
        DELETE FROM triage_internal.base;
        DELETE FROM triage_internal.job WHERE classifier IS NOT NULL;
        DELETE FROM triage_internal.alert WHERE classifier IS NOT NULL;
        DELETE FROM triage_internal.activation;
        DELETE FROM triage_internal.model;
        DELETE FROM triage.label;
        DELETE FROM triage.cost;
    ELSIF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM triage.decision WHERE classifier = OLD.name) THEN
            RAISE object_in_use USING MESSAGE = format(
                'classifier "%s" has decisions, which are kept: erase them first with triage.forget_classifier(name)', OLD.name);
        END IF;
        DELETE FROM triage.review WHERE classifier = OLD.name;
        DELETE FROM triage_internal.base WHERE classifier = OLD.name;
        DELETE FROM triage_internal.job WHERE classifier = OLD.name;
        DELETE FROM triage_internal.alert WHERE classifier = OLD.name;
        DELETE FROM triage_internal.activation WHERE classifier = OLD.name;
        DELETE FROM triage_internal.model WHERE classifier = OLD.name;
        DELETE FROM triage.label WHERE classifier = OLD.name;
        DELETE FROM triage.cost WHERE classifier = OLD.name;
        -- The deletion of reviews has waited for decisions about them.
        IF EXISTS (SELECT FROM triage.decision WHERE classifier = OLD.name) THEN
            RAISE object_in_use USING MESSAGE = format(
                'classifier "%s" has decisions, which are kept: erase them first with triage.forget_classifier(name)', OLD.name);
        END IF;
    ELSE
        -- The inbox is attached to "default" without a row that says so.
        IF OLD.name = 'default' AND NOT EXISTS (SELECT FROM triage_internal.source WHERE source_id = 0) THEN
            INSERT INTO triage_internal.source (source_id, source, classifier, relation, attached, queue_view, search_path)
                OVERRIDING SYSTEM VALUE
                VALUES (0, 'triage.email', OLD.name, 'triage.email', true, 'email_queue', 'pg_catalog, pg_temp');
        END IF;
        UPDATE triage_internal.source SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage.review SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage.decision SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.pending SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.base SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.job SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.alert SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.activation SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage_internal.model SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage.label SET classifier = NEW.name WHERE classifier = OLD.name;
        UPDATE triage.cost SET classifier = NEW.name WHERE classifier = OLD.name;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION triage_internal.cascade_classifier() IS
    'what belongs to a classifier follows its name and goes when it goes';
CREATE TRIGGER cascade_delete AFTER DELETE ON triage.classifier
    FOR EACH ROW EXECUTE FUNCTION triage_internal.cascade_classifier();
CREATE TRIGGER cascade_truncate AFTER TRUNCATE ON triage.classifier
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.cascade_classifier();
CREATE TRIGGER cascade_rename AFTER UPDATE OF name ON triage.classifier
    FOR EACH ROW WHEN (OLD.name OPERATOR(pg_catalog.<>) NEW.name)
    EXECUTE FUNCTION triage_internal.cascade_classifier();
COMMENT ON TRIGGER cascade_delete ON triage.classifier IS 'deletes its labels, models and activations';
COMMENT ON TRIGGER cascade_truncate ON triage.classifier IS 'empties labels, models and activations';
COMMENT ON TRIGGER cascade_rename ON triage.classifier IS 'renames it in labels, models and activations';

-- Sessions watch the relation-cache entry of this table; see src/cache.rs.
CREATE TABLE triage_internal.model_signal ();
COMMENT ON TABLE triage_internal.model_signal IS 'empty; its relation-cache invalidation tells sessions that a model, label or activation changed';

CREATE FUNCTION triage_internal.signal_change() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'signal_change_wrapper';
COMMENT ON FUNCTION triage_internal.signal_change() IS 'tells all sessions, at commit, to look again which model is active';

-- FOR EACH ROW and ENABLE ALWAYS: changes that arrive by logical replication count too.
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage.classifier
    FOR EACH ROW EXECUTE FUNCTION triage_internal.signal_change();
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage.label
    FOR EACH ROW EXECUTE FUNCTION triage_internal.signal_change();
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage_internal.model
    FOR EACH ROW EXECUTE FUNCTION triage_internal.signal_change();
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON triage_internal.activation
    FOR EACH ROW EXECUTE FUNCTION triage_internal.signal_change();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage.classifier
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.signal_change();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage.label
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.signal_change();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage_internal.model
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.signal_change();
CREATE TRIGGER signal_truncate AFTER TRUNCATE ON triage_internal.activation
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.signal_change();
ALTER TABLE triage.classifier ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE triage.label ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE triage_internal.model ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE triage_internal.activation ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE triage.classifier ENABLE ALWAYS TRIGGER signal_truncate;
ALTER TABLE triage.label ENABLE ALWAYS TRIGGER signal_truncate;
ALTER TABLE triage_internal.model ENABLE ALWAYS TRIGGER signal_truncate;
ALTER TABLE triage_internal.activation ENABLE ALWAYS TRIGGER signal_truncate;
COMMENT ON TRIGGER signal_change ON triage.classifier IS 'see triage_internal.model_signal';
COMMENT ON TRIGGER signal_change ON triage.label IS 'see triage_internal.model_signal';
COMMENT ON TRIGGER signal_change ON triage_internal.model IS 'see triage_internal.model_signal';
COMMENT ON TRIGGER signal_change ON triage_internal.activation IS 'see triage_internal.model_signal';
COMMENT ON TRIGGER signal_truncate ON triage.classifier IS 'see triage_internal.model_signal';
COMMENT ON TRIGGER signal_truncate ON triage.label IS 'see triage_internal.model_signal';
COMMENT ON TRIGGER signal_truncate ON triage_internal.model IS 'see triage_internal.model_signal';
COMMENT ON TRIGGER signal_truncate ON triage_internal.activation IS 'see triage_internal.model_signal';

CREATE VIEW triage.activations WITH (security_barrier) AS
SELECT a.activation_id,
       a.classifier,
       a.version,
       a.kind,
       pg_catalog.lag(a.version) OVER (PARTITION BY a.classifier ORDER BY a.activation_id) AS from_version,
       a.activated_at,
       a.activated_by,
       a.why
  FROM triage_internal.activation a;
COMMENT ON VIEW triage.activations IS 'which version was active from when on, and who decided it';
COMMENT ON COLUMN triage.activations.activation_id IS 'ascending';
COMMENT ON COLUMN triage.activations.classifier IS 'the classifier';
COMMENT ON COLUMN triage.activations.version IS 'the version that became active';
COMMENT ON COLUMN triage.activations.kind IS 'activate or rollback';
COMMENT ON COLUMN triage.activations.from_version IS 'the version that was active before';
COMMENT ON COLUMN triage.activations.activated_at IS 'when';
COMMENT ON COLUMN triage.activations.activated_by IS 'who';
COMMENT ON COLUMN triage.activations.why IS 'why';

CREATE VIEW triage.model_versions WITH (security_barrier) AS
SELECT m.classifier,
       m.version,
       CASE WHEN m.version OPERATOR(pg_catalog.=) v.version THEN 'active'
            WHEN EXISTS (SELECT FROM triage_internal.activation a
                          WHERE a.classifier OPERATOR(pg_catalog.=) m.classifier
                            AND a.version OPERATOR(pg_catalog.=) m.version) THEN 'retired'
            WHEN m.refused IS NOT NULL THEN 'refused'
            ELSE 'candidate'
       END AS status,
       m.trained_at,
       m.documents,
       m.labels,
       m.accuracy,
       m.macro_f1,
       m.log_loss,
       m.calibration_error,
       m.judged,
       m.held_out,
       m.held_out_accuracy,
       m.baseline_accuracy,
       m.skipped,
       m.score_form,
       m.from_ledger,
       m.bytes,
       m.checksum,
       m.note,
       m.created_by,
       m.champion,
       m.compared,
       m.compared_accuracy,
       m.champion_accuracy,
       m.refused
  FROM triage_internal.model m
  LEFT JOIN triage_internal.active_version v ON v.classifier OPERATOR(pg_catalog.=) m.classifier;
COMMENT ON VIEW triage.model_versions IS 'every stored model with its metrics; the figures come from left-out training emails and are optimistic where emails repeat';
COMMENT ON COLUMN triage.model_versions.classifier IS 'the classifier';
COMMENT ON COLUMN triage.model_versions.version IS 'counts up from 1 within the classifier';
COMMENT ON COLUMN triage.model_versions.status IS 'active; retired (was active); refused (by maintenance, see refused); candidate (never active)';
COMMENT ON COLUMN triage.model_versions.trained_at IS 'when it was stored';
COMMENT ON COLUMN triage.model_versions.documents IS 'emails learned';
COMMENT ON COLUMN triage.model_versions.labels IS 'number of labels';
COMMENT ON COLUMN triage.model_versions.accuracy IS 'share of the judged emails that got their label';
COMMENT ON COLUMN triage.model_versions.macro_f1 IS 'mean F1 over the labels';
COMMENT ON COLUMN triage.model_versions.log_loss IS 'mean of -ln(probability of the true label)';
COMMENT ON COLUMN triage.model_versions.calibration_error IS 'mean gap between confidence and accuracy in 15 bins';
COMMENT ON COLUMN triage.model_versions.judged IS 'sampled training emails that were left out and scored';
COMMENT ON COLUMN triage.model_versions.held_out IS 'judged emails on which the baseline was judged too';
COMMENT ON COLUMN triage.model_versions.held_out_accuracy IS 'accuracy of this model on those';
COMMENT ON COLUMN triage.model_versions.baseline_accuracy IS 'accuracy of an independent Bernoulli naive Bayes on those';
COMMENT ON COLUMN triage.model_versions.skipped IS 'rows without body or label';
COMMENT ON COLUMN triage.model_versions.score_form IS 'how counts became scores';
COMMENT ON COLUMN triage.model_versions.from_ledger IS 'trained on the decisions themselves';
COMMENT ON COLUMN triage.model_versions.bytes IS 'size of the model';
COMMENT ON COLUMN triage.model_versions.checksum IS 'xxh3-128 over its content';
COMMENT ON COLUMN triage.model_versions.note IS 'given to deploy()';
COMMENT ON COLUMN triage.model_versions.created_by IS 'who stored it';
COMMENT ON COLUMN triage.model_versions.champion IS 'the version whose place it was to take when maintenance trained it, 0 for decisions alone';
COMMENT ON COLUMN triage.model_versions.compared IS 'decided emails that both were asked about, and neither had learned';
COMMENT ON COLUMN triage.model_versions.compared_accuracy IS 'share of them that it answered right';
COMMENT ON COLUMN triage.model_versions.champion_accuracy IS 'share of them that the other one answered right';
COMMENT ON COLUMN triage.model_versions.refused IS 'why maintenance did not activate it; triage.activate() still does';

-- User data: dumped with the database.
SELECT pg_catalog.pg_extension_config_dump('triage.classifier', '');
SELECT pg_catalog.pg_extension_config_dump('triage.label', '');
SELECT pg_catalog.pg_extension_config_dump('triage_internal.model', '');
SELECT pg_catalog.pg_extension_config_dump('triage_internal.activation', '');
SELECT pg_catalog.pg_extension_config_dump('triage_internal.activation_activation_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('triage.email', '');
SELECT pg_catalog.pg_extension_config_dump('triage.email_email_id_seq', '');
