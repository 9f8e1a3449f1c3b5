CREATE VIEW triage.label_choices AS
SELECT l.classifier, l.label, l.description FROM triage.label l WHERE l.retired_at IS NULL;
COMMENT ON VIEW triage.label_choices IS 'what may be set as human_label, for drop-down lists';
COMMENT ON COLUMN triage.label_choices.classifier IS 'the classifier';
COMMENT ON COLUMN triage.label_choices.label IS 'the label';
COMMENT ON COLUMN triage.label_choices.description IS 'what belongs under it';
