//! Predictions of new emails: the row is not to fail for want of one.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use pg_triage_decision::QueueReason;
use pgrx::{PgSqlErrorCode as Code, warning};

use crate::error::{SqlResult, report};
use crate::predict::active::Active;
use crate::predict::cache;
use crate::predict::classify::{self, Prediction};
use crate::store::review::NewPrediction;
use crate::store::source::Source;
use crate::{pg, settings, store};

thread_local! {
    static WARNED: Cell<i64> = const { Cell::new(0) };
    static CURRENT: RefCell<CurrentLabels> = RefCell::default();
}

/// The prediction for an email, or why there is none. The row is not to fail for it.
pub fn predict(source: &Source, text: &str) -> SqlResult<Option<Prediction>> {
    match attempt(source, text) {
        Ok(prediction) => Ok(prediction),
        Err(error) if settings::keeps_pending() => {
            warn_once(error.message());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What [`predict`] gives an email whose best label its table does not allow: the next best one
/// that it does. `None` if there is none.
pub fn predict_next(
    source: &Source,
    text: &str,
    allows: impl FnMut(&str) -> SqlResult<bool>,
) -> SqlResult<Option<Prediction>> {
    match active_model(source)? {
        Some(active) => classify::predict_next(&active, &classify::features(text)?, allows),
        None => Ok(None),
    }
}

fn attempt(source: &Source, text: &str) -> SqlResult<Option<Prediction>> {
    let Some(active) = active_model(source)? else {
        return Ok(None);
    };
    let prediction = classify::predict(&active, &classify::features(text)?);
    if has_old_label(&source.classifier, &prediction)? {
        warn_once("a label was renamed meanwhile");
        return Ok(None);
    }
    Ok(prediction.label.is_some().then_some(prediction))
}

fn active_model(source: &Source) -> SqlResult<Option<Rc<Active>>> {
    store::hold_labels()?;
    Ok(match cache::known_model(&source.classifier) {
        Some(active) => active,
        None if settings::keeps_pending() => {
            pg::catching(|| cache::active_model(&source.classifier))
                .map_err(|message| report(Code::ERRCODE_INTERNAL_ERROR, message))?
        }
        None => cache::active_model(&source.classifier)?,
    })
}

/// Whether a prediction that was made under an older snapshot has a label that is called otherwise
/// by now. Labels stay as they are from here on: see [`store::hold_labels`].
pub fn has_old_label(classifier: &str, prediction: &Prediction) -> SqlResult<bool> {
    if cache::is_of_now(classifier) {
        return Ok(false);
    }
    let labels = prediction.label.iter().chain(&prediction.second_label);
    for label in labels {
        if CURRENT.with_borrow(|current| current.has(classifier, label)) {
            continue;
        }
        if pg::keeps_one_snapshot() {
            // It does not show the change, but cannot get the lock then.
            store::as_owner(|w| w.lock_label(classifier, label))?;
        } else if store::read_now(|r| r.is_renamed(classifier, label))? {
            return Ok(true);
        }
        CURRENT.with_borrow_mut(|current| current.add(classifier, label));
    }
    Ok(false)
}

/// Labels that are known to be called so, until something changes or the transaction ends.
#[derive(Default)]
struct CurrentLabels {
    as_of: (u64, i64),
    labels: HashSet<(String, String)>,
}

impl CurrentLabels {
    fn now() -> (u64, i64) {
        (pg::invalidations(), pg::transaction_time())
    }

    fn has(&self, classifier: &str, label: &str) -> bool {
        let name = (classifier.to_owned(), label.to_owned());
        self.as_of == Self::now() && self.labels.contains(&name)
    }

    fn add(&mut self, classifier: &str, label: &str) {
        let now = Self::now();
        if self.as_of != now {
            self.as_of = now;
            self.labels.clear();
        }
        self.labels
            .insert((classifier.to_owned(), label.to_owned()));
    }
}

/// Whether there is nothing to predict from: white space is what forms send for nothing.
pub fn is_without_text(text: &str) -> bool {
    text.trim().is_empty()
}

/// Warns that rows stay without a label, once per statement: a COPY would fill the log.
pub fn warn_once(message: &str) {
    warn_of_statement(&format!("rows stay without a label: {message}"));
}

/// Warns of rows, once per statement.
pub fn warn_of_statement(message: &str) {
    let statement = pg::statement_time();
    if WARNED.replace(statement) != statement {
        warning!("{message}");
    }
}

/// A prediction as the email's review has it; draws by chance alone whether the email belongs to
/// the audit sample.
pub fn recorded(prediction: &Prediction) -> NewPrediction<'_> {
    let rate = settings::audit_rate();
    let audit = prediction.label.is_some() && rate > 0.0 && pg::random() < rate;
    let confidence = prediction.confidence;
    NewPrediction {
        label: prediction.label.as_deref(),
        confidence,
        second_label: prediction.second_label.as_deref(),
        second_confidence: prediction.second_confidence,
        margin: confidence.map(|best| best - prediction.second_confidence.unwrap_or(0.0)),
        version: prediction.version,
        queue_reason: QueueReason::of(confidence, prediction.review_below, audit).name(),
        reason_by_confidence: QueueReason::of(confidence, prediction.review_below, false).name(),
        audit,
        unknown_share: prediction.unknown_share,
        unclassified_reason: None,
        given_label: None,
        received_at: None,
    }
}

/// An email that got no label, and why, if that is not for want of a model.
pub fn unclassified(reason: Option<&str>) -> NewPrediction<'_> {
    NewPrediction {
        queue_reason: QueueReason::of(None, 0.0, false).name(),
        unclassified_reason: reason,
        ..NewPrediction::default()
    }
}
