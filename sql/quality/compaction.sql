CREATE FUNCTION triage_internal.compact_review_statistics(most bigint, anew boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    -- There are far fewer sums than the planner fears: no need to sort millions of reviews.
    SET enable_sort = off
    SET work_mem = '64MB'
    SET jit = off
AS $$
DECLARE
    old_zone text := (SELECT z.zone FROM triage_internal.report_timezone z);
    new_zone text := coalesce(nullif(current_setting('pg_triage.report_timezone', true), ''), 'UTC');
    last     bigint;
    counted  bigint;
BEGIN
    BEGIN
        PERFORM timezone(new_zone, now());
    EXCEPTION WHEN invalid_parameter_value THEN
        RAISE invalid_parameter_value USING MESSAGE = format(
            'pg_triage.report_timezone is "%s", which is no time zone: ALTER DATABASE %I SET it to a name from '
            'pg_timezone_names',
            new_zone, current_database());
    END;
    -- Another compaction waits; readers, and who changes reviews, do not.
    LOCK TABLE triage_internal.review_statistics IN SHARE ROW EXCLUSIVE MODE;
    anew := anew OR old_zone <> new_zone;
    IF anew THEN
        DELETE FROM triage_internal.review_statistics;
        DELETE FROM triage_internal.statistics_timezone;
        INSERT INTO triage_internal.statistics_timezone SELECT new_zone WHERE new_zone <> 'UTC';
    ELSE
        SELECT max(c.change_id) INTO last
          FROM (SELECT change_id FROM triage_internal.review_change ORDER BY change_id LIMIT most) c;
        IF last IS NULL THEN
            RETURN 0;
        END IF;
    END IF;
    -- One statement, one snapshot: the changes that go are those that it adds, or those of the
    -- reviews that it counts.
    WITH gone AS (
        DELETE FROM triage_internal.review_change WHERE anew OR change_id <= last RETURNING *),
    fact AS (
        SELECT * FROM gone WHERE NOT anew
        UNION ALL
        SELECT 0, 1, r.classifier, r.received_at, r.model_version, r.predicted_label, r.confidence, r.unknown_share,
               r.audit,
               coalesce(r.queue_reason, r.deleted_queue_reason) IS NOT DISTINCT FROM 'confident',
               r.human_label, r.reviewed_at
          FROM triage.review r WHERE anew AND r.predicted_label IS NOT NULL),
    added AS (
        INSERT INTO triage_internal.review_statistics AS t
        SELECT CASE WHEN grouping(e.predicted_label) = 0 THEN 'label'
                    WHEN grouping(e.confidence_bin) = 0 THEN 'confidence'
                    ELSE 'delay' END,
               e.classifier, e.day, e.model_version, e.audit,
               coalesce(e.predicted_label, ''), coalesce(e.actual_label, ''),
               coalesce(e.confidence_bin, e.delay_bin, 0),
               sum(e.n), sum(e.automated), sum(e.correct), sum(e.confidence),
               sum(e.squared_error), sum(e.unknown_share), sum(e.milliseconds)
          FROM fact f
         CROSS JOIN LATERAL triage_internal.statistics_entry(ROW(f.*)::triage_internal.review_change, new_zone) e
         GROUP BY GROUPING SETS (
               (e.classifier, e.day, e.model_version, e.audit, e.predicted_label, e.actual_label),
               (e.classifier, e.day, e.model_version, e.audit, e.confidence_bin),
               (e.classifier, e.day, e.model_version, e.audit, e.delay_bin))
        -- Undecided reviews are in no bin.
        HAVING coalesce(e.confidence_bin, e.delay_bin, 1) > 0
        ON CONFLICT (grain, classifier, day, model_version, audit, predicted_label, actual_label, bin) DO UPDATE
           SET n = t.n + excluded.n, automated = t.automated + excluded.automated,
               correct = t.correct + excluded.correct,
               confidence = t.confidence + excluded.confidence,
               squared_error = t.squared_error + excluded.squared_error,
               unknown_share = t.unknown_share + excluded.unknown_share,
               milliseconds = t.milliseconds + excluded.milliseconds
        RETURNING t.n)
    SELECT CASE WHEN anew THEN (SELECT count(*) FROM added) ELSE (SELECT count(*) FROM gone) END INTO counted;
    DELETE FROM triage_internal.review_statistics t WHERE t.n = 0;
    RETURN counted;
END
$$;
COMMENT ON FUNCTION triage_internal.compact_review_statistics(bigint, boolean) IS
    'part of maintenance: adds as many changes at most to triage_internal.review_statistics and returns how many. '
    'Counts all reviews anew if it is told to, or if pg_triage.report_timezone is another one by now, and returns '
    'the number of rows';

CREATE FUNCTION triage_internal.rebuild_review_statistics() RETURNS bigint
    LANGUAGE sql VOLATILE PARALLEL UNSAFE
    BEGIN ATOMIC
        SELECT triage_internal.compact_review_statistics(NULL, true);
    END;
COMMENT ON FUNCTION triage_internal.rebuild_review_statistics() IS
    'counts all reviews anew, which changes no figure; returns the number of rows of '
    'triage_internal.review_statistics';
