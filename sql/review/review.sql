-- Who decides what, through a table, views and functions: all of them end in the same code,
-- src/review/decide/.

CREATE FUNCTION triage_internal.review_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'review_row_wrapper';
COMMENT ON FUNCTION triage_internal.review_row() IS
    'turns a changed human_label into a decision; on triage.review and on the queue views';

CREATE TRIGGER review_begin BEFORE UPDATE ON triage.review
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.begin_batch();
COMMENT ON TRIGGER review_begin ON triage.review IS 'one batch per statement';

CREATE TRIGGER review_row BEFORE INSERT OR UPDATE ON triage.review
    FOR EACH ROW EXECUTE FUNCTION triage_internal.review_row();
COMMENT ON TRIGGER review_row ON triage.review IS 'human_label becomes a decision; other columns are protected. '
    'INSERT ... ON CONFLICT DO UPDATE does the same; nobody but the owner adds a review';

CREATE TRIGGER review_end AFTER UPDATE ON triage.review
    FOR EACH STATEMENT EXECUTE FUNCTION triage_internal.end_batch();
COMMENT ON TRIGGER review_end ON triage.review IS 'compacts many decisions';
