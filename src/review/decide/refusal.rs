//! Why a request is not carried out, in words.

use pg_triage_decision::{MAX_NOTE_BYTES, Refusal};
use pgrx::PgSqlErrorCode as Code;
use pgrx::pg_sys::panic::ErrorReport;

use crate::error::report;
use crate::suggestion::{renamed_label, retired_label, unknown_label};

/// The error of a request about this classifier that was refused.
pub fn refusal_error(refusal: Refusal, classifier: &str) -> ErrorReport {
    match refusal {
        Refusal::Changed {
            review_id,
            by,
            seen,
            now,
        } => report(
            Code::ERRCODE_T_R_SERIALIZATION_FAILURE,
            format!(
                "review {review_id} was changed by {} since you read it (row_version {seen}, now {now}): read it again",
                by.as_deref().unwrap_or("somebody")
            ),
        ),
        Refusal::NoteTooLong => report(
            Code::ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
            format!("note is too long: the limit is {MAX_NOTE_BYTES} bytes"),
        ),
        Refusal::Decided { review_id, label } => report(
            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "review {review_id} is decided already (\"{label}\"): take the decision back first, or SELECT triage.ask_again('{review_id}')"
            ),
        ),
        Refusal::NothingToAccept { review_id } => report(
            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "review {review_id} has no predicted label to accept: use triage.correct({review_id}, 'a label')"
            ),
        ),
        Refusal::NothingToUndo { review_id } => report(
            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("review {review_id} has no decision to undo (see triage.decision_history)"),
        ),
        Refusal::UnknownLabel { given, known } => unknown_label(&given, classifier, &known),
        Refusal::RetiredLabel { label } => retired_label(&label, classifier),
        Refusal::RenamedLabel { given, label } => renamed_label(&given, &label, classifier),
        Refusal::Superseded { decision_id, by } => {
            let later = match by {
                Some(id) => {
                    format!("decision {id} about the same email is later: undo that one first")
                }
                None => "its email was replaced by another one with the same key".to_owned(),
            };
            report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("decision {decision_id} cannot be undone, because {later}"),
            )
        }
    }
}
