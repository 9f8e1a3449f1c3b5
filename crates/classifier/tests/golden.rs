//! Golden files: every format version that was ever released still decodes.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../../../model_artifacts/golden.rs"]
mod golden;

use std::fs;
use std::path::Path;

use golden::golden_files;
use pg_triage_classifier::{Model, State, Tokenizer, never_cancelled};

#[test]
fn format_1_still_decodes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model_artifacts/golden");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let (state, model) = (read("v1.state"), read("v1.model"));

    let mut decoded = State::from_bytes(&state, &never_cancelled).unwrap();
    assert_eq!(decoded.documents(), 6);
    assert_eq!(decoded.skipped(), 1);
    assert_eq!(decoded.to_bytes(&never_cancelled).unwrap(), state);

    let decoded = Model::from_bytes(model.clone(), &never_cancelled).unwrap();
    assert_eq!(decoded.meta().labels, ["Billing", "support"]);
    let mut tokenizer = Tokenizer::default();
    let mut label_of = |text: &str| {
        decoded
            .classify(&tokenizer.features(text), &never_cancelled)
            .unwrap()
            .label
            .to_owned()
    };
    assert_eq!(label_of("my invoice is wrong"), "Billing");
    assert_eq!(label_of("die VERBINDUNG bricht ab, error"), "support");

    // Drop this line, not the files, when a later version writes another format.
    assert!(
        golden_files().unwrap() == (state, model),
        "what is written has changed"
    );
}
