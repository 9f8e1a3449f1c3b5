//! Stored decisions, applied to whatever learns.
#![allow(missing_docs, clippy::unwrap_used)]

use std::rc::Rc;

use pg_triage_classifier::{
    DecisionEffect, Example, Features, Fit, Learner, Live, Metrics, Model, State, Step, apply,
    never_cancelled,
};
use proptest::prelude::*;

fn example(keys: &[u64], label: &str, amount: i32) -> Example {
    Example {
        features: Features::from_sorted(keys.to_vec()).unwrap(),
        label: label.to_owned(),
        step: Step::new(vec![(label.to_owned(), amount)]).unwrap(),
    }
}

fn adds(example: Example) -> DecisionEffect {
    DecisionEffect {
        adds: Some(example),
        removes: None,
    }
}

fn bytes(effects: &[DecisionEffect]) -> Vec<u8> {
    let mut state = State::default();
    apply(&mut state, effects, &never_cancelled).unwrap();
    state.to_bytes(&never_cancelled).unwrap()
}

/// Chains of decisions about some emails: each takes the place of the one before.
fn chains() -> impl Strategy<Value = Vec<DecisionEffect>> {
    let email = prop::collection::btree_set(0u64..9, 1..5);
    let decision = (prop::sample::select(vec!["a", "b", "c"]), -900i32..900);
    let chain = (email, prop::collection::vec(decision, 1..4));
    prop::collection::vec(chain, 1..6).prop_map(|chains| {
        let mut effects = Vec::new();
        for (keys, decisions) in chains {
            let keys: Vec<u64> = keys.into_iter().collect();
            let mut before = None;
            for (label, amount) in decisions {
                let now = example(&keys, label, amount);
                effects.push(DecisionEffect {
                    adds: Some(now.clone()),
                    removes: before.replace(now),
                });
            }
        }
        effects
    })
}

proptest! {
    #[test]
    fn the_order_in_which_decisions_are_read_does_not_matter(
        effects in chains(),
        at in any::<prop::sample::Index>(),
    ) {
        let wanted = bytes(&effects);
        let mut other = effects.clone();
        other.reverse();
        prop_assert_eq!(bytes(&other), &wanted[..]);
        other.rotate_left(at.index(effects.len()));
        prop_assert_eq!(bytes(&other), wanted);
    }

    #[test]
    fn a_session_and_a_replay_learn_the_same(effects in chains()) {
        let base = Rc::new(Model::empty(Fit::default()).unwrap());
        let mut live = Live::new(base);
        apply(&mut live, &effects, &never_cancelled).unwrap();
        live.refresh(&never_cancelled).unwrap();
        let mut state = State::default();
        apply(&mut state, &effects, &never_cancelled).unwrap();
        let packed = state.pack(&Fit::default(), Metrics::default(), &never_cancelled).unwrap();
        let replayed = Model::from_bytes(packed, &never_cancelled).unwrap();
        let features = Features::from_sorted((0..9).collect()).unwrap();
        prop_assert_eq!(
            live.log_probabilities(&features, &never_cancelled),
            replayed.log_probabilities(&features, &never_cancelled)
        );
    }
}

#[test]
fn what_was_never_learned_is_passed_over() {
    let known = adds(example(&[1, 2], "a", 5));
    let stray = DecisionEffect {
        adds: None,
        removes: Some(example(&[3], "b", 0)),
    };
    assert_eq!(bytes(&[stray, known.clone()]), bytes(&[known]));
}

/// The labels of steps must have emails before steps are taken: those of the last one, too.
#[test]
fn a_step_is_about_labels_that_a_later_decision_brings() {
    let first = adds(Example {
        step: Step::new(vec![("b".to_owned(), 70)]).unwrap(),
        ..example(&[1], "a", 0)
    });
    let second = adds(example(&[2], "b", 0));
    let mut wanted = State::default();
    for effect in [&first, &second] {
        let Example {
            features, label, ..
        } = effect.adds.as_ref().unwrap();
        wanted.learn(features, label).unwrap();
    }
    let counts_alone = wanted.clone().to_bytes(&never_cancelled).unwrap();
    for effect in [&first, &second] {
        let Example { features, step, .. } = effect.adds.as_ref().unwrap();
        wanted.step(features, step, false).unwrap();
    }
    let wanted = wanted.to_bytes(&never_cancelled).unwrap();
    assert_ne!(wanted, counts_alone);
    assert_eq!(bytes(&[first, second]), wanted);
}
