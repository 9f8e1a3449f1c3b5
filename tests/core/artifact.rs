//! Damaged and forged artifacts: an error each time, never a panic, never an allocation by
//! an unchecked length.
#![allow(missing_docs, clippy::unwrap_used)]

use pg_triage_core::artifact::{Header, Kind};
use pg_triage_core::{Error, Model, ParamGuard, State, Tokenizer, Trainer, never_cancelled};

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
    assert_eq!(whole.rank(&features), part.rank(&features));
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

/// Metadata that claims a vector of 2^40 labels, under a right checksum.
#[test]
fn forged_metadata_does_not_allocate() {
    let (mut state, _) = artifacts();
    let start = u64::from_le_bytes(state[56..64].try_into().unwrap()) as usize;
    // tokenizer version and rows skipped take one byte each, then comes the length.
    state[start + 2] = 253;
    state[start + 3..start + 11].copy_from_slice(&(1u64 << 40).to_le_bytes());
    let length = u64::from_le_bytes(state[64..72].try_into().unwrap()) as usize;
    let checksum = xxhash_rust::xxh3::xxh3_128(&state[start..start + length]);
    state[72..88].copy_from_slice(&checksum.to_le_bytes());
    reseal(&mut state);
    assert!(refused(State::from_bytes(&state, &never_cancelled)));
}

fn reseal(bytes: &mut [u8]) {
    let sections = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&bytes[..32]);
    hasher.update(&bytes[48..48 + 40 * sections]);
    let checksum = hasher.digest128().to_le_bytes();
    bytes[32..48].copy_from_slice(&checksum);
}
