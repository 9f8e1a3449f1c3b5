//! How an attached table's rows are found: the column list of one of its triggers says which
//! columns hold label, key and text, in this order, because the server keeps that right when
//! columns are renamed or dropped. How many of them are key columns, the attachment knows.

use std::ffi::CStr;

use pgrx::pg_sys;

/// # Safety
/// A trigger of an open relation.
pub(super) unsafe fn argument_of(trigger: &pg_sys::Trigger) -> Option<i64> {
    if trigger.tgnargs < 1 {
        return None;
    }
    let text = unsafe { CStr::from_ptr(*trigger.tgargs) };
    text.to_str().ok()?.parse().ok()
}

/// The column list of the relation's trigger that calls this function of ours with this argument,
/// if it has so many columns.
///
/// # Safety
/// An open relation.
pub(super) unsafe fn columns_of(
    relation: pg_sys::Relation,
    argument: i64,
    function: &CStr,
    least: i16,
) -> Option<Vec<i16>> {
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
            trigger.tgnattr >= least
                && argument_of(trigger) == Some(argument)
                && is_ours(trigger.tgfoid, function)
        })?;
        let columns = std::slice::from_raw_parts(ours.tgattr, ours.tgnattr as usize);
        Some(columns.to_vec())
    }
}

/// Arguments and first columns of the lists of other attachments on a relation.
///
/// # Safety
/// An open relation.
pub(super) unsafe fn other_lists(relation: pg_sys::Relation, argument: i64) -> Vec<(i64, i16)> {
    unsafe {
        let description = (*relation).trigdesc;
        if description.is_null() {
            return Vec::new();
        }
        let triggers = std::slice::from_raw_parts(
            (*description).triggers,
            (*description).numtriggers.max(0) as usize,
        );
        let other = |trigger: &pg_sys::Trigger| {
            let other = argument_of(trigger).filter(|&other| other != argument)?;
            let is_list = trigger.tgnattr >= LEAST && is_ours(trigger.tgfoid, LIST);
            is_list.then(|| (other, *trigger.tgattr))
        };
        triggers.iter().filter_map(other).collect()
    }
}

fn is_ours(function: pg_sys::Oid, wanted: &CStr) -> bool {
    // SAFETY: syscache look-ups; null for a function that is gone.
    unsafe {
        let name = pg_sys::get_func_name(function);
        !name.is_null()
            && CStr::from_ptr(name) == wanted
            && pg_sys::get_func_namespace(function)
                == pg_sys::get_namespace_oid(c"triage_internal".as_ptr(), true)
    }
}

/// A name from the server, if there is one.
///
/// # Safety
/// Null or a NUL-terminated string.
pub(super) unsafe fn text(name: *const std::ffi::c_char) -> Option<String> {
    (!name.is_null()).then(|| {
        unsafe { CStr::from_ptr(name) }
            .to_string_lossy()
            .into_owned()
    })
}

/// The function of the trigger that lists an attached table's columns.
pub(super) const LIST: &CStr = c"record_decision";
/// Label, key and at least one text.
pub(super) const LEAST: i16 = 3;

/// A column, quoted.
pub(super) fn name_of_column(relation: pg_sys::Oid, number: i16) -> Option<String> {
    // SAFETY: a syscache look-up; null for a column that does not exist.
    unsafe {
        let name = pg_sys::get_attname(relation, number, true);
        (!name.is_null()).then(|| text(pg_sys::quote_identifier(name)))?
    }
}

/// Number of the label column of a table that is not open; `None` if it is gone, or is not the
/// one that was attached under this number.
pub fn label_column(relation: pg_sys::Oid, argument: i64) -> Option<i16> {
    // SAFETY: opened and closed here.
    unsafe {
        let open = pg_sys::try_relation_open(relation, pg_sys::AccessShareLock as i32);
        if open.is_null() {
            return None;
        }
        let columns = columns_of(open, argument, LIST, LEAST);
        pg_sys::relation_close(open, pg_sys::NoLock as i32);
        columns.and_then(|columns| columns.first().copied())
    }
}

/// How to get at the rows of a table that is not open, whose key has so many columns, and where in
/// the list is what says when an email was received. `None` if
/// it is gone, or is not the one that was attached under this number.
pub fn attached_table(
    relation: pg_sys::Oid,
    argument: i64,
    keys: usize,
    received_at: Option<usize>,
) -> Option<AttachedTable> {
    // SAFETY: a relation that was just found to exist is locked before it is looked at; all
    // pointers that can be null are checked.
    unsafe {
        let open = pg_sys::try_relation_open(relation, pg_sys::AccessShareLock as i32);
        if open.is_null() {
            return None;
        }
        let attached = columns_of(open, argument, LIST, LEAST).and_then(|columns| {
            let received = received_at.and_then(|place| columns.get(place).copied());
            let (&label, others) = listed(&columns, received_at).split_first()?;
            let (keys, texts) = others.split_at_checked(keys)?;
            let schema = text(pg_sys::get_namespace_name((*(*open).rd_rel).relnamespace))?;
            let name = text(pg_sys::get_rel_name(relation))?;
            // Rows of tables that inherit from it are theirs: no trigger here sees them.
            let only = match (*(*open).rd_rel).relkind as u8 {
                pg_sys::RELKIND_RELATION => "ONLY ",
                _ => "",
            };
            let quoted = |number: i16| name_of_column(relation, number);
            let type_of = |number: i16| pg_sys::SPI_gettypeid((*open).rd_att, number.into());
            let key = |&number: &i16| {
                let type_id = pg_sys::getBaseType(type_of(number));
                let compared = pg_sys::lookup_type_cache(
                    type_id,
                    (pg_sys::TYPECACHE_EQ_OPR | pg_sys::TYPECACHE_GT_OPR) as i32,
                );
                Some(KeyColumn {
                    name: quoted(number)?,
                    type_name: type_name(type_id)?,
                    equals: operator((*compared).eq_opr)?,
                    follows: operator((*compared).gt_opr)?,
                })
            };
            Some(AttachedTable {
                table: format!("{only}{}.{}", quote(&schema), quote(&name)),
                label: quoted(label)?,
                label_type: type_name(type_of(label))?,
                keys: keys.iter().map(key).collect::<Option<_>>()?,
                texts: texts.iter().map(|&n| quoted(n)).collect::<Option<_>>()?,
                received_at: received.and_then(quoted),
            })
        });
        // The lock stays until the transaction ends: the names hold as long.
        pg_sys::relation_close(open, pg_sys::NoLock as i32);
        attached
    }
}

/// Label, key and texts of the list: what says when an email was received comes last, unless it is
/// a part of the key.
pub fn listed(columns: &[i16], received_at: Option<usize>) -> &[i16] {
    match columns.split_last() {
        Some((_, others)) if received_at == Some(others.len()) => others,
        _ => columns,
    }
}

/// A type as a cast names it, with its schema.
pub(super) fn type_name(type_id: pg_sys::Oid) -> Option<String> {
    if type_id == pg_sys::BPCHAROID {
        // What the server calls it means a single character.
        return Some("pg_catalog.bpchar".to_owned());
    }
    // SAFETY: a syscache look-up.
    unsafe { text(pg_sys::format_type_be_qualified(type_id)) }
}

pub(super) fn quote(name: &str) -> String {
    pgrx::spi::quote_identifier(name)
}

/// `OPERATOR(pg_catalog.=)`
pub(super) fn operator(number: pg_sys::Oid) -> Option<String> {
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
    /// Type of the label column.
    pub label_type: String,
    /// Columns of the key.
    pub keys: Vec<KeyColumn>,
    /// Text columns.
    pub texts: Vec<String>,
    /// The column that says when an email was received.
    pub received_at: Option<String>,
}

/// One column of a key.
#[derive(Debug, Clone)]
pub struct KeyColumn {
    /// Its name.
    pub name: String,
    /// Its type; of a domain what that is made of.
    pub type_name: String,
    /// The operator that says whether two are the same.
    pub equals: String,
    /// The operator that says whether the left one comes later.
    pub follows: String,
}
