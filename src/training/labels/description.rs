//! What the description of a label has taught, when the label changes: its words begin with the
//! name, so the decision that taught it gets other features.

use pg_triage_classifier::Features;

use crate::error::SqlResult;
use crate::predict::classify;
use crate::review::decide::description_text;
use crate::store::label_change::LabelRow;
use crate::store::{Reader, Writer};
use crate::types::ledger::{StoredExample, load_features};

/// A description that was learned.
pub struct Taught {
    pub decision_id: i64,
    pub features: Features,
}

/// What a label's description has taught, if anything.
pub fn taught(r: &Reader, classifier: &str, label: &LabelRow) -> SqlResult<Option<Taught>> {
    let Some(decision) = r.described(classifier, &label.label)? else {
        return Ok(None);
    };
    let decision_id = decision.decision_id;
    let features = decision.features.map(load_features).transpose()?;
    Ok(features.map(|features| Taught {
        decision_id,
        features,
    }))
}

/// The description of two labels that become one: nothing of either is lost.
pub fn of_both(into: &LabelRow, from: &LabelRow) -> Option<String> {
    let given = |label: &LabelRow| {
        let text = label.description.as_deref().unwrap_or_default().trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let from_text = given(from).map(|text| format!("{}: {text}", from.label));
    match (given(into), from_text) {
        (Some(into), Some(from)) => Some(format!("{into}; {from}")),
        (None, from) => from,
        // As it is spelled.
        (Some(_), None) => into.description.clone(),
    }
}

/// Lets a decision teach this description; returns the features of it.
pub fn rewrite(
    w: &mut Writer,
    decision_id: i64,
    label: &str,
    description: &str,
) -> SqlResult<Features> {
    let features = classify::features(&description_text(label, description))?;
    let example = StoredExample::new(&features, label, None)?;
    w.rewrite_description(decision_id, Some(example.features))?;
    Ok(features)
}
