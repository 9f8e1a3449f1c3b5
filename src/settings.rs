//! Every setting of pg_triage.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pg_triage_mail::Limits;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};

/// `pg_triage.on_error`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum OnError {
    /// The row stays without a label.
    #[name = c"pending"]
    Pending,
    /// The statement fails.
    #[name = c"error"]
    Error,
}

static TRAINING_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(1 << 20);
static ON_ERROR: GucSetting<OnError> = GucSetting::<OnError>::new(OnError::Pending);
static MAX_ROWS_PER_CORRECTION: GucSetting<i32> = GucSetting::<i32>::new(50);
static COMPACT_AFTER: GucSetting<i32> = GucSetting::<i32>::new(500);
static RETRAIN_AFTER: GucSetting<i32> = GucSetting::<i32>::new(100);
static RETRAIN_DAYS: GucSetting<i32> = GucSetting::<i32>::new(7);
static KEEP_VERSIONS: GucSetting<i32> = GucSetting::<i32>::new(20);
static KEEP_JOBS: GucSetting<i32> = GucSetting::<i32>::new(30);
static AUDIT_RATE: GucSetting<f64> = GucSetting::<f64>::new(0.02);
static REPORT_TIMEZONE: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"UTC"));
static MAX_MESSAGE_BYTES: GucSetting<i32> = GucSetting::<i32>::new(64 << 10);
static MAX_HEADER_BYTES: GucSetting<i32> = GucSetting::<i32>::new(256);
static MAX_MIME_PARTS: GucSetting<i32> = GucSetting::<i32>::new(1000);
static MAX_MIME_DEPTH: GucSetting<i32> = GucSetting::<i32>::new(32);
static MAX_TEXT_BYTES: GucSetting<i32> = GucSetting::<i32>::new(4 << 10);
static KEEP_RAW: GucSetting<bool> = GucSetting::<bool>::new(false);
static NOTIFY: GucSetting<bool> = GucSetting::<bool>::new(false);
static WORKER_NAPTIME: GucSetting<i32> = GucSetting::<i32>::new(60);
static WORKER_ROLE: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(DEFAULT_WORKER_ROLE));
static ACTOR: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

const DEFAULT_WORKER_ROLE: &CStr = c"triage_worker";

/// Declares the settings to the server.
pub fn register() {
    register_reviewing();
    register_training();
    register_maintenance();
    register_mail();
    crate::pg::reserve_setting_prefix(c"pg_triage");
}

/// What happens to emails and to decisions about them.
fn register_reviewing() {
    GucRegistry::define_enum_guc(
        c"pg_triage.on_error",
        c"What happens to a new row of an attached table that cannot be classified.",
        c"With \"pending\" it is stored without a label, waits as unclassified in the review \
          queue, and a warning says why; with \"error\" the INSERT fails. A row that comes \
          before there is a model waits in either case.",
        &ON_ERROR,
        GucContext::Userset,
        GucFlags::default(),
    );
    // Not for who sends mail: accuracy is measured on what is drawn.
    GucRegistry::define_float_guc(
        c"pg_triage.audit_rate",
        c"Share of new predictions that are drawn at random for people to check.",
        c"They wait in the review queue as \"audit\", whatever the confidence; accuracy is \
          measured on them. Of a day on which none was drawn, maintenance draws one. 0 \
          draws none, and nothing is known about accuracy then.",
        &AUDIT_RATE,
        0.0,
        1.0,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"pg_triage.actor",
        c"Who decides, for tools that connect everybody as one role.",
        c"Written down with each decision as the person who made it; the role is written \
          down beside it. With a connection pool, set it with SET LOCAL.",
        &ACTOR,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_triage.max_rows_per_correction",
        c"Most rows that one UPDATE of triage.review or of a queue view may change.",
        c"Guards against clients that forget the WHERE clause. A statement on an attached table \
          that decides about more rows is carried out, because the table is yours; a WARNING \
          names its batch, and SELECT triage.undo_batch(batch) takes it back. \
          triage.correct_many() and INSERT into a queue view are not limited.",
        &MAX_ROWS_PER_CORRECTION,
        1,
        i32::MAX,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_triage.compact_after",
        c"Pending decisions after which a correction compacts them into the base.",
        c"Every session keeps pending decisions in its own memory; compacting them takes a \
          moment in the correction that reaches the number. Within a transaction block it \
          waits for four times as many. 0 leaves compaction to triage.compact().",
        &COMPACT_AFTER,
        0,
        1_000_000,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"pg_triage.notify",
        c"Whether new labels are announced with NOTIFY.",
        c"On channel pg_triage, as JSON, for predictions and decisions alike. Transactions that \
          announce something commit one after another.",
        &NOTIFY,
        GucContext::Suset,
        GucFlags::default(),
    );
}

/// When versions are trained, and with how much memory.
fn register_training() {
    GucRegistry::define_int_guc(
        c"pg_triage.training_memory",
        c"Most memory that one training state may use.",
        c"A training aggregate that needs more stops with an error that says after how many \
          emails. Each parallel worker and each group has a state of its own; making the \
          model from it takes about as much again.",
        &TRAINING_MEMORY,
        1 << 10,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"pg_triage.retrain_after",
        c"New decisions after which maintenance trains a version.",
        c"Or a tenth of all decisions, if that is more. The version is activated if it is not \
          worse than the active one. 0 leaves training to triage.retrain().",
        &RETRAIN_AFTER,
        0,
        1_000_000,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_triage.retrain_days",
        c"Days after which fewer new decisions are enough to train a version.",
        c"Twenty are.",
        &RETRAIN_DAYS,
        1,
        3650,
        GucContext::Suset,
        GucFlags::default(),
    );
}

/// What the background worker does, and how long things are kept.
fn register_maintenance() {
    GucRegistry::define_int_guc(
        c"pg_triage.keep_versions",
        c"Versions that maintenance keeps of those that it trained itself.",
        c"The active one is kept in any case, and so are the ones that people deployed or \
          trained, and those that rollback() would go back to three times in a row.",
        &KEEP_VERSIONS,
        1,
        1_000_000,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_triage.keep_jobs",
        c"Days for which triage.jobs and alerts that have ended are kept.",
        c"Decisions, reviews and the daily figures are kept for good.",
        &KEEP_JOBS,
        1,
        36_500,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"pg_triage.report_timezone",
        c"Time zone of the days in the views of quality.",
        c"Set it for the whole database (ALTER DATABASE ... SET). Maintenance then counts \
          all days anew; the views keep the zone from before until then.",
        &REPORT_TIMEZONE,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_triage.worker_naptime",
        c"Longest time until the background worker looks at a database in which emails arrive.",
        c"Decisions wake it at once. A database where nothing happened since it last looked, or \
          without the extension, waits ten times as long.",
        &WORKER_NAPTIME,
        1,
        86_400,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_string_guc(
        c"pg_triage.worker_role",
        c"Role that the background worker connects as.",
        c"It must be allowed to log in (PostgreSQL asks that of background workers, too; it \
          needs no password), and to execute triage.maintain(). A superuser is refused.",
        &WORKER_ROLE,
        GucContext::Sighup,
        GucFlags::default(),
    );
}

/// How raw mail is read. Not for who sends it: these bound the work on a message.
fn register_mail() {
    GucRegistry::define_int_guc(
        c"pg_triage.max_message_bytes",
        c"Most of a raw message that is read.",
        c"What is beyond is left out, and the result says that it is truncated.",
        &MAX_MESSAGE_BYTES,
        1,
        1 << 20,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"pg_triage.max_header_bytes",
        c"Most of the header of a raw message, or of one of its parts, that is read.",
        c"What is beyond is left out, and the result says that it is truncated. Not less than \
          what tells two messages apart.",
        &MAX_HEADER_BYTES,
        256,
        16 << 10,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"pg_triage.max_mime_parts",
        c"Most parts of a raw message that are looked at.",
        c"What is beyond is left out, and the result says that it is truncated.",
        &MAX_MIME_PARTS,
        1,
        100_000,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_triage.max_mime_depth",
        c"How deep parts of a raw message may be in others to be looked at.",
        c"What is beyond is left out, and the result says that it is truncated.",
        &MAX_MIME_DEPTH,
        1,
        100,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_triage.max_text_bytes",
        c"Most of the decoded text of a raw message that is kept as its body.",
        c"What is beyond is left out, and the result says that it is truncated. Classifiers \
          read the first megabyte of a text.",
        &MAX_TEXT_BYTES,
        1,
        64 << 10,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_bool_guc(
        c"pg_triage.keep_raw",
        c"Whether triage.ingest() keeps messages as they came.",
        c"In triage.email.raw, beside what was read of them.",
        &KEEP_RAW,
        GucContext::Suset,
        GucFlags::default(),
    );
}

/// How much of a raw message is read: `pg_triage.max_*`.
pub fn message_limits() -> Limits {
    let count = |setting: &GucSetting<i32>| usize::try_from(setting.get()).unwrap_or(0);
    Limits {
        message_bytes: count(&MAX_MESSAGE_BYTES) << 10,
        header_bytes: count(&MAX_HEADER_BYTES) << 10,
        parts: count(&MAX_MIME_PARTS),
        depth: count(&MAX_MIME_DEPTH),
        text_bytes: count(&MAX_TEXT_BYTES) << 10,
    }
}

/// `pg_triage.keep_raw`
pub fn keep_raw() -> bool {
    KEEP_RAW.get()
}

/// `pg_triage.training_memory` in bytes.
pub fn training_memory() -> usize {
    usize::try_from(TRAINING_MEMORY.get()).unwrap_or(0) << 10
}

/// Whether a row that cannot be classified is kept.
pub fn keeps_pending() -> bool {
    ON_ERROR.get() == OnError::Pending
}

/// `pg_triage.max_rows_per_correction`
pub fn max_rows_per_correction() -> u64 {
    MAX_ROWS_PER_CORRECTION.get().unsigned_abs().into()
}

/// `pg_triage.compact_after`
pub fn compact_after() -> i64 {
    COMPACT_AFTER.get().into()
}

/// `pg_triage.keep_versions`
pub fn keep_versions() -> i32 {
    KEEP_VERSIONS.get()
}

/// `pg_triage.keep_jobs`, in days
pub fn keep_jobs() -> i32 {
    KEEP_JOBS.get()
}

/// `pg_triage.audit_rate`
pub fn audit_rate() -> f64 {
    AUDIT_RATE.get()
}

/// `pg_triage.worker_naptime`
pub fn worker_naptime() -> Duration {
    Duration::from_secs(WORKER_NAPTIME.get().unsigned_abs().into())
}

/// `pg_triage.worker_role`
pub fn worker_role() -> String {
    let role = WORKER_ROLE.get();
    role.as_deref()
        .unwrap_or(DEFAULT_WORKER_ROLE)
        .to_string_lossy()
        .into_owned()
}

/// `pg_triage.actor`, if it is set.
pub fn actor() -> Option<String> {
    let actor = ACTOR.get()?.to_string_lossy().trim().to_owned();
    (!actor.is_empty()).then_some(actor)
}
