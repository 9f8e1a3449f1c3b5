-- The views of quality: what the counts of triage_internal.review_statistics_now mean. Qualified operators all have
-- one precedence, so there are brackets. Days are those of
-- triage_internal.report_timezone, on which emails were received. What comes from the audit sample is
-- unbiased; what comes from all reviewed emails is about those that people looked at.
CREATE FUNCTION triage.wilson_low(correct bigint, n bigint) RETURNS float8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
        -- 3.841458881296 is the square of 1.959964, between which and its negative a normal variable is 95 % of the time.
        SELECT CASE WHEN n > 0::bigint AND correct IS NOT NULL THEN greatest(0::float8,
            (correct::float8 + 1.920729440648::float8
             - 1.959964::float8 * sqrt(correct::float8 * (n - correct)::float8 / n::float8 + 0.960364720324::float8))
            / (n::float8 + 3.841458881296::float8)) END;
    END;
COMMENT ON FUNCTION triage.wilson_low(bigint, bigint) IS
    'lower end of the 95 % Wilson interval of a share of which correct of n were observed; NULL if n is 0';

CREATE FUNCTION triage.wilson_high(correct bigint, n bigint) RETURNS float8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT 1::float8 - triage.wilson_low(n - correct, n);
    END;
COMMENT ON FUNCTION triage.wilson_high(bigint, bigint) IS 'upper end of the same interval';
