//! What the server knows about this session: who acts, with which settings, in which statement.

use std::ffi::CStr;

use pgrx::pg_sys;

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

/// Whether nothing may be left to be done when the transaction commits, as while code of a table's
/// owner runs with the owner's rights.
pub fn is_restricted() -> bool {
    // SAFETY: reads the state of the session.
    unsafe { pg_sys::InSecurityRestrictedOperation() }
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

/// Whether the statement is one of several in a transaction.
pub fn in_transaction_block() -> bool {
    // SAFETY: reads the transaction state.
    unsafe { pg_sys::IsTransactionBlock() }
}

/// Number of the running subtransaction, within its transaction.
pub fn subtransaction() -> u32 {
    // SAFETY: reads the transaction state.
    unsafe { pg_sys::GetCurrentSubTransactionId() }
}

/// Whether a subtransaction of this number is running: not ended, nor rolled back.
pub fn is_subtransaction_running(number: u32) -> bool {
    // SAFETY: reads the transaction state.
    unsafe { pg_sys::SubTransactionIsActive(number) }
}

/// Whether all statements of the transaction see one snapshot.
pub fn keeps_one_snapshot() -> bool {
    // SAFETY: reads a variable.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}
