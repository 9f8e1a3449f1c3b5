//! Taking decisions back, and descriptions of labels.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[allow(dead_code)]
mod support;

use pg_triage_decision::{
    Decision, Door, Effect, Kind, MAX_NOTE_BYTES, Outcome, Policy, QueueReason, Refusal, Resolved,
    Undone, describe, resolve, undo, undo_import,
};
use support::{ACTIONS, DOORS, applied, emails, found, request, review, reviews};

const POLICY: Policy = Policy { review_below: 0.8 };

fn decision_of(resolved: &Resolved) -> &Decision {
    match &resolved.outcome {
        Outcome::Decision(decision) => decision,
        outcome => panic!("no decision: {outcome:?}"),
    }
}

/// The latest decision, before which nobody had decided.
fn latest() -> Undone<'static> {
    Undone {
        decision_id: 12,
        old_label: None,
        replaced: None,
        queued: Some(QueueReason::Uncertain),
        holds: true,
    }
}

#[test]
fn what_any_decision_did_is_undone() {
    let mut undone = 0;
    for door in DOORS {
        for (_, action) in ACTIONS {
            for (_, before) in reviews() {
                for email in emails() {
                    let request = request(action, door);
                    let found = found(&before, &request);
                    let resolved =
                        resolve(&before, email.as_ref(), &request, found.as_ref(), POLICY);
                    let Ok(Resolved {
                        outcome: Outcome::Decision(decision),
                        ..
                    }) = resolved
                    else {
                        continue;
                    };
                    let after = applied(&before, &Outcome::Decision(decision.clone()), 8);
                    let decided = Undone {
                        decision_id: 8,
                        old_label: decision.old_label.as_deref(),
                        replaced: decision.replaces,
                        queued: before.queue_reason,
                        holds: true,
                    };
                    let taken_back =
                        undo(&after, email.as_ref(), decided, None, POLICY, door).unwrap();
                    let by = decision_of(&taken_back);
                    assert_eq!((by.kind, by.door), (Kind::Undo, door));
                    assert_eq!((by.replaces, by.undoes), (Some(8), Some(8)));
                    assert_eq!(by.old_label, after.human_label);
                    assert_eq!(by.new_label, before.human_label);
                    assert_eq!(by.note, after.note);
                    assert!(by.is_learned());
                    // What was learned before that decision is learned again, by its number.
                    let again = match &before.human_label {
                        Some(_) => Effect::Again(7),
                        None => Effect::Nothing,
                    };
                    assert_eq!(by.effect, again);
                    // It waits again for the reason for which it did, behind others or not, or it does not.
                    assert_eq!(by.queue_reason.is_some(), before.queue_reason.is_some());
                    let reopened = by.queue_reason == Some(QueueReason::Reopened);
                    assert_eq!(reopened, before.is_reopened());
                    assert_eq!(by.is_reviewed(), before.reviewed_by.is_some());
                    // The label column is what it was to be before.
                    let label = before.effective_label(before.human_label.as_deref());
                    let column = email
                        .as_ref()
                        .filter(|email| email.label.as_deref() != label);
                    assert_eq!(
                        taken_back.label_column,
                        column.map(|_| label.map(str::to_owned))
                    );
                    undone += 1;
                }
            }
        }
    }
    assert!(undone > 500, "only {undone} combinations");
}

#[test]
fn a_decision_that_later_ones_gave_back_is_taken_back_too() {
    let mut after = review();
    after.human_label = Some("third".to_owned());
    after.decision_id = Some(12);
    let earlier = |old_label, replaced| Undone {
        decision_id: 10,
        old_label,
        replaced,
        queued: Some(QueueReason::Uncertain).filter(|_| old_label.is_none()),
        holds: true,
    };
    let undone = |old_label, replaced, note| {
        let earlier = earlier(old_label, replaced);
        undo(&after, None, earlier, note, POLICY, Door::View).unwrap()
    };
    let resolved = undone(Some("first"), Some(9), Some(" why "));
    let by = decision_of(&resolved);
    assert_eq!(by.new_label.as_deref(), Some("first"));
    assert_eq!(by.effect, Effect::Again(9));
    assert_eq!((by.replaces, by.undoes), (Some(12), Some(10)));
    assert_eq!(by.note.as_deref(), Some("why"));
    assert_eq!(by.queue_reason, None);
    let resolved = undone(None, Some(9), None);
    let by = decision_of(&resolved);
    // What it took the place of was a skip or an undo: there is nothing to learn again.
    assert_eq!(by.effect, Effect::Nothing);
    assert_eq!(by.queue_reason, Some(QueueReason::Uncertain));
    let resolved = undone(Some("first"), None, None);
    assert_eq!(decision_of(&resolved).effect, Effect::Nothing);
}

#[test]
fn only_the_latest_decision_is_undone() {
    for decision_id in [None, Some(11), Some(13)] {
        let before = pg_triage_decision::ReviewFacts {
            decision_id,
            ..review()
        };
        let undone = Undone {
            holds: false,
            ..latest()
        };
        let long = "x".repeat(MAX_NOTE_BYTES + 1);
        for note in [None, Some(long.as_str())] {
            assert_eq!(
                undo(&before, None, undone, note, POLICY, Door::Function),
                Err(Refusal::Superseded {
                    decision_id: 12,
                    by: decision_id
                })
            );
        }
    }
}

#[test]
fn a_note_of_an_undo_that_is_too_long_is_refused() {
    let before = pg_triage_decision::ReviewFacts {
        decision_id: Some(12),
        ..review()
    };
    let long = "x".repeat(MAX_NOTE_BYTES + 1);
    let refused = undo(&before, None, latest(), Some(&long), POLICY, Door::Function);
    assert_eq!(refused, Err(Refusal::NoteTooLong));
    assert_eq!(
        undo_import(5, None, None, Some(&long)),
        Err(Refusal::NoteTooLong)
    );
}

#[test]
fn an_undo_without_a_note_keeps_the_one_that_is_there() {
    let before = pg_triage_decision::ReviewFacts {
        decision_id: Some(12),
        note: Some("old".to_owned()),
        ..review()
    };
    for (given, stored) in [(None, "old"), (Some("  "), "old"), (Some(" new"), "new")] {
        let resolved = undo(&before, None, latest(), given, POLICY, Door::Function).unwrap();
        assert_eq!(decision_of(&resolved).note.as_deref(), Some(stored));
    }
}

#[test]
fn an_import_without_a_review_is_undone_once() {
    let by = undo_import(5, Some("spam"), None, Some("why")).unwrap();
    assert_eq!((by.kind, by.door), (Kind::Undo, Door::Function));
    assert_eq!((by.replaces, by.undoes), (Some(5), Some(5)));
    assert_eq!(
        (by.old_label.as_deref(), by.new_label),
        (Some("spam"), None)
    );
    assert_eq!(by.note.as_deref(), Some("why"));
    assert_eq!(by.effect, Effect::Nothing);
    let refused = undo_import(5, Some("spam"), Some(6), None);
    assert_eq!(
        refused,
        Err(Refusal::Superseded {
            decision_id: 5,
            by: Some(6)
        })
    );
}

#[test]
fn a_description_takes_the_place_of_the_one_before() {
    for (earlier, is_empty) in [(None, false), (Some(5), false), (Some(5), true)] {
        let decision = describe("spam", earlier, is_empty);
        assert_eq!(decision.door, Door::Description);
        assert_eq!(
            decision.kind,
            if is_empty { Kind::Undo } else { Kind::Import }
        );
        assert_eq!(decision.replaces, earlier);
        assert_eq!(decision.undoes, earlier.filter(|_| is_empty));
        assert_eq!(decision.old_label.is_some(), earlier.is_some());
        assert_eq!(decision.new_label.is_some(), !is_empty);
        assert_eq!(decision.effect == Effect::Email, !is_empty);
        assert!(decision.is_learned());
    }
}

#[test]
fn names_are_as_they_are_stored() {
    let doors = DOORS.map(Door::name);
    assert_eq!(
        doors,
        [
            "table",
            "insert",
            "review",
            "view",
            "function",
            "description",
            "import"
        ]
    );
    let kinds = [
        Kind::Accept,
        Kind::Correct,
        Kind::Skip,
        Kind::Ask,
        Kind::Undo,
        Kind::Import,
    ]
    .map(Kind::name);
    assert_eq!(
        kinds,
        ["accept", "correct", "skip", "ask", "undo", "import"]
    );
}
