//! The one way to decide: every door ends here. What is needed is read (the email's row is
//! locked, then its review); a pure function says what shall be; that is written: ledger,
//! review, label column.

use pg_triage_decision::{
    Door, EmailFacts, FoundLabel, QueueReason, Refusal, Request, Resolved, Undone,
};

use crate::error::SqlResult;
use crate::pg::Timestamp;
use crate::session::Actor;
use crate::store::decision::StoredDecision;
use crate::store::email::being_changed;
use crate::store::review::{EmailName, Review};
use crate::store::source::Source;
use crate::store::{Writer, hold_labels};

mod describe;
mod read;
mod refusal;
mod write;

pub use describe::{describe, description_text};
pub use read::review_facts;
use read::{Locked, holding, lock, lock_updated, policy, queued_before};
use refusal::refusal_error;
use write::About;
pub use write::Decided;

/// Decides about a review by its number.
pub fn decide(
    w: &mut Writer,
    actor: &Actor,
    review_id: i64,
    request: Request,
) -> SqlResult<Decided> {
    hold_labels()?;
    let locked = lock(w, review_id)?;
    decide_locked(w, actor, &locked, request)
}

/// Decides about a review that the server is about to update: it has the lock, and stores the
/// row that the trigger returns.
pub fn decide_updated(
    w: &mut Writer,
    actor: &Actor,
    review_id: i64,
    request: Request,
) -> SqlResult<Decided> {
    let locked = lock_updated(w, review_id)?;
    decide_locked(w, actor, &locked, request)
}

fn decide_locked(
    w: &mut Writer,
    actor: &Actor,
    locked: &Locked,
    request: Request,
) -> SqlResult<Decided> {
    let email = locked.email_facts();
    let resolved = resolve_request(w, &locked.review, email.as_ref(), request, None)?;
    write::resolved(w, actor, locked, &resolved)
}

/// A row of an attached table whose statement decides about it: the server has it locked.
pub struct OwnRow<'a> {
    pub source: &'a Source,
    pub key: &'a str,
    /// The label that it had before.
    pub before: Option<&'a str>,
    /// What it is now.
    pub text: &'a str,
    /// When the email was received, if a column says so.
    pub received_at: Option<Timestamp>,
}

/// Decides about a row of the statement's own table; returns the label that it is to have now.
/// `label` is what was found for the label of the request, where the caller has looked.
pub fn decide_own_row(
    w: &mut Writer,
    actor: &Actor,
    row: &OwnRow,
    request: Request,
    label: Option<FoundLabel>,
) -> SqlResult<Option<String>> {
    let name = EmailName {
        source: &row.source.name,
        key: row.key,
        classifier: &row.source.classifier,
    };
    let review = match w.lock_review_of(name)? {
        Some(review) => review,
        None => {
            w.insert_unclassified(name, row.before, row.received_at)?;
            let review = w.lock_review_of(name)?;
            review.ok_or_else(|| being_changed(row.key, row.source))?
        }
    };
    // It is there; its label column is the statement's own.
    let email = EmailFacts {
        label: row.before.map(str::to_owned),
    };
    let resolved = resolve_request(w, &review, Some(&email), request, label)?;
    let decided = write::decision(w, actor, &review, &resolved.outcome, Some(row.text))?;
    write::review(w, &review, &decided)?;
    let facts = review_facts(&decided.review);
    let label = facts.effective_label(facts.human_label.as_deref());
    Ok(label.map(str::to_owned))
}

/// Takes a decision back, through this door; returns the decision that does so.
pub fn undo(
    w: &mut Writer,
    actor: &Actor,
    decision: &StoredDecision,
    note: Option<&str>,
    door: Door,
) -> SqlResult<Option<i64>> {
    hold_labels()?;
    let Some(review_id) = decision.review_id else {
        return undo_import(w, actor, decision, note).map(Some);
    };
    let locked = lock(w, review_id)?;
    let latest = locked.review.decision_id;
    let holds = latest == Some(decision.decision_id)
        || (holding(w, &locked.review)?.decisions.iter())
            .any(|held| held.decision_id == decision.decision_id);
    Ok(undo_locked(w, actor, &locked, (decision, holds), note, door)?.decision)
}

/// Takes back what was decided last about a review, and holds. `request` says with which note, of
/// which version, through which door.
pub fn undo_last(
    w: &mut Writer,
    actor: &Actor,
    review_id: i64,
    request: Request,
) -> SqlResult<Decided> {
    hold_labels()?;
    let locked = lock(w, review_id)?;
    undo_last_locked(w, actor, &locked, request)
}

/// Takes back what was decided last about a review that the server is about to update.
pub fn undo_last_updated(
    w: &mut Writer,
    actor: &Actor,
    review_id: i64,
    request: Request,
) -> SqlResult<Decided> {
    let locked = lock_updated(w, review_id)?;
    undo_last_locked(w, actor, &locked, request)
}

fn undo_last_locked(
    w: &mut Writer,
    actor: &Actor,
    locked: &Locked,
    request: Request,
) -> SqlResult<Decided> {
    let review = &locked.review;
    let error = |refusal| refusal_error(refusal, &review.classifier);
    pg_triage_decision::needs(&review_facts(review), &request).map_err(error)?;
    let mut holding = holding(w, review)?;
    let last = holding.decisions.pop().filter(|_| !holding.is_initial);
    let review_id = review.review_id;
    let last = last.ok_or_else(|| error(Refusal::NothingToUndo { review_id }))?;
    let note = request.note.flatten();
    undo_locked(w, actor, locked, (&last, true), note, request.door)
}

/// Takes a decision back, which holds or does not.
fn undo_locked(
    w: &mut Writer,
    actor: &Actor,
    locked: &Locked,
    (decision, holds): (&StoredDecision, bool),
    note: Option<&str>,
    door: Door,
) -> SqlResult<Decided> {
    let classifier = &locked.review.classifier;
    let queued = queued_before(w, decision)?;
    let undone = Undone {
        decision_id: decision.decision_id,
        old_label: decision.old_label.as_deref(),
        replaced: decision.replaces,
        queued,
        holds,
    };
    let needs_policy = queued.is_some_and(|reason| reason != QueueReason::Reopened);
    let resolved = pg_triage_decision::undo(
        &review_facts(&locked.review),
        locked.email_facts().as_ref(),
        undone,
        note,
        policy(w, needs_policy, classifier)?,
        door,
    )
    .map_err(|refusal| refusal_error(refusal, classifier))?;
    write::resolved(w, actor, locked, &resolved)
}

/// Takes an import from a relation without a key back, which has no review.
fn undo_import(
    w: &mut Writer,
    actor: &Actor,
    imported: &StoredDecision,
    note: Option<&str>,
) -> SqlResult<i64> {
    // Two sessions must not both take it back.
    w.lock_classifier(&imported.classifier)?;
    let decision = pg_triage_decision::undo_import(
        imported.decision_id,
        imported.new_label.as_deref(),
        w.replaced_by(imported.decision_id)?,
        note,
    )
    .map_err(|refusal| refusal_error(refusal, &imported.classifier))?;
    let about = About {
        review: None,
        source: imported.source.as_deref(),
    };
    let appended = write::append(w, actor, &imported.classifier, about, &decision, None)?;
    Ok(appended.decision_id)
}

/// Looks up what a request needs, and says what shall be. A label that the classifier takes is
/// added.
fn resolve_request(
    w: &mut Writer,
    before: &Review,
    email: Option<&EmailFacts>,
    request: Request,
    label: Option<FoundLabel>,
) -> SqlResult<Resolved> {
    let mut review = review_facts(before);
    if let (Some(_), Some(standing)) = (request.confirmed_by, before.decision_id) {
        review.is_imported = w.is_import(standing)?;
    }
    let classifier = &before.classifier;
    let error = |refusal| refusal_error(refusal, classifier);
    let needs = pg_triage_decision::needs(&review, &request).map_err(error)?;
    let label = match (needs.label, label) {
        (Some(given), None) => Some(w.label_to_give(classifier, given)?),
        (_, label) => label,
    };
    let policy = policy(w, needs.policy, classifier)?;
    let with_label = |label: Option<&FoundLabel>| {
        pg_triage_decision::resolve(&review, email, &request, label, policy).map_err(error)
    };
    let resolved = with_label(label.as_ref())?;
    let Some(new) = &resolved.adds_label else {
        return Ok(resolved);
    };
    // Another session may have added it meanwhile, in another spelling.
    let stored = w.add_label(classifier, new, None)?;
    with_label(Some(&FoundLabel::Known(stored)))
}
