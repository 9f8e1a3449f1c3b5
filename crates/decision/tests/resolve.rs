//! Every kind of action, in every state of a review, through every door.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use pg_triage_decision::{
    Action, Effect, EmailFacts, FoundLabel, Kind, MAX_NOTE_BYTES, Outcome, Policy, QueueReason,
    Refusal, Request, Resolved, ReviewFacts, needs, resolve,
};
use support::{ACTIONS, DOORS, applied, emails, found, line, request, review, reviews};

const POLICY: Policy = Policy { review_below: 0.8 };

/// What comes of each action in each state: in the ledger, and what is learned.
const TABLE: &str = include_str!("outcomes.txt");

fn outcome(
    before: &ReviewFacts,
    email: Option<&EmailFacts>,
    request: &Request,
) -> Result<Resolved, Refusal> {
    resolve(
        before,
        email,
        request,
        found(before, request).as_ref(),
        POLICY,
    )
}

#[test]
fn every_action_in_every_state_does_what_the_table_says_through_every_door() {
    let email = emails()[1].clone();
    for door in DOORS {
        let mut table = String::new();
        for (name, action) in ACTIONS {
            for (state, before) in reviews() {
                let resolved = outcome(&before, email.as_ref(), &request(action, door));
                table.push_str(&line(name, &state, &resolved));
            }
        }
        assert_eq!(table, TABLE, "through the door {door:?}");
    }
}

/// Notes, emails, confidence and the audit sample, in all combinations with the table's.
#[test]
fn what_comes_with_an_outcome_holds_in_every_combination() {
    let mut checked = 0;
    for door in DOORS {
        for (_, action) in ACTIONS {
            for (_, state) in reviews() {
                for (is_audit, confidence) in [(false, 0.5), (false, 0.9), (true, 0.5), (true, 0.9)]
                {
                    for old_note in [None, Some("old")] {
                        for note in [None, Some(None), Some(Some("old")), Some(Some("  new "))] {
                            for given_label in [None, Some("ham")] {
                                let before = ReviewFacts {
                                    is_audit,
                                    confidence: state.confidence.map(|_| confidence),
                                    queue_reason: requeued(&state, confidence, is_audit),
                                    note: old_note.map(str::to_owned),
                                    given_label: given_label.map(str::to_owned),
                                    ..state.clone()
                                };
                                let request = Request {
                                    note,
                                    ..request(action, door)
                                };
                                for email in emails() {
                                    if let Ok(resolved) = outcome(&before, email.as_ref(), &request)
                                    {
                                        check(&before, email.as_ref(), &request, &resolved);
                                        checked += 1;
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(checked > 50_000, "only {checked} combinations");
}

/// Why a review of this state waits, were it predicted like this.
fn requeued(state: &ReviewFacts, confidence: f64, is_audit: bool) -> Option<QueueReason> {
    match state.queue_reason {
        Some(QueueReason::Uncertain) => Some(QueueReason::of(Some(confidence), 0.8, is_audit)),
        reason => reason,
    }
}

fn check(before: &ReviewFacts, email: Option<&EmailFacts>, request: &Request, resolved: &Resolved) {
    let context = format!("{before:?}, {email:?}, {request:?}: {resolved:?}");
    let note = match request.note {
        None => before.note.clone(),
        Some(note) => note.map(|note| note.trim().to_owned()),
    };
    let mut human_label = before.human_label.as_deref();
    match &resolved.outcome {
        Outcome::Nothing { .. } => assert_eq!(note, before.note, "{context}"),
        Outcome::Note { note: stored, .. } => {
            assert_eq!(*stored, note, "{context}");
            assert_ne!(*stored, before.note, "{context}");
        }
        Outcome::Decision(decision) => {
            human_label = decision.new_label.as_deref();
            assert_eq!(decision.door, request.door, "{context}");
            assert_eq!(decision.note, note, "{context}");
            assert_eq!(decision.old_label, before.human_label, "{context}");
            assert_eq!(decision.replaces, before.decision_id, "{context}");
            // A decision changes the label, unless it says that nobody can say, or it was asked for.
            let keeps = matches!(request.action, Action::Skip | Action::AskAgain);
            let is_same = decision.new_label == decision.old_label;
            assert!(
                if keeps {
                    is_same
                } else {
                    !is_same || before.is_reopened()
                },
                "{context}"
            );
            let teaches = decision.effect != Effect::Nothing;
            assert_eq!(
                decision.is_learned(),
                request.action != Action::Skip || teaches,
                "{context}"
            );
            // Only what is there is learned, with the label that it has from now on; what was learned
            // with a label that stays is learned still.
            let effect = match (&decision.new_label, email) {
                (None, _) => Effect::Nothing,
                (Some(_), Some(_)) if !keeps => Effect::Email,
                (Some(_), _) if is_same => Effect::Again(7),
                (Some(_), _) => Effect::Nothing,
            };
            assert_eq!(decision.effect, effect, "{context}");
            let is_undo = decision.kind == Kind::Undo;
            assert_eq!(
                decision.undoes,
                before.decision_id.filter(|_| is_undo),
                "{context}"
            );
            // Taken back, it waits for a person again, for the reason that it had before.
            let reason = match before.confidence {
                _ if before.is_reopened() => QueueReason::Reopened,
                None => QueueReason::Unclassified,
                Some(_) if before.is_audit => QueueReason::Audit,
                Some(confidence) if confidence < 0.8 => QueueReason::Uncertain,
                Some(_) => QueueReason::Confident,
            };
            assert_eq!(
                decision.queue_reason,
                match decision.kind {
                    Kind::Ask => Some(QueueReason::Reopened),
                    Kind::Undo => Some(reason),
                    _ => None,
                },
                "{context}"
            );
            let is_open = decision.new_label.is_none() && decision.queue_reason.is_some();
            assert_eq!(decision.is_reviewed(), !is_open, "{context}");
        }
    }
    // The label column says what a person said, else what was predicted, else what it came with;
    // it is not written where the statement itself does, and not twice.
    let label = human_label
        .or(before.predicted_label.as_deref())
        .or(before.given_label.as_deref());
    let is_right = email.is_none_or(|email| email.label.as_deref() == label);
    let expected = match request.door.is_label_column() || is_right {
        true => None,
        false => Some(label.map(str::to_owned)),
    };
    assert_eq!(resolved.label_column, expected, "{context}");
}

#[test]
fn asking_again_for_what_is_there_changes_nothing() {
    for (_, action) in ACTIONS {
        for (_, before) in reviews() {
            let request = request(action, support::DOORS[4]);
            let Ok(resolved) = outcome(&before, None, &request) else {
                continue;
            };
            let after = applied(&before, &resolved.outcome, 8);
            // The new label exists from now on.
            let found = found(&after, &request).map(|found| match found {
                FoundLabel::New => FoundLabel::Known("new".to_owned()),
                found => found,
            });
            let again = resolve(&after, None, &request, found.as_ref(), POLICY);
            if let Err(Refusal::Decided { .. }) = again {
                // What was asked again stays as it was, and is decided then.
                assert!(action == Action::Skip && before.is_reopened());
                continue;
            }
            let again = again.unwrap();
            assert!(
                matches!(again.outcome, Outcome::Nothing { .. }),
                "{before:?}, {request:?}: {again:?}"
            );
        }
    }
}

/// Who says the same by a call of a function confirms it, unless they have said it before: then it
/// is the same call sent twice.
#[test]
fn the_same_label_is_confirmed_by_somebody_else_and_where_it_was_imported() {
    for (name, is_imported, confirms) in [
        ("bob", false, true),
        ("ann", false, false),
        ("ann", true, true),
    ] {
        for action in [Action::Label(Some("spam")), Action::Accept] {
            let before = ReviewFacts {
                human_label: Some("spam".to_owned()),
                reviewed_by: Some("ann".to_owned()),
                is_imported,
                queue_reason: None,
                decision_id: Some(7),
                ..review()
            };
            let request = Request {
                confirmed_by: Some(name),
                ..request(action, DOORS[4])
            };
            let resolved = outcome(&before, emails()[2].as_ref(), &request).unwrap();
            match resolved.outcome {
                Outcome::Decision(decision) => {
                    assert!(confirms, "{name}");
                    assert_eq!(decision.kind, Kind::Accept);
                    assert_eq!(decision.old_label, decision.new_label);
                    assert_eq!(decision.replaces, Some(7));
                    assert_eq!(decision.effect, Effect::Email);
                }
                other => assert!(!confirms, "{name}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_stale_version_is_refused_whatever_else_is_wrong() {
    let long = "x".repeat(MAX_NOTE_BYTES + 1);
    for door in DOORS {
        for (_, action) in ACTIONS {
            for (_, before) in reviews() {
                for note in [None, Some(Some(long.as_str()))] {
                    for seen in [3, 5, i32::MIN] {
                        let request = Request {
                            action,
                            note,
                            row_version: Some(seen),
                            door,
                            confirmed_by: None,
                        };
                        let refusal = Refusal::Changed {
                            review_id: 3,
                            by: before.reviewed_by.clone(),
                            seen,
                            now: 4,
                        };
                        assert_eq!(needs(&before, &request), Err(refusal.clone()));
                        assert_eq!(outcome(&before, None, &request), Err(refusal));
                    }
                    let current = Request {
                        row_version: Some(4),
                        ..request(action, door)
                    };
                    let without = request(action, door);
                    assert_eq!(
                        outcome(&before, None, &current),
                        outcome(&before, None, &without)
                    );
                }
            }
        }
    }
}

#[test]
fn a_note_is_as_long_as_may_be_and_no_longer() {
    let longest = "x".repeat(MAX_NOTE_BYTES);
    let longer = format!("{longest} ");
    for (_, action) in ACTIONS {
        for (_, before) in reviews() {
            let with = |note| Request {
                note: Some(Some(note)),
                ..request(action, support::DOORS[0])
            };
            assert_eq!(needs(&before, &with(&longer)), Err(Refusal::NoteTooLong));
            assert_ne!(needs(&before, &with(&longest)), Err(Refusal::NoteTooLong));
        }
    }
}

#[test]
fn only_what_is_needed_is_looked_up() {
    for (_, before) in reviews() {
        for (name, action) in ACTIONS {
            let Ok(needs) = needs(&before, &request(action, support::DOORS[0])) else {
                continue;
            };
            let label = match action {
                Action::Label(label) => label,
                Action::Accept => before.predicted_label.as_deref(),
                _ => None,
            };
            assert_eq!(needs.label, label, "{name}");
            let takes_back = action == Action::Label(None) && before.human_label.is_some();
            assert_eq!(needs.policy, takes_back && !before.is_reopened(), "{name}");
        }
    }
}

#[test]
fn the_prediction_in_another_spelling_is_accepted_and_the_classifiers_spelling_is_kept() {
    let before = ReviewFacts {
        predicted_label: Some("Straße ".to_owned()),
        ..review()
    };
    for action in [Action::Accept, Action::Label(Some("STRASSE"))] {
        let known = FoundLabel::Known("Strasse".to_owned());
        let request = request(action, DOORS[0]);
        let resolved = resolve(&before, None, &request, Some(&known), POLICY).unwrap();
        let Outcome::Decision(decision) = resolved.outcome else {
            panic!("no decision: {resolved:?}");
        };
        assert_eq!(decision.kind, Kind::Accept);
        assert_eq!(decision.new_label.as_deref(), Some("Strasse"));
    }
}

#[test]
fn a_label_that_nobody_looked_up_is_none() {
    let request = request(Action::Label(Some("spam")), DOORS[0]);
    let refusal = Refusal::UnknownLabel {
        given: "spam".to_owned(),
        known: Vec::new(),
    };
    assert_eq!(
        resolve(&review(), None, &request, None, POLICY),
        Err(refusal)
    );
}

#[test]
fn the_same_label_is_a_decision_about_a_text_that_has_changed() {
    let email = emails()[2].clone();
    for action in [Action::Accept, Action::Label(Some("spam"))] {
        for (is_outdated, kind) in [(false, None), (true, Some(Kind::Accept))] {
            let before = ReviewFacts {
                human_label: Some("spam".to_owned()),
                queue_reason: None,
                decision_id: Some(7),
                is_outdated,
                ..review()
            };
            let resolved = outcome(&before, email.as_ref(), &request(action, DOORS[0])).unwrap();
            let decided = match resolved.outcome {
                Outcome::Decision(decision) => Some(decision),
                _ => None,
            };
            assert_eq!(decided.as_ref().map(|decision| decision.kind), kind);
            let replaced = decided.and_then(|decision| decision.replaces);
            assert_eq!(replaced, is_outdated.then_some(7));
        }
    }
}
