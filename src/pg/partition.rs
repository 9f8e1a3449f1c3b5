//! Which tables a partition belongs to.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::pg_sys;

// Not in pgrx's bindings.
unsafe extern "C-unwind" {
    fn get_partition_ancestors(relation: pg_sys::Oid) -> *mut pg_sys::List;
}

thread_local! {
    static ABOVE: RefCell<HashMap<pg_sys::Oid, Rc<[pg_sys::Oid]>>> = RefCell::default();
}

/// Tables above the partition that has this clone of their trigger, the nearest first. Remembered:
/// a clone goes when its partition leaves one of them.
pub(super) fn tables_above(clone: pg_sys::Oid, partition: pg_sys::Oid) -> Rc<[pg_sys::Oid]> {
    // Dropped tables leave theirs behind.
    const MOST: usize = 10_000;
    if let Some(known) = ABOVE.with_borrow(|above| above.get(&clone).cloned()) {
        return known;
    }
    let found: Rc<[pg_sys::Oid]> = ancestors(partition).into();
    ABOVE.with_borrow_mut(|above| {
        if above.len() >= MOST {
            above.clear();
        }
        above.insert(clone, found.clone());
    });
    found
}

#[expect(
    ffi_unwind_calls,
    reason = "within the guard that every call of the server needs"
)]
fn ancestors(partition: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    // SAFETY: catalogue look-ups; the list has as many items as it says, and is ours to free.
    unsafe {
        let list = pg_sys::ffi::pg_guard_ffi_boundary(|| get_partition_ancestors(partition));
        if list.is_null() {
            return Vec::new();
        }
        let cells = std::slice::from_raw_parts((*list).elements, (*list).length.max(0) as usize);
        let found = cells.iter().map(|cell| cell.oid_value).collect();
        pg_sys::list_free(list);
        found
    }
}
