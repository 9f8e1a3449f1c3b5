//! The one way to decide: every door ends here. What is needed is read (the email's row is
//! locked, then its review); a pure function says what shall be; that is written: ledger,
//! review, label column.

use pg_triage_decision::{EmailFacts, FoundLabel, Request, Resolved, Undone};

use crate::error::SqlResult;
use crate::session::Actor;
use crate::store::Writer;
use crate::store::decision::StoredDecision;
use crate::store::email::being_changed;
use crate::store::review::{EmailName, Review};
use crate::store::source::Source;

mod describe;
mod read;
mod refusal;
mod write;

pub use describe::describe;
pub use read::review_facts;
use read::{lock, lock_updated, policy};
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
    let locked = lock(w, review_id)?;
    let email = locked.email_facts();
    let resolved = resolve_request(w, &locked.review, email.as_ref(), request, None)?;
    write::resolved(w, actor, &locked, &resolved)
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
    let email = locked.email_facts();
    let resolved = resolve_request(w, &locked.review, email.as_ref(), request, None)?;
    let decided = write::decision(w, actor, &locked.review, &resolved.outcome, locked.text())?;
    write::label_column(w, &locked, &resolved)?;
    Ok(decided)
}

/// A row of an attached table whose statement decides about it: the server has it locked.
pub struct OwnRow<'a> {
    pub source: &'a Source,
    pub key: &'a str,
    /// The label that it had before.
    pub before: Option<&'a str>,
    /// What it is now.
    pub text: &'a str,
}

/// Decides about a row of the statement's own table. `label` is what was found for the label
/// of the request, where the caller has looked.
pub fn decide_own_row(
    w: &mut Writer,
    actor: &Actor,
    row: &OwnRow,
    request: Request,
    label: Option<FoundLabel>,
) -> SqlResult<()> {
    let name = EmailName {
        source: &row.source.name,
        key: row.key,
        classifier: &row.source.classifier,
    };
    let review = match w.lock_review_of(name)? {
        Some(review) => review,
        None => {
            w.insert_unclassified(name, row.before)?;
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
    write::review(w, &review, &decided)
}

/// Takes decisions about one email back, from the first to the last of them; returns the
/// decision that does so.
pub fn undo(
    w: &mut Writer,
    actor: &Actor,
    first: &StoredDecision,
    last: &StoredDecision,
    note: Option<&str>,
) -> SqlResult<Option<i64>> {
    let Some(review_id) = last.review_id else {
        return undo_import(w, actor, last, note).map(Some);
    };
    let locked = lock(w, review_id)?;
    let undone = Undone {
        old_label: first.old_label.as_deref(),
        replaced: first.replaces,
        last: last.decision_id,
    };
    let resolved = pg_triage_decision::undo(
        &review_facts(&locked.review),
        locked.email_facts().as_ref(),
        undone,
        note,
        policy(w, first.old_label.is_none(), &locked.review.classifier)?,
    )
    .map_err(|refusal| refusal_error(refusal, &locked.review.classifier))?;
    Ok(write::resolved(w, actor, &locked, &resolved)?.decision)
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
    let review = review_facts(before);
    let classifier = &before.classifier;
    let error = |refusal| refusal_error(refusal, classifier);
    let needs = pg_triage_decision::needs(&review, &request).map_err(error)?;
    let label = match (needs.label, label) {
        (Some(given), None) => Some(w.find_label(classifier, given)?),
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
