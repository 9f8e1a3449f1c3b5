//! Rows that were stored without a label.

use pgrx::PgSqlErrorCode as Code;

use crate::error::{SqlResult, report};
use crate::pg::{self, AttachedTable, Caught};
use crate::predict::active::Active;
use crate::predict::classify::{self, Prediction};
use crate::review::prediction::{has_old_label, recorded, unclassified, warn_once};
use crate::store::email::Unlabelled;
use crate::store::review::{EmailName, NewPrediction};
use crate::store::source::Source;
use crate::store::{self, Writer};

/// Gives a row that waits the best label that its table lets in, and its review that prediction;
/// returns whether there was one. A row that does not take any must not stop the others: its
/// review says why.
pub fn label_waiting(
    w: &mut Writer,
    source: &Source,
    place: &AttachedTable,
    waiting: &Unlabelled,
    active: &Active,
) -> SqlResult<bool> {
    let Unlabelled { key, text, .. } = waiting;
    let row = UndecidedRow {
        source,
        place,
        key,
        label: None,
    };
    let name = EmailName {
        source: &source.name,
        key,
        classifier: &source.classifier,
    };
    // One that had a label which a constraint has taken away.
    let review = w.review_of(name)?;
    if review
        .as_ref()
        .is_some_and(|review| review.human_label.is_some())
    {
        return Ok(false);
    }
    let was_predicted = review.is_some_and(|review| review.predicted_label.is_some());
    let complete = |w: &mut Writer, new: NewPrediction| {
        let new = NewPrediction {
            received_at: waiting.received_at,
            ..new
        };
        match was_predicted {
            true => w.replace_prediction(name, &new),
            false => w.complete_review(name, &new),
        }
    };
    match row.write_best(w, active, text)? {
        Ok(Some(prediction)) => {
            complete(w, recorded(&prediction))?;
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(error) => {
            complete(w, unclassified(Some(&error.message)))?;
            warn_once(&format!(
                "email \"{key}\" in {}: {}",
                source.name, error.message
            ));
            Ok(false)
        }
    }
}

/// A row that nobody has decided about, locked.
pub struct UndecidedRow<'a> {
    pub source: &'a Source,
    pub place: &'a AttachedTable,
    pub key: &'a str,
    /// The label that it has.
    pub label: Option<&'a str>,
}

impl UndecidedRow<'_> {
    /// Gives the row the best label that its table lets in, and returns its prediction; none if
    /// nothing is known about the text, and what the table says if it lets none in.
    pub fn write_best(
        &self,
        w: &mut Writer,
        active: &Active,
        text: &str,
    ) -> SqlResult<Result<Option<Prediction>, Caught>> {
        let features = classify::features(text)?;
        let prediction = classify::predict(active, &features);
        let Some(label) = &prediction.label else {
            return Ok(Ok(None));
        };
        if has_old_label(&self.source.classifier, &prediction)? {
            return Ok(Ok(None));
        }
        let names = store::label_table::names(self.source)?;
        let mut write = |label: &str| {
            if self.label == Some(label) {
                return Ok(());
            }
            pg::catching_error(|| {
                if let Some(refusal) = names.as_ref().and_then(|names| names.refusal(label)) {
                    return Err(report(Code::ERRCODE_FOREIGN_KEY_VIOLATION, refusal));
                }
                w.write_label(self.source, self.place, self.key, Some(label))
            })
        };
        let Err(error) = write(label) else {
            return Ok(Ok(Some(prediction)));
        };
        if is_about_value(&error) {
            // The next best one is written here and not only asked for: what a table lets in, it
            // says when it is written.
            let next = classify::predict_next(active, &features, |label| Ok(write(label).is_ok()))?;
            if let Some(prediction) = next {
                return Ok(Ok(Some(prediction)));
            }
        }
        Ok(Err(error))
    }
}

/// Whether the table may let another label in: what it refused was not the change itself.
fn is_about_value(error: &Caught) -> bool {
    // Ours say that the table of the labels does not have it.
    error.code.is_none_or(|code| {
        !matches!(
            code,
            Code::ERRCODE_T_R_SERIALIZATION_FAILURE
                | Code::ERRCODE_T_R_DEADLOCK_DETECTED
                | Code::ERRCODE_LOCK_NOT_AVAILABLE
                | Code::ERRCODE_INSUFFICIENT_PRIVILEGE
                | Code::ERRCODE_OUT_OF_MEMORY
        )
    })
}
