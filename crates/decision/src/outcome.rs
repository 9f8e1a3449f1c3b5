//! What shall be.

use crate::request::Door;
use crate::review::QueueReason;

/// Kinds of decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The prediction was right.
    Accept,
    /// The prediction was wrong, or there was none.
    Correct,
    /// It could not be said, or what had been said stays.
    Skip,
    /// It is put to people again.
    Ask,
    /// An earlier decision no longer holds.
    Undo,
    /// It was decided before this database knew of it.
    Import,
}

impl Kind {
    /// As it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Correct => "correct",
            Self::Skip => "skip",
            Self::Ask => "ask",
            Self::Undo => "undo",
            Self::Import => "import",
        }
    }
}

/// What a decision adds to what is learned. What it removes is always the same: what the
/// decision that it replaces has added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// The email as it is now, with the new label.
    Email,
    /// What this earlier decision has added, exactly: undone means undone.
    Again(i64),
}

/// A decision to be appended to the ledger, and what it makes of its review.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Its kind.
    pub kind: Kind,
    /// Where it came in.
    pub door: Door,
    /// The human label before.
    pub old_label: Option<String>,
    /// The human label from now on.
    pub new_label: Option<String>,
    /// The review's note from now on.
    pub note: Option<String>,
    /// The decision about the same email that holds no longer.
    pub replaces: Option<i64>,
    /// The decision that somebody takes back by it.
    pub undoes: Option<i64>,
    /// What is learned.
    pub effect: Effect,
    /// Why the email is in the queue again; `None` if it is not.
    pub queue_reason: Option<QueueReason>,
}

impl Decision {
    /// Whether somebody has decided from now on: the review then says who and when.
    pub fn is_reviewed(&self) -> bool {
        self.new_label.is_some() || self.queue_reason.is_none()
    }

    /// Whether the label stays that somebody has given: who and when stays, too.
    pub fn keeps_label(&self) -> bool {
        matches!(self.kind, Kind::Skip | Kind::Ask) && self.new_label.is_some()
    }

    /// Whether sessions have to learn of it.
    pub fn is_learned(&self) -> bool {
        self.kind != Kind::Skip || self.effect != Effect::Nothing
    }
}

/// What a request leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Nothing changes.
    Nothing {
        /// The decision that says so already.
        standing: Option<i64>,
    },
    /// Only the note changes.
    Note {
        /// The note from now on.
        note: Option<String>,
        /// The decision that says so already.
        standing: Option<i64>,
    },
    /// Somebody decides.
    Decision(Decision),
}

/// What a request leads to, everywhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// In the ledger and the review.
    pub outcome: Outcome,
    /// A label that the classifier is to get first.
    pub adds_label: Option<String>,
    /// What the email's label column is to be, where that is another than it is.
    pub label_column: Option<Option<String>>,
}

/// Why a request is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The review is not what the person saw.
    Changed {
        /// Its number.
        review_id: i64,
        /// Who decided last.
        by: Option<String>,
        /// The version that the person saw.
        seen: i32,
        /// The version that it has.
        now: i32,
    },
    /// The note has more than [`MAX_NOTE_BYTES`](crate::MAX_NOTE_BYTES).
    NoteTooLong,
    /// A decided review cannot be skipped, unless it was put to people again.
    Decided {
        /// Its number.
        review_id: i64,
        /// The label that a person gave.
        label: String,
    },
    /// There is no prediction to accept.
    NothingToAccept {
        /// The review's number.
        review_id: i64,
    },
    /// Nobody has decided.
    NothingToUndo {
        /// The review's number.
        review_id: i64,
    },
    /// The classifier has no such label, and takes no new ones.
    UnknownLabel {
        /// What was given.
        given: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The label is not in use any more.
    RetiredLabel {
        /// It.
        label: String,
    },
    /// The label has another name by now.
    RenamedLabel {
        /// What was given.
        given: String,
        /// What it is called.
        label: String,
    },
    /// Something has happened since the decision that is to be undone.
    Superseded {
        /// That decision.
        decision_id: i64,
        /// The later decision about the same email; `None` if the email was replaced by another
        /// one with the same key.
        by: Option<i64>,
    },
}
