//! How a commit wakes the launcher.

use std::cell::Cell;
use std::time::{Duration, Instant};

use pgrx::{pg_guard, pg_sys};

use super::on_demand::own_launcher;
use super::shared_state::state;
use super::slot::WakeRequest;

thread_local! {
    static REQUEST: Cell<WakeRequest> = const { Cell::new(WakeRequest::None) };
    /// The launcher to wake where there is no shared state, and when it was looked for.
    static LAUNCHER_PROCESS: Cell<Option<(*mut pg_sys::PGPROC, i32)>> = const { Cell::new(None) };
    static LOOKED_AT: Cell<Option<Instant>> = const { Cell::new(None) };
}

fn known_launcher() -> Option<*mut pg_sys::PGPROC> {
    let (process, pid) = LAUNCHER_PROCESS.get()?;
    // SAFETY: an entry of the server's array of processes, which stays.
    unsafe { ((*process).pid == pid).then_some(process) }
}

/// Tells the launcher when this transaction commits.
pub fn wake_at_commit(request: WakeRequest) {
    if request > REQUEST.get() {
        REQUEST.set(request);
    }
    if request == WakeRequest::Now && state().is_none() && known_launcher().is_none() {
        find_launcher();
    }
}

/// Looks for the launcher of this database, at most once in a while: not at commit, where
/// nothing may fail.
fn find_launcher() {
    const AGAIN: Duration = Duration::from_secs(10);
    if LOOKED_AT.get().is_some_and(|at| at.elapsed() < AGAIN) && LAUNCHER_PROCESS.get().is_none() {
        return;
    }
    LOOKED_AT.set(Some(Instant::now()));
    LAUNCHER_PROCESS.set(own_launcher().and_then(|launcher| {
        // SAFETY: looks for a process number; null if there is none.
        let process = unsafe { pg_sys::BackendPidGetProc(launcher.pid) };
        (!process.is_null()).then_some((process, launcher.pid))
    }));
}

fn send(request: WakeRequest) {
    let Some(state) = state() else {
        if let (WakeRequest::Now, Some(process)) = (request, known_launcher()) {
            // SAFETY: see `SharedState::wake_launcher`.
            unsafe { pg_sys::SetLatch(&raw mut (*process).procLatch) }
        }
        return;
    };
    // SAFETY: reads a variable.
    let before = state.request(unsafe { pg_sys::MyDatabaseId }, request);
    // The launcher leaves a request where it is until it starts a worker, so that many commits
    // wake it once.
    if request == WakeRequest::Now && before < request {
        state.wake_launcher();
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn on_transaction_end(
    event: pg_sys::XactEvent::Type,
    _argument: *mut std::ffi::c_void,
) {
    let request = REQUEST.get();
    if request == WakeRequest::None {
        return;
    }
    match event {
        pg_sys::XactEvent::XACT_EVENT_COMMIT => send(request),
        // It may be committed at any time, by any session.
        pg_sys::XactEvent::XACT_EVENT_PREPARE => send(WakeRequest::Look),
        pg_sys::XactEvent::XACT_EVENT_ABORT => {}
        _ => return,
    }
    REQUEST.set(WakeRequest::None);
}

/// Hooks into the end of transactions, once per process.
pub fn watch_commits() {
    // SAFETY: called once from `_PG_init`; the callback is static.
    unsafe { pg_sys::RegisterXactCallback(Some(on_transaction_end), std::ptr::null_mut()) }
}
