//! What a decision teaches, as a row of the ledger has it.

use std::collections::BTreeMap;

use pg_triage_classifier::tokenizer::TOKENIZER_VERSION;
use pg_triage_classifier::{Example, Features, Step, training_sample_priority};
use pgrx::PgSqlErrorCode as Code;

use crate::error::{SqlResult, from_classifier, report};
use crate::pg;

/// An example in the ledger's columns.
pub struct StoredExample {
    /// Ascending keys, 8 bytes each, little-endian.
    pub features: Vec<u8>,
    /// Version of the tokenizer that made them: features of another one teach nothing.
    pub tokenizer_version: i32,
    /// Place in the order of the training sample.
    pub sample_priority: i64,
    /// The step of the residual layer, in JSON, with the version that it was computed against,
    /// 0 for none; an empty one is not stored.
    pub step: Option<(String, i32)>,
}

impl StoredExample {
    /// An email with its label, and the step with the version that it was computed against.
    pub fn new(features: &Features, label: &str, step: Option<&(Step, i64)>) -> SqlResult<Self> {
        let priority = training_sample_priority(features, label).map_err(from_classifier)?;
        Ok(Self {
            features: features_bytes(features)?,
            tokenizer_version: TOKENIZER_VERSION as i32,
            sample_priority: signed(priority),
            step: step.and_then(|(step, of)| Some((step_text(step)?, *of as i32))),
        })
    }
}

/// The example in these columns, if they hold one. The step is empty where there is none.
pub fn load_example(
    features: Option<Vec<u8>>,
    label: Option<String>,
    step: Option<&str>,
) -> SqlResult<Option<Example>> {
    let features = features.map(load_features).transpose()?;
    Ok(features.zip(label).map(|(features, label)| Example {
        features,
        label,
        step: step.and_then(load_step).unwrap_or_default(),
    }))
}

fn features_bytes(features: &Features) -> SqlResult<Vec<u8>> {
    let mut bytes = pg::buffer(features.keys().len() * 8)?;
    for key in features.keys() {
        bytes.extend_from_slice(&key.to_le_bytes());
    }
    Ok(bytes)
}

/// Features from the column of that name.
pub fn load_features(bytes: Vec<u8>) -> SqlResult<Features> {
    let corrupt = || {
        report(
            Code::ERRCODE_DATA_CORRUPTED,
            "a decision in triage.decision has features that are not ascending keys",
        )
    };
    let (keys, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(corrupt());
    }
    let keys = keys.iter().map(|&key| u64::from_le_bytes(key)).collect();
    Features::from_sorted(keys).map_err(|_| corrupt())
}

fn step_text(step: &Step) -> Option<String> {
    let amounts: BTreeMap<_, _> = step.labels().collect();
    (!step.is_empty()).then(|| serde_json::json!(amounts).to_string())
}

/// A step from the column of that name; `None` for anything that was not stored by us.
pub fn load_step(stored: &str) -> Option<Step> {
    let amounts: BTreeMap<String, i32> = serde_json::from_str(stored).ok()?;
    Step::new(amounts.into_iter().collect()).ok()
}

/// A priority in a form whose signed order is the unsigned one.
pub fn signed(priority: u64) -> i64 {
    (priority ^ (1 << 63)) as i64
}
