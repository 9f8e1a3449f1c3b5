//! Damaged and forged artifacts: an error each time, never a panic, never an allocation by
//! an unchecked length.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::rc::Rc;

use pg_triage_classifier::artifact::{Header, Kind};
use pg_triage_classifier::{
    CellCounts, Error, Features, Learner, Live, MAX_LABELS, Model, ParamGuard, State, Step,
    Tokenizer, Trainer, never_cancelled,
};

fn artifacts() -> (Vec<u8>, Vec<u8>) {
    let mut state = State::default();
    let mut tokenizer = Tokenizer::default();
    for (text, label) in [
        ("invoice paid", "billing"),
        ("refund due", "Billing"),
        ("login error", "support"),
    ] {
        state.learn(&tokenizer.features(text), label).unwrap();
    }
    let trainer = Trainer::params().check().unwrap();
    let model = trainer.fit_state(&mut state, &never_cancelled).unwrap();
    (state.to_bytes(&never_cancelled).unwrap(), model)
}

fn refused<T>(result: Result<T, Error>) -> bool {
    matches!(
        result,
        Err(Error::Corrupt { .. } | Error::UnsupportedVersion { .. })
    )
}

#[test]
fn every_bit_flip_is_caught() {
    let (state, model) = artifacts();
    for bit in 0..state.len() * 8 {
        let mut bytes = state.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(
            refused(State::from_bytes(&bytes, &never_cancelled)),
            "state, bit {bit}"
        );
    }
    for bit in 0..model.len() * 8 {
        let mut bytes = model.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(
            refused(Model::from_bytes(bytes, &never_cancelled)),
            "model, bit {bit}"
        );
    }
}

#[test]
fn every_truncation_and_extension_is_caught() {
    let (state, model) = artifacts();
    for length in 0..state.len() {
        assert!(
            refused(State::from_bytes(&state[..length], &never_cancelled)),
            "state, {length} bytes"
        );
    }
    for length in 0..model.len() {
        assert!(
            refused(Model::from_bytes(
                model[..length].to_vec(),
                &never_cancelled
            )),
            "model, {length} bytes"
        );
    }
    assert!(refused(State::from_bytes(
        &[&state[..], &[0; 8]].concat(),
        &never_cancelled
    )));
}

#[test]
fn kinds_do_not_mix() {
    let (state, model) = artifacts();
    assert!(refused(State::from_bytes(&model, &never_cancelled)));
    assert!(refused(Model::from_bytes(state, &never_cancelled)));
}

#[test]
fn the_front_is_enough_to_classify() {
    let (_, model) = artifacts();
    let header = Header::read(&model, Kind::Model).unwrap();
    let front = Model::serving_bytes(&header).unwrap();
    assert!(front < model.len());
    let whole = Model::from_bytes(model.clone(), &never_cancelled).unwrap();
    let part = Model::from_front(model[..front].to_vec(), &never_cancelled).unwrap();
    let features = Tokenizer::default().features("a refund please");
    assert_eq!(
        whole.rank(&features, &never_cancelled),
        part.rank(&features, &never_cancelled)
    );
    assert!(refused(Model::from_front(
        model[..front - 1].to_vec(),
        &never_cancelled
    )));
}

/// A header that is consistent with its checksum but claims what is not there: the
/// checksum is no protection against somebody who computes it.
#[test]
fn forged_lengths_do_not_allocate() {
    let (state, _) = artifacts();
    for (at, value) in [
        (16, u64::MAX),
        (16, 1 << 40),
        (56, u64::MAX),
        (64, 1 << 60),
        (64, u64::MAX - 7),
    ] {
        let mut bytes = state.clone();
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        reseal(&mut bytes);
        assert!(
            refused(State::from_bytes(&bytes, &never_cancelled)),
            "{value} at {at}"
        );
    }
    let mut many_sections = state.clone();
    many_sections[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(refused(State::from_bytes(&many_sections, &never_cancelled)));
}

/// As if a section's content, or the order of sections, were meant: every checksum right.
fn with_sections(artifact: &[u8], change: impl FnOnce(&mut Vec<(u32, Vec<u8>)>)) -> Vec<u8> {
    let count = u32::from_le_bytes(artifact[12..16].try_into().unwrap()) as usize;
    let mut sections = (0..count)
        .map(|i| 48 + 40 * i)
        .map(|at| {
            let id = u32::from_le_bytes(artifact[at..at + 4].try_into().unwrap());
            let [from, length] = [8, 16].map(|field| u64_at(artifact, at + field) as usize);
            (id, artifact[from..from + length].to_vec())
        })
        .collect();
    change(&mut sections);
    let mut out = artifact[..48].to_vec();
    let mut content = Vec::new();
    for (id, bytes) in &sections {
        let offset = 48 + 40 * sections.len() + content.len();
        out.extend_from_slice(&u64::from(*id).to_le_bytes());
        out.extend_from_slice(&(offset as u64).to_le_bytes());
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(&xxhash_rust::xxh3::xxh3_128(bytes).to_le_bytes());
        content.extend_from_slice(bytes);
        content.resize(content.len().next_multiple_of(8), 0);
    }
    out.extend(content);
    out[12..16].copy_from_slice(&(sections.len() as u32).to_le_bytes());
    let total = out.len() as u64;
    out[16..24].copy_from_slice(&total.to_le_bytes());
    reseal(&mut out);
    out
}

/// A session reads the front only: what it needs may not stand behind the state.
#[test]
fn sections_in_another_order_are_refused() {
    let (_, model) = artifacts();
    assert_eq!(with_sections(&model, |_| ()), model);
    for position in 0..4 {
        let forged = with_sections(&model, |sections| {
            let state = sections.remove(4);
            sections.insert(position, state);
        });
        assert!(refused(Model::from_bytes(forged.clone(), &never_cancelled)));
        assert!(refused(Model::from_front(forged, &never_cancelled)));
    }
    let missing = with_sections(&model, |sections| drop(sections.remove(3)));
    assert!(refused(Model::from_bytes(missing, &never_cancelled)));
}

/// Scoring polls once in so many rows, and a row has at most a cell per label.
#[test]
fn a_row_with_more_cells_than_labels_is_refused() {
    let (_, model) = artifacts();
    let forged = with_sections(&model, |sections| {
        let (rows, cells) = (&sections[2].1, sections[3].1.len() as u32 / 6);
        assert!(cells > 2);
        let mut rows = rows.clone();
        for row in rows.chunks_exact_mut(16).skip(1) {
            row[8..12].copy_from_slice(&cells.to_le_bytes());
        }
        sections[2].1 = rows;
    });
    assert!(refused(Model::from_bytes(forged, &never_cancelled)));
}

/// What can be written can be read, up to the last byte of the limit, and what cannot be
/// read is not written.
#[test]
fn metadata_of_any_size_round_trips_or_is_refused() {
    let features = Tokenizer::default().features("word");
    // Case variants of one label: nineteen letters, a bit each.
    let spelled = |n: u32| -> String {
        (0..19)
            .map(|bit| if n >> bit & 1 == 0 { 'x' } else { 'X' })
            .collect()
    };
    let mut state = State::default();
    for n in 0..450_000 {
        state.learn(&features, &spelled(n)).unwrap();
    }
    let bytes = state.to_bytes(&never_cancelled).unwrap();
    assert!(State::from_bytes(&bytes, &never_cancelled).is_ok());
    for n in 450_000..490_000 {
        state.learn(&features, &spelled(n)).unwrap();
    }
    let result = state.to_bytes(&never_cancelled);
    assert!(matches!(result, Err(Error::LabelsTooLong { .. })));
    // The labels were only lent to the writer.
    assert_eq!(state.documents(), 490_000);

    let mut state = State::default();
    let result =
        (0..100_000).try_for_each(|n| state.learn(&features, &format!("{n} {:1000}.", "")));
    assert!(
        matches!(result, Err(Error::LabelsTooLong { .. })),
        "noticed while learning"
    );
}

/// Metadata of a state, spelled out: what somebody who forges one would write.
type Label = (String, BTreeMap<String, u64>, u64, u64, u64);
type Sampled = (u64, u32, u32, u32);
type Meta = (u64, u64, Vec<Label>, Vec<Sampled>, Option<u64>);

fn meta(state: &[u8]) -> Meta {
    let [start, length] = [56, 64].map(|at| u64_at(state, at) as usize);
    let section = &state[start..start + length];
    bincode::serde::decode_from_slice(section, encoding())
        .unwrap()
        .0
}

fn encoding() -> impl bincode::config::Config {
    bincode::config::standard().with_fixed_int_encoding()
}

/// The state with other metadata, under right checksums.
fn with_meta(state: &[u8], meta: &Meta) -> Vec<u8> {
    let bytes = bincode::serde::encode_to_vec(meta, encoding()).unwrap();
    with_first_section(state, &bytes)
}

fn with_first_section(state: &[u8], section: &[u8]) -> Vec<u8> {
    with_sections(state, |sections| sections[0].1 = section.to_vec())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Right checksums around contents that contradict themselves.
#[test]
fn forged_metadata_is_refused() {
    let (state, _) = artifacts();
    let good = meta(&state);
    assert!(State::from_bytes(&with_meta(&state, &good), &never_cancelled).is_ok());
    type Forge = fn(&mut Meta);
    let forgeries: [(&str, Forge); 19] = [
        ("endless skipped rows", |m| m.1 = u64::MAX),
        ("endless documents", |m| m.2[0].2 = u64::MAX),
        ("half of all documents", |m| {
            m.2[0].2 = 1 << 63;
            m.2[0].1 = BTreeMap::from([("billing".to_owned(), 1 << 63)]);
        }),
        ("endless tokens", |m| m.2[0].3 = u64::MAX),
        ("endless weight", |m| m.2[0].4 = u64::MAX),
        ("spellings that do not add up", |m| {
            m.2[0].1 = BTreeMap::from([("billing".to_owned(), 9)])
        }),
        ("an empty spelling", |m| {
            m.2[0].1 = BTreeMap::from([(String::new(), 2)])
        }),
        ("a zero byte in a label", |m| {
            m.2[0].1 = BTreeMap::from([("bill\0ing".to_owned(), 2)])
        }),
        ("a spelling of another label", |m| {
            m.2[0].1 = BTreeMap::from([("support".to_owned(), 2)])
        }),
        ("one label twice", |m| m.2[1].0 = m.2[0].0.clone()),
        ("a missing label", |m| m.2.truncate(1)),
        ("a sampled document of no label", |m| m.3[0].1 = 7),
        ("a sampled document that is longer than its keys", |m| {
            m.3[0].2 = 16_384
        }),
        ("a sampled document that is shorter than its keys", |m| {
            m.3[2].2 -= 1
        }),
        ("a sampled document without copies", |m| m.3[0].3 = 0),
        ("endless copies", |m| m.3[0].3 = u32::MAX),
        ("a sample that is not sorted", |m| m.3.reverse()),
        ("one sampled document twice", |m| m.3[1].0 = m.3[0].0),
        ("a sampled document beyond the cutoff", |m| {
            m.4 = Some(m.3[2].0)
        }),
    ];
    for (name, forge) in forgeries {
        let mut forged = good.clone();
        forge(&mut forged);
        let result = State::from_bytes(&with_meta(&state, &forged), &never_cancelled);
        assert!(refused(result), "{name}");
    }
}

/// A state with residuals, one of them of a label that no email with the feature has.
fn with_residuals() -> Vec<u8> {
    let mut state = State::default();
    let of = |key| Features::from_sorted(vec![key]).unwrap();
    for (key, label) in [(5, "billing"), (9, "support")] {
        state.learn(&of(key), label).unwrap();
    }
    let step = Step::new(vec![("billing".into(), 7), ("support".into(), -7)]).unwrap();
    let features = of(5);
    state.step(&features, &step, false).unwrap();
    state.to_bytes(&never_cancelled).unwrap()
}

#[test]
fn forged_residuals_are_refused() {
    let good = with_residuals();
    let mut again = State::from_bytes(&good, &never_cancelled).unwrap();
    assert_eq!(again.to_bytes(&never_cancelled).unwrap(), good);
    // The cell without documents, of three.
    let mut bare = 0;
    with_sections(&good, |sections| {
        let cells = sections[3]
            .1
            .chunks_exact(4)
            .zip(sections[6].1.chunks_exact(4));
        let is_bare = |(documents, _): (&[u8], &[u8])| documents == [0; 4];
        bare = cells.clone().position(is_bare).unwrap();
        assert_eq!(cells.clone().count(), 3);
        assert_eq!(
            cells.map(|cell| cell.1).nth(bare),
            Some(&(-7i32).to_le_bytes()[..])
        );
    });
    type Forge<'a> = &'a dyn Fn(&mut Vec<(u32, Vec<u8>)>);
    let forgeries: [(&str, Forge); 6] = [
        ("a missing residual", &|s| s[6].1.truncate(8)),
        ("another residual", &|s| s[6].1.extend([0; 4])),
        ("part of a residual", &|s| s[6].1.truncate(11)),
        ("weight without documents", &|s| s[4].1[8 * bare] = 1),
        ("a cell with nothing in it", &|s| {
            s[6].1[4 * bare..4 * bare + 4].fill(0)
        }),
        ("cells without residuals", &|s| s[6].1.clear()),
    ];
    for (name, forge) in forgeries {
        let forged = with_sections(&good, forge);
        assert!(
            refused(State::from_bytes(&forged, &never_cancelled)),
            "{name}"
        );
    }
    let forged = with_sections(&good, |s| drop(s.pop()));
    assert!(refused(State::from_bytes(&forged, &never_cancelled)));
}

/// Metadata of a model, likewise.
type ModelMeta = (
    u64,
    Vec<String>,
    Vec<u64>,
    u64,
    (u32, [f64; 3], [f64; 3], u64),
    (u32, [f64; 4], u32, [f64; 2]),
    u64,
    Vec<(u64, u64, u128)>,
);

#[test]
fn forged_metadata_of_a_model_is_refused() {
    let (_, model) = artifacts();
    let good: ModelMeta = {
        let [start, length] = [56, 64].map(|at| u64_at(&model, at) as usize);
        let section = &model[start..start + length];
        bincode::serde::decode_from_slice(section, encoding())
            .unwrap()
            .0
    };
    let forged = |meta: &ModelMeta| {
        let bytes = bincode::serde::encode_to_vec(meta, encoding()).unwrap();
        Model::from_bytes(with_first_section(&model, &bytes), &never_cancelled)
    };
    assert!(forged(&good).is_ok());
    type Forge = fn(&mut ModelMeta);
    let forgeries: [(&str, Forge); 19] = [
        ("no label", |m| m.1.clear()),
        ("nothing per label", |m| {
            (m.1, m.2, m.7) = (Vec::new(), Vec::new(), Vec::new());
        }),
        ("labels out of order", |m| m.1.reverse()),
        ("one label twice", |m| m.1[1] = "BILLING".to_owned()),
        ("no documents", |m| m.2[0] = 0),
        ("endless documents", |m| m.2[0] = u64::MAX),
        ("an unknown form", |m| m.4.0 = 3),
        ("a scale that is no number", |m| m.4.2[0] = f64::NAN),
        ("an infinite exponent", |m| m.4.2[1] = f64::INFINITY),
        ("a negative margin exponent", |m| m.4.2[2] = -1.0),
        ("a scale to learn by that is no number", |m| {
            m.4.1[0] = f64::NAN
        }),
        ("a margin exponent to learn by", |m| m.4.1[2] = 0.5),
        ("an endless reference", |m| m.4.3 = u64::MAX),
        ("endless features", |m| m.6 = u64::MAX),
        ("more features than rows", |m| m.6 += 1),
        ("a missing sum", |m| m.7.truncate(1)),
        ("endless tokens", |m| m.7[0].0 = u64::MAX),
        ("endless weight", |m| m.7[0].1 = u64::MAX),
        ("endless logarithms", |m| m.7[0].2 = u128::MAX),
    ];
    for (name, forge) in forgeries {
        let mut meta = good.clone();
        forge(&mut meta);
        assert!(refused(forged(&meta)), "{name}");
    }
}

/// Tables that each are sound but are not of one state.
#[test]
fn learning_on_forged_tables_does_not_panic() {
    type Forge = fn(&mut Vec<(u32, Vec<u8>)>);
    let forgeries: [(bool, Forge); 5] = [
        (true, |state| {
            for cell in state[3].1.chunks_exact_mut(4) {
                cell.copy_from_slice(&u32::MAX.to_le_bytes());
            }
        }),
        (true, |state| {
            for cell in state[4].1.chunks_exact_mut(8) {
                cell.copy_from_slice(&u64::MAX.to_le_bytes());
            }
        }),
        (true, |state| {
            for (documents, weight) in state[3].1.clone().chunks_exact(4).zip(0..) {
                assert_eq!(documents, [1, 0, 0, 0]);
                state[3].1[4 * weight..4 * weight + 4].fill(0xff);
                let most = u64::from(u32::MAX) << 16;
                state[4].1[8 * weight..8 * weight + 8].copy_from_slice(&most.to_le_bytes());
            }
        }),
        (false, |model| {
            for cell in model[3].1.chunks_exact_mut(6) {
                cell[..2].fill(0);
            }
        }),
        (false, |model| {
            let meta = &mut model[0].1;
            let sums = meta.len() - 2 * 32;
            for label in 0..2 {
                meta[sums + 32 * label..sums + 32 * (label + 1)].fill(0);
            }
        }),
    ];
    for (number, (of_state, forge)) in forgeries.into_iter().enumerate() {
        let mut state = State::default();
        let mut tokenizer = Tokenizer::default();
        let mails = [("paid", "billing"), ("login", "support")];
        for (text, label) in mails {
            state.learn(&tokenizer.features(text), label).unwrap();
        }
        let trainer = Trainer::params().check().unwrap();
        let model = trainer.fit_state(&mut state, &never_cancelled).unwrap();
        let bytes = with_sections(&model, |sections| match of_state {
            true => sections[4].1 = with_sections(&sections[4].1, forge),
            false => forge(sections),
        });
        let header = Header::read(&bytes, Kind::Model).unwrap();
        let mut read = |range: std::ops::Range<usize>| Ok::<_, Error>(bytes[range].to_vec());
        let Ok(counts) = CellCounts::read(&header, &mut read, &never_cancelled) else {
            assert!(number < 2, "{number}");
            continue;
        };
        let model = Rc::new(Model::from_front(bytes.clone(), &never_cancelled).unwrap());
        let counts = Rc::new(counts);
        for at_once in [false, true] {
            let mut live = Live::new(model.clone());
            live.set_counts(counts.clone());
            let answers = |live: &mut Live, features: &Features| {
                live.refresh(&never_cancelled).unwrap();
                let p = live.log_probabilities(features, &never_cancelled);
                assert!(p.iter().all(|p| !p.is_nan()), "{number}: {p:?}");
            };
            for (text, label) in mails {
                let features = tokenizer.features(text);
                for other in [label, "another", "billing", "support"] {
                    // Either is fine.
                    let _ = live.learn(&features, other);
                    let _ = live.unlearn(&features, other, &never_cancelled);
                    let _ = live.unlearn(&features, other, &never_cancelled);
                    let _ = live.learn(&features, other);
                    if !at_once {
                        answers(&mut live, &features);
                    }
                }
            }
            answers(&mut live, &tokenizer.features("paid login"));
        }
    }
}

/// Few bytes that ask for much memory.
#[test]
fn forged_metadata_does_not_allocate() {
    let (state, _) = artifacts();
    // Tokenizer version, rows skipped, number of labels; then a label's length.
    for claim in [&[1, 0, 1 << 40][..], &[1, 0, 1, 1 << 40]] {
        let claim: Vec<u8> = claim.iter().flat_map(|n: &u64| n.to_le_bytes()).collect();
        assert!(refused(State::from_bytes(
            &with_first_section(&state, &claim),
            &never_cancelled
        )));
    }
    let many = (1, 0, vec![Label::default(); MAX_LABELS + 1], vec![], None);
    assert!(refused(State::from_bytes(
        &with_meta(&state, &many),
        &never_cancelled
    )));
    let large = vec![0; (16 << 20) + 1];
    assert!(refused(State::from_bytes(
        &with_first_section(&state, &large),
        &never_cancelled
    )));
}

fn reseal(bytes: &mut [u8]) {
    let sections = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&bytes[..32]);
    hasher.update(&bytes[48..48 + 40 * sections]);
    let checksum = hasher.digest128().to_le_bytes();
    bytes[32..48].copy_from_slice(&checksum);
}
