//! The only place where an error becomes SQLSTATE, message and hint.

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

/// A core error as an SQL error.
pub fn from_core(error: Error) -> ErrorReport {
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

/// `classifier "spma" does not exist (did you mean "spam"? known: default, spam)`
pub fn unknown(what: &str, given: &str, known: &[String]) -> ErrorReport {
    let (shown, choices) = suggestion(given, known, "known");
    report(
        Code::ERRCODE_UNDEFINED_OBJECT,
        format!("{what} \"{shown}\" does not exist ({choices})"),
    )
}

/// `label "biling" does not exist in classifier "department" (did you mean "billing"? allowed: billing, hr)`
pub fn unknown_label(given: &str, classifier: &str, allowed: &[String]) -> ErrorReport {
    let (shown, mut choices) = suggestion(given, allowed, "allowed");
    if allowed.is_empty() {
        choices = format!(
            "it has no labels yet: SELECT triage.add_label('{}', 'a label')",
            classifier.replace('\'', "''")
        );
    }
    report(
        Code::ERRCODE_FOREIGN_KEY_VIOLATION,
        format!("label \"{shown}\" does not exist in classifier \"{classifier}\" ({choices})"),
    )
}

/// What was given, shortened, and what it could have meant.
fn suggestion(given: &str, known: &[String], word: &str) -> (String, String) {
    const LISTED: usize = 20;
    const SHOWN: usize = 128;
    // Comparing takes length times length, and a name may be as long as an email.
    let shown: String = given.chars().take(SHOWN).collect();
    let comparable = if shown.len() < given.len() { "" } else { given };
    let nearest = known
        .iter()
        .inspect(|_| crate::pg::check_for_interrupts())
        .map(|k| {
            (
                strsim::damerau_levenshtein(&k.to_lowercase(), &comparable.to_lowercase()),
                k,
            )
        })
        .filter(|(distance, k)| *distance * 3 <= k.chars().count())
        .min();
    let meant = nearest.map_or(String::new(), |(_, k)| format!("did you mean \"{k}\"? "));
    let mut list = known
        .iter()
        .take(LISTED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if known.len() > LISTED {
        list.push_str(&format!(" and {} more", known.len() - LISTED));
    }
    (shown, format!("{meant}{word}: {list}"))
}
