//! From a review and a request to what shall be.

use pg_triage_classifier::casefold_label;

use crate::outcome::{Decision, Effect, Kind, Outcome, Refusal, Resolved};
use crate::request::{Action, Request};
use crate::review::{EmailFacts, QueueReason, ReviewFacts};

/// Longest note, in bytes: a dump has it in one row with other large values.
pub const MAX_NOTE_BYTES: usize = 65_536;

/// What has to be looked up before a request can be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs<'a> {
    /// This label.
    pub label: Option<&'a str>,
    /// The classifier's policy.
    pub policy: bool,
}

/// What the classifier has for a label that was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundLabel {
    /// It, in the classifier's own spelling.
    Known(String),
    /// It, but it is not in use any more.
    Retired(String),
    /// Nothing: it is called otherwise since it was renamed, or is part of another one.
    Renamed(String),
    /// Nothing: it takes new ones.
    New,
    /// Nothing: it has only these.
    Unknown(Vec<String>),
}

/// What a classifier asks of its reviewers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Policy {
    /// Below which confidence a person should see a prediction.
    pub review_below: f64,
}

/// What has to be looked up for a request.
///
/// # Errors
/// [`Refusal`], if the request is refused whatever is found.
pub fn needs<'a>(before: &'a ReviewFacts, request: &Request<'a>) -> Result<Needs<'a>, Refusal> {
    match request.row_version {
        Some(seen) if seen != before.row_version => {
            return Err(Refusal::Changed {
                review_id: before.review_id,
                by: before.reviewed_by.clone(),
                seen,
                now: before.row_version,
            });
        }
        _ => {}
    }
    if let Some(note) = request.note {
        stored_note(note)?;
    }
    let label = match request.action {
        Action::Label(label) => label,
        Action::Accept => Some(before.predicted_label.as_deref().ok_or(
            Refusal::NothingToAccept {
                review_id: before.review_id,
            },
        )?),
        Action::Skip => {
            if let Some(label) = &before.human_label
                && !before.is_reopened()
            {
                return Err(Refusal::Decided {
                    review_id: before.review_id,
                    label: label.clone(),
                });
            }
            None
        }
        Action::AskAgain | Action::NoteOnly => None,
    };
    let is_taken_back = request.action == Action::Label(None) && before.human_label.is_some();
    Ok(Needs {
        label,
        policy: is_taken_back && !before.is_reopened(),
    })
}

/// Resolves a request about a review and its email, if that is still there: without it nothing
/// is learned. `label` is what was found for the label that [`needs`] asks for.
///
/// # Errors
/// [`Refusal`]
pub fn resolve(
    before: &ReviewFacts,
    email: Option<&EmailFacts>,
    request: &Request,
    label: Option<&FoundLabel>,
    policy: Policy,
) -> Result<Resolved, Refusal> {
    let wanted = needs(before, request)?.label;
    let note = match request.note {
        Some(note) => stored_note(note)?,
        None => before.note.clone(),
    };
    let (label, adds_label) = match (wanted, label) {
        (Some(_), Some(FoundLabel::Known(label))) => (Some(label.clone()), None),
        (Some(given), Some(FoundLabel::New)) => {
            let label = given.trim().to_owned();
            (Some(label.clone()), Some(label))
        }
        (Some(_), Some(FoundLabel::Retired(label))) => {
            let label = label.clone();
            return Err(Refusal::RetiredLabel { label });
        }
        (Some(given), Some(FoundLabel::Renamed(label))) => {
            let (given, label) = (given.to_owned(), label.clone());
            return Err(Refusal::RenamedLabel { given, label });
        }
        (Some(given), found) => {
            let known = match found {
                Some(FoundLabel::Unknown(known)) => known.clone(),
                _ => Vec::new(),
            };
            let given = given.to_owned();
            return Err(Refusal::UnknownLabel { given, known });
        }
        (None, _) => (None, None),
    };
    let outcome = match (request.action, label) {
        (Action::NoteOnly, _) => unchanged(before, note, None),
        (Action::Skip, _) if before.queue_reason.is_none() => {
            unchanged(before, note, before.decision_id)
        }
        (Action::Skip, _) => {
            let label = before.human_label.clone();
            decided(before, request, Kind::Skip, label, note, email, policy)
        }
        // It waits in front already.
        (Action::AskAgain, _)
            if !matches!(before.queue_reason, None | Some(QueueReason::Confident)) =>
        {
            unchanged(before, note, None)
        }
        (Action::AskAgain, _) => {
            let label = before.human_label.clone();
            decided(before, request, Kind::Ask, label, note, email, policy)
        }
        // Asked again, or said by somebody else, the same answer is one.
        (_, Some(label))
            if before.human_label.as_ref() == Some(&label)
                && !before.wants_answer()
                && !before.is_confirmed_by(request.confirmed_by) =>
        {
            unchanged(before, note, before.decision_id)
        }
        (_, Some(label)) => {
            let predicted = before.predicted_label.as_deref();
            let kind = match predicted {
                Some(predicted) if same_label(predicted, &label) => Kind::Accept,
                _ => Kind::Correct,
            };
            decided(before, request, kind, Some(label), note, email, policy)
        }
        (_, None) if before.human_label.is_none() => unchanged(before, note, None),
        (_, None) => decided(before, request, Kind::Undo, None, note, email, policy),
    };
    let human_label = match &outcome {
        Outcome::Decision(decision) => decision.new_label.as_deref(),
        _ => before.human_label.as_deref(),
    };
    Ok(Resolved {
        label_column: email
            .filter(|_| !request.door.is_label_column())
            .and_then(|email| label_column(before, email, human_label)),
        outcome,
        adds_label,
    })
}

fn decided(
    before: &ReviewFacts,
    request: &Request,
    kind: Kind,
    new_label: Option<String>,
    note: Option<String>,
    email: Option<&EmailFacts>,
    policy: Policy,
) -> Outcome {
    Outcome::Decision(Decision {
        kind,
        door: request.door,
        old_label: before.human_label.clone(),
        note,
        replaces: before.decision_id,
        undoes: before.decision_id.filter(|_| kind == Kind::Undo),
        effect: match (&new_label, email) {
            (None, _) => Effect::Nothing,
            (Some(_), _) if matches!(kind, Kind::Skip | Kind::Ask) => kept(before),
            (Some(_), Some(_)) => Effect::Email,
            (label, None) if *label == before.human_label => kept(before),
            (Some(_), None) => Effect::Nothing,
        },
        queue_reason: match kind {
            Kind::Ask => Some(QueueReason::Reopened),
            Kind::Undo => Some(waiting(before, policy)),
            Kind::Accept | Kind::Correct | Kind::Skip | Kind::Import => None,
        },
        new_label,
    })
}

/// What the latest decision has taught, which stays.
fn kept(before: &ReviewFacts) -> Effect {
    before.decision_id.map_or(Effect::Nothing, Effect::Again)
}

/// Why a review that nobody has decided about any more is in the queue.
pub(crate) fn waiting(before: &ReviewFacts, policy: Policy) -> QueueReason {
    if before.is_reopened() {
        return QueueReason::Reopened;
    }
    QueueReason::of(before.confidence, policy.review_below, before.is_audit)
}

fn unchanged(before: &ReviewFacts, note: Option<String>, standing: Option<i64>) -> Outcome {
    if note == before.note {
        return Outcome::Nothing { standing };
    }
    Outcome::Note { note, standing }
}

/// What the label column is to be while a person's label is this, if it is not so.
pub(crate) fn label_column(
    before: &ReviewFacts,
    email: &EmailFacts,
    human_label: Option<&str>,
) -> Option<Option<String>> {
    let label = before.effective_label(human_label);
    (email.label.as_deref() != label).then(|| label.map(str::to_owned))
}

/// A note as it is stored: without white space around it, and none if nothing is left. Forms write
/// line ends as CR LF.
pub(crate) fn stored_note(note: Option<&str>) -> Result<Option<String>, Refusal> {
    if note.is_some_and(|note| note.len() > MAX_NOTE_BYTES) {
        return Err(Refusal::NoteTooLong);
    }
    let note = note.map(str::trim).filter(|note| !note.is_empty());
    Ok(note.map(|note| note.replace("\r\n", "\n")))
}

fn same_label(a: &str, b: &str) -> bool {
    let key = |label| casefold_label(label).ok();
    a == b || key(a).is_some() && key(a) == key(b)
}
