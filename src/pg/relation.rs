//! The extension's own relations in the server's catalogue.

use std::ffi::CStr;

use pgrx::pg_sys;

/// OID of a relation of the extension in schema `triage` or `triage_internal`, if it exists.
pub fn extension_relation(schema: &CStr, name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: syscache look-ups that return InvalidOid when nothing is found.
    unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        let relation = pg_sys::get_relname_relid(name.as_ptr(), schema);
        (relation != pg_sys::InvalidOid).then_some(relation)
    }
}

/// Whether there is a relation of this number.
pub fn relation_exists(relation: pg_sys::Oid) -> bool {
    // SAFETY: a syscache look-up.
    unsafe { pg_sys::get_rel_relkind(relation) != 0 }
}

/// Name of a relation with its schema, quoted where it has to be.
pub fn qualified_name(relation: pg_sys::Oid) -> Option<String> {
    // SAFETY: syscache look-ups; null for what does not exist.
    unsafe {
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        let name = pg_sys::get_rel_name(relation);
        if schema.is_null() || name.is_null() {
            return None;
        }
        let quoted = pg_sys::quote_qualified_identifier(schema, name);
        Some(CStr::from_ptr(quoted).to_string_lossy().into_owned())
    }
}

/// Type of a column.
pub fn column_type(relation: pg_sys::Oid, column: &CStr) -> pg_sys::Oid {
    // SAFETY: syscache look-ups; an unknown column gives InvalidOid.
    unsafe { pg_sys::get_atttype(relation, pg_sys::get_attnum(relation, column.as_ptr())) }
}

/// Whether the current user has the rights of the owner of the extension's tables.
pub fn is_owner() -> bool {
    let signal =
        extension_relation(c"triage_internal", c"model_signal").unwrap_or(pg_sys::InvalidOid);
    // SAFETY: opens and closes a relation that exists.
    unsafe {
        let relation = pg_sys::try_relation_open(signal, pg_sys::AccessShareLock as i32);
        if relation.is_null() {
            return false;
        }
        let owner = (*(*relation).rd_rel).relowner;
        pg_sys::relation_close(relation, pg_sys::AccessShareLock as i32);
        pg_sys::has_privs_of_role(pg_sys::GetUserId(), owner)
    }
}

/// Locks a relation as who changes rows of it does, until the end of the transaction.
pub fn lock_for_rows(relation: pg_sys::Oid) {
    lock(relation, pg_sys::RowExclusiveLock);
}

/// Locks a relation against everybody who changes rows of it, until the end of the transaction;
/// waits for those who do.
pub fn lock_against_changes(relation: pg_sys::Oid) {
    lock(relation, pg_sys::ShareRowExclusiveLock);
}

/// The same where nobody has to be waited for; false if somebody has.
pub fn try_lock_against_changes(relation: pg_sys::Oid) -> bool {
    // SAFETY: does not wait.
    unsafe {
        pg_sys::ConditionalLockRelationOid(
            relation,
            pg_sys::ShareRowExclusiveLock as pg_sys::LOCKMODE,
        )
    }
}

fn lock(relation: pg_sys::Oid, mode: u32) {
    // SAFETY: waits as any statement does, with interrupts; an SQL error if there is a deadlock.
    unsafe { pg_sys::LockRelationOid(relation, mode as pg_sys::LOCKMODE) }
}
