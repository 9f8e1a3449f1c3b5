//! What stored decisions change in what is learned.

use pg_triage_classifier::{DecisionEffect, Example};

use crate::error::SqlResult;
use crate::pg::check_for_interrupts;
use crate::store::{DECISIONS_AT_ONCE, Reader};
use crate::types::ledger::load_example;

/// Effects of these decisions, in their order, with steps against this version. They are for
/// [`apply`](pg_triage_classifier::apply).
pub fn effects(r: &Reader, decisions: &[i64], steps_of: i64) -> SqlResult<Vec<DecisionEffect>> {
    let stored = r.effects(decisions, steps_of)?.into_iter();
    stored
        .map(|d| {
            Ok(DecisionEffect {
                adds: load_example(d.added_features, d.added_label, d.added_step.as_deref())?,
                removes: load_example(
                    d.removed_features,
                    d.removed_label,
                    d.removed_step.as_deref(),
                )?,
            })
        })
        .collect()
}

/// Examples that these decisions have added.
pub fn examples(r: &Reader, decisions: &[i64], steps_of: i64) -> SqlResult<Vec<Example>> {
    let mut examples = Vec::new();
    for some in decisions.chunks(DECISIONS_AT_ONCE) {
        check_for_interrupts();
        let effects = effects(r, some, steps_of)?;
        examples.extend(effects.into_iter().filter_map(|effect| effect.adds));
    }
    Ok(examples)
}
