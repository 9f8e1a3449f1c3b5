//! Deleted rows: their reviews leave the queue, and keep what was decided.

use pgrx::{pg_extern, pg_sys};

use super::memory::is_moved;
use super::statement::fires_at_end;
use super::table::{Columns, attachment};
use crate::error::SqlResult;
use crate::pg::{self, Returned, Trigger};
use crate::store::source::Source;
use crate::store::{self, Writer};

/// Rows noted by one statement.
const ROWS_AT_ONCE: usize = 1000;

#[pg_extern(sql = false)]
fn record_deletion(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if pg::is_restoring() {
        return Ok(Returned::nothing());
    }
    let Some(source) = attachment(&trigger)? else {
        return Ok(Returned::nothing());
    };
    if trigger.is_for_row() {
        note_deleted_row(&trigger, &source)?;
        return Ok(Returned::nothing());
    }
    store::as_owner(|w| {
        if trigger.is_truncation() {
            w.note_all_deleted(&source)?;
            return Ok(());
        }
        let Some(columns) = Columns::of(&trigger, &source)? else {
            return Ok(());
        };
        trigger.deleted_keys(columns.keys(), ROWS_AT_ONCE, |keys| {
            note_deleted(w, &source, keys)
        })
    })?;
    Ok(Returned::nothing())
}

/// A row of a partition, by a statement that names the partition: one on the attached table has a
/// trigger at its end that notes all rows at once.
fn note_deleted_row(trigger: &Trigger, source: &Source) -> SqlResult<()> {
    if fires_at_end(trigger, source) {
        return Ok(());
    }
    let Some(columns) = Columns::of(trigger, source)? else {
        return Ok(());
    };
    let Some(key) = columns.key_of(trigger.old())? else {
        return Ok(());
    };
    // An update that moves a row to another partition deletes it here.
    let hides_rows = pg::hides_rows_from_owner(source.relation);
    if hides_rows && is_moved(source.id, &key) {
        return Ok(());
    }
    store::as_owner(|w| {
        // Looked up by itself: a join with a list reads small or new tables from end to end.
        if hides_rows || w.stored_key(source, &key)?.is_none() {
            w.note_deleted(source, vec![key])?;
        }
        Ok(())
    })
}

fn note_deleted(w: &mut Writer, source: &Source, mut keys: Vec<String>) -> SqlResult<()> {
    // The same statement, or another trigger of it, may have written them anew. Policies on the
    // table's owner are not for this statement to fail on.
    if !pg::hides_rows_from_owner(source.relation) {
        let there = w.present(source, &keys)?;
        keys.retain(|key| !there.contains_key(key));
    }
    w.note_deleted(source, keys)?;
    Ok(())
}
