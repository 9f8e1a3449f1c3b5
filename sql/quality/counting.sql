-- Changes of reviews are noted here, and added up in quality/compaction.sql.

CREATE FUNCTION triage_internal.is_restoring() RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'is_restoring_wrapper';
COMMENT ON FUNCTION triage_internal.is_restoring() IS
    'whether a dump is being restored, which brings what it has counted';

-- For every email: qualified instead of SET search_path, which takes as long as the rest. Only
-- the owner inserts reviews.
CREATE FUNCTION triage_internal.count_new_review() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    INSERT INTO triage_internal.review_change (n, classifier, received_at, model_version, predicted_label, confidence,
        unknown_share, audit, automated, human_label, reviewed_at)
    VALUES (1, NEW.classifier, NEW.received_at, NEW.model_version, NEW.predicted_label, NEW.confidence,
            NEW.unknown_share, NEW.audit, coalesce(NEW.queue_reason OPERATOR(pg_catalog.=) 'confident', false),
            NEW.human_label, NEW.reviewed_at);
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
        INSERT INTO triage_internal.review_change (n, classifier, received_at, model_version, predicted_label,
            confidence, unknown_share, audit, automated, human_label, reviewed_at)
        SELECT -1, r.classifier, r.received_at, r.model_version, r.predicted_label, r.confidence, r.unknown_share,
               r.audit,
               coalesce(r.queue_reason, r.deleted_queue_reason) IS NOT DISTINCT FROM 'confident',
               r.human_label, r.reviewed_at
          FROM erased r WHERE r.predicted_label IS NOT NULL;
        RETURN NULL;
    END IF;
    INSERT INTO triage_internal.review_change (n, classifier, received_at, model_version, predicted_label, confidence,
        unknown_share, audit, automated, human_label, reviewed_at)
    SELECT -1, OLD.classifier, OLD.received_at, OLD.model_version, OLD.predicted_label, OLD.confidence,
           OLD.unknown_share, OLD.audit,
           coalesce(OLD.queue_reason, OLD.deleted_queue_reason) IS NOT DISTINCT FROM 'confident',
           OLD.human_label, OLD.reviewed_at
     WHERE OLD.predicted_label IS NOT NULL
    UNION ALL
    SELECT 1, NEW.classifier, NEW.received_at, NEW.model_version, NEW.predicted_label, NEW.confidence,
           NEW.unknown_share, NEW.audit,
           coalesce(NEW.queue_reason, NEW.deleted_queue_reason) IS NOT DISTINCT FROM 'confident',
           NEW.human_label, NEW.reviewed_at
     WHERE NEW.predicted_label IS NOT NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION triage_internal.count_review_change() IS 'notes what a change of a review changes in the counts';

CREATE TRIGGER count_new AFTER INSERT ON triage.review
    FOR EACH ROW WHEN (NEW.predicted_label IS NOT NULL AND NOT triage_internal.is_restoring())
    EXECUTE FUNCTION triage_internal.count_new_review();
COMMENT ON TRIGGER count_new ON triage.review IS 'counts a prediction';

CREATE TRIGGER count_change AFTER UPDATE ON triage.review
    FOR EACH ROW WHEN (coalesce(OLD.predicted_label, NEW.predicted_label) IS NOT NULL
        AND (OLD.classifier, OLD.received_at, OLD.model_version, OLD.predicted_label, OLD.confidence, OLD.unknown_share,
             OLD.audit,
             coalesce(coalesce(OLD.queue_reason, OLD.deleted_queue_reason) = 'confident', false),
             OLD.human_label, OLD.reviewed_at)
            IS DISTINCT FROM
            (NEW.classifier, NEW.received_at, NEW.model_version, NEW.predicted_label, NEW.confidence, NEW.unknown_share,
             NEW.audit,
             coalesce(coalesce(NEW.queue_reason, NEW.deleted_queue_reason) = 'confident', false),
             NEW.human_label, NEW.reviewed_at))
    EXECUTE FUNCTION triage_internal.count_review_change();
COMMENT ON TRIGGER count_change ON triage.review IS 'counts a decision';

-- By statement: a classifier goes with all its reviews.
CREATE TRIGGER count_erasure AFTER DELETE ON triage.review
    REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.count_review_change();
COMMENT ON TRIGGER count_erasure ON triage.review IS 'counts what was erased no more';
