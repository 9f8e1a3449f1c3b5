//! The training sample: the emails that counts keep whole.

use pg_triage_classifier::State;

use crate::error::{SqlResult, from_classifier};
use crate::pg::check_for_interrupts;
use crate::store::Reader;
use crate::types::ledger::signed;

/// Completes the training sample of the decisions' counts from the ledger: un-learning may
/// have left it without emails that it would have now. With `pending_too` the counts hold
/// pending decisions as well.
pub fn complete(
    r: &Reader,
    classifier: &str,
    state: &mut State,
    pending_too: bool,
) -> SqlResult<()> {
    let mut place = state
        .training_sample_is_short_from()
        .map(|priority| (signed(priority), 0));
    while let Some(from) = place {
        check_for_interrupts();
        // Decisions in force, as far as the counts go.
        let page = match pending_too {
            true => r.sample_in_force(classifier, from)?,
            false => r.sample_in_base(classifier, from)?,
        };
        if state
            .extend_training_sample(page.found.into_iter())
            .map_err(from_classifier)?
        {
            return Ok(());
        }
        place = page.next;
    }
    Ok(())
}
