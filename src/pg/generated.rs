//! Generated columns and defaults of rows that are not written yet.

use pgrx::pg_sys;

/// The row with those of these columns that are generated; `None` if none is.
///
/// # Safety
/// An open relation, a tuple of its description, and numbers of its columns.
pub(super) unsafe fn with_generated(
    relation: pg_sys::Relation,
    tuple: pg_sys::HeapTuple,
    columns: &[i16],
) -> Option<pg_sys::HeapTuple> {
    unsafe {
        let description = (*relation).rd_att;
        let attributes = (*description)
            .attrs
            .as_slice((*description).natts.max(0) as usize);
        let is_generated = |&&number: &&i16| {
            let number = usize::try_from(number).unwrap_or(0);
            let attribute = number.checked_sub(1).and_then(|n| attributes.get(n));
            attribute.is_some_and(|attribute| attribute.attgenerated != 0)
        };
        let generated: Vec<i16> = columns.iter().filter(is_generated).copied().collect();
        (!generated.is_empty()).then(|| with_defaults(relation, tuple, &generated))
    }
}

/// The row with the default of these columns, which of generated ones is what they are generated
/// from. Those without one are left as they are.
///
/// # Safety
/// As above.
pub(super) unsafe fn with_defaults(
    relation: pg_sys::Relation,
    tuple: pg_sys::HeapTuple,
    columns: &[i16],
) -> pg_sys::HeapTuple {
    unsafe {
        let description = (*relation).rd_att;
        let executor = pg_sys::CreateExecutorState();
        let slot =
            pg_sys::MakeSingleTupleTableSlot(description, &raw const pg_sys::TTSOpsHeapTuple);
        pg_sys::ExecForceStoreHeapTuple(tuple, slot, false);
        let context = pg_sys::CreateExprContext(executor);
        (*context).ecxt_scantuple = slot;
        let (mut numbers, mut values, mut nulls) = (Vec::new(), Vec::new(), Vec::new());
        for &number in columns {
            let expression = pg_sys::build_column_default(relation, number.into());
            if expression.is_null() {
                continue;
            }
            let state = pg_sys::ExecPrepareExpr(expression.cast(), executor);
            let mut is_null = false;
            values.push(pg_sys::ExecEvalExpr(state, context, &mut is_null));
            nulls.push(is_null);
            numbers.push(i32::from(number));
        }
        let completed = pg_sys::heap_modify_tuple_by_cols(
            tuple,
            description,
            numbers.len() as i32,
            numbers.as_mut_ptr(),
            values.as_mut_ptr(),
            nulls.as_mut_ptr(),
        );
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::FreeExecutorState(executor);
        completed
    }
}
