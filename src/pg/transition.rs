//! The rows that a statement has deleted, as its trigger gets them.

use pgrx::pg_sys;

use super::interrupt::check_for_interrupts;
use super::key::key_text;
use super::trigger::Trigger;
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
}
