//! Predicting anew what nobody has decided about: with a new model, or after a wrong import.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{PgSqlErrorCode as Code, notice, pg_extern, pg_sys};

use crate::arguments::{given_label, given_most};
use crate::error::{SqlResult, report};
use crate::pg;
use crate::predict::cache;
use crate::review::attach::{attachments_of, warn_of_hidden_rows};
use crate::review::prediction::{is_without_text, recorded, unclassified, warn_once};
use crate::review::waiting::UndecidedRow;
use crate::store::email::IfLocked;
use crate::store::review::{EmailName, NO_TEXT, Which};
use crate::store::source::Source;
use crate::store::{self, Writer};

/// Reviews looked up at once.
const REVIEWS_AT_ONCE: i64 = 200;

/// Emails predicted between two notices.
const EMAILS_PER_NOTICE: i64 = 10_000;

#[pg_extern(sql = false)]
#[expect(clippy::too_many_arguments, reason = "those of the SQL function")]
fn classify_again(
    relation: Option<pg_sys::Oid>,
    most: Option<i32>,
    predicted_label: Option<&str>,
    confidence_below: Option<f64>,
    version_before: Option<i32>,
    received_since: Option<TimestampWithTimeZone>,
    keys: Option<Vec<Option<String>>>,
    newer_decisions: Option<bool>,
) -> SqlResult<i64> {
    let most = given_most(most)?;
    if confidence_below.is_some_and(|below| !(0.0..=1.0).contains(&below)) {
        return Err(report(
            Code::ERRCODE_INVALID_PARAMETER_VALUE,
            "confidence_below must be between 0 and 1",
        ));
    }
    store::write(c"triage.classify_again()", |w| {
        store::hold_labels()?;
        let mut done = 0;
        for source in attachments_of(w, relation)? {
            let Some(active) = cache::active_model_of(w, &source.classifier)? else {
                continue;
            };
            let predicted_label = match given_label(predicted_label) {
                Some(label) => Some(w.known_label(&source.classifier, label)?),
                None => None,
            };
            let which = Which {
                predicted_label: predicted_label.as_deref(),
                confidence_below,
                version_before,
                received_since,
                keys: keys.as_deref(),
                other_than: active.version,
                before: match newer_decisions.unwrap_or(false) {
                    true => w.last_decided_at(&source.classifier)?,
                    false => None,
                },
            };
            done += classify_reviews(w, &source, &which, most - done, done)?;
            if let Some(reason) = w.hidden_rows(&source)? {
                warn_of_hidden_rows(&source, "", &reason);
            }
        }
        Ok(done)
    })
}

/// Predicts emails of one table anew, at most so many; returns how many. `before` is how many it
/// has been already.
fn classify_reviews(
    w: &mut Writer,
    source: &Source,
    which: &Which,
    most: i64,
    before: i64,
) -> SqlResult<i64> {
    let (mut done, mut last) = (0, 0);
    while done < most {
        let wanted = (most - done).min(REVIEWS_AT_ONCE);
        let reviews = w.reviews_to_predict(source, which, last, wanted)?;
        let Some((review, _)) = reviews.last() else {
            break;
        };
        last = *review;
        for (_, key) in reviews {
            pg::check_for_interrupts();
            // One row that does not take its label must not stop the others.
            match pg::catching(|| classify_review(w, source, which, &key)) {
                Ok(predicted) => done += i64::from(predicted),
                Err(message) => {
                    warn_once(&format!("email \"{key}\" in {}: {message}", source.name));
                    continue;
                }
            }
            if (before + done) % EMAILS_PER_NOTICE == 0 && done > 0 {
                notice!("{} emails predicted so far", before + done);
            }
        }
    }
    Ok(done)
}

/// Predicts one email anew, unless somebody has it locked, has decided about it, or has labelled
/// it otherwise; whether it was predicted.
fn classify_review(w: &mut Writer, source: &Source, which: &Which, key: &str) -> SqlResult<bool> {
    let name = EmailName {
        source: &source.name,
        key,
        classifier: &source.classifier,
    };
    // First the email, then its review, as everybody locks them.
    let Some(email) = w.lock_email(source, key, IfLocked::Skip)? else {
        return Ok(false);
    };
    let Some(review) = w.lock_review_of(name)? else {
        return Ok(false);
    };
    let is_ours = review.human_label.is_none()
        && review.predicted_label.is_some()
        && email.label == review.predicted_label;
    if !is_ours || !w.is_to_predict(review.review_id, which)? {
        return Ok(false);
    }
    let Some(active) = cache::active_model_of(w, &source.classifier)? else {
        return Ok(false);
    };
    if is_without_text(&email.text) {
        w.write_label(source, &email.place, key, None)?;
        w.replace_prediction(name, &unclassified(Some(NO_TEXT)))?;
        return Ok(true);
    }
    let row = UndecidedRow {
        source,
        place: &email.place,
        key,
        label: email.label.as_deref(),
    };
    match row.write_best(w, &active, &email.text)? {
        Ok(Some(prediction)) => w.replace_prediction(name, &recorded(&prediction))?,
        Ok(None) => return Ok(false),
        Err(error) => {
            warn_once(&format!(
                "email \"{key}\" in {}: {}",
                source.name, error.message
            ));
            return Ok(false);
        }
    }
    Ok(true)
}
