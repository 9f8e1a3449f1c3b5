-- Human labels to look at again.
CREATE FUNCTION triage_internal.find_suspects(classifier text)
    RETURNS TABLE (decision_id bigint, label text, label_probability float8,
                   suggested_label text, suggested_probability float8, margin float8)
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000000 ROWS 100
    AS 'MODULE_PATHNAME', 'find_suspects_wrapper';
COMMENT ON FUNCTION triage_internal.find_suspects(text) IS
    'part of triage.suspect_labels: decisions in force whose label all other decisions contradict and nobody has '
    'confirmed, the 10,000 worst at most';

CREATE VIEW triage.suspect_labels AS
SELECT d.review_id, d.decision_id, c.name AS classifier, r.source, r.email_key,
       s.label, s.label_probability, s.suggested_label, s.suggested_probability, s.margin,
       d.actor AS reviewed_by, d.decided_at AS reviewed_at
  FROM triage.classifier c
 CROSS JOIN LATERAL triage_internal.find_suspects(c.name) s
  JOIN triage.decision d ON d.decision_id = s.decision_id
  LEFT JOIN triage.review r ON r.review_id = d.review_id
 ORDER BY s.margin DESC, d.decision_id;
COMMENT ON VIEW triage.suspect_labels IS
    'human labels that all other decisions contradict, worst first: each email is judged as if it had never been '
    'learned. Who gives the same label again confirms it, and it is not listed any more until that is undone or the '
    'text changes: with triage.correct() where another person gave it or it was imported, or after '
    'triage.ask_again(). Reads the whole ledger: ask for one classifier, and for the first rows';
COMMENT ON COLUMN triage.suspect_labels.review_id IS
    'the review to correct; NULL for an import from a relation without a key, which triage.undo(decision_id) takes '
    'back';
COMMENT ON COLUMN triage.suspect_labels.decision_id IS 'the decision in doubt';
COMMENT ON COLUMN triage.suspect_labels.classifier IS 'the classifier';
COMMENT ON COLUMN triage.suspect_labels.source IS 'the table that the email is in';
COMMENT ON COLUMN triage.suspect_labels.email_key IS 'its key there';
COMMENT ON COLUMN triage.suspect_labels.label IS 'what a person said';
COMMENT ON COLUMN triage.suspect_labels.label_probability IS 'its probability according to all other decisions, 0 to 1';
COMMENT ON COLUMN triage.suspect_labels.suggested_label IS 'the most probable label according to them';
COMMENT ON COLUMN triage.suspect_labels.suggested_probability IS 'its probability';
COMMENT ON COLUMN triage.suspect_labels.margin IS
    'log-odds against what the person said: 0.7 is two to one, 2.3 ten to one, 4.6 a hundred to one';
COMMENT ON COLUMN triage.suspect_labels.reviewed_by IS 'who decided';
COMMENT ON COLUMN triage.suspect_labels.reviewed_at IS 'when';
