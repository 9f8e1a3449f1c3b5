//! The label that a row gets while no person has said anything.

use pgrx::PgSqlErrorCode as Code;

use super::memory::Remembered;
use super::table::Columns;
use crate::error::{SqlResult, report};
use crate::pg::{self, Row, Trigger, Value};
use crate::review::prediction::{is_without_text, predict, warn_once};
use crate::settings;
use crate::store::review::NO_TEXT;
use crate::store::source::Source;

/// A row that is about to be written, with the label that is predicted for its text, and that
/// prediction; without one and as it is, if there is none.
pub fn labelled(
    trigger: &Trigger,
    source: &Source,
    columns: &Columns,
    row: Row,
) -> SqlResult<(Row, Remembered)> {
    pg::probe_for_work()?;
    let text = match columns.text_of(trigger.completed(row, columns.texts())?) {
        Ok(text) => text,
        Err(error) if settings::keeps_pending() => {
            warn_once(error.message());
            return Ok((
                row,
                Remembered::Unclassified(Some(error.message().to_owned())),
            ));
        }
        Err(error) => return Err(error),
    };
    // A column that cannot wait gets what is most likely of any email.
    if is_without_text(&text) && !trigger.is_not_null(columns.label()) {
        return Ok((row, Remembered::Unclassified(Some(NO_TEXT.to_owned()))));
    }
    let prediction = predict(source, &text)?;
    let fits = |label: &str| {
        trigger
            .limit(columns.label())
            .is_none_or(|limit| label.chars().count() <= limit)
    };
    let label = prediction.as_ref().and_then(|p| p.label.clone());
    match (prediction, label) {
        (Some(prediction), Some(label)) if fits(&label) => Ok((
            row.with(&[(columns.label(), Value::Text(&label))])?,
            Remembered::Predicted(prediction),
        )),
        (_, label) => {
            let mut reason = None;
            if let Some(label) = label {
                let problem = format!("label \"{label}\" is too long for the column");
                if !settings::keeps_pending() {
                    return Err(report(Code::ERRCODE_STRING_DATA_RIGHT_TRUNCATION, problem));
                }
                warn_once(&problem);
                reason = Some(problem);
            }
            Ok((row, Remembered::Unclassified(reason)))
        }
    }
}
