//! Damaged and forged artifacts: an error each time, never a panic, never an allocation by
//! an unchecked length.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;

use pg_triage_core::artifact::{Header, Kind};
use pg_triage_core::{
    Error, MAX_LABELS, Model, ParamGuard, State, Tokenizer, Trainer, never_cancelled,
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
    let part = Model::from_front(model[..front].to_vec()).unwrap();
    let features = Tokenizer::default().features("a refund please");
    assert_eq!(
        whole.rank(&features, &never_cancelled),
        part.rank(&features, &never_cancelled)
    );
    assert!(refused(Model::from_front(model[..front - 1].to_vec())));
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

/// Metadata of a state, spelled out: what somebody who forges one would write.
type Label = (String, BTreeMap<String, u64>, u64, u64, u64);
type Meta = (u64, u64, Vec<Label>, Vec<(u64, u32, u32)>);

fn meta(state: &[u8]) -> Meta {
    let [start, length] = [56, 64].map(|at| u64_at(state, at) as usize);
    let section = &state[start..start + length];
    let config = bincode::config::standard();
    bincode::serde::decode_from_slice(section, config)
        .unwrap()
        .0
}

/// The state with other metadata, under right checksums.
fn with_meta(state: &[u8], meta: &Meta) -> Vec<u8> {
    let bytes = bincode::serde::encode_to_vec(meta, bincode::config::standard()).unwrap();
    with_first_section(state, &bytes)
}

fn with_first_section(state: &[u8], section: &[u8]) -> Vec<u8> {
    let count = u32::from_le_bytes(state[12..16].try_into().unwrap()) as usize;
    let mut out = state[..48 + 40 * count].to_vec();
    let mut offset = out.len();
    let mut content = Vec::new();
    for entry in (0..count).map(|i| 48 + 40 * i) {
        let [from, length] = [8, 16].map(|at| u64_at(state, entry + at) as usize);
        let bytes = if entry == 48 {
            section
        } else {
            &state[from..from + length]
        };
        out[entry + 8..entry + 16].copy_from_slice(&(offset as u64).to_le_bytes());
        out[entry + 16..entry + 24].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        let checksum = xxhash_rust::xxh3::xxh3_128(bytes);
        out[entry + 24..entry + 40].copy_from_slice(&checksum.to_le_bytes());
        content.extend_from_slice(bytes);
        content.resize(content.len().next_multiple_of(8), 0);
        offset = 48 + 40 * count + content.len();
    }
    out.extend(content);
    let total = out.len() as u64;
    out[16..24].copy_from_slice(&total.to_le_bytes());
    reseal(&mut out);
    out
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
    let forgeries: [(&str, Forge); 13] = [
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
    ];
    for (name, forge) in forgeries {
        let mut forged = good.clone();
        forge(&mut forged);
        let result = State::from_bytes(&with_meta(&state, &forged), &never_cancelled);
        assert!(refused(result), "{name}");
    }
}

/// Few bytes that ask for much memory.
#[test]
fn forged_metadata_does_not_allocate() {
    let (state, _) = artifacts();
    // Tokenizer version and rows skipped take one byte each, then the number of labels.
    let claim = [&[1, 0, 253][..], &(1u64 << 40).to_le_bytes()].concat();
    assert!(refused(State::from_bytes(
        &with_first_section(&state, &claim),
        &never_cancelled
    )));
    let many = (1, 0, vec![Label::default(); MAX_LABELS + 1], Vec::new());
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
