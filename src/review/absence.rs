//! Looks for reviews whose rows are gone without a trigger having said so: their table or
//! partition was dropped, or something else took the triggers' place.

use crate::error::SqlResult;
use crate::pg;
use crate::store::Writer;
use crate::store::source::Source;

/// Reviews looked at by one query.
const REVIEWS_AT_ONCE: i64 = 1000;

/// What was found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found {
    /// Reviews whose rows are there.
    pub there: i64,
    /// Those whose rows are gone.
    pub gone: i64,
}

/// Takes reviews whose rows are gone out of the queue: of all, or of those that are `open`.
pub fn note_absent(w: &mut Writer, source: &Source, open: bool) -> SqlResult<Found> {
    let mut found = Found::default();
    // An invisible row is not a deleted one.
    if pg::hides_rows_from_owner(source.relation) {
        return Ok(found);
    }
    let mut last = 0;
    loop {
        pg::check_for_interrupts();
        let reviews = w.reviews_with_rows(source, open, last, REVIEWS_AT_ONCE)?;
        let Some(review) = reviews.last() else {
            return Ok(found);
        };
        last = review.review_id;
        let mut keys: Vec<_> = reviews.into_iter().map(|review| review.email_key).collect();
        let there = w.present(source, &keys)?;
        found.there += there.len() as i64;
        keys.retain(|key| !there.contains(key));
        found.gone += w.note_deleted(source, keys)? as i64;
    }
}
