-- Counts per day, from which every view of quality is made. Data flows one way: a trigger on
-- triage.review notes each change of what is counted in triage_internal.review_change, as two facts,
-- the old ones with n = -1 and the new ones with n = 1; triage_internal.compact_review_statistics() adds them up in
-- triage_internal.review_statistics, in one transaction. Views read both, so they are exact by row visibility
-- alone, whenever that happens. All sums are integers: what was added can be taken away.

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
COMMENT ON TABLE triage_internal.review_change IS 'changes of reviews that are not yet added to triage_internal.review_statistics';
COMMENT ON COLUMN triage_internal.review_change.change_id IS 'ascending';
COMMENT ON COLUMN triage_internal.review_change.n IS '1: a review is like this now; -1: one was before';
COMMENT ON COLUMN triage_internal.review_change.classifier IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.received_at IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.model_version IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.predicted_label IS 'as in triage.review; without prediction nothing is counted';
COMMENT ON COLUMN triage_internal.review_change.confidence IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.unknown_share IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.audit IS 'as in triage.review';
COMMENT ON COLUMN triage_internal.review_change.automated IS 'nobody was asked about it, and nobody decided: queue_reason is confident';
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
COMMENT ON TABLE triage_internal.review_statistics IS 'reviews with a prediction, counted three times: by label, and those that are decided by confidence and by delay; read triage_internal.review_statistics_now';
COMMENT ON COLUMN triage_internal.review_statistics.grain IS 'label, confidence, or delay: what a row is about';
COMMENT ON COLUMN triage_internal.review_statistics.classifier IS 'the classifier';
COMMENT ON COLUMN triage_internal.review_statistics.day IS 'on which the email was received, in the zone of triage_internal.report_timezone';
COMMENT ON COLUMN triage_internal.review_statistics.model_version IS 'which model predicted; 0 for decisions alone';
COMMENT ON COLUMN triage_internal.review_statistics.audit IS 'whether in the audit sample';
COMMENT ON COLUMN triage_internal.review_statistics.predicted_label IS 'by label: what the classifier said';
COMMENT ON COLUMN triage_internal.review_statistics.actual_label IS 'by label: what a person said; empty if nobody did';
COMMENT ON COLUMN triage_internal.review_statistics.bin IS 'by confidence: tenth, 1 to 10; by delay: 1 below a second, and one more for each doubling';
COMMENT ON COLUMN triage_internal.review_statistics.n IS 'number of reviews';
COMMENT ON COLUMN triage_internal.review_statistics.automated IS 'how many of them nobody was asked about, and nobody decided';
COMMENT ON COLUMN triage_internal.review_statistics.correct IS 'how many of them a person agreed with';
COMMENT ON COLUMN triage_internal.review_statistics.confidence IS 'sum of confidence, in millionths';
COMMENT ON COLUMN triage_internal.review_statistics.squared_error IS 'sum over decided ones of (confidence - 1 if correct, 0 if not) squared, in millionths';
COMMENT ON COLUMN triage_internal.review_statistics.unknown_share IS 'sum of unknown_share, in millionths';
COMMENT ON COLUMN triage_internal.review_statistics.milliseconds IS 'sum over decided ones of the time from reception to decision';

CREATE TABLE triage_internal.statistics_timezone (
    zone text PRIMARY KEY
);
COMMENT ON TABLE triage_internal.statistics_timezone IS 'the time zone of triage_internal.review_statistics, if it is not UTC; one row at most. pg_triage.report_timezone is that of the next one';
COMMENT ON COLUMN triage_internal.statistics_timezone.zone IS 'its name';

CREATE VIEW triage_internal.report_timezone WITH (security_barrier) AS
SELECT coalesce((SELECT z.zone FROM triage_internal.statistics_timezone z), 'UTC') AS zone;
COMMENT ON VIEW triage_internal.report_timezone IS 'the time zone of the days in the views of quality; follows pg_triage.report_timezone with the next maintenance';
COMMENT ON COLUMN triage_internal.report_timezone.zone IS 'its name';

-- The one place that says what is counted as what. Inlined into the queries that call it.
CREATE FUNCTION triage_internal.statistics_entry(change triage_internal.review_change, zone text)
    RETURNS TABLE (classifier text, day date, model_version integer, audit boolean, predicted_label text, actual_label text,
                   confidence_bin integer, delay_bin integer, n bigint, automated bigint, correct bigint,
                   confidence bigint, squared_error bigint, unknown_share bigint, milliseconds bigint)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
    -- Operands have the very types of the server's operators, so that no others are found.
    BEGIN ATOMIC
        SELECT change.classifier,
               pg_catalog.timezone(zone, change.received_at)::date,
               coalesce(change.model_version, 0),
               change.audit,
               -- Two long labels would not fit into an index.
               CASE WHEN pg_catalog.octet_length(change.predicted_label) > 800
                    THEN pg_catalog.left(change.predicted_label, 100) || ' ' || pg_catalog.md5(change.predicted_label) ELSE change.predicted_label END,
               CASE WHEN pg_catalog.octet_length(change.human_label) > 800
                    THEN pg_catalog.left(change.human_label, 100) || ' ' || pg_catalog.md5(change.human_label) ELSE coalesce(change.human_label, '') END,
               CASE WHEN change.human_label IS NOT NULL
                    THEN least(pg_catalog.floor(10::float8 * f.confidence)::integer, 9) + 1 ELSE 0 END,
               CASE WHEN change.human_label IS NOT NULL
                    THEN 1 + pg_catalog.width_bucket(f.seconds, ARRAY[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192,
                         16384, 32768, 65536, 131072, 262144, 524288, 1048576, 2097152, 4194304, 8388608, 16777216, 33554432]::float8[])
                    ELSE 0 END,
               change.n::bigint,
               CASE WHEN change.automated THEN change.n ELSE 0 END::bigint,
               CASE WHEN f.correct THEN change.n ELSE 0 END::bigint,
               change.n::bigint * pg_catalog.round(1e6::float8 * f.confidence)::bigint,
               CASE WHEN change.human_label IS NOT NULL
                    THEN change.n::bigint * pg_catalog.round(1e6::float8 * pg_catalog.power(f.confidence - f.correct::integer::float8, 2::float8))::bigint
                    ELSE 0 END,
               change.n::bigint * pg_catalog.round(1e6::float8 * coalesce(change.unknown_share, 0::float8))::bigint,
               CASE WHEN change.human_label IS NOT NULL
                    THEN change.n::bigint * pg_catalog.round(1e3::float8 * f.seconds)::bigint ELSE 0 END
          FROM (SELECT coalesce(change.human_label = change.predicted_label, false) AS correct,
                       coalesce(change.confidence, 0::float8) AS confidence,
                       -- Clocks are set back at times.
                       greatest(0::float8, pg_catalog.date_part('epoch', coalesce(change.reviewed_at, change.received_at) - change.received_at)) AS seconds) f;
    END;
COMMENT ON FUNCTION triage_internal.statistics_entry(triage_internal.review_change, text) IS 'what a change is counted as; both bins are 0 until somebody has decided';

CREATE VIEW triage_internal.review_statistics_now WITH (security_barrier) AS
WITH change AS NOT MATERIALIZED (
    SELECT e.* FROM triage_internal.review_change c CROSS JOIN triage_internal.report_timezone z CROSS JOIN LATERAL triage_internal.statistics_entry(c, z.zone) e)
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
  FROM change c WHERE c.confidence_bin OPERATOR(pg_catalog.>) 0
UNION ALL
SELECT 'delay', c.classifier, c.day, c.model_version, c.audit, '', '', c.delay_bin, c.n,
       c.automated, c.correct, c.confidence, c.squared_error, c.unknown_share, c.milliseconds
  FROM change c WHERE c.delay_bin OPERATOR(pg_catalog.>) 0;
COMMENT ON VIEW triage_internal.review_statistics_now IS
    'triage_internal.review_statistics with the changes since: the counts of this moment. Ask for one grain, group, and sum: a row alone may be less than nothing. By label it has all predictions, n per predicted_label of a day, with the sums of confidence and unknown_share';
COMMENT ON COLUMN triage_internal.review_statistics_now.grain IS 'label, confidence, or delay: what a row is about';
COMMENT ON COLUMN triage_internal.review_statistics_now.classifier IS 'the classifier';
COMMENT ON COLUMN triage_internal.review_statistics_now.day IS 'on which the email was received';
COMMENT ON COLUMN triage_internal.review_statistics_now.model_version IS 'which model predicted; 0 for decisions alone';
COMMENT ON COLUMN triage_internal.review_statistics_now.audit IS 'whether in the audit sample';
COMMENT ON COLUMN triage_internal.review_statistics_now.predicted_label IS 'by label: what the classifier said';
COMMENT ON COLUMN triage_internal.review_statistics_now.actual_label IS 'by label: what a person said; empty if nobody did';
COMMENT ON COLUMN triage_internal.review_statistics_now.bin IS 'by confidence: tenth, 1 to 10; by delay: 1 below a second, and one more for each doubling';
COMMENT ON COLUMN triage_internal.review_statistics_now.n IS 'number of reviews';
COMMENT ON COLUMN triage_internal.review_statistics_now.automated IS 'how many of them nobody was asked about, and nobody decided';
COMMENT ON COLUMN triage_internal.review_statistics_now.correct IS 'how many of them a person agreed with';
COMMENT ON COLUMN triage_internal.review_statistics_now.confidence IS 'sum of confidence, in millionths';
COMMENT ON COLUMN triage_internal.review_statistics_now.squared_error IS 'sum over decided ones of (confidence - 1 if correct, 0 if not) squared, in millionths';
COMMENT ON COLUMN triage_internal.review_statistics_now.unknown_share IS 'sum of unknown_share, in millionths';
COMMENT ON COLUMN triage_internal.review_statistics_now.milliseconds IS 'sum over decided ones of the time from reception to decision';

CREATE FUNCTION triage_internal.is_restoring() RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'is_restoring_wrapper';
COMMENT ON FUNCTION triage_internal.is_restoring() IS 'whether a dump is being restored, which brings what it has counted';

-- For every email: qualified instead of SET search_path, which takes as long as the rest. Only
-- the owner inserts reviews.
CREATE FUNCTION triage_internal.count_new_review() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    INSERT INTO triage_internal.review_change (n, classifier, received_at, model_version, predicted_label, confidence, unknown_share, audit, automated, human_label, reviewed_at)
    VALUES (1, NEW.classifier, NEW.received_at, NEW.model_version, NEW.predicted_label, NEW.confidence, NEW.unknown_share, NEW.audit,
            coalesce(NEW.queue_reason OPERATOR(pg_catalog.=) 'confident', false), NEW.human_label, NEW.reviewed_at);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION triage_internal.count_new_review() IS 'notes what a new review adds to the counts';

-- With the rights of the owner, whoever changes a review.
CREATE FUNCTION triage_internal.count_review_change() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO triage_internal.review_change (n, classifier, received_at, model_version, predicted_label, confidence, unknown_share, audit, automated, human_label, reviewed_at)
        SELECT -1, r.classifier, r.received_at, r.model_version, r.predicted_label, r.confidence, r.unknown_share, r.audit,
            r.queue_reason IS NOT DISTINCT FROM 'confident', r.human_label, r.reviewed_at
          FROM erased r WHERE r.predicted_label IS NOT NULL;
        RETURN NULL;
    END IF;
    INSERT INTO triage_internal.review_change (n, classifier, received_at, model_version, predicted_label, confidence, unknown_share, audit, automated, human_label, reviewed_at)
    SELECT -1, OLD.classifier, OLD.received_at, OLD.model_version, OLD.predicted_label, OLD.confidence, OLD.unknown_share, OLD.audit,
            OLD.queue_reason IS NOT DISTINCT FROM 'confident', OLD.human_label, OLD.reviewed_at
     WHERE OLD.predicted_label IS NOT NULL
    UNION ALL
    SELECT 1, NEW.classifier, NEW.received_at, NEW.model_version, NEW.predicted_label, NEW.confidence, NEW.unknown_share, NEW.audit,
            NEW.queue_reason IS NOT DISTINCT FROM 'confident', NEW.human_label, NEW.reviewed_at
     WHERE NEW.predicted_label IS NOT NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION triage_internal.count_review_change() IS 'notes what a change of a review changes in the counts';
CREATE TRIGGER count_new AFTER INSERT ON triage.review
    FOR EACH ROW WHEN (NEW.predicted_label IS NOT NULL AND NOT triage_internal.is_restoring())
    EXECUTE FUNCTION triage_internal.count_new_review();
CREATE TRIGGER count_change AFTER UPDATE ON triage.review
    FOR EACH ROW WHEN (coalesce(OLD.predicted_label, NEW.predicted_label) IS NOT NULL
        AND (OLD.classifier, OLD.received_at, OLD.model_version, OLD.predicted_label, OLD.confidence, OLD.unknown_share, OLD.audit,
             coalesce(OLD.queue_reason OPERATOR(pg_catalog.=) 'confident', false), OLD.human_label, OLD.reviewed_at)
            IS DISTINCT FROM
            (NEW.classifier, NEW.received_at, NEW.model_version, NEW.predicted_label, NEW.confidence, NEW.unknown_share, NEW.audit,
             coalesce(NEW.queue_reason OPERATOR(pg_catalog.=) 'confident', false), NEW.human_label, NEW.reviewed_at))
    EXECUTE FUNCTION triage_internal.count_review_change();
-- By statement: a classifier goes with all its reviews.
CREATE TRIGGER count_erasure AFTER DELETE ON triage.review
    REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.count_review_change();
COMMENT ON TRIGGER count_new ON triage.review IS 'counts a prediction';
COMMENT ON TRIGGER count_change ON triage.review IS 'counts a decision';
COMMENT ON TRIGGER count_erasure ON triage.review IS 'counts what was erased no more';

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
            'pg_triage.report_timezone is "%s", which is no time zone: ALTER DATABASE %I SET it to a name from pg_timezone_names',
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
        SELECT 0, 1, r.classifier, r.received_at, r.model_version, r.predicted_label, r.confidence, r.unknown_share, r.audit,
               r.queue_reason IS NOT DISTINCT FROM 'confident', r.human_label, r.reviewed_at
          FROM triage.review r WHERE anew AND r.predicted_label IS NOT NULL),
    added AS (
        INSERT INTO triage_internal.review_statistics AS t
        SELECT CASE WHEN grouping(e.predicted_label) = 0 THEN 'label' WHEN grouping(e.confidence_bin) = 0 THEN 'confidence' ELSE 'delay' END,
               e.classifier, e.day, e.model_version, e.audit, coalesce(e.predicted_label, ''), coalesce(e.actual_label, ''),
               coalesce(e.confidence_bin, e.delay_bin, 0), sum(e.n), sum(e.automated), sum(e.correct), sum(e.confidence),
               sum(e.squared_error), sum(e.unknown_share), sum(e.milliseconds)
          FROM fact f CROSS JOIN LATERAL triage_internal.statistics_entry(ROW(f.*)::triage_internal.review_change, new_zone) e
         GROUP BY GROUPING SETS (
               (e.classifier, e.day, e.model_version, e.audit, e.predicted_label, e.actual_label),
               (e.classifier, e.day, e.model_version, e.audit, e.confidence_bin),
               (e.classifier, e.day, e.model_version, e.audit, e.delay_bin))
        -- Undecided reviews are in no bin.
        HAVING coalesce(e.confidence_bin, e.delay_bin, 1) > 0
        ON CONFLICT (grain, classifier, day, model_version, audit, predicted_label, actual_label, bin) DO UPDATE
           SET n = t.n + excluded.n, automated = t.automated + excluded.automated, correct = t.correct + excluded.correct,
               confidence = t.confidence + excluded.confidence, squared_error = t.squared_error + excluded.squared_error,
               unknown_share = t.unknown_share + excluded.unknown_share, milliseconds = t.milliseconds + excluded.milliseconds
        RETURNING t.n)
    SELECT CASE WHEN anew THEN (SELECT count(*) FROM added) ELSE (SELECT count(*) FROM gone) END INTO counted;
    DELETE FROM triage_internal.review_statistics t WHERE t.n = 0;
    RETURN counted;
END
$$;
COMMENT ON FUNCTION triage_internal.compact_review_statistics(bigint, boolean) IS
    'part of maintenance: adds as many changes at most to triage_internal.review_statistics and returns how many. Counts all reviews anew if it is told to, or if pg_triage.report_timezone is another one by now, and returns the number of rows';

CREATE FUNCTION triage_internal.rebuild_review_statistics() RETURNS bigint
    LANGUAGE sql VOLATILE PARALLEL UNSAFE
    BEGIN ATOMIC
        SELECT triage_internal.compact_review_statistics(NULL, true);
    END;
COMMENT ON FUNCTION triage_internal.rebuild_review_statistics() IS 'counts all reviews anew, which changes no figure; returns the number of rows of triage_internal.review_statistics';

CREATE FUNCTION triage_internal.draw_missing_audits() RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'draw_missing_audits_wrapper';
COMMENT ON FUNCTION triage_internal.draw_missing_audits() IS
    'part of maintenance: adds to the audit sample one review of each day that is over and has none, at random; returns how many';

CREATE TABLE triage.cost (
    classifier text   NOT NULL,
    actual     text   NOT NULL,
    predicted  text   NOT NULL,
    cost       float8 NOT NULL CHECK (cost OPERATOR(pg_catalog.>=) 0::float8 AND cost OPERATOR(pg_catalog.<=) 1e12::float8),
    PRIMARY KEY (classifier, actual, predicted)
);
COMMENT ON TABLE triage.cost IS 'what an error costs, in a unit of your choice; one that is not listed costs 1. Edit it as you like: triage.error_cost follows at once';
COMMENT ON COLUMN triage.cost.classifier IS 'the classifier';
COMMENT ON COLUMN triage.cost.actual IS 'the right label';
COMMENT ON COLUMN triage.cost.predicted IS 'the label that was predicted';
COMMENT ON COLUMN triage.cost.cost IS 'of one such email, 0 to 1e12';

SELECT pg_catalog.pg_extension_config_dump('triage_internal.review_change', '');
SELECT pg_catalog.pg_extension_config_dump('triage_internal.review_change_change_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('triage_internal.review_statistics', '');
SELECT pg_catalog.pg_extension_config_dump('triage_internal.statistics_timezone', '');
SELECT pg_catalog.pg_extension_config_dump('triage.cost', '');
