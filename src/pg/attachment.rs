//! How an attached table's rows are found: the column list of one of its triggers says which
//! columns hold label, key and text, because the server keeps that right when columns are renamed
//! or dropped.

use std::ffi::CStr;

use pgrx::pg_sys;

/// # Safety
/// A trigger of an open relation.
pub(super) unsafe fn argument_of(trigger: &pg_sys::Trigger) -> Option<i64> {
    if trigger.tgnargs != 1 {
        return None;
    }
    let text = unsafe { CStr::from_ptr(*trigger.tgargs) };
    text.to_str().ok()?.parse().ok()
}

/// # Safety
/// An open relation.
pub(super) unsafe fn columns_of(relation: pg_sys::Relation, argument: i64) -> Option<Vec<i16>> {
    const LABEL_KEY_AND_A_TEXT: i16 = 3;
    unsafe {
        let description = (*relation).trigdesc;
        if description.is_null() {
            return None;
        }
        let triggers = std::slice::from_raw_parts(
            (*description).triggers,
            (*description).numtriggers.max(0) as usize,
        );
        // By function: whoever may create triggers on the table may give them any list, and
        // nobody else may execute this one.
        let ours = triggers.iter().find(|trigger| {
            trigger.tgnattr >= LABEL_KEY_AND_A_TEXT
                && argument_of(trigger) == Some(argument)
                && is_record_decision(trigger.tgfoid)
        })?;
        let columns = std::slice::from_raw_parts(ours.tgattr, ours.tgnattr as usize);
        Some(columns.to_vec())
    }
}

fn is_record_decision(function: pg_sys::Oid) -> bool {
    // SAFETY: syscache look-ups; null for a function that is gone.
    unsafe {
        let name = pg_sys::get_func_name(function);
        !name.is_null()
            && CStr::from_ptr(name) == c"record_decision"
            && pg_sys::get_func_namespace(function)
                == pg_sys::get_namespace_oid(c"triage_internal".as_ptr(), true)
    }
}

/// A name from the server, if there is one.
///
/// # Safety
/// Null or a NUL-terminated string.
unsafe fn text(name: *const std::ffi::c_char) -> Option<String> {
    (!name.is_null()).then(|| {
        unsafe { CStr::from_ptr(name) }
            .to_string_lossy()
            .into_owned()
    })
}

/// How to get at the rows of a table that is not open. `None` if it is gone, or is not the
/// one that was attached under this number.
pub fn attached_table(relation: pg_sys::Oid, argument: i64) -> Option<AttachedTable> {
    // SAFETY: a relation that was just found to exist is locked before it is looked at; all
    // pointers that can be null are checked.
    unsafe {
        let open = pg_sys::try_relation_open(relation, pg_sys::AccessShareLock as i32);
        if open.is_null() {
            return None;
        }
        let attached = columns_of(open, argument).and_then(|columns| {
            let schema = text(pg_sys::get_namespace_name((*(*open).rd_rel).relnamespace))?;
            let name = text(pg_sys::get_rel_name(relation))?;
            let quoted = |number: i16| {
                let name = pg_sys::get_attname(relation, number, true);
                (!name.is_null()).then(|| text(pg_sys::quote_identifier(name)))?
            };
            let key_type = pg_sys::SPI_gettypeid((*open).rd_att, columns[1].into());
            let compared = pg_sys::lookup_type_cache(
                key_type,
                (pg_sys::TYPECACHE_EQ_OPR | pg_sys::TYPECACHE_GT_OPR) as i32,
            );
            Some(AttachedTable {
                table: format!("{}.{}", quote(&schema), quote(&name)),
                label: quoted(columns[0])?,
                key: quoted(columns[1])?,
                key_type: text(pg_sys::format_type_be_qualified(key_type))?,
                key_equals: operator((*compared).eq_opr)?,
                key_follows: operator((*compared).gt_opr)?,
                texts: columns[2..]
                    .iter()
                    .map(|&n| quoted(n))
                    .collect::<Option<_>>()?,
            })
        });
        // The lock stays until the transaction ends: the names hold as long.
        pg_sys::relation_close(open, pg_sys::NoLock as i32);
        attached
    }
}

fn quote(name: &str) -> String {
    pgrx::spi::quote_identifier(name)
}

/// `OPERATOR(pg_catalog.=)`
fn operator(number: pg_sys::Oid) -> Option<String> {
    // SAFETY: syscache look-ups; null for an operator that does not exist.
    unsafe {
        let name = text(pg_sys::get_opname(number))?;
        // `pg_catalog.=(integer,integer)`
        let qualified = text(pg_sys::format_operator_qualified(number))?;
        let (schema, _) = qualified.split_once(&format!(".{name}("))?;
        Some(format!("OPERATOR({schema}.{name})"))
    }
}

/// How to get at the rows of an attached table in SQL. All names are quoted.
#[derive(Debug, Clone)]
pub struct AttachedTable {
    /// The table, with its schema.
    pub table: String,
    /// Label column.
    pub label: String,
    /// Key column.
    pub key: String,
    /// Type of the key.
    pub key_type: String,
    /// Whether keys are the same.
    pub key_equals: String,
    /// Whether the left one comes later.
    pub key_follows: String,
    /// Text columns.
    pub texts: Vec<String>,
}
