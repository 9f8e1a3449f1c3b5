//! Taking decisions back.

use crate::outcome::{Decision, Effect, Kind, Outcome, Refusal, Resolved};
use crate::request::Door;
use crate::resolve::{Policy, label_column, stored_note, waiting};
use crate::review::{EmailFacts, QueueReason, ReviewFacts};

/// A decision that is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undone<'a> {
    /// Its number.
    pub decision_id: i64,
    /// The human label before it.
    pub old_label: Option<&'a str>,
    /// The decision that it took the place of.
    pub replaced: Option<i64>,
    /// Why the email was in the queue before it, if it was.
    pub queued: Option<QueueReason>,
    /// Whether it holds: it is the latest about its email, or all later ones are taken back.
    pub holds: bool,
}

/// Takes a decision about a review back, through this door.
///
/// # Errors
/// [`Refusal::Superseded`], [`Refusal::NoteTooLong`]
pub fn undo(
    before: &ReviewFacts,
    email: Option<&EmailFacts>,
    undone: Undone,
    note: Option<&str>,
    policy: Policy,
    door: Door,
) -> Result<Resolved, Refusal> {
    if !undone.holds {
        return Err(Refusal::Superseded {
            decision_id: undone.decision_id,
            by: before.decision_id,
        });
    }
    // Not as it was called then: what is predicted may have changed since.
    let queue_reason = match undone.queued {
        Some(QueueReason::Reopened) => Some(QueueReason::Reopened),
        Some(_) => {
            let before = ReviewFacts {
                queue_reason: None,
                ..before.clone()
            };
            Some(waiting(&before, policy))
        }
        None => None,
    };
    let note = stored_note(note)?.or_else(|| before.note.clone());
    let new_label = undone.old_label.map(str::to_owned);
    Ok(Resolved {
        adds_label: None,
        label_column: email.and_then(|email| label_column(before, email, undone.old_label)),
        outcome: Outcome::Decision(Decision {
            kind: Kind::Undo,
            door,
            old_label: before.human_label.clone(),
            note,
            replaces: before.decision_id,
            undoes: Some(undone.decision_id),
            // The email was learned as it was then, whatever its text is by now.
            effect: match (&new_label, undone.replaced) {
                (Some(_), Some(earlier)) => Effect::Again(earlier),
                _ => Effect::Nothing,
            },
            queue_reason,
            new_label,
        }),
    })
}

/// Takes the import of an email back that has no review, because its relation has no key.
/// `label` is the one that was imported, `replaced_by` a later decision about it.
///
/// # Errors
/// [`Refusal::Superseded`], [`Refusal::NoteTooLong`]
pub fn undo_import(
    decision_id: i64,
    label: Option<&str>,
    replaced_by: Option<i64>,
    note: Option<&str>,
) -> Result<Decision, Refusal> {
    let note = stored_note(note)?;
    if replaced_by.is_some() {
        let by = replaced_by;
        return Err(Refusal::Superseded { decision_id, by });
    }
    Ok(Decision {
        kind: Kind::Undo,
        door: Door::Function,
        old_label: label.map(str::to_owned),
        new_label: None,
        note,
        replaces: Some(decision_id),
        undoes: Some(decision_id),
        effect: Effect::Nothing,
        queue_reason: None,
    })
}
