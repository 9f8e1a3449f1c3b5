//! The only unsafe code: what PostgreSQL offers to C and pgrx does not wrap.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::panic::AssertUnwindSafe;

use pgrx::datum::Internal;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::{FromDatum, PgMemoryContexts, PgSqlErrorCode as Code, PgTryBuilder, pg_sys};

use crate::error::{SqlResult, from_core, report};

mod artifact;
pub mod board;
mod snapshot;
mod spi;
mod trigger;
pub mod worker;

pub use artifact::{RawValue, buffer, copy, pinned_model, receive};
pub use snapshot::{
    SnapshotTime, invalidate_relation, invalidations, latest_snapshot_time, snapshot_time,
    watch_invalidations, watch_relation,
};
pub use spi::{Rows, execute, execute_once, select};
pub use trigger::{Attached, Event, Returned, Row, Trigger, place_of};
pub use worker::report_activity;

/// Lets a cancel request, a timeout or a shutdown take effect here.
pub fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}

/// Refuses work on a text that may need this much memory where there is not as much left.
/// Not for the small ones, of which there are many.
pub fn probe_for_text(bytes: usize) -> SqlResult<()> {
    const SMALL: usize = 1 << 20;
    if bytes <= SMALL {
        return Ok(());
    }
    pg_triage_classifier::probe(bytes).map_err(from_core)
}

/// Refuses to begin where there is hardly any memory left: many small allocations follow,
/// none of which can fail softly.
pub fn probe_for_work() -> SqlResult<()> {
    const ENOUGH: usize = 2 << 20;
    pg_triage_classifier::probe(ENOUGH).map_err(from_core)
}

/// Whether this process works for another session's query.
pub fn is_parallel_worker() -> bool {
    // SAFETY: set before the first query runs.
    unsafe { pg_sys::ParallelWorkerNumber >= 0 }
}

/// Refuses settings `<prefix>.*` that are not defined: a typo becomes an error.
pub fn reserve_setting_prefix(prefix: &CStr) {
    // SAFETY: a NUL-terminated string that the server copies.
    unsafe { pg_sys::MarkGUCPrefixReserved(prefix.as_ptr()) }
}

// ---------------------------------------------------------------------------------------
// Aggregates

/// Runs `f` on the aggregate's transition state, made on first use. It lives on the Rust
/// heap until the server resets the aggregate's memory context.
pub fn with_state<T: Default, R>(
    state: &mut Internal,
    fcinfo: pg_sys::FunctionCallInfo,
    f: impl FnOnce(&mut T) -> R,
) -> SqlResult<R> {
    let mut context = std::ptr::null_mut();
    // SAFETY: `fcinfo` comes from the server's call of an SQL function. `internal` values
    // cannot be made in SQL, so the state is one that this function made, with this type.
    unsafe {
        if pg_sys::AggCheckCallContext(fcinfo, &mut context) == 0 {
            return Err(report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "this function can only be called by its aggregate",
            ));
        }
        let state: *mut T = PgMemoryContexts::For(context)
            .switch_to(|_| std::ptr::from_mut(state.get_or_insert_default::<T>()));
        Ok(f(&mut *state))
    }
}

/// The transition state if there is one.
pub fn state_of<T>(state: &mut Internal) -> Option<&mut T> {
    // SAFETY: see `with_state`.
    unsafe { state.get_mut::<T>() }
}

// ---------------------------------------------------------------------------------------
// Arguments

fn argument(fcinfo: pg_sys::FunctionCallInfo, index: usize) -> Option<pg_sys::Datum> {
    // SAFETY: the server's call of one of our functions; a missing argument panics.
    unsafe {
        let argument = (*fcinfo).args.as_slice((*fcinfo).nargs as usize)[index];
        (!argument.isnull).then_some(argument.value)
    }
}

/// Argument `index`, of a variable-length type, not detoasted.
pub fn raw_argument(fcinfo: pg_sys::FunctionCallInfo, index: usize) -> Option<RawValue> {
    argument(fcinfo, index).map(|datum| RawValue(datum.cast_mut_ptr()))
}

/// Argument `index`, of type text. Borrowed from the server's memory, because it can be of
/// any size.
pub fn text_argument(fcinfo: &pg_sys::FunctionCallInfo, index: usize) -> Option<&str> {
    // SAFETY: the SQL declaration says text, and what is detoasted lives until the call ends.
    argument(*fcinfo, index).and_then(|datum| unsafe { <&str>::from_datum(datum, false) })
}

/// Argument `index`, of type boolean.
pub fn optional_bool(fcinfo: pg_sys::FunctionCallInfo, index: usize) -> Option<bool> {
    // SAFETY: the SQL declaration says boolean.
    argument(fcinfo, index).and_then(|datum| unsafe { bool::from_datum(datum, false) })
}

// ---------------------------------------------------------------------------------------
// Catalogue and identity

/// OID of a relation of the extension in schema `triage` or `triage_internal`, if it exists.
pub fn extension_relation(schema: &CStr, name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: syscache look-ups that return InvalidOid when nothing is found.
    unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        let relation = pg_sys::get_relname_relid(name.as_ptr(), schema);
        (relation != pg_sys::InvalidOid).then_some(relation)
    }
}

/// Type of a column.
pub fn column_type(relation: pg_sys::Oid, column: &CStr) -> pg_sys::Oid {
    // SAFETY: syscache look-ups; an unknown column gives InvalidOid.
    unsafe { pg_sys::get_atttype(relation, pg_sys::get_attnum(relation, column.as_ptr())) }
}

/// The next number of the session's own random(), from 0 to below 1: setseed() repeats it.
pub fn random() -> f64 {
    // SAFETY: the function takes no arguments and looks at none.
    let datum = unsafe { pg_sys::drandom(std::ptr::null_mut()) };
    f64::from_bits(datum.value() as u64)
}

/// Name of the user whose rights apply now.
pub fn current_user() -> String {
    // SAFETY: with `noerr = false` the name is never null.
    unsafe {
        let name = pg_sys::GetUserNameFromId(pg_sys::GetUserId(), false);
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// Name of the user who connected.
pub fn session_user() -> String {
    // SAFETY: with `noerr = false` the name is never null.
    unsafe {
        let name = pg_sys::GetUserNameFromId(pg_sys::GetSessionUserId(), false);
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// What the client calls itself, if it does.
pub fn application_name() -> Option<String> {
    setting(c"application_name").filter(|name| !name.is_empty())
}

/// The value of any setting, if there is one of that name.
pub fn setting(name: &CStr) -> Option<String> {
    // SAFETY: returns a string that is valid until the setting changes, or null.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}

/// Whether a dump is being restored: its script begins by switching off the checking of
/// function bodies and emptying the search path. Rows then keep what they have.
pub fn is_restoring() -> bool {
    // SAFETY: variables of the server, of this thread.
    unsafe {
        !pg_sys::check_function_bodies
            && (pg_sys::namespace_search_path.is_null()
                || *pg_sys::namespace_search_path == 0
                || CStr::from_ptr(pg_sys::namespace_search_path) == c"\"\"")
    }
}

/// When the client sent the statement: tells one statement from another.
pub fn statement_time() -> i64 {
    // SAFETY: reads a variable.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// When the transaction began: tells one transaction from another.
pub fn transaction_time() -> i64 {
    // SAFETY: reads a variable.
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }
}

/// How many triggers are running, one within another.
pub fn trigger_depth() -> i32 {
    // SAFETY: the function takes no arguments and looks at none.
    unsafe { pg_sys::pg_trigger_depth(std::ptr::null_mut()).value() as i32 }
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

/// Whether the statement is one of several in a transaction.
pub fn in_transaction_block() -> bool {
    // SAFETY: reads the transaction state.
    unsafe { pg_sys::IsTransactionBlock() }
}

/// Whether all statements of the transaction see one snapshot.
pub fn keeps_one_snapshot() -> bool {
    // SAFETY: reads a variable.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// Runs `f` in a subtransaction. An error is rolled back and returned as its message, unless
/// it is a cancel or a shutdown.
pub fn catching<R>(f: impl FnOnce() -> SqlResult<R>) -> Result<R, String> {
    enum Failure {
        Returned(pg_sys::panic::ErrorReport),
        Thrown(CaughtError),
    }
    // SAFETY: the sequence of PL/pgSQL's exception blocks; memory context and resource
    // owner are put back on both ways out.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let outcome = PgTryBuilder::new(AssertUnwindSafe(|| f().map_err(Failure::Returned)))
            .catch_others(|error| Err(Failure::Thrown(error)))
            .catch_rust_panic(|error| Err(Failure::Thrown(error)))
            .execute();
        match outcome {
            Ok(_) => pg_sys::ReleaseCurrentSubTransaction(),
            Err(_) => {
                pg_sys::MemoryContextSwitchTo(context);
                pg_sys::RollbackAndReleaseCurrentSubTransaction();
            }
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        outcome.map_err(|failure| match failure {
            Failure::Returned(error) => error.message().to_owned(),
            Failure::Thrown(error) => {
                let report = match &error {
                    CaughtError::PostgresError(report)
                    | CaughtError::ErrorReport(report)
                    | CaughtError::RustPanic {
                        ereport: report, ..
                    } => report,
                };
                match report.sql_error_code() {
                    Code::ERRCODE_QUERY_CANCELED
                    | Code::ERRCODE_ADMIN_SHUTDOWN
                    | Code::ERRCODE_CRASH_SHUTDOWN => error.rethrow(),
                    _ => report.message().to_owned(),
                }
            }
        })
    }
}

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

/// The same for a table of somebody else's, whose triggers and policies are executed: with a
/// search path of the owner's choice, and nothing of theirs may stay behind and run later
/// with other rights (deferred triggers, held cursors).
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
