//! Taking decisions back.

use crate::outcome::{Decision, Effect, Kind, Outcome, Refusal, Resolved};
use crate::request::Door;
use crate::resolve::{Policy, label_column, reopened, stored_note};
use crate::review::{EmailFacts, ReviewFacts};

/// Decisions about one email that are taken back together: the first and the last of them, which
/// may be the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undone<'a> {
    /// The human label before the first.
    pub old_label: Option<&'a str>,
    /// The decision that the first took the place of.
    pub replaced: Option<i64>,
    /// The last.
    pub last: i64,
}

/// Takes decisions about a review back; without policy only where a label comes back.
///
/// # Errors
/// [`Refusal::Superseded`], [`Refusal::NoteTooLong`]
pub fn undo(
    before: &ReviewFacts,
    email: Option<&EmailFacts>,
    undone: Undone,
    note: Option<&str>,
    policy: Policy,
) -> Result<Resolved, Refusal> {
    if before.decision_id != Some(undone.last) {
        return Err(Refusal::Superseded {
            decision_id: undone.last,
            by: before.decision_id,
        });
    }
    let note = stored_note(note)?.or_else(|| before.note.clone());
    let new_label = undone.old_label.map(str::to_owned);
    Ok(Resolved {
        adds_label: None,
        label_column: email.and_then(|email| label_column(before, email, undone.old_label)),
        outcome: Outcome::Decision(Decision {
            kind: Kind::Undo,
            door: Door::Function,
            old_label: before.human_label.clone(),
            note,
            replaces: before.decision_id,
            undoes: Some(undone.last),
            // The email was learned as it was then, whatever its text is by now.
            effect: match (&new_label, undone.replaced) {
                (Some(_), Some(earlier)) => Effect::Again(earlier),
                _ => Effect::Nothing,
            },
            queue_reason: new_label.is_none().then(|| reopened(before, policy)),
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
