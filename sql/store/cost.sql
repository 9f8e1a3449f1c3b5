CREATE TABLE triage.cost (
    classifier text   NOT NULL,
    actual     text   NOT NULL,
    predicted  text   NOT NULL,
    cost       float8 NOT NULL CHECK (cost >= 0 AND cost <= 1e12),
    PRIMARY KEY (classifier, actual, predicted)
);
COMMENT ON TABLE triage.cost IS
    'what an error costs, in a unit of your choice; one that is not listed costs 1. Edit it as you like: '
    'triage.error_cost follows at once';
COMMENT ON COLUMN triage.cost.classifier IS 'the classifier';
COMMENT ON COLUMN triage.cost.actual IS 'the right label';
COMMENT ON COLUMN triage.cost.predicted IS 'the label that was predicted';
COMMENT ON COLUMN triage.cost.cost IS 'of one such email, 0 to 1e12';

SELECT pg_extension_config_dump('triage.cost', '');
