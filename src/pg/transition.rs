//! The rows that a statement has deleted or changed, as its trigger gets them.

use pgrx::pg_sys;

use super::interrupt::check_for_interrupts;
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
        let mut keys = Vec::new();
        self.each_row(self.old_table(), |row| {
            keys.extend(row.key(columns)?);
            if keys.len() < at_once {
                return Ok(());
            }
            pass_on(std::mem::take(&mut keys))
        })?;
        match keys.is_empty() {
            true => Ok(()),
            false => pass_on(keys),
        }
    }

    /// Passes on the rows of a transition table, which may be null: there are none then.
    fn each_row(
        &self,
        store: *mut pg_sys::Tuplestorestate,
        mut pass_on: impl FnMut(Row) -> SqlResult<()>,
    ) -> SqlResult<()> {
        if store.is_null() {
            return Ok(());
        }
        // SAFETY: a tuple store of rows of the relation that the trigger is on, which is open
        // while it runs; the slot and its row live until they were passed on.
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
                // What was passed on may have read the same rows.
                pg_sys::tuplestore_select_read_pointer(store, place);
                if !pg_sys::tuplestore_gettupleslot(store, true, false, slot) {
                    break;
                }
                let mut is_ours = false;
                let row = pg_sys::ExecFetchSlotHeapTuple(slot, true, &mut is_ours);
                pass_on(Row::new(self.relation(), row, description))?;
                if is_ours {
                    pg_sys::heap_freetuple(row);
                }
            }
            pg_sys::ExecDropSingleTupleTableSlot(slot);
        }
        Ok(())
    }
}
