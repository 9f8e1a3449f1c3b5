//! Whose rights apply: a table's owner's instead of the caller's.

use std::ffi::CStr;

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

/// Runs `f` with the rights of the owner of somebody else's table, whose triggers and policies
/// are executed: with a search path of the owner's choice, and nothing of theirs may stay behind
/// and run later with other rights (deferred triggers, held cursors).
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
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::SetUserIdAndSecContext(
            owner,
            context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32 | restriction,
        );
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
        pg_sys::SetUserIdAndSecContext(user, context);
        result
    }
}
