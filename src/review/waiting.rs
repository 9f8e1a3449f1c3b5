//! Rows that were stored without a label.

use pgrx::PgSqlErrorCode as Code;

use crate::error::{SqlResult, report};
use crate::pg::{self, AttachedTable, Caught};
use crate::predict::active::Active;
use crate::predict::classify::{self, Prediction};
use crate::review::prediction::{has_old_label, recorded, unclassified, warn_once};
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
    key: &str,
    active: &Active,
    text: &str,
) -> SqlResult<bool> {
    let features = classify::features(text)?;
    let prediction = classify::predict(active, &features);
    let Some(label) = &prediction.label else {
        return Ok(false);
    };
    if has_old_label(&source.classifier, &prediction)? {
        return Ok(false);
    }
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
    let complete = |w: &mut Writer, new: &NewPrediction| match was_predicted {
        true => w.replace_prediction(name, new),
        false => w.complete_review(name, new),
    };
    let names = store::label_table::names(source)?;
    let refusal_of = |label: &str| names.as_ref().and_then(|names| names.refusal(label));
    let write = |w: &mut Writer, prediction: &Prediction, label: &str| {
        pg::catching_error(|| {
            if let Some(refusal) = refusal_of(label) {
                return Err(report(Code::ERRCODE_FOREIGN_KEY_VIOLATION, refusal));
            }
            w.write_label(source, place, key, Some(label))?;
            complete(w, &recorded(prediction))
        })
    };
    let Err(error) = write(w, &prediction, label) else {
        return Ok(true);
    };
    if is_about_value(&error) {
        // The next best one is written here and not only asked for: what a table lets in, it
        // says when it is written.
        let next = classify::predict_next(active, &features, |label| {
            let write = || w.write_label(source, place, key, Some(label));
            Ok(refusal_of(label).is_none() && pg::catching_error(write).is_ok())
        })?;
        if let Some(prediction) = next {
            complete(w, &recorded(&prediction))?;
            return Ok(true);
        }
    }
    w.complete_review(name, &unclassified(Some(&error.message)))?;
    warn_once(&format!(
        "email \"{key}\" in {}: {}",
        source.name, error.message
    ));
    Ok(false)
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
