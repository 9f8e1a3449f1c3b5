//! Deleted rows: their reviews leave the queue, and keep what was decided.

use pgrx::{pg_extern, pg_sys};

use super::table::{Columns, attachment};
use crate::error::SqlResult;
use crate::pg::{self, Returned, Trigger};
use crate::store;

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
    store::as_owner(|w| {
        if trigger.is_truncation() {
            w.note_all_deleted(&source)?;
            return Ok(());
        }
        let columns = Columns::of(&trigger, &source)?;
        trigger.deleted_keys(columns.keys(), ROWS_AT_ONCE, |mut keys| {
            // The same statement, or another trigger of it, may have written them anew. Policies
            // on the table's owner are not for this statement to fail on.
            if !pg::hides_rows_from_owner(source.relation) {
                let there = w.present(&source, &keys)?;
                keys.retain(|key| !there.contains_key(key));
            }
            w.note_deleted(&source, keys)?;
            Ok(())
        })
    })?;
    Ok(Returned::nothing())
}
