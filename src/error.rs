//! How an error gets its SQLSTATE and message, and what SQLSTATE the errors of the classifier have.

use std::panic::{set_hook, take_hook};

use pg_triage_classifier::Error;
use pgrx::PgSqlErrorCode as Code;
use pgrx::pg_sys::panic::ErrorReport;

/// Result of every SQL function.
pub type SqlResult<T> = Result<T, ErrorReport>;

/// An error with its SQLSTATE. The message names the fix: ODBC drops hints.
pub fn report(code: Code, message: impl Into<String>) -> ErrorReport {
    ErrorReport::new(code, message.into(), "pg_triage")
}

/// Keeps what concerns only a developer out of what a client is told. Every SQL error passes
/// through Rust as a panic, and where the server was started with `RUST_BACKTRACE=1`, pgrx's hook
/// adds a backtrace to its DETAIL, even to a division by zero in a query of ours. A real panic, which
/// is a defect, goes to the server's log instead, with its place and the backtrace if one is wanted.
pub fn keep_backtraces_in_the_log() {
    // The first is pgrx's, set when the server asked for the library's version.
    drop(take_hook());
    let to_log = take_hook();
    set_hook(Box::new(move |panic| {
        if panic.payload_as_str().is_some() {
            to_log(panic);
        }
    }));
}

/// An error of the classifier as an SQL error.
pub fn from_classifier(error: Error) -> ErrorReport {
    let code = match &error {
        Error::Corrupt { .. } => Code::ERRCODE_INVALID_BINARY_REPRESENTATION,
        Error::UnsupportedVersion { .. } | Error::TokenizerVersion { .. } => {
            Code::ERRCODE_FEATURE_NOT_SUPPORTED
        }
        Error::LabelTooLong { .. } => Code::ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
        Error::TooManyLabels { .. } | Error::LabelsTooLong { .. } | Error::TooManyDocuments => {
            Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED
        }
        Error::StateTooLarge { limit, documents } => {
            let after = match documents {
                0 => String::new(),
                n => format!(" after {n} emails"),
            };
            return report(
                Code::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                format!(
                    "training state needs more than pg_triage.training_memory ({} MB){after}: \
                     raise the setting or train on fewer rows",
                    limit >> 20
                ),
            );
        }
        Error::OutOfMemory { .. } => Code::ERRCODE_OUT_OF_MEMORY,
        Error::NoDocuments | Error::NotLearned { .. } | Error::InvalidParameter { .. } => {
            Code::ERRCODE_INVALID_PARAMETER_VALUE
        }
        Error::Linfa(_) => Code::ERRCODE_INTERNAL_ERROR,
    };
    report(code, error.to_string())
}
