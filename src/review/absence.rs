//! Looks for reviews whose rows are gone without a trigger having said so: their table or
//! partition was dropped, or something else took the triggers' place.

use std::collections::HashMap;

use pg_triage_classifier::casefold_label;
use pgrx::{notice, warning};

use crate::error::SqlResult;
use crate::pg;
use crate::store::Writer;
use crate::store::deletion::{ReviewedLabel, Which};
use crate::store::source::{INBOX, Source};

/// Reviews looked at by one query.
const REVIEWS_AT_ONCE: i64 = 1000;

/// Most reviews of which the labels are compared with those of their rows.
const MOST_COMPARED: usize = 100_000;

/// What was found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found {
    /// Reviews whose rows are there.
    pub there: i64,
    /// Those whose rows are gone.
    pub gone: i64,
}

/// What has changed without a trigger having said so.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unnoticed {
    /// Emails whose rows are gone.
    pub gone: i64,
    /// Rows of a partition that came back which have another label than their review says.
    pub differ: i64,
}

/// Takes reviews that are in the queue, and whose rows are gone, out of it.
pub fn note_absent(w: &mut Writer, source: &Source) -> SqlResult<Unnoticed> {
    let mut found = Unnoticed::default();
    // Before looking: what changes meanwhile is looked at again.
    let is_other = w.note_partitions(source)?;
    // An invisible row is not a deleted one, nor is one whose key nobody can tell.
    if pg::hides_rows_from_owner(source.relation) || w.check_columns(source).is_err() {
        return Ok(found);
    }
    look_at_all(w, source, Which::Open, |w, keys, there| {
        let (_, absent) = split(keys, there);
        found.gone += w.note_deleted(source, absent)? as i64;
        Ok(())
    })?;
    if is_other {
        // A partition may have come back.
        look_at_all(w, source, Which::Deleted, |w, keys, there| {
            let (present, _) = split(keys, there);
            w.note_returned(source, present).map(drop)
        })?;
        found.differ = warn_of_other_labels(w, source)?;
    }
    Ok(found)
}

/// Takes reviews whose rows are gone out of the queue, and puts those back whose rows are there.
pub fn note_presence(w: &mut Writer, source: &Source) -> SqlResult<Found> {
    let mut found = Found::default();
    let hides_rows = pg::hides_rows_from_owner(source.relation);
    look_at_all(w, source, Which::All, |w, keys, there| {
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

/// Gives rows the labels that people have decided, where they have none or the one from before that
/// decision, as those of an older copy do. Says how many, and how many the table did not let in. A
/// row with another label was changed by somebody since: see [`warn_of_other_labels`].
pub fn write_decided_labels(w: &mut Writer, source: &Source) -> SqlResult<()> {
    let Some(place) = source.table() else {
        return Ok(());
    };
    let (mut written, mut last, mut refused) = (0, 0, (0, String::new()));
    loop {
        pg::check_for_interrupts();
        let decided = w.decided_labels(source, last, REVIEWS_AT_ONCE)?;
        let Some(review) = decided.last() else {
            break;
        };
        last = review.review_id;
        let keys: Vec<_> = decided.iter().map(|d| d.email_key.clone()).collect();
        let rows = w.present(source, &keys)?;
        for decided in decided {
            let Some(label) = rows.get(&decided.email_key).map(Option::as_deref) else {
                continue;
            };
            let is_old = label.is_none() || is_same(label, decided.before.as_deref());
            if !is_old || is_same(label, Some(&decided.human_label)) {
                continue;
            }
            pg::check_for_interrupts();
            let human = Some(decided.human_label.as_str());
            match pg::catching(|| w.write_label(source, &place, &decided.email_key, human)) {
                Ok(()) => written += 1,
                Err(reason) => refused = (refused.0 + 1, reason),
            }
        }
    }
    if written > 0 {
        notice!(
            "{written} rows of {} had no label, or the one from before somebody decided, and have the decided one now",
            source.name
        );
    }
    if let (1.., reason) = refused {
        let n = refused.0;
        warning!(
            "{n} rows of {} do not have the label that was decided: {reason}",
            source.name
        );
    }
    Ok(())
}

/// Says how many rows have another label than their review says, which nobody has noted down: that
/// of a table or partition that was not attached, or of a copy. Looks at no more than so many
/// reviews; returns how many rows that are.
pub fn warn_of_other_labels(w: &mut Writer, source: &Source) -> SqlResult<i64> {
    if source.id == INBOX {
        return Ok(0);
    }
    let (mut differ, mut seen, mut last) = (0, 0, i64::MAX);
    while seen < MOST_COMPARED {
        pg::check_for_interrupts();
        let reviews = w.labels_reviewed(source, last, REVIEWS_AT_ONCE)?;
        let Some(review) = reviews.last() else {
            break;
        };
        last = review.review_id;
        seen += reviews.len();
        let keys: Vec<_> = reviews.iter().map(|r| r.email_key.clone()).collect();
        let rows = w.present(source, &keys)?;
        let differs = |review: &&ReviewedLabel| {
            let row = rows.get(&review.email_key);
            row.is_some_and(|label| !is_same(label.as_deref(), review.label.as_deref()))
        };
        differ += reviews.iter().filter(differs).count() as i64;
    }
    if differ == 0 {
        return Ok(0);
    }
    let at_least = match seen < MOST_COMPARED {
        true => "",
        false => "at least ",
    };
    let view = w.queue_view(source)?.unwrap_or_default();
    warning!(
        "{at_least}{differ} rows of {} have another label than their review says, as it was changed while the table was not attached: INSERT INTO {view} (review_id, human_label) SELECT review_id, label FROM {view} WHERE lower(btrim(label)) <> lower(coalesce(human_label, predicted_label, '')) makes decisions of their labels",
        source.name
    );
    Ok(differ)
}

/// Whether two labels are one, in whatever spelling.
fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    let key = |label: &str| casefold_label(label).ok();
    one == other || one.and_then(key) == other.and_then(key)
}

/// Keys that are there, and those that are not.
fn split(keys: Vec<String>, there: &HashMap<String, Option<String>>) -> (Vec<String>, Vec<String>) {
    keys.into_iter().partition(|key| there.contains_key(key))
}

fn look_at_all(
    w: &mut Writer,
    source: &Source,
    which: Which,
    mut note: impl FnMut(&mut Writer, Vec<String>, &HashMap<String, Option<String>>) -> SqlResult<()>,
) -> SqlResult<()> {
    let mut last = 0;
    loop {
        pg::check_for_interrupts();
        let reviews = w.reviews_of(source, which, last, REVIEWS_AT_ONCE)?;
        let Some(review) = reviews.last() else {
            return Ok(());
        };
        last = review.review_id;
        let keys: Vec<_> = reviews.into_iter().map(|review| review.email_key).collect();
        let there = w.present(source, &keys)?;
        note(w, keys, &there)?;
    }
}
