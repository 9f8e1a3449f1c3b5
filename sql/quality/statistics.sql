-- What is counted as what, and the counts of this moment.

-- The one place that says what is counted as what. Inlined into the queries that call it.
CREATE FUNCTION triage_internal.statistics_entry(change triage_internal.review_change, zone text)
    RETURNS TABLE (classifier text, day date, model_version integer, audit boolean, predicted_label text,
                   actual_label text, confidence_bin integer, delay_bin integer,
                   n bigint, automated bigint, correct bigint,
                   confidence bigint, squared_error bigint, unknown_share bigint, milliseconds bigint)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
    BEGIN ATOMIC
        SELECT change.classifier,
               timezone(zone, change.received_at)::date,
               coalesce(change.model_version, 0),
               change.audit,
               -- Two long labels would not fit into an index.
               CASE WHEN octet_length(change.predicted_label) > 800
                    THEN left(change.predicted_label, 100) || ' ' || md5(change.predicted_label)
                    ELSE change.predicted_label END,
               CASE WHEN octet_length(change.human_label) > 800
                    THEN left(change.human_label, 100) || ' ' || md5(change.human_label)
                    ELSE coalesce(change.human_label, '') END,
               CASE WHEN change.human_label IS NOT NULL
                    THEN least(floor(10 * f.confidence)::integer, 9) + 1 ELSE 0 END,
               CASE WHEN change.human_label IS NOT NULL
                    THEN 1 + width_bucket(f.seconds, ARRAY[
                         1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072,
                         262144, 524288, 1048576, 2097152, 4194304, 8388608, 16777216, 33554432]::float8[])
                    ELSE 0 END,
               change.n::bigint,
               CASE WHEN change.automated THEN change.n ELSE 0 END::bigint,
               CASE WHEN f.correct THEN change.n ELSE 0 END::bigint,
               change.n::bigint * round(1e6 * f.confidence)::bigint,
               CASE WHEN change.human_label IS NOT NULL
                    THEN change.n::bigint
                         * round(1e6 * power(f.confidence - f.correct::integer::float8, 2))::bigint
                    ELSE 0 END,
               change.n::bigint * round(1e6 * coalesce(change.unknown_share, 0))::bigint,
               CASE WHEN change.human_label IS NOT NULL
                    THEN change.n::bigint * round(1e3 * f.seconds)::bigint ELSE 0 END
          FROM (SELECT coalesce(change.human_label = change.predicted_label, false) AS correct,
                       coalesce(change.confidence, 0) AS confidence,
                       -- Clocks are set back at times.
                       greatest(0, date_part('epoch',
                           coalesce(change.reviewed_at, change.received_at) - change.received_at)) AS seconds) f;
    END;
COMMENT ON FUNCTION triage_internal.statistics_entry(triage_internal.review_change, text) IS
    'what a change is counted as; both bins are 0 until somebody has decided';

CREATE VIEW triage_internal.review_statistics_now WITH (security_barrier) AS
WITH change AS NOT MATERIALIZED (
    SELECT e.*
      FROM triage_internal.review_change c
     CROSS JOIN triage_internal.report_timezone z
     CROSS JOIN LATERAL triage_internal.statistics_entry(c, z.zone) e)
SELECT t.grain, t.classifier, t.day, t.model_version, t.audit, t.predicted_label, t.actual_label, t.bin, t.n,
       t.automated, t.correct, t.confidence, t.squared_error, t.unknown_share, t.milliseconds
  FROM triage_internal.review_statistics t
UNION ALL
SELECT 'label', c.classifier, c.day, c.model_version, c.audit, c.predicted_label, c.actual_label, 0, c.n,
       c.automated, c.correct, c.confidence, c.squared_error, c.unknown_share, c.milliseconds
  FROM change c
UNION ALL
SELECT 'confidence', c.classifier, c.day, c.model_version, c.audit, '', '', c.confidence_bin, c.n,
       c.automated, c.correct, c.confidence, c.squared_error, c.unknown_share, c.milliseconds
  FROM change c WHERE c.confidence_bin > 0
UNION ALL
SELECT 'delay', c.classifier, c.day, c.model_version, c.audit, '', '', c.delay_bin, c.n,
       c.automated, c.correct, c.confidence, c.squared_error, c.unknown_share, c.milliseconds
  FROM change c WHERE c.delay_bin > 0;
COMMENT ON VIEW triage_internal.review_statistics_now IS
    'triage_internal.review_statistics with the changes since: the counts of this moment. Ask for one grain, group, '
    'and sum: a row alone may be less than nothing. By label it has all predictions, n per predicted_label of a day, '
    'with the sums of confidence and unknown_share';
COMMENT ON COLUMN triage_internal.review_statistics_now.grain IS 'label, confidence, or delay: what a row is about';
COMMENT ON COLUMN triage_internal.review_statistics_now.classifier IS 'the classifier';
COMMENT ON COLUMN triage_internal.review_statistics_now.day IS 'on which the email was received';
COMMENT ON COLUMN triage_internal.review_statistics_now.model_version IS 'which model predicted; 0 for decisions alone';
COMMENT ON COLUMN triage_internal.review_statistics_now.audit IS 'whether in the audit sample';
COMMENT ON COLUMN triage_internal.review_statistics_now.predicted_label IS 'by label: what the classifier said';
COMMENT ON COLUMN triage_internal.review_statistics_now.actual_label IS
    'by label: what a person said; empty if nobody did';
COMMENT ON COLUMN triage_internal.review_statistics_now.bin IS
    'by confidence: tenth, 1 to 10; by delay: 1 below a second, and one more for each doubling';
COMMENT ON COLUMN triage_internal.review_statistics_now.n IS 'number of reviews';
COMMENT ON COLUMN triage_internal.review_statistics_now.automated IS
    'how many of them nobody was asked about, and nobody decided';
COMMENT ON COLUMN triage_internal.review_statistics_now.correct IS 'how many of them a person agreed with';
COMMENT ON COLUMN triage_internal.review_statistics_now.confidence IS 'sum of confidence, in millionths';
COMMENT ON COLUMN triage_internal.review_statistics_now.squared_error IS
    'sum over decided ones of (confidence - 1 if correct, 0 if not) squared, in millionths';
COMMENT ON COLUMN triage_internal.review_statistics_now.unknown_share IS 'sum of unknown_share, in millionths';
COMMENT ON COLUMN triage_internal.review_statistics_now.milliseconds IS
    'sum over decided ones of the time from reception to decision';
