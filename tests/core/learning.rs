//! What the counts promise: order, splitting and merging do not matter, and un-learning
//! is exact.
#![allow(missing_docs, clippy::unwrap_used)]

use linfa::traits::{Fit, Predict};
use ndarray::Array1;
use pg_triage_core::{
    Error, Features, Messages, Model, ParamGuard, SAMPLE_DOCUMENTS, State, Tokenizer, Trainer,
    never_cancelled,
};
use proptest::prelude::*;

type Mail = (String, String);

fn mails() -> impl Strategy<Value = Vec<Mail>> {
    let word = prop::sample::select(vec![
        "invoice", "refund", "login", "Fehler", "Straße", "parcel", "ok", "42", "re", "paid",
    ]);
    let text = prop::collection::vec(word, 0..12).prop_map(|w| w.join(" "));
    let label = prop::sample::select(vec![
        "Billing", "billing", " BILLING", "support", "spam", "",
    ]);
    prop::collection::vec((text, label.prop_map(str::to_owned)), 0..40)
}

fn learn(mails: &[Mail]) -> State {
    let mut state = State::default();
    let mut tokenizer = Tokenizer::default();
    for (text, label) in mails {
        state.learn(&tokenizer.features(text), label).unwrap();
    }
    state
}

fn bytes(mut state: State) -> Vec<u8> {
    state.to_bytes(&never_cancelled).unwrap()
}

proptest! {
    #[test]
    fn order_does_not_matter(mails in mails(), seed in any::<u64>()) {
        let mut shuffled = mails.clone();
        shuffled.sort_by_key(|m| {
            Tokenizer::default().features(&m.0).content_hash() ^ seed ^ m.1.len() as u64
        });
        prop_assert_eq!(bytes(learn(&mails)), bytes(learn(&shuffled)));
    }

    #[test]
    fn splitting_and_merging_does_not_matter(
        mails in mails(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 3),
        stored in any::<bool>(),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(mails.len() + 1)).collect();
        cuts.extend([0, mails.len()]);
        cuts.sort_unstable();
        let mut merged = State::default();
        for pair in cuts.windows(2).rev() {
            let mut part = learn(&mails[pair[0]..pair[1]]);
            if stored {
                part = State::from_bytes(&bytes(part), &never_cancelled).unwrap();
            }
            merged.merge(&part, &never_cancelled).unwrap();
        }
        prop_assert_eq!(bytes(merged), bytes(learn(&mails)));
    }

    #[test]
    fn unlearning_is_exact(mails in mails(), keep in any::<prop::sample::Index>()) {
        let keep = keep.index(mails.len() + 1);
        let mut state = learn(&mails);
        let mut expected = learn(&mails[..keep]);
        let mut tokenizer = Tokenizer::default();
        for (text, label) in &mails[keep..] {
            if label.trim().is_empty() {
                expected.skip(); // What was skipped was never learned.
                continue;
            }
            state.unlearn(&tokenizer.features(text), label, &never_cancelled).unwrap();
        }
        prop_assert_eq!(bytes(state), bytes(expected));
    }
}

#[test]
fn unlearning_everything_gives_back_the_empty_state() {
    let mails: Vec<Mail> = (0..300)
        .map(|i| {
            (
                format!("mail {i} about {}", i % 7),
                format!("label {}", i % 5),
            )
        })
        .collect();
    let mut state = learn(&mails);
    let mut tokenizer = Tokenizer::default();
    for (text, label) in mails.iter().rev() {
        state
            .unlearn(&tokenizer.features(text), label, &never_cancelled)
            .unwrap();
    }
    assert_eq!(bytes(state), bytes(State::default()));
}

#[test]
fn what_was_not_learned_cannot_be_unlearned() {
    let mut state = learn(&[("invoice wrong".into(), "billing".into())]);
    let before = bytes(state.clone());
    let mut tokenizer = Tokenizer::default();
    for (text, label) in [
        ("invoice wrong", "support"),
        ("invoice wrong", "Billing"),
        ("invoice lost", "billing"),
    ] {
        let result = state.unlearn(&tokenizer.features(text), label, &never_cancelled);
        assert!(
            matches!(result, Err(Error::NotLearned { .. })),
            "{text} {label}"
        );
    }
    assert_eq!(bytes(state), before);
}

#[test]
fn unlearning_leaves_no_contradiction() {
    let features = |keys: &[u64]| Features::from_sorted(keys.to_vec()).unwrap();
    let mut state = State::default();
    state.learn(&features(&[1, 2]), "x").unwrap();
    // The only email of the label had words.
    assert!(
        state
            .unlearn(&features(&[]), "x", &never_cancelled)
            .is_err()
    );
    state.learn(&features(&[3, 4]), "x").unwrap();
    // Two emails are not one with the words of both.
    assert!(
        state
            .unlearn(&features(&[1, 2, 3, 4]), "x", &never_cancelled)
            .is_err()
    );
    assert!(State::from_bytes(&bytes(state), &never_cancelled).is_ok());
}

/// linfa answers ties by the order of a hash map, which differs from process to process
/// and from map to map.
#[test]
fn a_tied_baseline_is_deterministic() {
    let mails: Vec<Mail> = (0..8)
        .map(|i| ("hello world".into(), ["a", "b"][i % 2].into()))
        .collect();
    let trainer = Trainer::params().check().unwrap();
    let fit = || {
        trainer
            .fit_state(&mut learn(&mails), &never_cancelled)
            .unwrap()
    };
    let first = fit();
    assert!((0..20).all(|_| fit() == first));
}

/// The memory limit of training means the same before and after a state was stored.
#[test]
fn a_stored_state_takes_no_more_memory_than_before() {
    let mails: Vec<Mail> = (0..3000)
        .map(|i| {
            (
                format!("mail {i} about {} and {}", i * 7, i % 50),
                format!("l{}", i % 3),
            )
        })
        .collect();
    let mut state = learn(&mails);
    let stored = state.to_bytes(&never_cancelled).unwrap();
    let loaded = State::from_bytes(&stored, &never_cancelled).unwrap();
    let (before, after) = (state.bytes(), loaded.bytes());
    assert!(after <= before + before / 20, "{before} {after}");
    assert!(after >= stored.len(), "{} {after}", stored.len());
}

/// Every text that is kept counts.
#[test]
fn labels_count_towards_memory() {
    let features = Features::default();
    let mut state = State::default();
    let empty = state.bytes();
    for i in 0..1000 {
        state
            .learn(&features, &format!("{i} {:1000}.", ""))
            .unwrap();
    }
    let learned = state.bytes() - empty;
    // Folded and as spelled, each with its counts and in the map that finds it.
    assert!(learned >= 4 * 1000 * 1000, "{learned}");
    for _ in 0..10 {
        state.settle(&never_cancelled).unwrap();
        state.learn(&features, &format!("7 {:1000}.", "")).unwrap();
        state
            .unlearn(&features, &format!("8 {:1000}.", ""), &never_cancelled)
            .unwrap();
        state.learn(&features, &format!("8 {:1000}.", "")).unwrap();
    }
    assert!(
        state.bytes() - empty <= learned + 10_000,
        "nothing counts twice"
    );
}

/// With hundreds of labels that share thousands of words, judging every sampled email would
/// take minutes.
#[test]
fn judging_is_bounded_where_labels_share_their_words() {
    let features =
        |from: u64| Features::from_sorted((from..from + 1500).map(|k| k << 50).collect()).unwrap();
    let mut state = State::default();
    for i in 0..1200u64 {
        state
            .learn(&features(i % 3), &format!("label {}", i % 400))
            .unwrap();
    }
    let trainer = Trainer::params()
        .form(pg_triage_core::ScoreForm::MultinomialBoolean)
        .check()
        .unwrap();
    let model = trainer.fit_state(&mut state, &never_cancelled).unwrap();
    let judged = Model::from_bytes(model, &never_cancelled)
        .unwrap()
        .meta()
        .metrics
        .judged;
    // 50 million cells, about 400 for each of 1,500 words.
    assert!((50..=100).contains(&judged), "{judged}");
}

#[test]
fn a_full_sample_is_still_order_independent() {
    let mails: Vec<Mail> = (0..SAMPLE_DOCUMENTS + 500)
        .map(|i| (format!("number {i} of many"), ["a", "b"][i % 2].to_owned()))
        .collect();
    let mut reversed = mails.clone();
    reversed.reverse();
    let whole = bytes(learn(&mails));
    assert_eq!(whole, bytes(learn(&reversed)));
    let (left, right) = mails.split_at(2100);
    let mut merged = learn(right);
    merged.merge(&learn(left), &never_cancelled).unwrap();
    assert_eq!(whole, bytes(merged));
}

fn model(mails: &[(&str, &str)]) -> Model {
    let mails: Vec<Mail> = mails
        .iter()
        .map(|(t, l)| (t.to_string(), l.to_string()))
        .collect();
    let trainer = Trainer::params().check().unwrap();
    Model::from_bytes(
        trainer
            .fit_state(&mut learn(&mails), &never_cancelled)
            .unwrap(),
        &never_cancelled,
    )
    .unwrap()
}

fn probabilities(model: &Model, text: &str) -> Vec<(String, f64)> {
    let features = Tokenizer::default().features(text);
    let ranked = model.rank(&features, &never_cancelled);
    ranked
        .iter()
        .map(|s| (s.label.to_owned(), s.probability))
        .collect()
}

#[test]
fn probabilities_add_up_and_best_comes_first() {
    let m = model(&[
        ("invoice paid twice", "billing"),
        ("refund the invoice", "billing"),
        ("login error", "support"),
        ("error after update", "support"),
        ("parcel lost", "logistics"),
    ]);
    let p = probabilities(&m, "the invoice was paid");
    assert_eq!(p[0].0, "billing");
    assert!((p.iter().map(|x| x.1).sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(p.is_sorted_by(|a, b| a.1 >= b.1));
}

#[test]
fn nothing_known_gives_the_shares_of_the_labels() {
    let m = model(&[
        ("aa bb", "x"),
        ("cc dd", "x"),
        ("ee ff", "x"),
        ("gg hh", "y"),
    ]);
    for text in ["", "?!", "entirely unseen words"] {
        let p = probabilities(&m, text);
        assert_eq!(p[0].0, "x");
        assert!((p[0].1 - 0.75).abs() < 1e-9, "{p:?}");
    }
}

#[test]
fn equal_labels_are_ordered_by_name() {
    let m = model(&[("same words", "b"), ("same words", "a")]);
    assert_eq!(probabilities(&m, "same words")[0].0, "a");
}

#[test]
fn one_label_is_certain() {
    let m = model(&[("only this", "x"), ("or that", "x")]);
    assert_eq!(probabilities(&m, "anything"), [("x".to_owned(), 1.0)]);
}

#[test]
fn no_emails_is_an_error() {
    let trainer = Trainer::params().check().unwrap();
    let result = trainer.fit_state(&mut State::default(), &never_cancelled);
    assert!(matches!(result, Err(Error::NoDocuments)));
}

#[test]
fn the_most_frequent_spelling_is_shown() {
    let m = model(&[
        ("aa", "billing"),
        ("bb", "Billing"),
        ("cc", "Billing"),
        ("dd", "ÄRGER"),
    ]);
    assert_eq!(m.meta().labels, ["Billing", "ÄRGER"]);
    assert_eq!(m.meta().documents, [3, 1]);
}

#[test]
fn parameters_are_checked() {
    for n in [0, SAMPLE_DOCUMENTS + 1] {
        let result = Trainer::params().judged_documents(n).check();
        assert!(matches!(result, Err(Error::InvalidParameter { .. })));
    }
}

#[test]
fn fits_and_predicts_as_a_linfa_algorithm() {
    let texts = [
        "invoice paid",
        "refund invoice",
        "login error",
        "error on login",
    ];
    let labels = Array1::from_iter(["billing", "billing", "support", "support"].map(str::to_owned));
    let dataset = linfa::DatasetBase::new(Messages(texts.map(str::to_owned).into()), labels);
    let model = Trainer::params().check().unwrap().fit(&dataset).unwrap();
    let asked = Messages(vec!["an invoice".to_owned(), "some error".to_owned()]);
    let answers: Array1<String> = model.predict(&asked);
    assert_eq!(answers.to_vec(), ["billing", "support"]);
}

/// The callback of a host that cancels unwinds; nothing half-done may be left behind that
/// a later call trips over.
#[test]
fn cancelling_leaves_a_usable_state() {
    let mails: Vec<Mail> = (0..500)
        .map(|i| (format!("mail {i} {}", i * 7), format!("l{}", i % 9)))
        .collect();
    let mut state = learn(&mails);
    let trainer = Trainer::params().check().unwrap();
    let left = std::cell::Cell::new(0u32);
    let cancel = || {
        if left.replace(left.get().wrapping_sub(1)) == 0 {
            std::panic::resume_unwind(Box::new("cancelled"));
        }
    };
    for at in [0, 1, 100, 300, 900] {
        left.set(at);
        let mut attempt = state.clone();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            trainer.fit_state(&mut attempt, &cancel).map(drop)
        }));
        assert!(result.is_err(), "was not cancelled at {at}");
    }
    assert!(trainer.fit_state(&mut state, &never_cancelled).is_ok());
}
