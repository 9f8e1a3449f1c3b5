//! Reviews in every state, actions of every kind, and outcomes in words.

use pg_triage_decision::{
    Action, Door, EmailFacts, FoundLabel, Outcome, QueueReason, Refusal, Request, Resolved,
    ReviewFacts, needs,
};

pub const DOORS: [Door; 7] = [
    Door::Table,
    Door::Insert,
    Door::Review,
    Door::View,
    Door::Function,
    Door::Description,
    Door::Import,
];

pub const ACTIONS: [(&str, Action); 9] = [
    ("give spam", Action::Label(Some("spam"))),
    ("give ham", Action::Label(Some("ham"))),
    ("give a new one", Action::Label(Some(" new "))),
    ("give an unknown", Action::Label(Some("unknown"))),
    ("take back", Action::Label(None)),
    ("accept", Action::Accept),
    ("skip", Action::Skip),
    ("ask again", Action::AskAgain),
    ("write a note", Action::NoteOnly),
];

pub fn review() -> ReviewFacts {
    ReviewFacts {
        review_id: 3,
        predicted_label: Some("spam".to_owned()),
        confidence: Some(0.5),
        given_label: None,
        human_label: None,
        reviewed_by: None,
        is_imported: false,
        note: None,
        queue_reason: Some(QueueReason::Uncertain),
        is_audit: false,
        is_outdated: false,
        row_version: 4,
        decision_id: None,
    }
}

/// A review in each state that matters, and the state in words. Decision 7 is the latest one
/// where there is any.
pub fn reviews() -> Vec<(String, ReviewFacts)> {
    let mut reviews = Vec::new();
    for predicted in [None, Some("spam")] {
        let waiting = match predicted {
            Some(_) => QueueReason::Uncertain,
            None => QueueReason::Unclassified,
        };
        for (human_label, queue_reason, state) in [
            (None, Some(waiting), "queued"),
            (None, None, "skipped"),
            (None, Some(QueueReason::Confident), "behind"),
            (None, Some(QueueReason::Reopened), "asked"),
            (Some("spam"), None, "decided"),
            (Some("ham"), None, "decided"),
            (Some("spam"), Some(QueueReason::Reopened), "asked"),
            (Some("ham"), Some(QueueReason::Reopened), "asked"),
        ] {
            if predicted.is_none() && state == "behind" {
                continue;
            }
            let is_decided = !matches!(state, "queued" | "behind");
            let has_reviewer = human_label.is_some() || state == "skipped";
            let review = ReviewFacts {
                predicted_label: predicted.map(str::to_owned),
                confidence: predicted.map(|_| 0.5),
                human_label: human_label.map(str::to_owned),
                reviewed_by: has_reviewer.then(|| "ann".to_owned()),
                queue_reason,
                decision_id: is_decided.then_some(7),
                ..review()
            };
            let predicted = match predicted {
                Some(label) => format!("predicted {label}"),
                None => "not predicted".to_owned(),
            };
            let said = match human_label {
                Some(label) => format!("says {label}"),
                None => "undecided".to_owned(),
            };
            reviews.push((format!("{predicted:<14} | {said:<9} | {state:<7}"), review));
        }
    }
    reviews
}

/// The email: gone, without a label, or with one of these.
pub fn emails() -> [Option<EmailFacts>; 4] {
    let labelled = |label: Option<&str>| {
        let label = label.map(str::to_owned);
        Some(EmailFacts { label })
    };
    [
        None,
        labelled(None),
        labelled(Some("spam")),
        labelled(Some("ham")),
    ]
}

pub fn request(action: Action<'_>, door: Door) -> Request<'_> {
    Request {
        action,
        note: None,
        row_version: None,
        door,
        confirmed_by: None,
    }
}

/// What a classifier with the labels ham and spam has for the label that a request names.
pub fn found(before: &ReviewFacts, request: &Request) -> Option<FoundLabel> {
    let label = needs(before, request).ok()?.label?;
    Some(match label.trim() {
        "new" => FoundLabel::New,
        "ham" | "spam" => FoundLabel::Known(label.to_owned()),
        _ => FoundLabel::Unknown(vec!["ham".to_owned(), "spam".to_owned()]),
    })
}

/// A line of the table of outcomes.
pub fn line(action: &str, state: &str, resolved: &Result<Resolved, Refusal>) -> String {
    format!("{action:<15} | {state} -> {}\n", words(resolved))
}

fn words(resolved: &Result<Resolved, Refusal>) -> String {
    let or_none = |label: &Option<String>| label.clone().unwrap_or_else(|| "none".to_owned());
    match resolved {
        Err(Refusal::UnknownLabel { given, known }) => {
            format!("refused: no label {given}, there are {}", known.join(", "))
        }
        Err(Refusal::Decided {
            review_id: 3,
            label,
        }) => format!("refused: decided as {label}"),
        Err(Refusal::NothingToAccept { review_id: 3 }) => "refused: nothing to accept".to_owned(),
        Err(refusal) => format!("refused: {refusal:?}"),
        Ok(resolved) => {
            let mut words = String::new();
            if let Some(label) = &resolved.adds_label {
                words.push_str(&format!("adds {label}, "));
            }
            match &resolved.outcome {
                Outcome::Nothing { standing: None } => words.push_str("nothing"),
                Outcome::Nothing { standing: Some(id) } => {
                    words.push_str(&format!("nothing, as decision {id} says"));
                }
                Outcome::Note { note, .. } => words.push_str(&format!("note {}", or_none(note))),
                Outcome::Decision(decision) => {
                    words.push_str(decision.kind.name());
                    if let Some(id) = decision.undoes {
                        words.push_str(&format!(" of {id}"));
                    }
                    words.push_str(&format!(
                        ": {} to {}, learns {}",
                        or_none(&decision.old_label),
                        or_none(&decision.new_label),
                        match decision.effect {
                            pg_triage_decision::Effect::Nothing => "nothing".to_owned(),
                            pg_triage_decision::Effect::Email => "the email".to_owned(),
                            pg_triage_decision::Effect::Again(id) => format!("what {id} taught"),
                        }
                    ));
                    if let Some(reason) = decision.queue_reason {
                        words.push_str(&format!(", queued as {}", reason.name()));
                    }
                }
            }
            words
        }
    }
}

/// The review after an outcome was written as decision `id`.
pub fn applied(before: &ReviewFacts, outcome: &Outcome, id: i64) -> ReviewFacts {
    let mut after = before.clone();
    match outcome {
        Outcome::Nothing { .. } => return after,
        Outcome::Note { note, .. } => after.note = note.clone(),
        Outcome::Decision(decision) => {
            after.human_label = decision.new_label.clone();
            after.note = decision.note.clone();
            after.queue_reason = decision.queue_reason;
            if !decision.keeps_label() {
                after.reviewed_by = decision.is_reviewed().then(|| "ann".to_owned());
            }
            after.decision_id = Some(id);
        }
    }
    after.row_version += 1;
    after
}
