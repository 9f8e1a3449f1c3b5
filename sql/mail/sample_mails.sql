CREATE FUNCTION triage.load_sample() RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'load_sample_wrapper';
COMMENT ON FUNCTION triage.load_sample() IS
    'puts the sample mails into triage.email, mailboxes sample/train and sample/new, with their true labels; returns '
    'how many were not there yet';
