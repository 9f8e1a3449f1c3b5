-- Drift: whether the mail of the last 7 days differs from that of the 28 days before.
--
-- What is compared are means per email, and how much a mean varies by chance is judged by the
-- reference itself: from day to day, which includes weekdays and bursts. Confidence and labels
-- depend on the model, too, so emails are compared with those of the same version, and
-- versions weighted as in the recent mail; a version without reference says nothing.
-- docs/design.md has the simulations that thresholds were chosen by.

CREATE VIEW triage.drift WITH (security_barrier) AS
WITH mail AS MATERIALIZED (
    SELECT t.classifier, t.model_version, t.predicted_label AS label, t.day, t.day > d.today - 7 AS is_recent,
           sum(t.n)::float8 AS n, sum(t.confidence)::float8 / 1e6 AS confidence,
           sum(t.unknown_share)::float8 / 1e6 AS unknown
      FROM (SELECT timezone(z.zone, now())::date AS today FROM triage_internal.report_timezone z) d
      JOIN triage_internal.review_statistics_now t ON t.grain = 'label' AND t.day > d.today - 35 AND t.day <= d.today
     GROUP BY t.classifier, t.model_version, t.predicted_label, t.day, d.today
    HAVING sum(t.n) > 0),

-- Means: of a day within a stratum (a version, or all), of a stratum, and over the strata.
day_mean AS (
    SELECT m.classifier, 'confidence' AS measure, m.model_version AS stratum, m.day, m.is_recent, sum(m.n) AS n,
           sum(m.confidence) AS total
      FROM mail m GROUP BY m.classifier, m.model_version, m.day, m.is_recent
    UNION ALL
    SELECT m.classifier, 'unknown words', 0, m.day, m.is_recent, sum(m.n), sum(m.unknown)
      FROM mail m GROUP BY m.classifier, m.day, m.is_recent),
stratum_mean AS (
    SELECT s.classifier, s.measure, s.stratum, s.recent_n, s.recent_total, s.reference_n,
           s.reference_total / s.reference_n AS reference_mean
      FROM (SELECT d.classifier, d.measure, d.stratum,
                   sum(d.n) FILTER (WHERE d.is_recent) AS recent_n,
                   sum(d.total) FILTER (WHERE d.is_recent) AS recent_total,
                   sum(d.n) FILTER (WHERE NOT d.is_recent) AS reference_n,
                   sum(d.total) FILTER (WHERE NOT d.is_recent) AS reference_total
              FROM day_mean d GROUP BY d.classifier, d.measure, d.stratum) s
     WHERE s.reference_n > 0),
-- The variance of one email, as far as days show it.
mean_spread AS (
    SELECT d.classifier, d.measure, count(*) - count(DISTINCT d.stratum) AS freedom,
           sum(power(d.total - d.n * s.reference_mean, 2) / d.n) AS squares
      FROM day_mean d
      JOIN stratum_mean s ON s.classifier = d.classifier AND s.measure = d.measure AND s.stratum = d.stratum
     WHERE NOT d.is_recent GROUP BY d.classifier, d.measure),
mean_measure AS (
    SELECT s.classifier, s.measure, NULL::text AS label,
           sum(s.recent_total) / sum(s.recent_n) AS recent,
           sum(s.recent_n * s.reference_mean) / sum(s.recent_n) AS reference,
           sum(s.recent_n) AS recent_n, sum(s.reference_n) AS reference_n, p.freedom,
           p.squares / nullif(p.freedom, 0)::float8
           * (1 / sum(s.recent_n)
              + sum(power(s.recent_n, 2) / s.reference_n) / power(sum(s.recent_n), 2)) AS variance
      FROM stratum_mean s
      JOIN mean_spread p ON p.classifier = s.classifier AND p.measure = s.measure
     WHERE s.recent_n > 0
     GROUP BY s.classifier, s.measure, p.freedom, p.squares),

-- The labels: the same with shares, and the population stability index of all of them.
label_share AS (
    SELECT l.classifier, l.model_version, l.label, l.recent_n, l.reference_n, s.recent_n AS all_recent,
           s.reference_n AS all_reference
      FROM (SELECT m.classifier, m.model_version, m.label,
                   coalesce(sum(m.n) FILTER (WHERE m.is_recent), 0) AS recent_n,
                   coalesce(sum(m.n) FILTER (WHERE NOT m.is_recent), 0) AS reference_n
              FROM mail m GROUP BY m.classifier, m.model_version, m.label) l
      JOIN stratum_mean s ON s.measure = 'confidence' AND s.classifier = l.classifier AND s.stratum = l.model_version),
-- Of each day and version, Pearson's statistic; 1 per degree of freedom if emails are independent.
day_labels AS (
    SELECT m.classifier, m.model_version, m.day, sum(m.n) AS n,
           sum(m.n * m.n * l.all_reference / l.reference_n) AS squares
      FROM mail m
      JOIN label_share l ON l.classifier = m.classifier AND l.model_version = m.model_version AND l.label = m.label
     WHERE NOT m.is_recent GROUP BY m.classifier, m.model_version, m.day),
label_spread AS (
    SELECT v.classifier, sum(v.statistic) / nullif(sum(v.freedom), 0)::float8 AS dispersion
      FROM (SELECT d.classifier, d.model_version, sum(d.squares / d.n - d.n) AS statistic,
                   (count(*) - 1) * (SELECT count(*) - 1 FROM label_share l WHERE l.classifier = d.classifier
                                        AND l.model_version = d.model_version AND l.reference_n > 0) AS freedom
              FROM day_labels d GROUP BY d.classifier, d.model_version) v
     GROUP BY v.classifier),
label_counts AS (
    SELECT l.classifier, l.label, sum(l.recent_n) AS recent_n,
           sum(l.all_recent * l.reference_n / l.all_reference) AS expected_n
      FROM label_share l WHERE l.all_recent > 0 GROUP BY l.classifier, l.label),
-- Half an email more for each label: no share is nothing.
label_compared AS (
    SELECT c.classifier, c.label, m.recent_n AS all_recent,
           1 / (m.per_mail - 1 / m.recent_n) AS all_reference,
           c.recent_n / m.recent_n AS recent, c.expected_n / m.recent_n AS reference,
           count(*) OVER by_classifier AS labels
      FROM label_counts c
      JOIN (SELECT s.classifier, sum(s.recent_n) AS recent_n,
                   1 / sum(s.recent_n)
                   + sum(power(s.recent_n, 2) / s.reference_n) / power(sum(s.recent_n), 2) AS per_mail
              FROM stratum_mean s
             WHERE s.measure = 'confidence' AND s.recent_n > 0
             GROUP BY s.classifier) m ON m.classifier = c.classifier
    WINDOW by_classifier AS (PARTITION BY c.classifier)),
label_term AS (
    SELECT c.*, ln(s.recent / s.reference) * (s.recent - s.reference) AS term
      FROM label_compared c
     CROSS JOIN LATERAL (SELECT (c.all_recent * c.recent + 0.5)
                                / (c.all_recent + 0.5 * c.labels::float8) AS recent,
                                (c.all_reference * c.reference + 0.5)
                                / (c.all_reference + 0.5 * c.labels::float8) AS reference) s),
label_measure AS (
    SELECT DISTINCT ON (t.classifier) t.classifier, t.label, t.recent, t.reference,
           sum(t.term) OVER (PARTITION BY t.classifier) AS psi,
           greatest(p.dispersion, 1) * (1 / t.all_recent + 1 / t.all_reference)
           -- The quantile of chi-squared 4 standard deviations out, by Wilson and Hilferty.
           * k.freedom * power(1 - 2 / (9 * k.freedom)
                               + 4 * sqrt(2 / (9 * k.freedom)), 3) AS chance
      FROM label_term t
      JOIN label_spread p ON p.classifier = t.classifier
     CROSS JOIN LATERAL (SELECT greatest(t.labels - 1, 1)::float8 AS freedom) k
     ORDER BY t.classifier, t.term DESC, t.label),

-- Confidence only alarms when it falls, unknown words when they become more.
measured AS (
    SELECT m.classifier, m.measure, m.label, m.recent, m.reference,
           CASE m.measure WHEN 'confidence' THEN m.reference - m.recent ELSE m.recent - m.reference END AS score,
           greatest(0.02, 5.5 * sqrt(m.variance)) AS threshold,
           m.recent_n, m.reference_n, 
           m.recent_n >= 30 AND m.reference_n >= 100 AND m.freedom >= 13 AS is_enough
      FROM mean_measure m
    UNION ALL
    SELECT l.classifier, 'label mix', l.label, l.recent, l.reference, l.psi, greatest(0.1, l.chance),
           m.recent_n, m.reference_n, m.recent_n >= 30 AND m.reference_n >= 100 AND m.freedom >= 13
      FROM label_measure l
      JOIN mean_measure m ON m.classifier = l.classifier AND m.measure = 'confidence')
SELECT c.classifier, k.measure, m.label, m.recent, m.reference,
       CASE WHEN m.is_enough THEN m.score END AS score,
       CASE WHEN m.is_enough THEN m.threshold END AS threshold,
       coalesce(m.is_enough AND m.score > m.threshold, false) AS drifted,
       coalesce(m.recent_n, 0)::bigint AS recent_mails,
       coalesce(m.reference_n, 0)::bigint AS reference_mails,
       CASE
           WHEN m.is_enough IS NOT TRUE THEN
               CASE k.measure
                   WHEN 'unknown words'
                        THEN 'too few emails to tell: 30 in the last 7 days and 100, on 14 days, in the 28 before'
                   ELSE 'too few emails of the same model version to tell: 30 in the last 7 days and 100, on 14 days, '
                        'in the 28 before' END
           WHEN m.score <= m.threshold THEN 'as before'
           ELSE format(CASE k.measure
               WHEN 'label mix' THEN 'label "%3$s" is predicted for %1$s %% of the emails, and was for %2$s %%: other '
                                     'kinds of mail come, or one is worded differently. Look at the latest emails '
                                     'with this label'
               WHEN 'confidence' THEN 'the classifier is sure to %1$s %% on average, and was to %2$s %%: mail has '
                                      'come that it does not know. Decide about the least certain emails'
               ELSE '%1$s %% of what is in an email is new to the classifier, and %2$s %% was: some label is worded '
                    'differently, or new kinds of mail have come. Decide about the latest uncertain emails' END,
               round((100 * m.recent)::numeric, 1), round((100 * m.reference)::numeric, 1), m.label)
       END AS meaning
  FROM (SELECT DISTINCT m.classifier FROM mail m) c
 CROSS JOIN (VALUES ('label mix'), ('confidence'), ('unknown words')) k (measure)
  LEFT JOIN measured m ON m.classifier = c.classifier AND m.measure = k.measure;
COMMENT ON VIEW triage.drift IS
    'whether the emails of the last 7 days, today included, differ from those of the 28 days before; three measures '
    'for each classifier that had mail. An alarm ends by itself when the new has become usual';
COMMENT ON COLUMN triage.drift.classifier IS 'the classifier';
COMMENT ON COLUMN triage.drift.measure IS
    'label mix, confidence or unknown words; for errors see triage.accuracy_daily and triage.alerts';
COMMENT ON COLUMN triage.drift.label IS 'label mix: the label that adds most to the score';
COMMENT ON COLUMN triage.drift.recent IS
    'of the last 7 days: share of that label, mean confidence, or mean share of features that the classifier did not '
    'know, 0 to 1';
COMMENT ON COLUMN triage.drift.reference IS
    'the same of the 28 days before; of confidence and labels as far as the same model versions answered';
COMMENT ON COLUMN triage.drift.score IS
    'label mix: population stability index over all labels; else how much worse it has become';
COMMENT ON COLUMN triage.drift.threshold IS
    'the score above which it has drifted: what chance does not explain, and what matters (a stability index of 0.1, '
    'a difference of 0.02)';
COMMENT ON COLUMN triage.drift.drifted IS 'whether the score is above the threshold';
COMMENT ON COLUMN triage.drift.recent_mails IS 'what is compared: emails of the last 7 days';
COMMENT ON COLUMN triage.drift.reference_mails IS 'with what';
COMMENT ON COLUMN triage.drift.meaning IS 'what it means and what to do';
