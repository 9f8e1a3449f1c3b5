CREATE VIEW triage.time_to_correction_daily WITH (security_barrier) AS
SELECT g.classifier, nullif(g.model_version, 0) AS model_version, g.day, g.decided,
       g.milliseconds::float8 / (1e3 * g.decided::float8) AS mean_seconds,
       g.median_seconds
  FROM (SELECT m.classifier, m.model_version, m.day, max(m.decided) AS decided, sum(m.milliseconds) AS milliseconds,
               max(m.low + (m.width *
                       ((m.decided::float8 / 2) - m.before::float8) / m.n::float8))
                   FILTER (WHERE 2 * m.before < m.decided
                             AND 2 * (m.before + m.n) >= m.decided) AS median_seconds
          FROM (SELECT d.classifier, d.model_version, d.day, d.n, d.milliseconds,
                       CASE WHEN d.bin = 1 THEN 0
                            ELSE power(2, (d.bin - 2)::float8) END AS low,
                       CASE WHEN d.bin = 1 THEN 1
                            ELSE power(2, (d.bin - 2)::float8) END AS width,
                       (sum(d.n) OVER day)::bigint AS decided,
                       (sum(d.n) OVER upto)::bigint - d.n AS before
                  FROM (SELECT t.classifier, t.model_version, t.day, t.bin, sum(t.n)::bigint AS n,
                               sum(t.milliseconds)::bigint AS milliseconds
                          FROM triage_internal.review_statistics_now t
                         WHERE t.grain = 'delay'
                         GROUP BY t.classifier, t.model_version, t.day, t.bin) d
                 WHERE d.n > 0
                WINDOW day AS (PARTITION BY d.classifier, d.model_version, d.day),
                       upto AS (PARTITION BY d.classifier, d.model_version, d.day ORDER BY d.bin)) m
         GROUP BY m.classifier, m.model_version, m.day) g;
COMMENT ON VIEW triage.time_to_correction_daily IS
    'how long decisions take, from reception to the latest one; agreement counts as well';
COMMENT ON COLUMN triage.time_to_correction_daily.classifier IS 'the classifier';
COMMENT ON COLUMN triage.time_to_correction_daily.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.time_to_correction_daily.day IS
    'on which the emails were received, in the time zone pg_triage.report_timezone';
COMMENT ON COLUMN triage.time_to_correction_daily.decided IS 'predictions that a person has labelled';
COMMENT ON COLUMN triage.time_to_correction_daily.mean_seconds IS 'mean time';
COMMENT ON COLUMN triage.time_to_correction_daily.median_seconds IS
    'median time, interpolated in a histogram whose bins double: at most twice or half of the true one, except below '
    'a second';
