//! Learning what a label's description says.

use pg_triage_classifier::Step;

use super::write::{About, append};
use crate::error::{SqlResult, from_classifier};
use crate::learning::statement_model;
use crate::predict::classify;
use crate::session::Actor;
use crate::store::Writer;
use crate::types::ledger::{StoredExample, load_features};

/// The small email that a label's description is.
pub fn description_text(label: &str, description: &str) -> String {
    format!("{label} {}", description.trim())
}

/// Learns a label's description, and the label itself, as one small email: so a label answers
/// before anybody has decided about a real one. Takes the place of an earlier description.
/// The caller holds the lock of the classifier.
pub fn describe(w: &mut Writer, classifier: &str, label: &str, description: &str) -> SqlResult<()> {
    let earlier = w.described(classifier, label)?;
    let text = match description.trim() {
        "" => None,
        description => Some(description_text(label, description)),
    };
    let features = text.as_deref().map(classify::features).transpose()?;
    let (number, known) = match earlier {
        Some(earlier) => (
            Some(earlier.decision_id),
            earlier.features.map(load_features).transpose()?,
        ),
        None => (None, None),
    };
    if known == features {
        return Ok(());
    }
    let example = match &features {
        Some(features) => {
            let step = match w.was_trained(classifier)? {
                true => statement_model::step(w, classifier, features, label)?,
                false => Some((Step::keywords(label).map_err(from_classifier)?, 0)),
            };
            Some(StoredExample::new(features, label, step.as_ref())?)
        }
        None => None,
    };
    let decision = pg_triage_decision::describe(label, number, features.is_none());
    append(
        w,
        &Actor::new(None),
        classifier,
        About::default(),
        &decision,
        example,
    )?;
    Ok(())
}
