//! Indexes that let each value in once, or keep values from excluding each other, asked before a
//! row is written.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::dependencies::{Dependencies, columns_in};
use super::trigger::{Event, Row, Trigger};
use crate::error::SqlResult;

/// A unique index or an exclusion constraint that depends on the column.
#[derive(Debug, Clone)]
pub struct Unique {
    index: pg_sys::Oid,
    /// Its name.
    pub name: String,
    /// The other columns that it depends on, those of its condition included.
    pub others: Vec<i16>,
}

/// # Safety
/// An open relation.
pub(super) unsafe fn uniques(
    relation: pg_sys::Relation,
    dependencies: &Dependencies,
) -> Vec<Unique> {
    unsafe {
        let list = pg_sys::RelationGetIndexList(relation);
        if list.is_null() {
            return Vec::new();
        }
        let cells = std::slice::from_raw_parts((*list).elements, (*list).length.max(0) as usize);
        let found = cells
            .iter()
            .filter_map(|cell| unique(cell.oid_value, dependencies));
        let found = found.collect();
        pg_sys::list_free(list);
        found
    }
}

/// # Safety
/// An index of an open relation.
unsafe fn unique(index: pg_sys::Oid, dependencies: &Dependencies) -> Option<Unique> {
    unsafe {
        let open = pg_sys::index_open(index, pg_sys::AccessShareLock as i32);
        let kind = &*(*open).rd_index;
        let others = match (kind.indisunique || kind.indisexclusion) && kind.indisready {
            true => {
                let info = &*pg_sys::BuildIndexInfo(open);
                let keys = info.ii_NumIndexKeyAttrs.max(0) as usize;
                let mut columns = info.ii_IndexAttrNumbers[..keys].to_vec();
                // An expression has the number of no column.
                columns.retain(|&column| column != 0);
                columns.extend(columns_in(info.ii_Expressions.cast()));
                columns.extend(columns_in(info.ii_Predicate.cast()));
                dependencies.others(&columns)
            }
            false => None,
        };
        let name = CStr::from_ptr((*(*open).rd_rel).relname.data.as_ptr());
        let name = name.to_string_lossy().into_owned();
        pg_sys::index_close(open, pg_sys::AccessShareLock as i32);
        others.map(|others| Unique {
            index,
            name,
            others,
        })
    }
}

impl Trigger {
    /// Refuses a row, its generated columns included, that an index does not let in beside those
    /// that are there. Waits for transactions that may be about to add one of these, as the server
    /// does. Runs what the index calls, as the current user.
    ///
    /// # Errors
    /// `exclusion_violation`, of a unique index, too.
    pub fn check_unique(&self, row: &Row, unique: &Unique) -> SqlResult<()> {
        // SAFETY: what the server does when it adds to an index with exclusion operators, which
        // takes a unique index as one of equality (`ExecInsertIndexTuples`). After an error
        // memory, locks and the open index go with the subtransaction.
        unsafe {
            let relation = self.open_relation();
            let index = pg_sys::index_open(unique.index, pg_sys::RowExclusiveLock as i32);
            let info = pg_sys::BuildIndexInfo(index);
            let executor = pg_sys::CreateExecutorState();
            let slot = pg_sys::MakeSingleTupleTableSlot(
                row.description(),
                &raw const pg_sys::TTSOpsHeapTuple,
            );
            pg_sys::ExecForceStoreHeapTuple(row.tuple(), slot, false);
            let context = pg_sys::MakePerTupleExprContext(executor);
            (*context).ecxt_scantuple = slot;
            if is_indexed(info, executor, context) {
                if (*info).ii_ExclusionOps.is_null() {
                    pg_sys::BuildSpeculativeIndexInfo(index, info);
                }
                let mut values = [pg_sys::Datum::from(0usize); pg_sys::INDEX_MAX_KEYS as usize];
                let mut nulls = [false; pg_sys::INDEX_MAX_KEYS as usize];
                pg_sys::FormIndexDatum(
                    info,
                    slot,
                    executor,
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                );
                let mut own = self.own_place();
                pg_sys::check_exclusion_constraint(
                    relation,
                    index,
                    info,
                    &mut own,
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                    executor,
                    false,
                );
            }
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            pg_sys::FreeExecutorState(executor);
            pg_sys::index_close(index, pg_sys::NoLock as i32);
        }
        Ok(())
    }

    /// Where the row is that an update takes the place of; nowhere for a new one.
    fn own_place(&self) -> pg_sys::ItemPointerData {
        match self.event() {
            // SAFETY: the server's own row.
            Event::Update => unsafe { (*self.old().tuple()).t_self },
            _ => pg_sys::ItemPointerData::default(),
        }
    }
}

/// Whether an index has the row that the context shows: that of a condition has those that satisfy
/// it.
///
/// # Safety
/// An index's description and a context of the executor.
unsafe fn is_indexed(
    info: *mut pg_sys::IndexInfo,
    executor: *mut pg_sys::EState,
    context: *mut pg_sys::ExprContext,
) -> bool {
    unsafe {
        if (*info).ii_Predicate.is_null() {
            return true;
        }
        let condition = pg_sys::make_ands_explicit((*info).ii_Predicate);
        let condition = pg_sys::ExecPrepareExpr(condition, executor);
        let mut is_null = false;
        let satisfied = pg_sys::ExecEvalExpr(condition, context, &mut is_null);
        !is_null && satisfied.value() != 0
    }
}
