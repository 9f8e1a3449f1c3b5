//! What a background process asks of the server: signals, its latch, who it is.

use std::ffi::{CStr, c_int};
use std::time::Duration;

use pgrx::pg_sys;

use super::super::interrupt::check_for_interrupts;

// pgrx wraps C functions in Rust ones, which are none for a signal.
unsafe extern "C-unwind" {
    #[link_name = "die"]
    fn on_terminate(signal: c_int);
    #[link_name = "SignalHandlerForConfigReload"]
    fn on_reload(signal: c_int);
}

/// Begins a background worker: from here on it can be ended (in the middle of a long statement,
/// too: pgrx's own handler would only set a flag), and reads its settings again when told to.
pub fn obey_signals() {
    // SAFETY: the server's own handlers, set before signals are let through.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        let set = pg_sys::pqsignal;
        #[cfg(feature = "pg18")]
        let set = pg_sys::pqsignal_be;
        set(pg_sys::SIGTERM as c_int, Some(on_terminate));
        set(pg_sys::SIGHUP as c_int, Some(on_reload));
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// Reads the settings again if the server was told to.
pub fn reload_settings() -> bool {
    // SAFETY: a flag that the signal handler sets; outside of a transaction.
    unsafe {
        if pg_sys::ConfigReloadPending == 0 {
            return false;
        }
        pg_sys::ConfigReloadPending = 0;
        pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        true
    }
}

/// Sleeps until somebody sets the latch (true) or the time is over.
pub fn sleep(time: Duration) -> bool {
    let milliseconds = time.as_millis().clamp(1, 3_600_000) as std::ffi::c_long;
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: this process's own latch.
    let events = unsafe {
        let events = pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as c_int,
            milliseconds,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
        events
    };
    // Others wait for an answer here when a database is dropped.
    check_for_interrupts();
    events & pg_sys::WL_LATCH_SET as c_int != 0
}

/// What a worker was started with, besides its argument.
pub fn extra() -> String {
    // SAFETY: set before the worker's main function is called; terminated by the server.
    unsafe { CStr::from_ptr((&raw const (*pg_sys::MyBgworkerEntry).bgw_extra).cast()) }
        .to_string_lossy()
        .into_owned()
}

/// Process number of this process.
pub fn own_pid() -> i32 {
    // SAFETY: reads a variable.
    unsafe { pg_sys::MyProcPid }
}

/// The database that this session is connected to.
pub fn own_database() -> pg_sys::Oid {
    // SAFETY: reads a variable.
    unsafe { pg_sys::MyDatabaseId }
}

/// Whether the library is being loaded with the server.
pub fn is_preloading() -> bool {
    // SAFETY: reads variables. pg_upgrade wants nobody else in its databases.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress && !pg_sys::IsBinaryUpgrade }
}
