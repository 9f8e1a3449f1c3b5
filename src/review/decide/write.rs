//! Writing down what was decided.

use pg_triage_decision::{Decision, Effect, Kind, Outcome, Resolved};
use pgrx::PgSqlErrorCode as Code;
use pgrx::pg_sys::panic::ErrorReport;

use super::read::Locked;
use crate::error::{SqlResult, report};
use crate::learning::statement_model;
use crate::predict::classify;
use crate::session::{self, Actor};
use crate::store::decision::{Appended, NewDecision};
use crate::store::review::Review;
use crate::store::{Reader, Writer};
use crate::types::ledger::{StoredExample, load_features, load_step};

/// What a request has led to.
pub struct Decided {
    /// The decision that it took, or that said so already.
    pub decision: Option<i64>,
    /// The review as it is now.
    pub review: Review,
}

/// Writes what was resolved about a locked review: ledger, label column, and the review unless
/// the server does.
pub fn resolved(
    w: &mut Writer,
    actor: &Actor,
    locked: &Locked,
    resolved: &Resolved,
) -> SqlResult<Decided> {
    let decided = decision(w, actor, &locked.review, &resolved.outcome, locked.text())?;
    if !locked.is_updated {
        review(w, &locked.review, &decided)?;
    }
    if !label_column(w, locked, resolved)? {
        return Ok(decided);
    }
    let review = w.review(locked.review.review_id)?;
    if !locked.is_updated {
        return Ok(Decided { review, ..decided });
    }
    let label = match &locked.source {
        Some(source) => w.email(source, &review.email_key)?.map(|email| email.label),
        None => None,
    };
    if review.row_version != locked.review.row_version || label != resolved.label_column {
        return Err(decided_again(&review));
    }
    Ok(decided)
}

/// The server would refuse to store a review that has changed since, without saying what to do.
fn decided_again(review: &Review) -> ErrorReport {
    let Review {
        review_id,
        email_key,
        source,
        ..
    } = review;
    report(
        Code::ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION,
        format!(
            "a trigger of {source} decides again when the label of email \"{email_key}\" changes: use triage.correct({review_id}, ...) or the queue view instead of triage.review"
        ),
    )
}

/// Writes a review back, if it has changed.
pub fn review(w: &mut Writer, before: &Review, decided: &Decided) -> SqlResult<()> {
    if decided.review.row_version != before.row_version {
        w.update_review(&decided.review)?;
    }
    Ok(())
}

/// Appends to the ledger what was decided about a review, and says what the review is now. That
/// is not written yet. `text` is that of the email, if it is there.
pub fn decision(
    w: &mut Writer,
    actor: &Actor,
    before: &Review,
    outcome: &Outcome,
    text: Option<&str>,
) -> SqlResult<Decided> {
    let mut review = before.clone();
    let decision = match outcome {
        Outcome::Nothing { standing } => {
            let decision = *standing;
            return Ok(Decided { decision, review });
        }
        Outcome::Note { note, standing } => {
            review.note = note.clone();
            *standing
        }
        Outcome::Decision(decision) => {
            let example = example(w, &before.classifier, decision, text)?;
            let appended = append(
                w,
                actor,
                &before.classifier,
                before.into(),
                decision,
                example,
            )?;
            let is_reviewed = decision.is_reviewed();
            review.human_label = decision.new_label.clone();
            review.note = decision.note.clone();
            if !decision.keeps_label() {
                review.reviewed_by = is_reviewed.then(|| actor.name.clone());
                review.reviewed_at = is_reviewed.then_some(appended.decided_at);
            }
            // Nobody can be asked about what is not there.
            let queue_reason = decision.queue_reason.filter(|_| !before.is_deleted);
            review.queue_reason = queue_reason.map(|reason| reason.name().to_owned());
            review.decision_id = Some(appended.decision_id);
            // Nothing is said about a text by asking.
            if decision.kind != Kind::Ask {
                review.text_changed_at = None;
            }
            review.decision_id
        }
    };
    review.row_version = before.row_version.wrapping_add(1);
    Ok(Decided { decision, review })
}

/// What a decision adds to what is learned.
fn example(
    r: &Reader,
    classifier: &str,
    decision: &Decision,
    text: Option<&str>,
) -> SqlResult<Option<StoredExample>> {
    let Some(label) = &decision.new_label else {
        return Ok(None);
    };
    match (decision.effect, text) {
        (Effect::Email, Some(text)) => {
            let features = classify::features(text)?;
            let step = statement_model::step(r, classifier, &features, label)?;
            StoredExample::new(&features, label, step.as_ref()).map(Some)
        }
        (Effect::Again(earlier), _) => {
            let earlier = r.decision(earlier)?;
            let Some(features) = earlier.features else {
                return Ok(None);
            };
            let step = earlier.step.as_deref().and_then(load_step);
            let step = step.zip(earlier.step_version.map(i64::from));
            StoredExample::new(&load_features(features)?, label, step.as_ref()).map(Some)
        }
        _ => Ok(None),
    }
}

/// What a decision is about.
#[derive(Clone, Copy, Default)]
pub struct About<'a> {
    /// The review, if there is one.
    pub review: Option<&'a Review>,
    /// The relation of an email without review.
    pub source: Option<&'a str>,
}

impl<'a> From<&'a Review> for About<'a> {
    fn from(review: &'a Review) -> Self {
        Self {
            review: Some(review),
            source: Some(&review.source),
        }
    }
}

/// Appends a decision, to be learned if there is anything to learn.
pub fn append(
    w: &mut Writer,
    actor: &Actor,
    classifier: &str,
    about: About,
    decision: &Decision,
    example: Option<StoredExample>,
) -> SqlResult<Appended> {
    let batch = session::batch(|| w.next_batch())?;
    let is_pending = decision.is_learned() && (example.is_some() || decision.replaces.is_some());
    let review = about.review;
    let new = NewDecision {
        review_id: review.map(|review| review.review_id),
        source: about.source,
        email_key: review.map(|review| review.email_key.as_str()),
        classifier,
        kind: decision.kind.name(),
        old_label: decision.old_label.as_deref(),
        new_label: decision.new_label.as_deref(),
        predicted_label: review.and_then(|review| review.predicted_label.as_deref()),
        confidence: review.and_then(|review| review.confidence),
        model_version: review.and_then(|review| review.model_version),
        note: decision.note.as_deref(),
        door: decision.door.name(),
        replaces: decision.replaces,
        undoes: decision.undoes,
        queue_reason: decision.queue_reason.map(|reason| reason.name()),
        example,
    };
    let appended = w.append(new, actor, batch)?;
    if is_pending {
        w.add_pending(classifier, appended.decision_id)?;
    }
    session::note_decided(classifier);
    Ok(appended)
}

/// Brings the label column of the email's row in line with its review; says whether triggers of
/// the table have updated attached tables meanwhile.
fn label_column(w: &mut Writer, locked: &Locked, resolved: &Resolved) -> SqlResult<bool> {
    let (Some(label), Some(source), Some(email)) =
        (&resolved.label_column, &locked.source, &locked.email)
    else {
        return Ok(false);
    };
    let key = &locked.review.email_key;
    let before = session::activity();
    w.write_label(source, &email.place, key, label.as_deref())?;
    Ok(session::activity() != before)
}
