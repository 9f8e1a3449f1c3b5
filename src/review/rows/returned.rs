//! Rows that come back after they were deleted.

use crate::error::SqlResult;
use crate::predict::classify;
use crate::review::decide::review_facts;
use crate::store::Reader;
use crate::store::review::Review;
use crate::types::ledger::load_features;

/// Whether a row that came with a label is the email that the review of its key is about: it has
/// the label that it had, and the text that was decided about.
pub fn is_same_email(
    r: &Reader,
    review: &Review,
    label: &str,
    text: impl FnOnce() -> SqlResult<String>,
) -> SqlResult<bool> {
    let facts = review_facts(review);
    if facts.effective_label(review.human_label.as_deref()) != Some(label) {
        return Ok(false);
    }
    // Nobody has decided, or about no text. The key is unique: whoever had it is gone, also where
    // the statement that deletes it has not ended yet.
    let Some(decision) = review.decision_id.filter(|_| review.human_label.is_some()) else {
        return Ok(true);
    };
    match r.decision(decision)?.features {
        Some(features) => Ok(load_features(features)? == classify::features(&text()?)?),
        None => Ok(true),
    }
}
