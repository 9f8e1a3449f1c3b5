CREATE VIEW triage.class_metrics WITH (security_barrier) AS
SELECT g.classifier, g.model_version, g.basis, g.label,
       g.correct::float8 / nullif(g.predicted, 0)::float8 AS precision,
       g.correct::float8 / nullif(g.support, 0)::float8 AS recall,
       2 * g.correct::float8
           / nullif(g.support + g.predicted, 0)::float8 AS f1,
       g.support, g.predicted, g.correct
  FROM (SELECT c.classifier, c.model_version, b.basis, l.label,
               coalesce(sum(c.n) FILTER (WHERE c.actual = l.label), 0)::bigint AS support,
               coalesce(sum(c.n) FILTER (WHERE c.predicted = l.label), 0)::bigint AS predicted,
               coalesce(sum(c.n) FILTER (WHERE c.actual = c.predicted), 0)::bigint AS correct
          FROM triage.confusion_matrix c
         CROSS JOIN LATERAL (VALUES ('reviewed'::text), (CASE WHEN c.audit THEN 'audit' END)) b (basis)
         CROSS JOIN LATERAL (VALUES (c.actual), (CASE WHEN c.actual <> c.predicted THEN c.predicted END)) l (label)
         WHERE b.basis IS NOT NULL AND l.label IS NOT NULL
         GROUP BY c.classifier, c.model_version, b.basis, l.label) g;
COMMENT ON VIEW triage.class_metrics IS 'precision, recall and F1 of each label';
COMMENT ON COLUMN triage.class_metrics.classifier IS 'the classifier';
COMMENT ON COLUMN triage.class_metrics.model_version IS 'which model predicted; NULL for decisions alone';
COMMENT ON COLUMN triage.class_metrics.basis IS
    'audit: the audit sample, which is unbiased; reviewed: all that a person has decided, which are more, but not '
    'like the others';
COMMENT ON COLUMN triage.class_metrics.label IS 'the label';
COMMENT ON COLUMN triage.class_metrics.precision IS 'share of the emails predicted to have it that have it';
COMMENT ON COLUMN triage.class_metrics.recall IS 'share of the emails that have it that were predicted to';
COMMENT ON COLUMN triage.class_metrics.f1 IS 'harmonic mean of the two';
COMMENT ON COLUMN triage.class_metrics.support IS 'labelled emails that have it';
COMMENT ON COLUMN triage.class_metrics.predicted IS 'labelled emails that were predicted to have it';
COMMENT ON COLUMN triage.class_metrics.correct IS 'labelled emails of which both is true';
