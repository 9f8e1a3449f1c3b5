//! What the counts promise: order, splitting and merging do not matter, and un-learning
//! is exact.
#![allow(missing_docs, clippy::unwrap_used)]

use linfa::traits::{Fit, Predict};
use ndarray::Array1;
use pg_triage_classifier::{
    Error, Features, JUDGED_DOCUMENTS, Learner, Messages, Model, ParamGuard, ScoreForm, State,
    Step, Tokenizer, Trainer, never_cancelled,
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
    // Casefolded and as spelled, each with its counts and in the map that finds it.
    assert!(learned >= 4 * 1000 * 1000, "{learned}");
    for _ in 0..10 {
        state.canonicalize(&never_cancelled).unwrap();
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
        .form(ScoreForm::MultinomialBoolean)
        .residuals(false)
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

/// More than fit into a sample, so that some are turned away.
#[test]
fn a_full_sample_is_still_order_independent() {
    let mails: Vec<Mail> = (0..(1 << 16) + 500)
        .map(|i| (format!("{i} {}", i % 10), ["a", "b"][i % 2].to_owned()))
        .collect();
    let mut reversed = mails.clone();
    reversed.reverse();
    let mut whole = learn(&mails);
    let (left, right) = mails.split_at(66_000);
    let mut merged = State::from_bytes(&bytes(learn(right)), &never_cancelled).unwrap();
    merged.merge(&learn(left), &never_cancelled).unwrap();
    let trainer = Trainer::params().check().unwrap();
    let train = |state: &mut State| trainer.fit_state(state, &never_cancelled).unwrap();
    let model = train(&mut whole);
    assert!(model == train(&mut learn(&reversed)));
    assert!(model == train(&mut merged));
    assert!(bytes(whole) == bytes(merged));
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
    for n in [0, JUDGED_DOCUMENTS + 1] {
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

fn keys(keys: &[u64]) -> Features {
    let mut keys: Vec<u64> = keys
        .iter()
        .map(|k| k.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    Features::from_sorted(keys).unwrap()
}

/// A small fixed generator.
fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut x = seed | 1;
    move |below| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 16) % below
    }
}

/// A step for the mail's own label and for one that is always there.
fn own_step(label: &str, amounts: (i32, i32)) -> Step {
    let own = pg_triage_classifier::casefold_label(label).unwrap();
    Step::new(vec![(own, amounts.0), ("anchor".into(), amounts.1)]).unwrap()
}

fn add(state: &mut State, (text, label): &Mail, amounts: (i32, i32)) {
    let features = Tokenizer::default().features(text);
    state.learn(&features, label).unwrap();
    if !label.is_empty() {
        state
            .step(&features, &own_step(label, amounts), false)
            .unwrap();
    }
}

fn anchored() -> State {
    learn(&[("anchor ok".into(), "anchor".into())])
}

proptest! {
    #[test]
    fn an_email_and_its_step_leave_nothing_behind(
        mails in mails(),
        mail in ("[a-d ]{0,12}", "new|spam|billing"),
        amounts in prop::collection::vec(any::<(i32, i32)>(), 41),
        step_first in any::<bool>(),
    ) {
        let mut state = anchored();
        for (mail, &amounts) in mails.iter().zip(&amounts) {
            add(&mut state, mail, amounts);
        }
        let before = bytes(state.clone());
        let features = Tokenizer::default().features(&mail.0);
        add(&mut state, &mail, amounts[40]);
        let take = |state: &mut State| {
            state.step(&features, &own_step(&mail.1, amounts[40]), true).unwrap();
        };
        if step_first {
            take(&mut state);
        }
        state.unlearn(&features, &mail.1, &never_cancelled).unwrap();
        if !step_first {
            take(&mut state);
        }
        prop_assert_eq!(bytes(state), before);
    }

    #[test]
    fn merging_adds_steps(
        mails in mails(),
        amounts in prop::collection::vec(any::<(i32, i32)>(), 40),
        cut in any::<prop::sample::Index>(),
        stored in any::<bool>(),
    ) {
        let both: Vec<_> = mails.into_iter().zip(amounts).collect();
        let learn = |of: &[(Mail, (i32, i32))]| {
            let mut state = anchored();
            of.iter().for_each(|(mail, amounts)| add(&mut state, mail, *amounts));
            state
        };
        let (left, right) = both.split_at(cut.index(both.len() + 1));
        let mut merged = learn(right);
        let mut left = learn(left);
        if stored {
            let bytes = left.to_bytes(&never_cancelled).unwrap();
            left = State::from_bytes(&bytes, &never_cancelled).unwrap();
            prop_assert_eq!(left.to_bytes(&never_cancelled).unwrap(), bytes);
        }
        merged.merge(&left, &never_cancelled).unwrap();
        let mut whole = learn(&both);
        whole.merge(&anchored(), &never_cancelled).unwrap();
        prop_assert_eq!(bytes(merged), bytes(whole));
    }

    #[test]
    fn clearing_steps_leaves_the_counts(
        mails in mails(),
        amounts in prop::collection::vec(any::<(i32, i32)>(), 40),
    ) {
        let (mut state, mut counts) = (anchored(), anchored());
        for (mail, &amounts) in mails.iter().zip(&amounts) {
            add(&mut state, mail, amounts);
            add(&mut counts, mail, (0, 0));
        }
        state.clear_steps(&never_cancelled).unwrap();
        prop_assert_eq!(bytes(state), bytes(counts));
    }
}

/// An email is forgotten whose step is not known, as after training: what is left of its
/// features is what other emails have of them.
#[test]
fn purging_forgets_features_that_no_email_has() {
    let (shared, own) = (keys(&[1, 2]), keys(&[2, 3, 4]));
    let step = Step::new(vec![("a".into(), 5), ("b".into(), -5)]).unwrap();
    let mut state = State::default();
    for (features, label) in [(&shared, "a"), (&shared, "b"), (&own, "b")] {
        state.learn(features, label).unwrap();
    }
    state.step(&own, &step, false).unwrap();
    state.unlearn(&own, "b", &never_cancelled).unwrap();
    let size = |state: &State| bytes(state.clone()).len();
    let before = size(&state);
    // Those that are still in use keep their residuals.
    state.purge(&shared, &never_cancelled).unwrap();
    assert_eq!(size(&state), before);
    state.purge(&own, &never_cancelled).unwrap();
    assert!(size(&state) < before);
    let mut expected = State::default();
    for label in ["a", "b"] {
        expected.learn(&shared, label).unwrap();
    }
    assert!(bytes(state.clone()) != bytes(expected.clone()));
    expected.step(&keys(&[2]), &step, false).unwrap();
    assert_eq!(bytes(state.clone()), bytes(expected));
    // Again, and of what was never there.
    let before = bytes(state.clone());
    state.purge(&own, &never_cancelled).unwrap();
    state.purge(&keys(&[77]), &never_cancelled).unwrap();
    assert_eq!(bytes(state.clone()), before);
    state.clear_steps(&never_cancelled).unwrap();
    for label in ["a", "b"] {
        state.unlearn(&shared, label, &never_cancelled).unwrap();
    }
    assert_eq!(bytes(state), bytes(State::default()));
}

/// One word decides; a dozen that go together mostly agree with it, and counts alone take
/// each of them for another piece of evidence.
fn decided_by_one_word(n: usize, seed: u64) -> Vec<(Features, &'static str)> {
    let mut random = random(seed);
    let mail = |_| {
        let label = random(2);
        let other = if random(10) < 7 { label } else { 1 - label };
        let mut words = vec![label];
        words.extend((0..15).map(|word| 100 + 100 * other + word));
        words.extend((0..5).map(|_| 1000 + random(300)));
        (keys(&words), ["a", "b"][label as usize])
    };
    (0..n).map(mail).collect()
}

fn trained(mails: &[(Features, &str)], residuals: bool, form: Option<ScoreForm>) -> Vec<u8> {
    let mut state = State::default();
    for (features, label) in mails {
        state.learn(features, label).unwrap();
    }
    let params = Trainer::params().residuals(residuals);
    let params = form
        .into_iter()
        .fold(params, |params, form| params.form(form));
    params
        .check()
        .unwrap()
        .fit_state(&mut state, &never_cancelled)
        .unwrap()
}

fn accuracy(model: &Model, mails: &[(Features, &str)]) -> f64 {
    let right = |(features, label): &&(Features, &str)| {
        model.classify(features, &never_cancelled).unwrap().label == *label
    };
    mails.iter().filter(right).count() as f64 / mails.len() as f64
}

#[test]
fn residuals_learn_what_the_counts_get_wrong() {
    let (training, test) = (decided_by_one_word(600, 1), decided_by_one_word(400, 2));
    for form in ScoreForm::ALL {
        let [without, with] = [false, true].map(|residuals| {
            let bytes = trained(&training, residuals, Some(form));
            Model::from_bytes(bytes, &never_cancelled).unwrap()
        });
        let (a, b) = (accuracy(&without, &test), accuracy(&with, &test));
        assert!(b > 0.8 && b > a + 0.1, "{form:?}: {a} {b}");
        let [a, b] = [without, with].map(|model| model.meta().metrics.log_loss);
        assert!(b < a * 0.7, "{form:?}: {a} {b}");
    }
}

#[test]
fn residuals_that_do_not_help_are_left_out() {
    let mut random = random(3);
    let mails: Vec<_> = (0..300)
        .map(|_| {
            let words: Vec<u64> = (0..20).map(|_| random(200)).collect();
            (keys(&words), ["a", "b", "c"][random(3) as usize])
        })
        .collect();
    assert!(trained(&mails, true, None) == trained(&mails, false, None));
    // Nothing to learn from.
    assert!(trained(&mails[..19], true, None) == trained(&mails[..19], false, None));
    let one: Vec<_> = mails.iter().map(|(f, _)| (f.clone(), "a")).collect();
    assert!(trained(&one, true, None) == trained(&one, false, None));
}

/// Mails of these many per label: five words of their label, five of all.
fn by_label(numbers: &[usize], seed: u64) -> Vec<(Features, &'static str)> {
    let mut random = random(seed);
    let mut mails = Vec::new();
    for (label, &n) in (0u64..).zip(numbers) {
        for _ in 0..n {
            let mut words: Vec<u64> = (0..5).map(|_| 1000 * (label + 1) + random(40)).collect();
            words.extend((0..5).map(|_| random(100)));
            mails.push((keys(&words), ["a", "b", "c"][label as usize]));
        }
    }
    mails
}

#[test]
fn little_that_is_known_says_little() {
    // Of many lengths, in phrases: how much one word says is learned from such mails.
    let mut random = random(7);
    let mail = |i: u64| {
        let (label, phrases) = (i % 3, 1 + random(10));
        let mut words = Vec::new();
        for _ in 0..phrases {
            let of = (label + random(10) / 7) % 3;
            let phrase = 1000 * (1 + of) + 10 * random(10);
            words.extend(phrase..phrase + 6);
        }
        (keys(&words), ["a", "b", "c"][label as usize])
    };
    let mails: Vec<_> = (0..400).map(mail).collect();
    for form in ScoreForm::ALL {
        let model = Model::from_bytes(trained(&mails, true, Some(form)), &never_cancelled).unwrap();
        let confidence = |words: &[u64]| {
            let best = model.classify(&keys(words), &never_cancelled).unwrap();
            assert_eq!(best.label, "b");
            best.probability
        };
        let unknown: Vec<u64> = (0..100).map(|word| 1_000_000 + word).collect();
        let one = confidence(&[&[2003], &unknown[..]].concat());
        assert!(one < 0.6, "{form:?}: {one}");
        let phrases: Vec<u64> = (0..6)
            .flat_map(|i| [2000 + i, 2020 + i, 2030 + i])
            .collect();
        let many = confidence(&phrases);
        assert!(many > 0.8, "{form:?}: {one} {many}");
    }
}

#[test]
fn a_label_with_one_email_does_not_take_over() {
    let (training, test) = (by_label(&[1000, 1000, 1], 5), by_label(&[200, 200, 0], 6));
    for form in ScoreForm::ALL {
        let bytes = trained(&training, true, Some(form));
        let model = Model::from_bytes(bytes, &never_cancelled).unwrap();
        assert!(accuracy(&model, &test) > 0.98, "{form:?}");
        // Words of no label, and nothing known.
        for words in [&[1, 2, 3, 4, 5][..], &[50, 60], &[1_000_000]] {
            let ranked = model.rank(&keys(words), &never_cancelled);
            let rare = ranked.iter().find(|s| s.label == "c").unwrap();
            assert!(rare.probability < 0.34, "{form:?}: {ranked:?}");
        }
    }
}
