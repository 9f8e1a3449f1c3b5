//! The state that a decision is about.

/// A review, as far as deciding needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewFacts {
    /// Its number.
    pub review_id: i64,
    /// What the classifier said.
    pub predicted_label: Option<String>,
    /// How sure it was, from 0 to 1.
    pub confidence: Option<f64>,
    /// The label that the row had before anybody classified or decided.
    pub given_label: Option<String>,
    /// What a person said.
    pub human_label: Option<String>,
    /// Who that was.
    pub reviewed_by: Option<String>,
    /// Whether it was imported: nobody has looked at it here.
    pub is_imported: bool,
    /// A person's note.
    pub note: Option<String>,
    /// Why it is in the queue, if it is.
    pub queue_reason: Option<QueueReason>,
    /// Drawn at random, to measure accuracy.
    pub is_audit: bool,
    /// Whether the email's text is another one than was decided about.
    pub is_outdated: bool,
    /// Counts changes.
    pub row_version: i32,
    /// The latest decision about it.
    pub decision_id: Option<i64>,
}

impl ReviewFacts {
    /// Whether somebody has put it to people again, who have not answered yet.
    pub fn is_reopened(&self) -> bool {
        self.queue_reason == Some(QueueReason::Reopened)
    }

    /// Whether an answer is wanted, also the one that was given before.
    pub fn wants_answer(&self) -> bool {
        self.is_reopened() || self.is_outdated
    }

    /// Whether to give the label again that it has is to confirm it: said by the one who has
    /// given it, it is the same call sent twice.
    pub(crate) fn is_confirmed_by(&self, person: Option<&str>) -> bool {
        person.is_some_and(|name| self.is_imported || self.reviewed_by.as_deref() != Some(name))
    }

    /// The label that the email's row has while a person's label is this.
    pub fn effective_label<'a>(&'a self, human_label: Option<&'a str>) -> Option<&'a str> {
        human_label.or_else(|| self.label_without_person())
    }

    /// The label that the email's row has while no person has decided.
    pub fn label_without_person(&self) -> Option<&str> {
        let label = self.predicted_label.as_ref();
        label.or(self.given_label.as_ref()).map(String::as_str)
    }
}

/// An email that is there, as far as deciding needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailFacts {
    /// The label in its row.
    pub label: Option<String>,
}

/// Why an email is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueReason {
    /// Nothing could be predicted.
    Unclassified,
    /// Drawn at random, to measure accuracy.
    Audit,
    /// The prediction is less sure than the classifier asks for.
    Uncertain,
    /// None of the others: it waits behind them.
    Confident,
    /// Somebody has put it to people again, whatever was predicted or decided.
    Reopened,
}

impl QueueReason {
    /// Why an email with a prediction of this confidence is in the queue of a classifier.
    pub fn of(confidence: Option<f64>, review_below: f64, is_audit: bool) -> Self {
        match confidence {
            None => Self::Unclassified,
            Some(_) if is_audit => Self::Audit,
            Some(confidence) if confidence < review_below => Self::Uncertain,
            Some(_) => Self::Confident,
        }
    }

    /// As it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unclassified => "unclassified",
            Self::Audit => "audit",
            Self::Uncertain => "uncertain",
            Self::Confident => "confident",
            Self::Reopened => "reopened",
        }
    }

    /// From its name.
    pub fn from_name(name: &str) -> Option<Self> {
        use QueueReason::{Audit, Confident, Reopened, Uncertain, Unclassified};
        let all = [Unclassified, Audit, Uncertain, Confident, Reopened];
        all.into_iter().find(|reason| reason.name() == name)
    }
}
