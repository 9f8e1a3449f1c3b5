CREATE TABLE triage_internal.alert (
    alert_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    classifier text,
    kind       text        NOT NULL,
    subject    text        NOT NULL,
    severity   text        NOT NULL
        CHECK (severity IN ('notice', 'warning', 'critical')),
    message    text        NOT NULL,
    what_to_do text        NOT NULL,
    since      timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz
);
COMMENT ON TABLE triage_internal.alert IS 'what was noticed, also what has ended; people read triage.alerts';
COMMENT ON COLUMN triage_internal.alert.alert_id IS 'ascending';
COMMENT ON COLUMN triage_internal.alert.classifier IS 'the classifier; NULL for all';
COMMENT ON COLUMN triage_internal.alert.kind IS
    'refused, reviewer, drift, accuracy, failing, unclassified or unanswered';
COMMENT ON COLUMN triage_internal.alert.subject IS 'the version, reviewer, measure or task';
COMMENT ON COLUMN triage_internal.alert.severity IS 'notice, warning or critical';
COMMENT ON COLUMN triage_internal.alert.message IS 'what it means';
COMMENT ON COLUMN triage_internal.alert.what_to_do IS 'what to do';
COMMENT ON COLUMN triage_internal.alert.since IS 'when it was noticed first';
COMMENT ON COLUMN triage_internal.alert.ended_at IS 'when it was no longer so';
COMMENT ON SEQUENCE triage_internal.alert_alert_id_seq IS 'numbers alerts';
CREATE UNIQUE INDEX alert_open ON triage_internal.alert (classifier, kind, subject) NULLS NOT DISTINCT
    WHERE ended_at IS NULL;
COMMENT ON INDEX triage_internal.alert_open IS 'one open alert per subject';
