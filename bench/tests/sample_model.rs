//! What is checked in under model_artifacts/ can be built again, byte for byte.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../../model_artifacts/artifacts.rs"]
mod artifacts;

use std::fs;

use artifacts::{manifest, root, sample_model};

#[test]
fn the_sample_model_can_be_built_again() {
    let stored = fs::read(root().join("model_artifacts/sample.model")).unwrap();
    let built = sample_model().unwrap();
    assert!(
        stored == built,
        "the sample model differs: run `make artifacts` and commit"
    );
    assert_eq!(
        fs::read_to_string(root().join("model_artifacts/MANIFEST.toml")).unwrap(),
        manifest(&built).unwrap()
    );
}
