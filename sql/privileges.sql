-- What each role may do: see roles.sql. Schema triage_internal is closed to all roles but
-- triage_admin: PostgreSQL finds what a view, a trigger or a BEGIN ATOMIC body is made of when they
-- are created, so that whoever asks a view needs no right to look into that schema. What is left
-- to grant there are functions that views call, because those are called with the rights of
-- who asks, and triggers that run for who changes a row.

REVOKE ALL ON SCHEMA triage, triage_internal FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA triage, triage_internal FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA triage, triage_internal FROM PUBLIC;
-- Not pure: they read the active model.
REVOKE ALL ON FUNCTION @extschema@.classify_email(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.classify_email_scores(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.explain_email(text, text, text, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.classify_email(bytea, text) FROM PUBLIC;
GRANT USAGE ON SCHEMA triage TO triage_analyst, triage_worker, triage_writer;

-- Everybody: what is pure, and what triggers of attached tables ask. The functions that an aggregate consists of
-- need no grant to its callers.
GRANT EXECUTE ON FUNCTION
    triage_internal.label_key(text),
    triage_internal.readable_text("any", text[]),
    triage_internal.text_has_changed(),
    triage.wilson_low(bigint, bigint),
    triage.wilson_high(bigint, bigint)
    TO PUBLIC;

-- Analysts: views of labels and numbers. No text of mails, notes on them, or names that clients give
-- themselves (actors), so that a dashboard may be open to everybody.
GRANT SELECT ON
    triage.accuracy_daily,
    triage.activations,
    triage.alerts,
    triage.automation_rate_daily,
    triage.calibration,
    triage.calibration_summary,
    triage.class_metrics,
    triage.confusion_matrix,
    triage.drift,
    triage.error_cost,
    triage.error_cost_daily,
    triage.jobs,
    triage.label_changes,
    triage.label_choices,
    triage.model_versions,
    triage.override_rate_daily,
    triage.review_progress,
    triage.sources,
    triage.status,
    triage.time_to_correction_daily
    TO triage_analyst;
-- Called by the views of quality, and by triage.status.
GRANT EXECUTE ON FUNCTION
    triage_internal.statistics_entry(triage_internal.review_change, text),
    triage.worker_status()
    TO triage_analyst;

-- Readers: also answers about texts that they have.
GRANT EXECUTE ON FUNCTION
    @extschema@.classify_email(text, text),
    @extschema@.classify_email(bytea, text),
    @extschema@.classify_email_scores(text, text),
    @extschema@.explain_email(text, text, text, integer)
    TO triage_reader;
GRANT SELECT ON triage.classifier, triage.cost, triage.label TO triage_reader;

-- Reviewers: the mail, and decisions about it.
GRANT SELECT, INSERT, UPDATE ON triage.email, triage.review_queue, triage.email_queue TO triage_reviewer;
-- INSERT is for ON CONFLICT DO UPDATE: its trigger lets through only reviews that are there.
GRANT SELECT, INSERT, UPDATE ON triage.review TO triage_reviewer;
GRANT SELECT ON
    triage.batches,
    triage.decision_history,
    triage.labelled_email,
    triage.suspect_labels
    TO triage_reviewer;
-- All but the features: what is in a mail cannot be read from them, but guessed.
GRANT SELECT (decision_id, review_id, source, email_key, classifier, kind, old_label, new_label, predicted_label,
    confidence, model_version,
    note, actor, decided_at, batch_id, door, connected_as, acting_as, application_name, replaces, undoes,
    queue_reason)
    ON triage.decision TO triage_reviewer;
GRANT UPDATE ON triage.batches, triage.decision_history TO triage_reviewer;
GRANT EXECUTE ON FUNCTION
    triage.accept(bigint, text, text, integer),
    triage.ask_again(text, text, text),
    triage.correct(bigint, text, text, text, integer),
    triage.correct_many(text, text, text, text),
    triage.correct_many(bigint[], text, text, text),
    triage.skip(bigint, text, text, integer),
    triage.undo(bigint, text, text),
    triage.undo_batch(bigint, text, text)
    TO triage_reviewer;
-- Called by triage.batches and triage.decision_history.
GRANT EXECUTE ON FUNCTION triage_internal.is_undone(bigint) TO triage_reviewer;
-- Called by triage.suspect_labels, and by triggers on triage.review.
GRANT EXECUTE ON FUNCTION triage_internal.find_suspects(text), triage_internal.is_restoring(),
    triage_internal.is_changing_labels() TO triage_reviewer;

-- Mail servers and web hooks; reviewers write triage.email in any case.
GRANT EXECUTE ON FUNCTION triage.ingest(bytea, text), triage.ingest_json(jsonb), triage.ingest_json_all(jsonb, text)
    TO triage_writer, triage_reviewer;
-- Called by the two of JSON.
GRANT EXECUTE ON FUNCTION triage_internal.ingest_payload(text, text, boolean) TO triage_writer, triage_reviewer;
-- Who hands in mail may see which shapes there are, and not change them: what is posted by others is read with them.
GRANT SELECT ON triage.hook_shape TO triage_writer, triage_reviewer;

-- Trainers.
GRANT UPDATE (review_below) ON triage.classifier TO triage_trainer;
GRANT INSERT, UPDATE, DELETE ON triage.cost, triage.hook_shape TO triage_trainer;
-- Called by its constraint.
GRANT EXECUTE ON FUNCTION triage_internal.is_hook_shape(text[]) TO triage_trainer;
GRANT EXECUTE ON FUNCTION
    triage.activate(text, integer, text),
    triage.adopt(regclass, text, text[], text, text),
    triage.add_label(text, text, text),
    triage.attach(regclass, text[], text, text, text, boolean, regclass, text, text[], text, text, boolean),
    triage.classify_again(regclass, integer, text, float8, integer, timestamptz, text[], boolean),
    triage.classify_pending(regclass, integer),
    triage.compact(text),
    triage.create_classifier(text, text),
    triage.deploy(text, @extschema@.email_model, boolean, text),
    triage.detach(regclass),
    triage.learn_from(text, regclass, text[], text, regclass, text, text),
    triage.load_sample(),
    triage.merge_labels(text, text, text),
    triage.maintain(integer),
    triage.preview(text, integer, integer),
    triage.rename_label(text, text, text),
    triage.retire_label(text, text),
    triage.retrain(text, text),
    triage.rollback(text, text),
    triage.split_label(text, text),
    triage.start_worker(),
    triage.stop_worker(),
    triage.undo_label_change(bigint),
    triage.wake_worker()
    TO triage_trainer;

-- The background worker.
GRANT EXECUTE ON FUNCTION triage.maintain(integer) TO triage_worker;

-- Admins: also what is inside, but for reading. Models hold hashes and counts of private mail.
GRANT DELETE, TRUNCATE ON triage.email TO triage_admin;
GRANT SELECT ON triage.decision TO triage_admin;
GRANT EXECUTE ON FUNCTION
    triage.forget(text, text),
    triage.forget_classifier(text),
    triage.learned_state(text),
    triage.learned_model(text),
    triage.replayed_state(text),
    triage.replayed_model(text)
    TO triage_admin;
GRANT USAGE ON SCHEMA triage_internal TO triage_admin;
GRANT SELECT ON
    triage_internal.activation,
    triage_internal.active_version,
    triage_internal.decision_in_base,
    triage_internal.decision_in_force,
    triage_internal.job,
    triage_internal.label_change,
    triage_internal.model,
    triage_internal.name_change,
    triage_internal.pending,
    triage_internal.relabelled,
    triage_internal.report_timezone,
    triage_internal.review_change,
    triage_internal.review_statistics,
    triage_internal.review_statistics_now,
    triage_internal.source,
    triage_internal.statistics_timezone
    TO triage_admin;
