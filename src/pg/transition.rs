//! The rows that a statement has deleted or changed, as its trigger gets them.

use pgrx::pg_sys;

use super::interrupt::check_for_interrupts;
use super::key::key_text;
use super::trigger::{Row, Trigger};
use crate::error::SqlResult;

impl Trigger {
    /// Passes on the keys of the rows that the statement has deleted, which these columns hold, so
    /// many at once. Rows without a key are left out. Nothing without a transition table.
    pub fn deleted_keys(
        &self,
        columns: &[i16],
        at_once: usize,
        mut pass_on: impl FnMut(Vec<String>) -> SqlResult<()>,
    ) -> SqlResult<()> {
        let store = self.old_table();
        if store.is_null() {
            return Ok(());
        }
        // SAFETY: a tuple store of rows of the relation that the trigger is on, which is open
        // while it runs; the slot and its row are used before they are freed.
        unsafe {
            let description = self.description();
            let slot = pg_sys::MakeSingleTupleTableSlot(
                description,
                &raw const pg_sys::TTSOpsMinimalTuple,
            );
            let place =
                pg_sys::tuplestore_alloc_read_pointer(store, pg_sys::EXEC_FLAG_REWIND as i32);
            pg_sys::tuplestore_select_read_pointer(store, place);
            pg_sys::tuplestore_rescan(store);
            loop {
                check_for_interrupts();
                let mut keys = Vec::with_capacity(at_once.min(1000));
                // What was passed on may have read the same rows.
                pg_sys::tuplestore_select_read_pointer(store, place);
                while keys.len() < at_once
                    && pg_sys::tuplestore_gettupleslot(store, true, false, slot)
                {
                    let mut is_ours = false;
                    let row = pg_sys::ExecFetchSlotHeapTuple(slot, true, &mut is_ours);
                    let numbers = columns.iter().map(|&number| i32::from(number));
                    keys.extend(key_text(row, description, numbers)?);
                    if is_ours {
                        pg_sys::heap_freetuple(row);
                    }
                }
                if keys.is_empty() {
                    break;
                }
                pass_on(keys)?;
            }
            pg_sys::ExecDropSingleTupleTableSlot(slot);
        }
        Ok(())
    }

    /// What `read` makes of the rows that the statement has changed, as they were and as they are,
    /// in one order. Nothing without transition tables.
    pub fn updated<R>(&self, mut read: impl FnMut(Row) -> SqlResult<R>) -> SqlResult<Vec<(R, R)>> {
        let (old, new) = (self.old_table(), self.new_table());
        if old.is_null() || new.is_null() {
            return Ok(Vec::new());
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (store, rows) in [(old, &mut before), (new, &mut after)] {
            // SAFETY: as above; the row lives until `read` has seen it.
            unsafe {
                let description = self.description();
                let slot = pg_sys::MakeSingleTupleTableSlot(
                    description,
                    &raw const pg_sys::TTSOpsMinimalTuple,
                );
                let place =
                    pg_sys::tuplestore_alloc_read_pointer(store, pg_sys::EXEC_FLAG_REWIND as i32);
                pg_sys::tuplestore_select_read_pointer(store, place);
                pg_sys::tuplestore_rescan(store);
                while pg_sys::tuplestore_gettupleslot(store, true, false, slot) {
                    check_for_interrupts();
                    let mut is_ours = false;
                    let row = pg_sys::ExecFetchSlotHeapTuple(slot, true, &mut is_ours);
                    rows.push(read(Row::new(self.relation(), row, description))?);
                    if is_ours {
                        pg_sys::heap_freetuple(row);
                    }
                }
                pg_sys::ExecDropSingleTupleTableSlot(slot);
            }
        }
        Ok(before.into_iter().zip(after).collect())
    }
}
