//! Connecting a background process, its transactions, and what `pg_stat_activity` shows of it.

use std::cell::Cell;
use std::ffi::{CString, c_char};
use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgTryBuilder, pg_sys};

use super::super::rights::OWN_PATH;
use crate::error::SqlResult;

thread_local! {
    static REPORTS: Cell<bool> = const { Cell::new(false) };
}

/// Connects to no database: such a process holds no database up, and sees the shared catalogues.
pub fn connect_to_none() {
    REPORTS.set(true);
    // SAFETY: once per process.
    unsafe { pg_sys::BackgroundWorkerInitializeConnection(std::ptr::null(), std::ptr::null(), 0) }
}

/// Connects to a database as a role. Settings of the database and of the role that would change
/// what a transaction does, or end it, do not hold here, as in autovacuum.
pub fn connect(database: pg_sys::Oid, role: pg_sys::Oid) {
    REPORTS.set(true);
    // SAFETY: once per process; the settings exist, with these values.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnectionByOid(database, role, 0);
        for (name, value) in [
            (c"search_path", OWN_PATH),
            (c"default_transaction_isolation", c"read committed"),
            (c"default_transaction_read_only", c"off"),
            (c"default_transaction_deferrable", c"off"),
            (c"statement_timeout", c"0"),
            // What a task waits for, vacuum waits for, too: it is tried again.
            (c"lock_timeout", c"5s"),
            (c"idle_in_transaction_session_timeout", c"0"),
        ] {
            pg_sys::SetConfigOption(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_OVERRIDE,
            );
        }
    }
}

/// Runs `f` in a transaction of its own. An error rolls it back and is returned, as its message;
/// the end of the process is no error.
pub fn transaction<R>(f: impl FnOnce() -> SqlResult<R>) -> Result<R, String> {
    // SAFETY: the sequence of the server's own main loop; pgrx has taken a caught error off the
    // server's stack before `catch_others` sees it.
    unsafe {
        let outcome = PgTryBuilder::new(AssertUnwindSafe(|| {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let value = f().map_err(|error| error.message().to_owned())?;
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
            pg_sys::pgstat_report_stat(false);
            Ok(value)
        }))
        .catch_others(|error| Err(message(&error)))
        .catch_rust_panic(|error| Err(message(&error)))
        .execute();
        if outcome.is_err() {
            pg_sys::AbortCurrentTransaction();
        }
        outcome
    }
}

fn message(error: &CaughtError) -> String {
    let (CaughtError::PostgresError(report)
    | CaughtError::ErrorReport(report)
    | CaughtError::RustPanic {
        ereport: report, ..
    }) = error;
    report.message().to_owned()
}

/// Tells `pg_stat_activity` what a background worker of ours is doing; in a session it says
/// nothing, because there the statement is shown.
pub fn report_activity(text: &str) {
    report_state(pg_sys::BackendState::STATE_RUNNING, text);
}

/// Tells `pg_stat_activity` that a background worker of ours waits, and for what.
pub fn report_idle(text: &str) {
    report_state(pg_sys::BackendState::STATE_IDLE, text);
}

fn report_state(state: pg_sys::BackendState::Type, text: &str) {
    if let (true, Ok(text)) = (REPORTS.get(), CString::new(text)) {
        // SAFETY: the server copies the text.
        unsafe { pg_sys::pgstat_report_activity(state, text.as_ptr()) }
    }
}

/// What this process calls itself in `pg_stat_activity`.
pub fn report_name(name: &str) {
    if let Ok(name) = CString::new(name) {
        // SAFETY: the server copies the name.
        unsafe { pg_sys::pgstat_report_appname(name.as_ptr() as *const c_char) }
    }
}
