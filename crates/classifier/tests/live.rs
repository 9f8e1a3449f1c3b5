//! A base with decisions on top answers like a model packed from all counts, bit for bit.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use pg_triage_classifier::artifact::{Header, Kind};
use pg_triage_classifier::{
    Calibration, CellCounts, Error, Features, Fit, Label, LabelProbability, Learner, Live, Metrics,
    Model, ParamGuard, ScoreForm, State, Step, Trainer, casefold_label, never_cancelled,
    training_sample_priority,
};
use proptest::prelude::*;

type Mail = (BTreeSet<u64>, &'static str);

const LABELS: [&str; 7] = [
    "Billing", "billing", " BILLING", "support", "Support", "spam", "ärger",
];

fn features(keys: &BTreeSet<u64>) -> Features {
    Features::from_sorted(keys.iter().map(|k| k << 57 | k).collect()).unwrap()
}

fn set(keys: &[u64]) -> BTreeSet<u64> {
    keys.iter().copied().collect()
}

/// Emails whose labels are always there, so that any step may name them.
fn anchors() -> [Sent; 2] {
    [(&[0, 1, 2], "billing"), (&[2, 3, 9], "support")].map(|(keys, label)| Sent {
        mail: (set(keys), label),
        step: Step::default(),
    })
}

/// A mail and the step of the residual layer that was taken for it.
#[derive(Debug, Clone)]
struct Sent {
    mail: Mail,
    step: Step,
}

/// A step for the mail's own label and for those that are always there.
fn own_step(label: &str, amounts: [i32; 3]) -> Step {
    let labels = [
        casefold_label(label).unwrap(),
        "billing".into(),
        "support".into(),
    ];
    Step::new(labels.into_iter().zip(amounts).collect()).unwrap()
}

fn amounts() -> impl Strategy<Value = [i32; 3]> {
    // Up to the largest that there are; often none.
    let amount = || prop_oneof![Just(0), -(1i32 << 26)..=1 << 26, -(1i32 << 19)..=1 << 19];
    [amount(), amount(), amount()]
}

fn sent() -> impl Strategy<Value = Sent> {
    (mail(), amounts()).prop_map(|(mail, amounts)| Sent {
        step: own_step(mail.1, amounts),
        mail,
    })
}

fn mail() -> impl Strategy<Value = Mail> {
    let keys = prop::collection::btree_set(0u64..10, 0..6);
    (keys, prop::sample::select(LABELS.to_vec()))
}

fn fit() -> impl Strategy<Value = Fit> {
    let form = prop::sample::select(ScoreForm::ALL.to_vec());
    (form, 0u64..12, -1.0..1.0f64).prop_map(|(form, reference_documents, log_scale)| Fit {
        form,
        calibration: Calibration {
            log_scale,
            length_exponent: -0.3,
            margin_exponent: 0.7,
        },
        learning: Calibration::default(),
        reference_documents,
    })
}

#[derive(Debug, Clone)]
enum Act {
    Learn(Sent),
    Relabel(prop::sample::Index, &'static str, [i32; 3]),
    Undo(prop::sample::Index),
    Compact,
}

fn act() -> impl Strategy<Value = Act> {
    let label = prop::sample::select(LABELS.to_vec());
    prop_oneof![
        4 => sent().prop_map(Act::Learn),
        3 => (any::<prop::sample::Index>(), label, amounts())
            .prop_map(|(at, label, step)| Act::Relabel(at, label, step)),
        4 => any::<prop::sample::Index>().prop_map(Act::Undo),
        1 => Just(Act::Compact),
    ]
}

fn learn(mails: &[Mail]) -> State {
    let mut state = State::default();
    for (keys, label) in mails {
        state.learn(&features(keys), label).unwrap();
    }
    state
}

fn pack(mails: &[Mail], fit: &Fit) -> Vec<u8> {
    learn(mails)
        .pack(fit, Metrics::default(), &never_cancelled)
        .unwrap()
}

/// All emails first, then their steps.
fn learn_sent(all: &[Sent]) -> State {
    let mails: Vec<Mail> = all.iter().map(|sent| sent.mail.clone()).collect();
    let mut state = learn(&mails);
    for Sent { mail, step } in all {
        state.step(&features(&mail.0), step, false).unwrap();
    }
    state
}

fn pack_sent(all: &[Sent], fit: &Fit) -> Vec<u8> {
    learn_sent(all)
        .pack(fit, Metrics::default(), &never_cancelled)
        .unwrap()
}

fn add(live: &mut Live, Sent { mail, step }: &Sent) {
    live.learn(&features(&mail.0), mail.1).unwrap();
    live.step(&features(&mail.0), step, false).unwrap();
}

fn take_back(live: &mut Live, Sent { mail, step }: &Sent) {
    live.step(&features(&mail.0), step, true).unwrap();
    live.unlearn(&features(&mail.0), mail.1, &never_cancelled)
        .unwrap();
}

fn counts(bytes: &[u8]) -> Result<CellCounts, Error> {
    let header = Header::read(bytes, Kind::Model)?;
    let mut read = |range: std::ops::Range<usize>| Ok::<_, Error>(bytes[range].to_vec());
    CellCounts::read(&header, &mut read, &never_cancelled)
}

fn live(bytes: Vec<u8>) -> Live {
    let counts = counts(&bytes).unwrap();
    let header = Header::read(&bytes, Kind::Model).unwrap();
    let front = bytes[..Model::serving_bytes(&header).unwrap()].to_vec();
    let mut live = Live::new(Rc::new(Model::from_front(front, &never_cancelled).unwrap()));
    if live.needs_counts() {
        live.set_counts(Rc::new(counts));
    }
    assert!(!live.needs_counts());
    live
}

fn questions() -> Vec<Features> {
    let sets: [&[u64]; 8] = [
        &[],
        &[0],
        &[11],
        &[1, 2, 3],
        &[2, 5, 11],
        &[4, 6, 7, 8],
        &[9],
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    ];
    sets.map(|keys| features(&set(keys))).into()
}

fn bits(log_p: Vec<f64>) -> Vec<u64> {
    log_p.into_iter().map(f64::to_bits).collect()
}

fn answers(live: &Live) -> Vec<Vec<u64>> {
    let ask = |q: &Features| bits(live.log_probabilities(q, &never_cancelled));
    questions().iter().map(ask).collect()
}

fn agree(live: &Live, model: &Model) -> Result<(), TestCaseError> {
    let casefolded = |label: &str| casefold_label(label).unwrap();
    prop_assert_eq!(live.documents(), model.meta().documents.iter().sum::<u64>());
    let labels: Vec<_> = live.labels().iter().map(|l| l.casefolded.clone()).collect();
    let expected: Vec<_> = model.meta().labels.iter().map(|l| casefolded(l)).collect();
    prop_assert_eq!(labels, expected);
    for label in live.labels() {
        prop_assert_eq!(casefolded(&label.name), label.casefolded.clone());
    }
    for q in questions() {
        prop_assert_eq!(
            bits(live.log_probabilities(&q, &never_cancelled)),
            bits(model.log_probabilities(&q, &never_cancelled))
        );
        let [a, b] = [
            live.classify(&q, &never_cancelled),
            model.classify(&q, &never_cancelled),
        ]
        .map(|best| best.map(|s| (s.class, casefolded(s.label), s.probability.to_bits())));
        prop_assert_eq!(a, b);
        let [a, b] = [
            live.rank(&q, &never_cancelled),
            model.rank(&q, &never_cancelled),
        ]
        .map(|all| {
            all.into_iter()
                .map(|s| (s.class, casefolded(s.label), s.probability.to_bits()))
                .collect::<Vec<_>>()
        });
        prop_assert_eq!(a, b);
    }
    Ok(())
}

/// Labels as a classifier declares them.
fn declared(labels: &[&str]) -> Rc<Vec<Label>> {
    let labels: BTreeMap<_, _> = labels
        .iter()
        .map(|name| (casefold_label(name).unwrap(), (*name).to_owned()))
        .collect();
    let label = |(casefolded, name)| Label { casefolded, name };
    Rc::new(labels.into_iter().map(label).collect())
}

/// All labels of an answer with their probabilities, the most probable first.
fn shares(live: &Live, q: &Features) -> Vec<(String, f64)> {
    let ranked = live.predict(q, &never_cancelled).ranked;
    assert_eq!(ranked, live.rank(q, &never_cancelled));
    assert_eq!(ranked.first().copied(), live.classify(q, &never_cancelled));
    let all: Vec<&Label> = live
        .labels()
        .iter()
        .chain(live.labels_without_emails())
        .collect();
    for label in &ranked {
        assert_eq!(label.label, all[label.class].name);
    }
    let share = |label: &LabelProbability| (label.label.to_owned(), label.probability);
    ranked.iter().map(share).collect()
}

#[test]
fn labels_without_emails_share_what_is_not_known() {
    let mut live = Live::new(Rc::new(Model::empty(Fit::default()).unwrap()));
    let labels = declared(&["billing", "support", "Sales"]);
    live.declare(labels.clone()).unwrap();
    let [own, other] = [&[1, 2, 3][..], &[7, 8]].map(|keys| features(&set(keys)));
    assert_eq!(shares(&live, &own), []);

    // One email more than there is for each of three labels: two of four are support.
    live.learn(&own, "support").unwrap();
    live.refresh(&never_cancelled).unwrap();
    let after_one = [("support", 0.5), ("billing", 0.25), ("Sales", 0.25)];
    for q in [&own, &other] {
        assert_eq!(shares(&live, q), after_one.map(|(l, p)| (l.to_owned(), p)));
    }

    // The next label takes its place without a jump of the one that is left.
    live.learn(&features(&set(&[4, 5])), "billing").unwrap();
    live.refresh(&never_cancelled).unwrap();
    let after_two = shares(&live, &other);
    assert_eq!(after_two[2], ("Sales".to_owned(), 0.2));
    assert!((after_two[0].1 - 0.4).abs() < 1e-12 && (after_two[1].1 - 0.4).abs() < 1e-12);
    assert_eq!(shares(&live, &own)[0].0, "support");

    // The more emails, the less is left.
    for _ in 0..1000 {
        live.learn(&own, "support").unwrap();
    }
    live.refresh(&never_cancelled).unwrap();
    let after_many = shares(&live, &own);
    assert!(after_many.contains(&("Sales".to_owned(), 1.0 / 1005.0)));

    // Undoing the first decision leaves nothing to say.
    for _ in 0..1001 {
        live.unlearn(&own, "support", &never_cancelled).unwrap();
    }
    live.unlearn(&features(&set(&[4, 5])), "billing", &never_cancelled)
        .unwrap();
    live.refresh(&never_cancelled).unwrap();
    assert_eq!(shares(&live, &own), []);
}

proptest! {
    /// What declared labels get depends on the emails there are, wherever they are counted.
    #[test]
    fn declared_labels_get_the_same_from_the_base_and_from_decisions(
        base in prop::collection::vec(mail(), 0..6),
        since in prop::collection::vec(mail(), 0..6),
        more in prop::sample::subsequence(vec!["spam", "hr", "Legal", "sales"], 0..4),
        fit in fit(),
    ) {
        let all = [&base[..], &since].concat();
        let known: BTreeSet<String> = all.iter().map(|mail| casefold_label(mail.1).unwrap()).collect();
        let mut names: Vec<&str> = all.iter().map(|mail| mail.1).collect();
        names.extend(&more);
        let labels = declared(&names);
        let mut live = live(pack(&base, &fit));
        live.declare(labels.clone()).unwrap();
        for (keys, label) in &since {
            live.learn(&features(keys), label).unwrap();
        }
        live.refresh(&never_cancelled).unwrap();
        let mut packed = self::live(pack(&all, &fit));
        packed.declare(labels.clone()).unwrap();
        let plain = Model::from_bytes(pack(&all, &fit), &never_cancelled).unwrap();
        for q in questions() {
            let answer = shares(&live, &q);
            let bits = |all: &[(String, f64)]| -> Vec<_> {
                all.iter().map(|(l, p)| (casefold_label(l).unwrap(), p.to_bits())).collect()
            };
            prop_assert_eq!(bits(&answer), bits(&shares(&packed, &q)));
            if all.is_empty() {
                prop_assert_eq!(answer, []);
                continue;
            }
            prop_assert_eq!(answer.len(), labels.len());
            prop_assert!((answer.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(known.contains(&casefold_label(&answer[0].0).unwrap()));
            let rest = 1.0 / (all.len() + labels.len()) as f64;
            for (label, p) in &answer {
                prop_assert!(known.contains(&casefold_label(label).unwrap()) || *p == rest);
            }
            if known.len() == labels.len() {
                let of_model = plain.rank(&q, &never_cancelled);
                let of_model = of_model.iter().map(|s| s.probability.to_bits());
                prop_assert!(of_model.eq(answer.iter().map(|(_, p)| p.to_bits())));
            }
        }
    }

    #[test]
    fn decisions_and_compaction_never_change_an_answer(
        base in prop::collection::vec(sent(), 0..12),
        batches in prop::collection::vec(prop::collection::vec(act(), 0..6), 1..8),
        wrong in prop::collection::vec(mail(), 8),
        fit in fit(),
    ) {
        let mut all = [&anchors()[..], &base].concat();
        let mut live = live(pack_sent(&all, &fit));
        for (batch, wrong) in batches.into_iter().zip(&wrong) {
            for act in batch {
                let others = all.len() - 2;
                match act {
                    Act::Learn(sent) => {
                        add(&mut live, &sent);
                        all.push(sent);
                    }
                    Act::Relabel(at, label, amounts) if others > 0 => {
                        let sent = &mut all[2 + at.index(others)];
                        take_back(&mut live, sent);
                        sent.mail.1 = label;
                        sent.step = own_step(label, amounts);
                        add(&mut live, sent);
                    }
                    Act::Undo(at) if others > 0 => {
                        take_back(&mut live, &all.swap_remove(2 + at.index(others)));
                    }
                    Act::Compact => live = self::live(pack_sent(&all, &fit)),
                    _ => {}
                }
            }
            // Whether it is refused or taken and given back, it leaves nothing behind.
            if live.unlearn(&features(&wrong.0), wrong.1, &never_cancelled).is_ok() {
                live.learn(&features(&wrong.0), wrong.1).unwrap();
            }
            live.refresh(&never_cancelled).unwrap();
            let packed = Model::from_bytes(pack_sent(&all, &fit), &never_cancelled).unwrap();
            agree(&live, &packed)?;
        }
    }

    /// As above, with labels that come and go, and all of them.
    #[test]
    fn labels_come_and_go(
        base in prop::collection::vec(mail(), 0..12),
        acts in prop::collection::vec(act(), 0..20),
        fit in fit(),
    ) {
        let mut mails = base;
        let mut live = live(pack(&mails, &fit));
        for act in acts {
            match act {
                Act::Learn(Sent { mail, .. }) => {
                    live.learn(&features(&mail.0), mail.1).unwrap();
                    mails.push(mail);
                }
                Act::Relabel(at, label, _) if !mails.is_empty() => {
                    let at = at.index(mails.len());
                    let (keys, old) = &mut mails[at];
                    live.unlearn(&features(keys), old, &never_cancelled).unwrap();
                    live.learn(&features(keys), label).unwrap();
                    *old = label;
                }
                Act::Undo(at) if !mails.is_empty() => {
                    let (keys, label) = mails.swap_remove(at.index(mails.len()));
                    live.unlearn(&features(&keys), label, &never_cancelled).unwrap();
                }
                Act::Compact => live = self::live(pack(&mails, &fit)),
                _ => {}
            }
            live.refresh(&never_cancelled).unwrap();
            let packed = Model::from_bytes(pack(&mails, &fit), &never_cancelled).unwrap();
            agree(&live, &packed)?;
        }
    }

    #[test]
    fn order_of_decisions_does_not_matter_and_undoing_them_restores_the_base(
        base in prop::collection::vec(sent(), 0..8),
        learned in prop::collection::vec(sent(), 1..12),
        taken in prop::collection::vec(any::<bool>(), 8),
        order in any::<u64>(),
        refreshed in prop::collection::vec(any::<bool>(), 20),
        fit in fit(),
    ) {
        let start = live(pack_sent(&[&anchors()[..], &base].concat(), &fit));
        let mut decisions: Vec<(bool, &Sent)> = learned.iter().map(|sent| (true, sent)).collect();
        decisions.extend(base.iter().zip(&taken).filter(|t| *t.1).map(|(sent, _)| (false, sent)));
        let decide = |live: &mut Live, (learn, sent): (bool, &Sent)| match learn {
            true => add(live, sent),
            false => take_back(live, sent),
        };
        let mut one = start.clone();
        for &decision in &decisions {
            decide(&mut one, decision);
        }
        one.refresh(&never_cancelled).unwrap();
        let mut shuffled: Vec<_> = (0u64..).zip(decisions.clone()).collect();
        shuffled.sort_by_key(|(i, _)| (i + 1).wrapping_mul(order | 1) >> 7);
        let mut other = start.clone();
        for (&(_, decision), &refreshed) in shuffled.iter().zip(&refreshed) {
            decide(&mut other, decision);
            // Settling in between does not matter either.
            if refreshed {
                other.refresh(&never_cancelled).unwrap();
            }
        }
        other.refresh(&never_cancelled).unwrap();
        prop_assert_eq!(answers(&one), answers(&other));
        prop_assert_eq!(one.labels(), other.labels());

        for (&(_, (learned, sent)), &refreshed) in shuffled.iter().zip(&refreshed) {
            decide(&mut one, (!learned, sent));
            if refreshed {
                one.refresh(&never_cancelled).unwrap();
            }
        }
        one.refresh(&never_cancelled).unwrap();
        prop_assert_eq!(answers(&one), answers(&start));
        prop_assert_eq!(one.labels(), start.labels());
        prop_assert_eq!(one.memory(), 0);
    }

    #[test]
    fn what_was_not_learned_changes_nothing(
        base in prop::collection::vec(mail(), 0..6),
        learned in prop::collection::vec(mail(), 0..6),
        wrong in mail(),
        fit in fit(),
    ) {
        let mut live = live(pack(&base, &fit));
        for (keys, label) in &learned {
            live.learn(&features(keys), label).unwrap();
        }
        live.refresh(&never_cancelled).unwrap();
        let (before, labels, memory) = (answers(&live), live.labels().to_vec(), live.memory());
        if let Err(e) = live.unlearn(&features(&wrong.0), wrong.1, &never_cancelled) {
            prop_assert!(matches!(e, Error::NotLearned { .. }), "{}", e);
            live.refresh(&never_cancelled).unwrap();
            prop_assert_eq!(answers(&live), before);
            prop_assert_eq!(live.labels(), labels);
            prop_assert!(live.memory() <= memory + 64);
        } else {
            // What the counts allow can be learned again.
            live.learn(&features(&wrong.0), wrong.1).unwrap();
            live.refresh(&never_cancelled).unwrap();
            prop_assert_eq!(answers(&live), before);
        }
    }
}

#[test]
fn a_cold_start_learns_from_the_first_email() {
    let mut live = Live::new(Rc::new(Model::empty(Fit::default()).unwrap()));
    let q = features(&set(&[1]));
    assert!(!live.needs_counts());
    assert!(live.classify(&q, &never_cancelled).is_none());
    assert!(live.rank(&q, &never_cancelled).is_empty());
    assert_eq!((live.documents(), live.memory()), (0, 0));
    for (keys, label) in [
        (&[1, 2], "billing"),
        (&[1, 3], "Billing"),
        (&[2, 3], "Billing"),
        (&[4, 5], "support"),
    ] {
        live.learn(&features(&set(keys)), label).unwrap();
    }
    live.learn(&q, " \t").unwrap();
    live.refresh(&never_cancelled).unwrap();
    assert_eq!(live.documents(), 4);
    let names: Vec<_> = live.labels().iter().map(|l| l.name.as_str()).collect();
    assert_eq!(names, ["Billing", "support"]);
    assert_eq!(
        live.classify(&q, &never_cancelled).unwrap().label,
        "Billing"
    );
    assert!(live.memory() > 0);
    // A label that the base does not have goes by its spellings.
    let result = live.unlearn(&features(&set(&[4, 5])), "SUPPORT", &never_cancelled);
    assert!(matches!(result, Err(Error::NotLearned { .. })));
}

#[test]
fn features_that_no_email_has_are_unknown() {
    let mut live = live(pack(
        &[(set(&[1, 2]), "billing"), (set(&[2, 3]), "spam")],
        &Fit::default(),
    ));
    let share = |live: &Live, keys: &[u64]| {
        let features = features(&set(keys));
        let prediction = live.predict(&features, &never_cancelled);
        assert_eq!(prediction.ranked, live.rank(&features, &never_cancelled));
        prediction.unknown_share
    };
    let shares =
        |live: &Live| [&[1, 2, 3][..], &[1, 2, 7, 8], &[7, 8], &[]].map(|k| share(live, k));
    assert_eq!(shares(&live), [0.0, 0.5, 1.0, 0.0]);

    let email = features(&set(&[2, 7]));
    live.learn(&email, "spam").unwrap();
    live.refresh(&never_cancelled).unwrap();
    assert_eq!(shares(&live), [0.0, 0.25, 0.5, 0.0]);
    live.unlearn(&email, "spam", &never_cancelled).unwrap();
    live.refresh(&never_cancelled).unwrap();
    assert_eq!(shares(&live), [0.0, 0.5, 1.0, 0.0]);
}

#[test]
fn learning_needs_the_counts_of_its_own_base() {
    let [bytes, other] = [1, 2].map(|k| pack(&[(set(&[k]), "spam")], &Fit::default()));
    let model = Model::from_bytes(bytes.clone(), &never_cancelled).unwrap();
    let mut live = Live::new(Rc::new(model));
    assert!(live.needs_counts());
    assert!(live.learn(&features(&set(&[1])), "spam").is_err());
    live.set_counts(Rc::new(counts(&other).unwrap()));
    assert!(live.needs_counts());
    live.set_counts(Rc::new(counts(&bytes).unwrap()));
    live.learn(&features(&set(&[1])), "spam").unwrap();
    live.refresh(&never_cancelled).unwrap();
    assert_eq!(live.documents(), 2);
}

#[test]
fn damaged_counts_are_refused() {
    let mails: Vec<Mail> = (0..6)
        .map(|k| (set(&[k, k + 1]), LABELS[k as usize]))
        .collect();
    let good = pack(&mails, &Fit::default());
    let header = Header::read(&good, Kind::Model).unwrap();
    let model = Model::from_bytes(good.clone(), &never_cancelled).unwrap();
    assert!(counts(&good).is_ok());
    let mut refused = 0;
    let mut ranges = Vec::new();
    let mut note = |range: std::ops::Range<usize>| {
        ranges.push(range.clone());
        Ok::<_, Error>(good[range].to_vec())
    };
    CellCounts::read(&header, &mut note, &never_cancelled).unwrap();
    for bit in Model::serving_bytes(&header).unwrap() * 8..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let result = counts(&bytes);
        let is_read = ranges.iter().any(|range| range.contains(&(bit / 8)));
        assert_eq!(result.is_err(), is_read, "bit {bit}");
        refused += usize::from(result.is_err());
    }
    assert!(refused > 0);
    // An answer of another length, and an error of the host.
    for change in [-1, 1] {
        let mut read = |range: std::ops::Range<usize>| {
            let mut bytes = good[range].to_vec();
            bytes.resize((bytes.len() as i64 + change) as usize, 0);
            Ok::<_, Error>(bytes)
        };
        assert!(CellCounts::read(model.header(), &mut read, &never_cancelled).is_err());
    }
    let mut fail = |_| Err(Error::NoDocuments);
    assert!(matches!(
        CellCounts::read(model.header(), &mut fail, &never_cancelled),
        Err(Error::NoDocuments)
    ));
}

#[test]
fn a_trained_model_compacts_into_its_own_bytes() {
    let mails: Vec<Mail> = (0..40)
        .map(|i| (set(&[i % 3, 3 + i % 5, 8]), LABELS[i as usize % 7]))
        .collect();
    // Residuals are no emails that could be learned again.
    let trainer = Trainer::params().residuals(false).check().unwrap();
    let bytes = trainer
        .fit_state(&mut learn(&mails), &never_cancelled)
        .unwrap();
    let model = Model::from_bytes(bytes.clone(), &never_cancelled).unwrap();
    assert_eq!(model.meta().fit.reference_documents, 40);
    let mut state = Model::state(&bytes, &never_cancelled).unwrap();
    let (fit, metrics) = (model.meta().fit, model.meta().metrics.clone());
    let again = state.pack(&fit, metrics.clone(), &never_cancelled).unwrap();
    assert!(again == bytes);

    // What a version of the ledger keeps, and all emails, give the model again.
    let mut alone = state.steps_alone(&never_cancelled).unwrap();
    let kept = alone.pack(&fit, metrics.clone(), &never_cancelled).unwrap();
    let kept = Model::state(&kept, &never_cancelled).unwrap();
    let mut ledger = State::default();
    for (keys, label) in &mails {
        ledger.learn(&features(keys), label).unwrap();
    }
    ledger.add_steps_of(&kept, &never_cancelled).unwrap();
    assert!(ledger.pack(&fit, metrics, &never_cancelled).unwrap() == bytes);
}

#[test]
fn an_empty_state_packs_to_the_empty_model() {
    let mut state = State::default();
    assert!(state.is_empty());
    let bytes = state
        .pack(&Fit::default(), Metrics::default(), &never_cancelled)
        .unwrap();
    let empty = Model::empty(Fit::default()).unwrap();
    assert!(empty.clone().into_bytes() == bytes);
    assert_eq!(
        empty.identity(),
        Header::read(&bytes, Kind::Model).unwrap().identity()
    );
    let header = Header::read(&bytes, Kind::Model).unwrap();
    let front = bytes[..Model::serving_bytes(&header).unwrap()].to_vec();
    let front = Model::from_front(front, &never_cancelled).unwrap();
    assert!(
        front
            .classify(&features(&set(&[1])), &never_cancelled)
            .is_none()
    );
    assert!(Model::state(&bytes, &never_cancelled).unwrap().is_empty());
}

/// More than fit into a sample.
const SAMPLE_DOCUMENTS: usize = 1 << 16;

/// What may be missing of everything learned, in batches, as a host would pick it.
fn extend(state: &mut State, mails: &[Mail]) {
    let from = state.training_sample_is_short_from().unwrap();
    let mut documents: Vec<_> = mails
        .iter()
        .map(|(keys, label)| (features(keys), (*label).to_owned()))
        .map(|(features, label)| {
            (
                training_sample_priority(&features, &label).unwrap(),
                features,
                label,
            )
        })
        .filter(|document| document.0 >= from)
        .collect();
    documents.sort_by_key(|document| document.0);
    for batch in documents.chunks(150) {
        let batch = batch.iter().map(|(_, f, label)| (f.clone(), label.clone()));
        if state.extend_training_sample(batch).unwrap() {
            break;
        }
    }
}

#[test]
fn an_extended_sample_is_that_of_the_emails_left() {
    let mails: Vec<Mail> = (0..SAMPLE_DOCUMENTS as u64 + 600)
        .map(|i| (set(&[i % 100, (i / 100) % 100]), LABELS[i as usize % 7]))
        .collect();
    let bytes = |state: &mut State| state.to_bytes(&never_cancelled).unwrap();
    let unlearn = |state: &mut State, mails: &[Mail]| {
        for (keys, label) in mails {
            let features = features(keys);
            state.unlearn(&features, label, &never_cancelled).unwrap();
        }
    };
    let mut state = learn(&mails);
    assert!(state.training_sample_is_short_from().is_none());
    unlearn(&mut state, &mails[..200]);
    assert!(state.training_sample_is_short_from().is_some());
    let mut expected = learn(&mails[200..]);
    assert!(bytes(&mut state) != bytes(&mut expected));
    // What is refused leaves it as short as it was.
    let before = bytes(&mut state);
    let from = state.training_sample_is_short_from().unwrap();
    let missing = mails
        .iter()
        .map(|(keys, label)| (features(keys), (*label).to_owned()));
    let missing = missing
        .filter(|(features, label)| training_sample_priority(features, label).unwrap() >= from);
    let unknown = [(features(&set(&[1])), "unknown".to_owned())];
    let unknown = missing.take(50).chain(unknown);
    assert!(state.extend_training_sample(unknown).is_err());
    assert!(state.training_sample_is_short_from().is_some());
    assert!(bytes(&mut state) == before);
    extend(&mut state, &mails[200..]);
    assert!(state.training_sample_is_short_from().is_none());
    assert!(bytes(&mut state) == bytes(&mut expected));

    // Fewer than there is room for: then it is a sample of everything.
    unlearn(&mut state, &mails[200..700]);
    extend(&mut state, &mails[700..]);
    assert!(bytes(&mut state) == bytes(&mut learn(&mails[700..])));
    unlearn(&mut state, &mails[700..900]);
    assert!(state.training_sample_is_short_from().is_none());
    assert!(bytes(&mut state) == bytes(&mut learn(&mails[900..])));
}

/// A label that is gone may come back, and emails that name it may go in between.
#[test]
fn steps_of_a_label_that_is_gone_are_taken_back_too() {
    let fit = Fit::default();
    let step = |amount| Step::new(vec![("spam".into(), amount)]).unwrap();
    let [billing, spam] = [set(&[1, 2]), set(&[2, 3])].map(|keys| features(&keys));
    let billed = || Sent {
        mail: (set(&[1, 2]), "billing"),
        step: Step::default(),
    };
    let mut live = live(pack_sent(&[billed(), billed()], &fit));
    live.learn(&spam, "spam").unwrap();
    live.step(&billing, &step(-1 << 20), false).unwrap();
    live.unlearn(&spam, "spam", &never_cancelled).unwrap();
    live.refresh(&never_cancelled).unwrap();
    live.step(&billing, &step(-1 << 20), true).unwrap();
    live.refresh(&never_cancelled).unwrap();
    assert_eq!(live.memory(), 0);
    live.learn(&spam, "spam").unwrap();
    live.refresh(&never_cancelled).unwrap();
    let marked = Sent {
        mail: (set(&[2, 3]), "spam"),
        step: Step::default(),
    };
    let packed = pack_sent(&[billed(), billed(), marked], &fit);
    agree(&live, &Model::from_bytes(packed, &never_cancelled).unwrap()).unwrap();
}

fn probability(live: &Live, features: &Features, label: &str) -> f64 {
    let ranked = live.rank(features, &never_cancelled);
    ranked
        .iter()
        .find(|s| s.label == label)
        .unwrap()
        .probability
}

#[test]
fn a_step_raises_the_probability_of_its_label() {
    for form in ScoreForm::ALL {
        let fit = Fit {
            form,
            reference_documents: 8,
            ..Fit::default()
        };
        let mails: Vec<Mail> = (0..8)
            .map(|i| {
                (
                    set(&[i % 2, 2, 4 + i % 3]),
                    ["billing", "spam"][i as usize % 2],
                )
            })
            .collect();
        let mut live = live(pack(&mails, &fit));
        // It looks like spam.
        let odd = features(&set(&[1, 2, 5]));
        let mut before = probability(&live, &odd, "billing");
        assert!(before < 0.5, "{form:?}: {before}");
        let mut steps = Vec::new();
        loop {
            let step = live
                .step_towards(&odd, " Billing ", &never_cancelled)
                .unwrap();
            if step == Step::default() {
                break;
            }
            live.step(&odd, &step, false).unwrap();
            live.refresh(&never_cancelled).unwrap();
            let after = probability(&live, &odd, "billing");
            assert!(after > before, "{form:?}: {before} {after}");
            before = after;
            steps.push(step);
            assert!(steps.len() < 1000);
        }
        assert!(before > 0.97, "{form:?}: {before}");
        assert!(!steps.is_empty());
        // A label that there is not yet.
        let step = live.step_towards(&odd, "new", &never_cancelled).unwrap();
        assert!(
            step.labels()
                .any(|(label, amount)| label == "new" && amount > 0)
        );
        assert!(
            step.labels()
                .all(|(label, amount)| label == "new" || amount < 0)
        );
        for step in &steps {
            live.step(&odd, step, true).unwrap();
        }
        live.refresh(&never_cancelled).unwrap();
        assert_eq!(live.memory(), 0);
    }
}
