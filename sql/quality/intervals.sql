-- Views of quality say what the counts of triage_internal.review_statistics_now mean. Days are
-- those on which emails were received. What comes from the audit sample is unbiased; what comes
-- from all reviewed emails is about those that people looked at.

CREATE FUNCTION triage.wilson_low(correct bigint, n bigint) RETURNS float8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
        -- 3.841458881296 is the square of 1.959964, between which and its negative a normal variable
        -- is 95 % of the time.
        SELECT CASE WHEN n > 0 AND correct IS NOT NULL THEN greatest(0,
            (correct::float8 + 1.920729440648
             - 1.959964 * sqrt(correct::float8 * (n - correct)::float8 / n::float8 + 0.960364720324))
            / (n::float8 + 3.841458881296)) END;
    END;
COMMENT ON FUNCTION triage.wilson_low(bigint, bigint) IS
    'lower end of the 95 % Wilson interval of a share of which correct of n were observed; NULL if n is 0';

CREATE FUNCTION triage.wilson_high(correct bigint, n bigint) RETURNS float8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT 1 - triage.wilson_low(n - correct, n);
    END;
COMMENT ON FUNCTION triage.wilson_high(bigint, bigint) IS 'upper end of the same interval';
