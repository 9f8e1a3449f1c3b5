//! Shared catalogues, as a process sees them that is connected to no database.

use std::ffi::{CStr, c_int};

use pgrx::pg_sys;

/// A database that can be connected to.
pub struct Database {
    pub oid: pg_sys::Oid,
    pub name: String,
    /// Whether the role may connect.
    pub is_open: bool,
}

/// What stands in the way of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleProblem {
    Missing,
    NoLogin,
    Superuser,
}

/// All databases, and the role of this name.
pub fn survey(role: &CStr) -> (Vec<Database>, Result<pg_sys::Oid, RoleProblem>) {
    // SAFETY: what the autovacuum launcher does. Everything is freed with the transaction.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::GetTransactionSnapshot();
        let role = find_role(role);
        let relation = pg_sys::table_open(pg_sys::DatabaseRelationId, pg_sys::AccessShareLock as _);
        let scan = pg_sys::table_beginscan_catalog(relation, 0, std::ptr::null_mut());
        let mut databases = Vec::new();
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
            // With -2 its DROP was interrupted.
            if form.datistemplate || !form.datallowconn || form.datconnlimit == -2 {
                continue;
            }
            let name = CStr::from_ptr(form.datname.data.as_ptr());
            databases.push(Database {
                oid: form.oid,
                name: name.to_string_lossy().into_owned(),
                is_open: role.is_ok_and(|role| may_connect(form.oid, role)),
            });
        }
        pg_sys::table_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as _);
        pg_sys::CommitTransactionCommand();
        (databases, role)
    }
}

unsafe fn find_role(name: &CStr) -> Result<pg_sys::Oid, RoleProblem> {
    // SAFETY: within a transaction.
    unsafe {
        let role = pg_sys::get_role_oid(name.as_ptr(), true);
        let cache = pg_sys::SysCacheIdentifier::AUTHOID as c_int;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(role));
        if tuple.is_null() {
            return Err(RoleProblem::Missing);
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_authid>();
        let (login, superuser) = (form.rolcanlogin, form.rolsuper);
        pg_sys::ReleaseSysCache(tuple);
        match (login, superuser) {
            (_, true) => Err(RoleProblem::Superuser),
            (false, _) => Err(RoleProblem::NoLogin),
            _ => Ok(role),
        }
    }
}

unsafe fn may_connect(database: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    // SAFETY: within a transaction; the database may be gone by now.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::DATABASEOID as c_int;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(database));
        if tuple.is_null() {
            return false;
        }
        let mode = pg_sys::ACL_CONNECT as pg_sys::AclMode;
        #[cfg(feature = "pg15")]
        let result = pg_sys::pg_database_aclcheck(database, role, mode);
        #[cfg(not(feature = "pg15"))]
        let result = pg_sys::object_aclcheck(pg_sys::DatabaseRelationId, database, role, mode);
        pg_sys::ReleaseSysCache(tuple);
        result == pg_sys::AclResult::ACLCHECK_OK
    }
}
