//! Whose rights apply: a table's owner's instead of the caller's.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

use crate::error::SqlResult;

/// Refuses to write in a read-only transaction or on a standby.
pub fn prevent_if_read_only(function: &CStr) {
    // SAFETY: raises an SQL error that names the function.
    unsafe { pg_sys::PreventCommandIfReadOnly(function.as_ptr()) }
}

/// Where only the server's own objects are found.
pub const OWN_PATH: &CStr = c"pg_catalog, pg_temp";

/// Runs `f` with the rights of the relation's owner and a search path that only the
/// server's own objects are found on, so that nothing of the caller's is executed with
/// those rights. An error ends the (sub)transaction, which restores both.
pub fn as_owner_of<R>(relation: pg_sys::Oid, f: impl FnOnce() -> SqlResult<R>) -> SqlResult<R> {
    as_owner(relation, OWN_PATH, 0, f)
}

/// Runs `f` with the rights of the owner of a table, whose triggers and policies are executed: with
/// a search path of the owner's choice, and nothing of theirs may stay behind and run later with
/// other rights (deferred triggers, held cursors). What stays behind of the caller's own table runs
/// with the caller's rights, as after a statement on the table.
pub fn as_table_owner<R>(
    relation: pg_sys::Oid,
    path: &CStr,
    f: impl FnOnce() -> SqlResult<R>,
) -> SqlResult<R> {
    as_owner(
        relation,
        path,
        pg_sys::SECURITY_RESTRICTED_OPERATION as i32,
        f,
    )
}

/// Whether the current user is one of these roles, or a member of one, or a superuser. A name
/// that no role has is nobody's.
pub fn is_one_of(roles: &[String]) -> bool {
    let is_member = |role: &String| {
        let Ok(role) = CString::new(role.as_str()) else {
            return false;
        };
        // SAFETY: syscache look-ups.
        unsafe {
            let role = pg_sys::get_role_oid(role.as_ptr(), true);
            role != pg_sys::InvalidOid
                && pg_sys::is_member_of_role_nosuper(pg_sys::GetUserId(), role)
        }
    };
    // SAFETY: a syscache look-up.
    roles.iter().any(is_member) || unsafe { pg_sys::superuser() }
}

/// Whether row-level security decides which rows of a relation its own owner sees.
pub fn hides_rows_from_owner(relation: pg_sys::Oid) -> bool {
    // SAFETY: opens and closes a relation, if it exists.
    let owner = unsafe {
        let open = pg_sys::try_relation_open(relation, pg_sys::AccessShareLock as i32);
        if open.is_null() {
            return false;
        }
        let owner = (*(*open).rd_rel).relowner;
        pg_sys::relation_close(open, pg_sys::NoLock as i32);
        owner
    };
    has_policies_for(relation, owner)
}

/// Whether row-level security decides which rows of a relation the current user sees.
pub fn hides_rows(relation: pg_sys::Oid) -> bool {
    has_policies_for(relation, pg_sys::InvalidOid)
}

/// `InvalidOid` is the current user.
fn has_policies_for(relation: pg_sys::Oid, user: pg_sys::Oid) -> bool {
    // SAFETY: syscache look-ups; a relation that is gone has no policies.
    unsafe {
        pg_sys::check_enable_rls(relation, user, true)
            == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
    }
}

fn as_owner<R>(
    relation: pg_sys::Oid,
    path: &CStr,
    restriction: i32,
    f: impl FnOnce() -> SqlResult<R>,
) -> SqlResult<R> {
    // SAFETY: the documented sequence (compare the server's `ri_triggers.c` for the user
    // and `fmgr_security_definer` for the setting).
    unsafe {
        let owner = {
            let relation =
                pgrx::PgRelation::with_lock(relation, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
            (*relation.rd_rel).relowner
        };
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
        // Whose rights apply when the transaction commits.
        let restriction = match owner == pg_sys::GetOuterUserId() {
            true => 0,
            false => restriction,
        };
        pg_sys::SetUserIdAndSecContext(
            owner,
            context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32 | restriction,
        );
        let result = on_path(path, f);
        pg_sys::SetUserIdAndSecContext(user, context);
        result
    }
}

/// Runs `f` with another search path: of what is parsed there, the caller's is not to choose what it
/// means. An error ends the (sub)transaction, which restores it.
pub fn on_path<R>(path: &CStr, f: impl FnOnce() -> SqlResult<R>) -> SqlResult<R> {
    // SAFETY: the documented sequence (compare the server's `fmgr_security_definer`).
    unsafe {
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::set_config_option(
            c"search_path".as_ptr(),
            path.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
        let result = f();
        // As after an error: what `f` executed may have changed settings for good.
        pg_sys::AtEOXact_GUC(false, level);
        result
    }
}
