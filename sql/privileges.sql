-- What each role may do: see roles.sql.
REVOKE ALL ON SCHEMA triage, triage_internal FROM PUBLIC;
GRANT USAGE ON SCHEMA triage, triage_internal TO triage_reader;
REVOKE ALL ON ALL TABLES IN SCHEMA triage, triage_internal FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA triage, triage_internal FROM PUBLIC;
-- Not pure: they read the active model.
REVOKE ALL ON FUNCTION @extschema@.classify_email(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.classify_email_scores(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.explain_email(text, text, text, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.classify_email(bytea, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.classify_email(text, text) TO triage_reader;
GRANT EXECUTE ON FUNCTION @extschema@.classify_email(bytea, text) TO triage_reader;
GRANT EXECUTE ON FUNCTION @extschema@.classify_email_scores(text, text) TO triage_reader;
GRANT EXECUTE ON FUNCTION @extschema@.explain_email(text, text, text, integer) TO triage_reader;
-- Pure. The functions that an aggregate consists of need no grant to its callers.
GRANT EXECUTE ON FUNCTION triage_internal.label_key(text), triage_internal.wilson_low(bigint, bigint), triage_internal.wilson_high(bigint, bigint) TO PUBLIC;
GRANT SELECT ON triage.classifier, triage.label, triage.activations, triage.model_versions TO triage_reader;
GRANT UPDATE (review_below) ON triage.classifier TO triage_trainer;
GRANT SELECT, INSERT, UPDATE ON triage.email TO triage_reviewer;
GRANT EXECUTE ON FUNCTION triage.create_classifier(text, text),
    triage.add_label(text, text, text),
    triage.deploy(text, @extschema@.email_model, boolean, text),
    triage.activate(text, integer, text),
    triage.rollback(text, text),
    triage.preview(text, integer, integer),
    triage.load_sample() TO triage_trainer;
GRANT SELECT, UPDATE ON triage.review TO triage_reviewer;
GRANT SELECT, INSERT, UPDATE ON triage.review_queue, triage.email_queue TO triage_reviewer;
GRANT SELECT ON triage.decision_history, triage.batches, triage.suspect_labels TO triage_reviewer;
GRANT EXECUTE ON FUNCTION triage_internal.find_suspects(text) TO triage_reviewer;
-- All but the features: what is in a mail cannot be read from them, but guessed.
GRANT SELECT (decision_id, review_id, classifier, kind, old_label, new_label, predicted_label, confidence, model_version,
    note, actor, decided_at, batch_id, door, connected_as, acting_as, application_name, replaces, undoes) ON triage.decision
    TO triage_reviewer;
-- Labels and numbers, no text.
GRANT SELECT ON triage_internal.review_statistics_now, triage_internal.report_timezone, triage.cost,
    triage.accuracy_daily, triage.confusion_matrix, triage.class_metrics, triage.calibration, triage.calibration_summary,
    triage.override_rate_daily, triage.automation_rate_daily, triage.time_to_correction_daily, triage.error_cost_daily, triage.error_cost TO triage_reader;
GRANT EXECUTE ON FUNCTION triage_internal.statistics_entry(triage_internal.review_change, text) TO triage_reader;
GRANT INSERT, UPDATE, DELETE ON triage.cost TO triage_trainer;
-- Called by a trigger on what reviewers may change.
GRANT EXECUTE ON FUNCTION triage_internal.is_restoring() TO triage_reviewer;
GRANT SELECT ON triage.label_choices, triage.review_progress, triage_internal.source TO triage_reader;
GRANT EXECUTE ON FUNCTION triage.accept(bigint, text, text, integer),
    triage.correct(bigint, text, text, text, integer),
    triage.skip(bigint, text, text, integer),
    triage.correct_many(text, text, text, text),
    triage.correct_many(bigint[], text, text, text),
    triage.undo(bigint, text, text),
    triage.undo_batch(bigint, text, text) TO triage_reviewer;
GRANT EXECUTE ON FUNCTION triage.attach(regclass, text[], text, text, text, boolean),
    triage.detach(regclass),
    triage.classify_pending(regclass, integer),
    triage.learn_from(text, regclass, text[], text),
    triage.retrain(text, text),
    triage.compact(text) TO triage_trainer;
GRANT SELECT ON triage.jobs, triage.alerts, triage.status, triage.drift TO triage_reader;
GRANT EXECUTE ON FUNCTION triage.forget(text, text),
    triage.forget_classifier(text),
    triage.learned_state(text),
    triage.replayed_state(text) TO triage_admin;
GRANT SELECT ON triage.decision, triage_internal.pending, triage_internal.review_statistics, triage_internal.review_change, triage_internal.statistics_timezone TO triage_admin;
-- Models hold hashes and counts of private mail: admins and the owner only.
GRANT SELECT ON triage_internal.model, triage_internal.activation TO triage_admin;
GRANT DELETE, TRUNCATE ON triage.email TO triage_admin;
GRANT EXECUTE ON FUNCTION triage.start_worker(), triage.stop_worker(), triage.wake_worker(), triage.maintain(integer)
    TO triage_trainer;
GRANT EXECUTE ON FUNCTION triage.worker_status() TO triage_reader;
GRANT SELECT ON triage_internal.job TO triage_reader;
GRANT USAGE ON SCHEMA triage, triage_internal TO triage_worker;
GRANT EXECUTE ON FUNCTION triage.maintain(integer) TO triage_worker;
GRANT USAGE ON SCHEMA triage, triage_internal TO triage_writer;
-- Reviewers write triage.email in any case.
GRANT EXECUTE ON FUNCTION triage.ingest(bytea, text) TO triage_writer, triage_reviewer;
GRANT EXECUTE ON FUNCTION triage.ingest_json(jsonb) TO triage_writer, triage_reviewer;
-- It runs with the rights of its caller, and these read nothing.
GRANT EXECUTE ON FUNCTION triage_internal.json_or_null(text), triage_internal.json_fields(jsonb), triage_internal.json_bytes(text),
    triage_internal.json_header_value(text), triage_internal.json_addresses(jsonb), triage_internal.json_date(text), triage_internal.json_headers(jsonb),
    triage_internal.json_attachments(jsonb), triage_internal.json_message(jsonb) TO triage_writer, triage_reviewer;
GRANT SELECT ON triage.labelled_email TO triage_reviewer;
