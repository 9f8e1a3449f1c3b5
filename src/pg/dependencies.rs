//! Which columns expressions of a table depend on.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::rc::Rc;

use pgrx::pg_sys;

thread_local! {
    /// By the stored expression.
    static MENTIONED: RefCell<HashMap<CString, Rc<[i16]>>> = RefCell::default();
}

/// Which columns what depends on: generated ones on what they are made of.
pub(super) struct Dependencies {
    column: i16,
    /// Generated columns, and what each is made of.
    generated: Vec<(i16, Rc<[i16]>)>,
}

impl Dependencies {
    /// What depends on a column.
    ///
    /// # Safety
    /// A description of an open relation.
    pub(super) unsafe fn of(description: pg_sys::TupleDesc, column: i16) -> Self {
        // SAFETY: the caller's.
        let generated = unsafe { sources(description) };
        Self { column, generated }
    }

    /// Numbers of generated columns.
    pub(super) fn generated(&self) -> impl Iterator<Item = i16> {
        self.generated.iter().map(|&(number, _)| number)
    }

    /// What these columns depend on beside the one asked about; `None` if not on that.
    pub(super) fn others(&self, columns: &[i16]) -> Option<Vec<i16>> {
        let (mut is_about, mut others) = (false, Vec::new());
        for column in columns {
            let made_of = self.generated.iter().find(|(number, _)| number == column);
            let sources = match made_of {
                Some((_, sources)) => sources,
                None => std::slice::from_ref(column),
            };
            for &source in sources {
                is_about |= source == self.column || source == WHOLE_ROW;
                if source != self.column && !others.contains(&source) {
                    others.push(source);
                }
            }
        }
        is_about.then_some(others)
    }
}

/// Stands for all columns.
const WHOLE_ROW: i16 = 0;

/// Generated columns, and what each is made of.
///
/// # Safety
/// A description of an open relation.
unsafe fn sources(description: pg_sys::TupleDesc) -> Vec<(i16, Rc<[i16]>)> {
    unsafe {
        let constraints = (*description).constr;
        if constraints.is_null() || !(*constraints).has_generated_stored {
            return Vec::new();
        }
        let defaults = std::slice::from_raw_parts(
            (*constraints).defval,
            usize::from((*constraints).num_defval),
        );
        let attributes = (*description)
            .attrs
            .as_slice((*description).natts.max(0) as usize);
        let is_generated = |number: i16| {
            let attribute = usize::try_from(number - 1)
                .ok()
                .and_then(|n| attributes.get(n));
            attribute.is_some_and(|attribute| attribute.attgenerated != 0)
        };
        let found = defaults
            .iter()
            .filter(|default| is_generated(default.adnum) && !default.adbin.is_null())
            .map(|default| (default.adnum, mentioned(CStr::from_ptr(default.adbin))));
        found.collect()
    }
}

/// Columns that a stored expression mentions.
pub(super) fn mentioned(expression: &CStr) -> Rc<[i16]> {
    const MOST: usize = 1000;
    if let Some(known) = MENTIONED.with_borrow(|known| known.get(expression).cloned()) {
        return known;
    }
    // SAFETY: an expression of the server's own.
    let found: Rc<[i16]> =
        unsafe { columns_in(pg_sys::stringToNode(expression.as_ptr()).cast()) }.into();
    MENTIONED.with_borrow_mut(|known| {
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(expression.to_owned(), found.clone());
    });
    found
}

/// Columns that an expression about one relation mentions.
///
/// # Safety
/// An expression, or a list of some, or null.
pub(super) unsafe fn columns_in(expression: *mut pg_sys::Node) -> Vec<i16> {
    // SAFETY: members of the set are column numbers less that of the first system column.
    unsafe {
        let (mut columns, mut found) = (std::ptr::null_mut(), Vec::new());
        pg_sys::pull_varattnos(expression, 1, &mut columns);
        let mut member = pg_sys::bms_next_member(columns, -1);
        while member >= 0 {
            found.push((member + pg_sys::FirstLowInvalidHeapAttributeNumber) as i16);
            member = pg_sys::bms_next_member(columns, member);
        }
        found
    }
}
