//! Parts of an explanation add up to the log-odds, and each is what its feature changes.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::rc::Rc;

use pg_triage_classifier::artifact::{Header, Kind};
use pg_triage_classifier::{
    Calibration, CellCounts, Error, Explanation, Features, Fit, Learner, Live, Metrics, Model,
    ScoreForm, State, Step, casefold_label, never_cancelled,
};
use proptest::prelude::*;

const LABELS: [&str; 4] = ["billing", "Billing", "support", "spam"];

/// An email and the step of the residual layer that was taken for it.
#[derive(Debug, Clone)]
struct Sent {
    keys: BTreeSet<u64>,
    label: &'static str,
    amounts: [i32; 2],
}

impl Sent {
    fn new(keys: &[u64], label: &'static str) -> Self {
        Self {
            keys: keys.iter().copied().collect(),
            label,
            amounts: [0; 2],
        }
    }

    fn step(&self) -> Step {
        let labels = [casefold_label(self.label).unwrap(), "support".into()];
        Step::new(labels.into_iter().zip(self.amounts).collect()).unwrap()
    }
}

fn features(keys: &BTreeSet<u64>) -> Features {
    Features::from_sorted(keys.iter().map(|k| k << 57 | k).collect()).unwrap()
}

fn sent() -> impl Strategy<Value = Sent> {
    let keys = prop::collection::btree_set(0u64..10, 0..6);
    let amount = || prop_oneof![Just(0), -(1i32 << 22)..=1 << 22];
    let label = prop::sample::select(LABELS.to_vec());
    (keys, label, [amount(), amount()]).prop_map(|(keys, label, amounts)| Sent {
        keys,
        label,
        amounts,
    })
}

fn fit() -> impl Strategy<Value = Fit> {
    let form = prop::sample::select(ScoreForm::ALL.to_vec());
    let calibration = (-2.0..2.0f64, -0.9..0.5f64, 0.25..1.25f64);
    (form, 0u64..12, calibration).prop_map(|(form, reference_documents, of)| Fit {
        form,
        calibration: Calibration {
            log_scale: of.0,
            length_exponent: of.1,
            margin_exponent: of.2,
        },
        learning: Calibration::default(),
        reference_documents,
    })
}

fn pack(all: &[Sent], fit: &Fit) -> Vec<u8> {
    let mut state = State::default();
    for sent in all {
        state.learn(&features(&sent.keys), sent.label).unwrap();
    }
    for sent in all {
        let step = sent.step();
        state.step(&features(&sent.keys), &step, false).unwrap();
    }
    state
        .pack(fit, Metrics::default(), &never_cancelled)
        .unwrap()
}

fn live(bytes: Vec<u8>) -> Live {
    let header = Header::read(&bytes, Kind::Model).unwrap();
    let mut read = |range: std::ops::Range<usize>| Ok::<_, Error>(bytes[range].to_vec());
    let counts = CellCounts::read(&header, &mut read, &never_cancelled).unwrap();
    let mut live = Live::new(Rc::new(Model::from_bytes(bytes, &never_cancelled).unwrap()));
    live.set_counts(Rc::new(counts));
    live
}

fn explain(live: &Live, features: &Features, class: Option<usize>) -> Option<Explanation> {
    live.explain(features, class, &never_cancelled).unwrap()
}

fn sum(explanation: &Explanation) -> f64 {
    explanation.bias + explanation.features.iter().map(|f| f.1).sum::<f64>()
}

fn questions() -> Vec<Features> {
    let sets: [&[u64]; 6] = [
        &[],
        &[0],
        &[11],
        &[1, 2, 3],
        &[2, 5, 11],
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    ];
    sets.map(|keys| features(&keys.iter().copied().collect()))
        .into()
}

/// Labels whose emails are there all the time, so that any step may name them.
fn anchors() -> Vec<Sent> {
    vec![
        Sent::new(&[0, 1, 2], "billing"),
        Sent::new(&[2, 3, 9], "support"),
    ]
}

proptest! {
    #[test]
    fn parts_add_up_to_the_log_odds(
        base in prop::collection::vec(sent(), 0..10),
        learned in prop::collection::vec(sent(), 0..6),
        gone in 0usize..4,
        fit in fit(),
    ) {
        let base = [anchors(), base].concat();
        let mut on_top = live(pack(&base, &fit));
        let kept = base.len() - gone.min(base.len() - 2);
        for sent in &base[kept..] {
            let features = features(&sent.keys);
            on_top.step(&features, &sent.step(), true).unwrap();
            on_top.unlearn(&features, sent.label, &never_cancelled).unwrap();
        }
        for sent in &learned {
            let features = features(&sent.keys);
            on_top.learn(&features, sent.label).unwrap();
            on_top.step(&features, &sent.step(), false).unwrap();
        }
        on_top.refresh(&never_cancelled).unwrap();
        let packed = live(pack(&[&base[..kept], &learned[..]].concat(), &fit));
        for q in questions() {
            let log_p = on_top.log_probabilities(&q, &never_cancelled);
            for class in 0..log_p.len() {
                let found = explain(&on_top, &q, Some(class)).unwrap();
                let rival = found.rival;
                let others = (0..log_p.len()).filter(|&c| c != class);
                prop_assert!(others.map(|c| log_p[c]).all(|p| p <= log_p[rival]));
                prop_assert!(rival != class && found.class == class);
                prop_assert_eq!(found.log_odds, log_p[class] - log_p[rival]);
                let sum = sum(&found);
                prop_assert!((sum - found.log_odds).abs() < 1e-9, "{sum} {found:?}");
                prop_assert!(found.features.is_sorted_by(|a, b| a.0 < b.0));
                prop_assert!(found.features.iter().all(|f| f.0 < q.keys().len()));
                prop_assert_eq!(explain(&packed, &q, Some(class)), Some(found));
            }
            let best = on_top.classify(&q, &never_cancelled).unwrap().class;
            prop_assert_eq!(explain(&on_top, &q, None), explain(&on_top, &q, Some(best)));
            prop_assert_eq!(explain(&on_top, &q, Some(log_p.len())), None);
        }
    }

    /// Where features are simply added, each is worth what the log-odds lose without it.
    #[test]
    fn a_part_is_what_its_feature_changes(
        base in prop::collection::vec(sent(), 0..10),
        log_scale in -1.0..1.0f64,
    ) {
        let fit = Fit {
            form: ScoreForm::MultinomialBoolean,
            calibration: Calibration { log_scale, ..Calibration::default() },
            learning: Calibration::default(),
            reference_documents: 9,
        };
        let live = live(pack(&[anchors(), base].concat(), &fit));
        let keys: BTreeSet<u64> = [0, 1, 2, 3, 5, 11].into();
        let of = |keys: &BTreeSet<u64>, a: usize, b: usize| {
            let log_p = live.log_probabilities(&features(keys), &never_cancelled);
            log_p[a] - log_p[b]
        };
        let whole = explain(&live, &features(&keys), None).unwrap();
        for &(at, part) in &whole.features {
            let mut without = keys.clone();
            without.remove(keys.iter().nth(at).unwrap());
            let [a, b] = [whole.class, whole.rival];
            let change = of(&keys, a, b) - of(&without, a, b);
            // Where hardly anything speaks for either, parts are not stretched to a tie.
            prop_assert!((part - change).abs() < 1e-6, "{part} {change} {whole:?}");
        }
    }
}

#[test]
fn there_have_to_be_two_labels() {
    let q = features(&[1].into());
    let nothing = Live::new(Rc::new(Model::empty(Fit::default()).unwrap()));
    assert_eq!(explain(&nothing, &q, None), None);
    let one = live(pack(&[Sent::new(&[1], "billing")], &Fit::default()));
    assert_eq!(explain(&one, &q, None), None);
    assert_eq!(explain(&one, &q, Some(0)), None);
}

#[test]
fn labels_that_are_equal_share_nothing_out() {
    for form in ScoreForm::ALL {
        for margin_exponent in [0.25, 1.0] {
            let fit = Fit {
                form,
                calibration: Calibration {
                    margin_exponent,
                    ..Calibration::default()
                },
                ..Fit::default()
            };
            let live = live(pack(&anchors(), &fit));
            // One word of each, and one of both.
            let even = explain(&live, &features(&[0, 2, 3].into()), None).unwrap();
            assert_eq!((even.class, even.rival, even.features.len()), (0, 1, 3));
            assert!(even.log_odds < 0.001, "{even:?}");
            assert!((sum(&even) - even.log_odds).abs() < 1e-12);
            let parts: Vec<f64> = even.features.iter().map(|f| f.1).collect();
            assert!(parts[0] > 0.1 && parts[1].abs() < 1e-9 && parts[2] < -0.1);
            assert!(parts[0] < 10.0, "{parts:?}");
        }
    }
}
