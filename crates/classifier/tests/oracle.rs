//! Independent implementations agree with ours.
#![allow(missing_docs, clippy::unwrap_used)]

use linfa::prelude::*;
use linfa_bayes::{MultinomialNb, NaiveBayes as _};
use ndarray::{Array1, Array2};
use pg_triage_classifier::{
    Features, Learner, Model, NaiveBayes, ParamGuard, ScoreForm, Scores, State, Trainer,
    never_cancelled,
};

/// All of them occur, so that both sides see the same number of features.
const WORDS: usize = 58;
const CLASSES: usize = 4;

/// Documents as sets of word numbers, from a small fixed generator.
fn documents() -> Vec<(Vec<u64>, usize)> {
    let mut x = 88_172_645_463_325_252u64;
    let mut next = move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x
    };
    (0..200)
        .map(|i| {
            let class = i % CLASSES;
            let length = 3 + next() as usize % 20;
            let word = |r: u64| (r as usize % 25 + class * 11) as u64 % WORDS as u64;
            let mut keys: Vec<u64> = (0..length).map(|_| word(next())).collect();
            keys.sort_unstable();
            keys.dedup();
            (keys, class)
        })
        .collect()
}

fn features(keys: &[u64]) -> Features {
    // Spread over the key space like real hashes, in the same order.
    Features::from_sorted(keys.iter().map(|k| k << 57 | k).collect()).unwrap()
}

fn state() -> State {
    let mut state = State::default();
    for (keys, class) in documents() {
        state
            .learn(&features(&keys), &format!("class {class}"))
            .unwrap();
    }
    state.canonicalize(&never_cancelled).unwrap();
    state
}

/// `linfa_bayes::MultinomialNb` on the same dense Boolean counts. (It prints its model to
/// stderr, which is why it lives in a test.)
#[test]
fn multinomial_equals_linfa() {
    let docs = documents();
    let dense = |keys: &[u64]| {
        let mut row = Array1::<f64>::zeros(WORDS);
        keys.iter().for_each(|&k| row[k as usize] = 1.0);
        row
    };
    let x = Array2::from_shape_fn((docs.len(), WORDS), |(i, j)| dense(&docs[i].0)[j]);
    let y: Array1<usize> = docs.iter().map(|d| d.1).collect();
    let alpha = ScoreForm::MultinomialBoolean.alpha();
    let theirs = MultinomialNb::<f64, usize>::params()
        .alpha(alpha)
        .fit(&Dataset::new(x.clone(), y))
        .unwrap();
    let joint = theirs.joint_log_likelihood(x.view());

    let state = state();
    let ours = NaiveBayes::new(&state, ScoreForm::MultinomialBoolean, &never_cancelled);
    for (i, (keys, _)) in docs.iter().enumerate() {
        let Scores { scores, known, .. } = ours.scores(&features(keys));
        assert_eq!(known, keys.len());
        for (class, score) in scores.iter().enumerate() {
            let expected = joint[&class][i];
            assert!(
                (score - expected).abs() < 1e-9,
                "document {i} class {class}: {score} {expected}"
            );
        }
    }
}

/// The packed table, in single precision, gives the scores of the counts.
#[test]
fn the_packed_table_equals_the_counts() {
    for form in ScoreForm::ALL {
        let mut state = state();
        let trainer = Trainer::params().form(form).check().unwrap();
        let packed = trainer.fit_state(&mut state, &never_cancelled).unwrap();
        let model = Model::from_bytes(packed, &never_cancelled).unwrap();
        assert_eq!(model.meta().fit.form, form);
        let exact = NaiveBayes::new(&state, form, &never_cancelled);
        for (keys, _) in documents() {
            let a = exact.scores(&features(&keys));
            let b = model.scores(&features(&keys), &never_cancelled);
            assert_eq!(a.known, b.known);
            assert!((a.scale - b.scale).abs() < 1e-6);
            for (x, y) in a.scores.iter().zip(&b.scores) {
                assert!(
                    (x - y).abs() <= 1e-5 * x.abs().max(1.0),
                    "{form:?}: {x} {y}"
                );
            }
        }
    }
}

/// Complement naive Bayes and tf-idf, written out from the definition.
#[test]
fn tf_idf_forms_equal_the_definition() {
    let docs = documents();
    let n = docs.len() as f64;
    let df = |k: u64| docs.iter().filter(|d| d.0.contains(&k)).count() as f64;
    let idf: Vec<f64> = (0..WORDS as u64)
        .map(|k| ((1.0 + n) / (1.0 + df(k))).ln() + 1.0)
        .collect();
    let vocabulary = (0..WORDS as u64).filter(|&k| df(k) > 0.0).count() as f64;
    let mut value = vec![[0.0; CLASSES]; WORDS];
    for (keys, class) in &docs {
        for &k in keys {
            value[k as usize][*class] += idf[k as usize] / (keys.len() as f64).sqrt();
        }
    }
    let of_class = |c: usize| value.iter().map(|v| v[c]).sum::<f64>();
    let all: f64 = (0..CLASSES).map(of_class).sum();
    let state = state();
    for form in [ScoreForm::MultinomialTfIdf, ScoreForm::ComplementTfIdf] {
        let a = form.alpha();
        let ours = NaiveBayes::new(&state, form, &never_cancelled);
        for (keys, _) in &docs {
            let length = keys
                .iter()
                .map(|&k| idf[k as usize].powi(2))
                .sum::<f64>()
                .sqrt();
            let expected: Vec<f64> = (0..CLASSES)
                .map(|c| {
                    let mut score = 0.0;
                    for &k in keys {
                        let (v, x) = (value[k as usize], idf[k as usize] / length);
                        score += x * match form {
                            ScoreForm::ComplementTfIdf => {
                                let rest = v.iter().sum::<f64>() - v[c];
                                -((rest + a) / (all - of_class(c) + a * vocabulary)).ln()
                            }
                            _ => ((v[c] + a) / (of_class(c) + a * vocabulary)).ln(),
                        };
                    }
                    let prior = docs.iter().filter(|d| d.1 == c).count() as f64 / n;
                    score
                        + if form == ScoreForm::MultinomialTfIdf {
                            prior.ln()
                        } else {
                            0.0
                        }
                })
                .collect();
            let Scores { scores, .. } = ours.scores(&features(keys));
            // The complement form leaves out a term that all classes share; weights are
            // rounded to 1/65536.
            for c in 1..CLASSES {
                let difference = (scores[c] - scores[0]) - (expected[c] - expected[0]);
                assert!(difference.abs() < 1e-3, "{form:?} {difference}");
            }
        }
    }
}
