//! Looks for reviews whose rows are gone without a trigger having said so: their table or
//! partition was dropped, or something else took the triggers' place.

use std::collections::HashSet;

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

/// Takes reviews that are in the queue, and whose rows are gone, out of it; returns how many.
pub fn note_absent(w: &mut Writer, source: &Source) -> SqlResult<i64> {
    let mut gone = 0;
    // An invisible row is not a deleted one.
    if pg::hides_rows_from_owner(source.relation) {
        return Ok(gone);
    }
    look_at_all(w, source, true, |w, keys, there| {
        let (_, absent) = split(keys, there);
        gone += w.note_deleted(source, absent)? as i64;
        Ok(())
    })?;
    Ok(gone)
}

/// Takes reviews whose rows are gone out of the queue, and puts those back whose rows are there.
pub fn note_presence(w: &mut Writer, source: &Source) -> SqlResult<Found> {
    let mut found = Found::default();
    let hides_rows = pg::hides_rows_from_owner(source.relation);
    look_at_all(w, source, false, |w, keys, there| {
        let (present, absent) = split(keys, there);
        found.there += present.len() as i64;
        found.gone += absent.len() as i64;
        w.note_returned(source, present)?;
        if !hides_rows {
            w.note_deleted(source, absent)?;
        }
        Ok(())
    })?;
    Ok(found)
}

/// Keys that are there, and those that are not.
fn split(keys: Vec<String>, there: &HashSet<String>) -> (Vec<String>, Vec<String>) {
    keys.into_iter().partition(|key| there.contains(key))
}

fn look_at_all(
    w: &mut Writer,
    source: &Source,
    open: bool,
    mut note: impl FnMut(&mut Writer, Vec<String>, &HashSet<String>) -> SqlResult<()>,
) -> SqlResult<()> {
    let mut last = 0;
    loop {
        pg::check_for_interrupts();
        let reviews = w.reviews_of(source, open, last, REVIEWS_AT_ONCE)?;
        let Some(review) = reviews.last() else {
            return Ok(());
        };
        last = review.review_id;
        let keys: Vec<_> = reviews.into_iter().map(|review| review.email_key).collect();
        let there = w.present(source, &keys)?;
        note(w, keys, &there)?;
    }
}
