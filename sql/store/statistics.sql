-- Counts per day, from which every view of quality is made. Data flows one way: a trigger on
-- triage.review notes each change of what is counted in triage_internal.review_change, as two
-- facts, the old ones with n = -1 and the new ones with n = 1;
-- triage_internal.compact_review_statistics() adds them up in triage_internal.review_statistics,
-- in one transaction. Views read both, so they are exact by row visibility alone, whenever that
-- happens. All sums are integers: what was added can be taken away.

CREATE TABLE triage_internal.review_change (
    change_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    n               integer NOT NULL,
    classifier      text    NOT NULL,
    received_at     timestamptz NOT NULL,
    model_version   integer,
    predicted_label text    NOT NULL,
    confidence      float8,
    unknown_share   float8,
    audit           boolean NOT NULL,
    automated       boolean NOT NULL,
    human_label     text,
    reviewed_at     timestamptz
);
COMMENT ON TABLE triage_internal.review_change IS
    'changes of reviews that are not yet added to triage_internal.review_statistics';
COMMENT ON COLUMN triage_internal.review_change.change_id IS 'ascending';
COMMENT ON COLUMN triage_internal.review_change.n IS '1: a review is like this now; -1: one was before';
COMMENT ON COLUMN triage_internal.review_change.classifier IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.received_at IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.model_version IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.predicted_label IS
    'as in triage.review; without prediction nothing is counted';
COMMENT ON COLUMN triage_internal.review_change.confidence IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.unknown_share IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.audit IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.automated IS
    'nobody was asked about it, and nobody decided: queue_reason is confident';
COMMENT ON COLUMN triage_internal.review_change.human_label IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.reviewed_at IS 'as in triage.review';
COMMENT ON SEQUENCE triage_internal.review_change_change_id_seq IS 'numbers changes';

-- Values that do not apply are '' and 0: the primary key is the table's replica identity.
CREATE TABLE triage_internal.review_statistics (
    grain           text    NOT NULL,
    classifier      text    NOT NULL,
    day             date    NOT NULL,
    model_version   integer NOT NULL,
    audit           boolean NOT NULL,
    predicted_label text    NOT NULL,
    actual_label    text    NOT NULL,
    bin             integer NOT NULL,
    n               bigint  NOT NULL,
    automated       bigint  NOT NULL,
    correct         bigint  NOT NULL,
    confidence      bigint  NOT NULL,
    squared_error   bigint  NOT NULL,
    unknown_share   bigint  NOT NULL,
    milliseconds    bigint  NOT NULL,
    PRIMARY KEY (grain, classifier, day, model_version, audit, predicted_label, actual_label, bin)
);
COMMENT ON TABLE triage_internal.review_statistics IS
    'reviews with a prediction, counted three times: by label, and those that are decided by confidence and by '
    'delay; read triage_internal.review_statistics_now';
COMMENT ON COLUMN triage_internal.review_statistics.grain IS 'label, confidence, or delay: what a row is about';
COMMENT ON COLUMN triage_internal.review_statistics.classifier IS 'the classifier';
COMMENT ON COLUMN triage_internal.review_statistics.day IS
    'on which the email was received, in the time zone pg_triage.report_timezone';
COMMENT ON COLUMN triage_internal.review_statistics.model_version IS 'which model predicted; 0 for decisions alone';
COMMENT ON COLUMN triage_internal.review_statistics.audit IS 'whether in the audit sample';
COMMENT ON COLUMN triage_internal.review_statistics.predicted_label IS 'by label: what the classifier said';
COMMENT ON COLUMN triage_internal.review_statistics.actual_label IS 'by label: what a person said; empty if nobody did';
COMMENT ON COLUMN triage_internal.review_statistics.bin IS
    'by confidence: tenth, 1 to 10; by delay: 1 below a second, and one more for each doubling';
COMMENT ON COLUMN triage_internal.review_statistics.n IS 'number of reviews';
COMMENT ON COLUMN triage_internal.review_statistics.automated IS
    'how many of them nobody was asked about, and nobody decided';
COMMENT ON COLUMN triage_internal.review_statistics.correct IS 'how many of them a person agreed with';
COMMENT ON COLUMN triage_internal.review_statistics.confidence IS 'sum of confidence, in millionths';
COMMENT ON COLUMN triage_internal.review_statistics.squared_error IS
    'sum over decided ones of (confidence - 1 if correct, 0 if not) squared, in millionths';
COMMENT ON COLUMN triage_internal.review_statistics.unknown_share IS 'sum of unknown_share, in millionths';
COMMENT ON COLUMN triage_internal.review_statistics.milliseconds IS
    'sum over decided ones of the time from reception to decision';

CREATE TABLE triage_internal.statistics_timezone (
    zone text PRIMARY KEY
);
COMMENT ON TABLE triage_internal.statistics_timezone IS
    'the time zone of triage_internal.review_statistics, if it is not UTC; one row at most. '
    'pg_triage.report_timezone is that of the next one';
COMMENT ON COLUMN triage_internal.statistics_timezone.zone IS 'its name';

CREATE VIEW triage_internal.report_timezone WITH (security_barrier) AS
SELECT coalesce((SELECT z.zone FROM triage_internal.statistics_timezone z), 'UTC') AS zone;
COMMENT ON VIEW triage_internal.report_timezone IS
    'the time zone of the days in the views of quality; follows pg_triage.report_timezone with the next maintenance';
COMMENT ON COLUMN triage_internal.report_timezone.zone IS 'its name';

SELECT pg_extension_config_dump('triage_internal.review_change', '');
SELECT pg_extension_config_dump('triage_internal.review_change_change_id_seq', '');
SELECT pg_extension_config_dump('triage_internal.review_statistics', '');
SELECT pg_extension_config_dump('triage_internal.statistics_timezone', '');
