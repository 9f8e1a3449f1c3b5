//! A label that gets another name, or becomes one with another: as if its emails had been learned
//! so from the start.
#![allow(missing_docs, clippy::unwrap_used)]

use std::rc::Rc;

use pg_triage_classifier::{
    CellCounts, Error, Features, Fit, Learner, Live, Metrics, Model, ParamGuard, State, Step,
    Tokenizer, Trainer, casefold_label, never_cancelled,
};
use proptest::prelude::*;

type Mail = (String, String);

fn mails() -> impl Strategy<Value = Vec<Mail>> {
    let word = prop::sample::select(vec![
        "invoice", "refund", "login", "Fehler", "Straße", "parcel", "ok", "42", "re", "paid",
    ]);
    let text = prop::collection::vec(word, 0..12).prop_map(|w| w.join(" "));
    let label = prop::sample::select(vec![
        "Billing", "billing", " BILLING", "support", "spam", "zoo", "",
    ]);
    prop::collection::vec((text, label.prop_map(str::to_owned)), 0..40)
}

fn features(text: &str) -> Features {
    Tokenizer::default().features(text)
}

/// Learns mails, and a step for each.
fn learn(mails: &[Mail], steps: &[(&str, i32)]) -> State {
    let mut state = State::default();
    for (text, label) in mails {
        state.learn(&features(text), label).unwrap();
    }
    let amounts = steps.iter().map(|&(l, amount)| (l.to_owned(), amount));
    let step = Step::new(amounts.collect()).unwrap();
    for (text, _) in mails {
        state.step(&features(text), &step, false).unwrap();
    }
    state
}

/// The mails as if one label had been another from the start.
fn relabelled(mails: &[Mail], from: &str, to: &str) -> Vec<Mail> {
    let from = casefold_label(from).unwrap();
    let label = |label: &String| match casefold_label(label).unwrap() == from {
        true => to.to_owned(),
        false => label.clone(),
    };
    mails.iter().map(|(t, l)| (t.clone(), label(l))).collect()
}

fn bytes(mut state: State) -> Vec<u8> {
    state.to_bytes(&never_cancelled).unwrap()
}

fn trained(mut state: State) -> Vec<u8> {
    let trainer = Trainer::params().check().unwrap();
    trainer.fit_state(&mut state, &never_cancelled).unwrap()
}

proptest! {
    #[test]
    fn as_if_learned_so(
        mails in mails(),
        from in prop::sample::select(vec!["billing", "support", "spam", "unheard of"]),
        // Before and after the others, another spelling of its own, and one that is there.
        to in prop::sample::select(vec!["Abrechnung", "zzz", "BILLING", "Support", "spam"]),
        stored in any::<bool>(),
    ) {
        let mut state = learn(&mails, &[]);
        if stored {
            state = State::from_bytes(&bytes(state), &never_cancelled).unwrap();
        }
        state.relabel(from, to, &never_cancelled).unwrap();
        let from_the_start = learn(&relabelled(&mails, from, to), &[]);
        prop_assert_eq!(bytes(state.clone()), bytes(from_the_start.clone()));
        if !state.is_empty() {
            prop_assert_eq!(trained(state.clone()), trained(from_the_start));
        }
        // It learns and un-learns on.
        for (text, label) in relabelled(&mails, from, to) {
            let result = state.unlearn(&features(&text), &label, &never_cancelled);
            prop_assert!(result.is_ok() || label.trim().is_empty());
        }
        prop_assert_eq!(state.documents(), 0);
    }

    /// Steps of two labels that become one add up, and may cancel each other.
    #[test]
    fn steps_follow(mails in mails(), a in -5i32..5, b in -5i32..5) {
        let mut state = learn(&mails, &[("billing", a << 18), ("spam", b << 18)]);
        // Steps are about labels that have emails.
        let of = |label: &str, amount: i32| {
            let has_emails = |(_, l): &Mail| casefold_label(l).unwrap() == label;
            if mails.iter().any(has_emails) { amount << 18 } else { 0 }
        };
        let sum = of("billing", a) + of("spam", b);
        state.relabel("spam", "Billing", &never_cancelled).unwrap();
        let mails = relabelled(&mails, "spam", "Billing");
        prop_assert_eq!(bytes(state), bytes(learn(&mails, &[("billing", sum)])));
    }
}

#[test]
fn a_full_sample_keeps_what_it_has_and_can_be_filled_again() {
    let mails: Vec<Mail> = (0..80_000)
        .map(|i| (format!("w{i}"), ["a", "b", "c"][i % 3].to_owned()))
        .collect();
    let mut state = learn(&mails, &[]);
    assert!(state.training_sample_is_full());
    state.relabel("b", "d", &never_cancelled).unwrap();
    let renamed = bytes(state.clone());
    assert!(State::from_bytes(&renamed, &never_cancelled).is_ok());
    // From all that was learned, in the order of the sample.
    let mails = relabelled(&mails, "b", "d");
    let priority = |(text, label): &Mail| {
        pg_triage_classifier::training_sample_priority(&features(text), label).unwrap()
    };
    let mut in_order = mails.clone();
    in_order.sort_by_key(priority);
    state.empty_training_sample();
    assert_eq!(state.training_sample_is_short_from(), Some(0));
    let examples = in_order.iter().map(|(t, l)| (features(t), l.clone()));
    assert!(state.extend_training_sample(examples).unwrap());
    assert_eq!(bytes(state), bytes(learn(&mails, &[])));
}

#[test]
fn hidden_labels_are_not_answered() {
    let mails: Vec<Mail> = [("red blue", "a"), ("red green", "b"), ("grey green", "c")]
        .map(|(t, l)| (t.to_owned(), l.to_owned()))
        .into();
    let packed = learn(&mails, &[]).pack(&Fit::default(), Metrics::default(), &never_cancelled);
    let packed = packed.unwrap();
    let model = Model::from_bytes(packed.clone(), &never_cancelled).unwrap();
    let mut read = |range: std::ops::Range<usize>| Ok(packed[range].to_vec());
    let counts = CellCounts::read::<Error>(model.header(), &mut read, &never_cancelled).unwrap();
    let mut live = Live::new(Rc::new(model));
    live.set_counts(Rc::new(counts));
    let red = features("red blue");
    let before = live.rank(&red, &never_cancelled);
    assert_eq!((before.len(), before[0].label), (3, "a"));
    let expected = before[1].probability / (before[1].probability + before[2].probability);
    let second = before[1].label.to_owned();
    for learned_more in [false, true] {
        if learned_more {
            live.learn(&features("yellow"), "d").unwrap();
            live.refresh(&never_cancelled).unwrap();
        }
        live.hide(vec![
            "a".to_owned(),
            "d".to_owned(),
            "never learned".to_owned(),
        ]);
        let best = live.classify(&red, &never_cancelled).unwrap();
        assert_eq!(best.label, second);
        let ranked = live.predict(&red, &never_cancelled).ranked;
        assert_eq!(ranked.len(), 2);
        let sum: f64 = ranked.iter().map(|r| r.probability).sum();
        assert!((sum - 1.0).abs() < 1e-12);
        if !learned_more {
            assert!((ranked[0].probability - expected).abs() < 1e-12);
        }
        // One that is asked about is explained, against what would be answered.
        let a = live.labels().iter().position(|l| l.name == "a");
        let explained = live.explain(&red, a, &never_cancelled).unwrap().unwrap();
        assert!(explained.log_odds.is_finite());
        assert_ne!(Some(explained.rival), a);
    }
    live.hide(["a", "b", "c", "d"].map(str::to_owned).into());
    assert_eq!(live.classify(&red, &never_cancelled), None);
    assert!(live.rank(&red, &never_cancelled).is_empty());
    assert!(
        live.explain(&red, None, &never_cancelled)
            .unwrap()
            .is_none()
    );
}
