//! Errors that end a part of a statement only.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode as Code, PgTryBuilder, pg_sys};

use crate::error::SqlResult;

/// Runs `f` in a subtransaction. An error is rolled back and returned as its message, unless
/// it is a cancel or a shutdown.
pub fn catching<R>(f: impl FnOnce() -> SqlResult<R>) -> Result<R, String> {
    catching_error(f).map_err(|error| error.message)
}

/// An error that ended a subtransaction.
#[derive(Debug, PartialEq, Eq)]
pub struct Caught {
    /// Its SQLSTATE, if the server raised it; `None` for an error of ours.
    pub code: Option<Code>,
    /// Its message.
    pub message: String,
}

/// [`catching`], with what kind of error it was.
pub fn catching_error<R>(f: impl FnOnce() -> SqlResult<R>) -> Result<R, Caught> {
    enum Failure {
        Returned(pg_sys::panic::ErrorReport),
        Thrown(CaughtError),
    }
    // SAFETY: the sequence of PL/pgSQL's exception blocks; memory context and resource
    // owner are put back on both ways out.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let outcome = PgTryBuilder::new(AssertUnwindSafe(|| f().map_err(Failure::Returned)))
            .catch_others(|error| Err(Failure::Thrown(error)))
            .catch_rust_panic(|error| Err(Failure::Thrown(error)))
            .execute();
        match outcome {
            Ok(_) => pg_sys::ReleaseCurrentSubTransaction(),
            Err(_) => {
                pg_sys::MemoryContextSwitchTo(context);
                pg_sys::RollbackAndReleaseCurrentSubTransaction();
            }
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        outcome.map_err(|failure| match failure {
            Failure::Returned(error) => Caught {
                code: None,
                message: error.message().to_owned(),
            },
            Failure::Thrown(error) => {
                let report = match &error {
                    CaughtError::PostgresError(report)
                    | CaughtError::ErrorReport(report)
                    | CaughtError::RustPanic {
                        ereport: report, ..
                    } => report,
                };
                match report.sql_error_code() {
                    Code::ERRCODE_QUERY_CANCELED
                    | Code::ERRCODE_ADMIN_SHUTDOWN
                    | Code::ERRCODE_CRASH_SHUTDOWN => error.rethrow(),
                    code => Caught {
                        code: Some(code),
                        message: report.message().to_owned(),
                    },
                }
            }
        })
    }
}
