//! Replay: what the ledger alone says has been learned.

use pg_triage_classifier::{Learner, State};

use super::base::{Base, own_counts, probe_for};
use crate::error::{SqlResult, from_classifier};
use crate::pg::check_for_interrupts;
use crate::predict::effects::examples;
use crate::store::{DECISIONS_AT_ONCE, Reader};
use crate::types::within_memory;

/// No decision has a step against it.
const NO_VERSION: i64 = -1;

/// The counts of all decisions in force.
pub fn counts(r: &Reader, classifier: &str) -> SqlResult<State> {
    let decisions = r.all_in_force(classifier)?;
    onto(r, &decisions, State::default(), NO_VERSION)
}

/// The counts of the decisions that were in force when this one was the latest.
pub fn counts_until(r: &Reader, classifier: &str, last: i64) -> SqlResult<State> {
    let decisions = r.in_force_until(classifier, last)?;
    onto(r, &decisions, State::default(), NO_VERSION)
}

/// What sessions answer with, from the active version and the ledger.
pub fn model(r: &Reader, classifier: &str) -> SqlResult<Vec<u8>> {
    let mut base = Base::read(r, classifier)?;
    let mut own = own_counts(r, classifier)?;
    let decisions = r.all_in_force(classifier)?;
    let serving = if base.is_from_ledger() {
        let mut state = onto(r, &decisions, State::default(), base.steps_of())?;
        state
            .add_steps_of(&own, &check_for_interrupts)
            .map_err(from_classifier)?;
        state
    } else {
        own.canonicalize(&check_for_interrupts)
            .map_err(from_classifier)?;
        onto(r, &decisions, own, base.steps_of())?
    };
    base.serve(serving);
    base.packed()
}

/// Adds decisions to counts, with their steps against this version.
fn onto(r: &Reader, decisions: &[i64], mut all: State, steps_of: i64) -> SqlResult<State> {
    let mut learned = State::default();
    let mut steps = Vec::new();
    for some in decisions.chunks(DECISIONS_AT_ONCE) {
        check_for_interrupts();
        for example in examples(r, some, steps_of)? {
            probe_for(&example.features).map_err(from_classifier)?;
            learned
                .learn(&example.features, &example.label)
                .map_err(from_classifier)?;
            if !example.step.is_empty() {
                steps.push((example.features, example.step));
            }
        }
        learned = within_memory(learned)?;
    }
    all.merge(&learned, &check_for_interrupts)
        .map_err(from_classifier)?;
    // Only now have all labels that steps name emails.
    for (features, step) in steps {
        check_for_interrupts();
        all.step(&features, &step, false).map_err(from_classifier)?;
    }
    Ok(all)
}
