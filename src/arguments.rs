//! Arguments of SQL functions: what a caller must give, and how it is understood.

use pg_triage_decision::MAX_NOTE_BYTES;
use pgrx::PgSqlErrorCode as Code;
use pgrx::pg_sys::panic::ErrorReport;

use crate::error::{SqlResult, report};

/// Most characters of a classifier's name.
pub const MAX_NAME_CHARS: usize = 128;

/// An argument that must not be null.
pub fn given<T>(value: Option<T>, name: &str) -> SqlResult<T> {
    value.ok_or_else(|| {
        report(
            Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            format!("argument \"{name}\" must not be null"),
        )
    })
}

/// How many rows at most, which must be given and not negative.
pub fn given_most(most: Option<i32>) -> SqlResult<i64> {
    let most = given(most, "most")?;
    if most < 0 {
        return Err(report(
            Code::ERRCODE_INVALID_PARAMETER_VALUE,
            "most must not be negative",
        ));
    }
    Ok(i64::from(most))
}

/// The number of a review, which must not be null.
pub fn given_review_id(review_id: Option<i64>) -> SqlResult<i64> {
    review_id.ok_or_else(no_review_id)
}

/// The error of a request that does not say which review it is about.
pub fn no_review_id() -> ErrorReport {
    report(
        Code::ERRCODE_NOT_NULL_VIOLATION,
        "review_id is missing: it says which email is meant",
    )
}

/// A classifier's name, which must not be null.
pub fn given_classifier(name: Option<&str>) -> SqlResult<&str> {
    given(name, "classifier").map(comparable_name)
}

/// As much of a classifier's name as can tell it from all that exist: what is passed in may
/// be of any size.
pub fn comparable_name(name: &str) -> &str {
    // One character more than the longest, whatever its size.
    &name[..name.floor_char_boundary((MAX_NAME_CHARS + 1) * 4)]
}

/// A label without the white space around it; white space only is no label.
pub fn given_label(label: Option<&str>) -> Option<&str> {
    label.map(str::trim).filter(|label| !label.is_empty())
}

/// Refuses a note or a reason, called `name`, that is too long to be stored.
pub fn check_note(note: Option<&str>, name: &str) -> SqlResult<()> {
    if note.is_some_and(|note| note.len() > MAX_NOTE_BYTES) {
        return Err(report(
            Code::ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
            format!("{name} is too long: the limit is {MAX_NOTE_BYTES} bytes"),
        ));
    }
    Ok(())
}
