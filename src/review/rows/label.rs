//! The label that a row gets while no person has said anything.

use pgrx::PgSqlErrorCode as Code;

use super::allowed::with_label;
use super::memory::Remembered;
use super::table::Columns;
use crate::error::{SqlResult, report};
use crate::pg::{self, Row, Trigger};
use crate::review::prediction::{is_without_text, predict, predict_next, warn_once};
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
    let can_wait = || Ok(!trigger.is_not_null(columns.label()) || columns.has_value(row)?);
    if is_without_text(&text) && can_wait()? {
        return Ok((row, Remembered::Unclassified(Some(NO_TEXT.to_owned()))));
    }
    let Some(prediction) = predict(source, &text)? else {
        return Ok((row, Remembered::Unclassified(None)));
    };
    let Some(label) = &prediction.label else {
        return Ok((row, Remembered::Unclassified(None)));
    };
    let refusal = match with_label(trigger, source, columns, row, label)? {
        Ok(labelled) => return Ok((labelled, Remembered::Predicted(prediction))),
        Err(refusal) => refusal,
    };
    let mut labelled = row;
    let next = predict_next(source, &text, |label| {
        let allowed = with_label(trigger, source, columns, row, label)?;
        labelled = allowed.as_ref().copied().unwrap_or(row);
        Ok(allowed.is_ok())
    })?;
    if let Some(prediction) = next {
        return Ok((labelled, Remembered::Predicted(prediction)));
    }
    if !settings::keeps_pending() {
        return Err(report(
            Code::ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION,
            refusal,
        ));
    }
    warn_once(&refusal);
    Ok((row, Remembered::Unclassified(Some(refusal))))
}
