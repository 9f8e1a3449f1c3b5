//! The state that a launcher shares with sessions and workers.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};

use pgrx::{pg_guard, pg_sys};

use super::super::worker;
use super::slot::{DatabaseSlot, Text, WakeRequest};

/// Databases that have a slot. Those beyond are served, too, but a request of one
/// makes the launcher look at all of them.
const SLOTS: usize = 256;

/// What one launcher shares.
pub struct SharedState {
    launcher: AtomicPtr<pg_sys::PGPROC>,
    launcher_pid: AtomicI32,
    stop: AtomicBool,
    /// The request of databases without a slot.
    request_of_others: AtomicU32,
    /// Why no worker can be started at all.
    pub problem: Text,
    slots: [DatabaseSlot; SLOTS],
}

impl SharedState {
    /// The database's slot; takes a free one unless there is none left.
    pub fn slot(&self, database: pg_sys::Oid) -> Option<&DatabaseSlot> {
        thread_local! {
            static LAST: Cell<usize> = const { Cell::new(0) };
        }
        let last = self.slots.get(LAST.get());
        if let Some(slot) = last.filter(|slot| slot.is_of(database)) {
            return Some(slot);
        }
        let found = self.slots.iter().position(|slot| slot.is_of(database));
        let found = found.or_else(|| self.slots.iter().position(|slot| slot.claim(database)))?;
        LAST.set(found);
        self.slots.get(found)
    }

    /// Adds a request of a session of this database; returns what was requested before.
    pub(super) fn request(&self, database: pg_sys::Oid, request: WakeRequest) -> WakeRequest {
        match self.slot(database) {
            Some(slot) => slot.request(request),
            None => {
                let others = &self.request_of_others;
                others.fetch_max(request as u32, Ordering::AcqRel).into()
            }
        }
    }

    /// The database's slot, if it has one.
    pub fn slot_of(&self, database: pg_sys::Oid) -> Option<&DatabaseSlot> {
        self.slots().find(|slot| slot.database() == database)
    }

    /// All slots in use.
    pub fn slots(&self) -> impl Iterator<Item = &DatabaseSlot> {
        self.slots
            .iter()
            .filter(|slot| slot.database() != pg_sys::InvalidOid)
    }

    /// Takes the request of databases that have no slot.
    pub fn take_request_of_others(&self) -> WakeRequest {
        self.request_of_others.swap(0, Ordering::AcqRel).into()
    }

    /// The launcher's process, if there is one.
    pub fn launcher(&self) -> Option<i32> {
        Some(self.launcher_pid.load(Ordering::Acquire)).filter(|&pid| pid != 0)
    }

    /// Whether the launcher is to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Makes the launcher end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake_launcher();
    }

    pub(super) fn wake_launcher(&self) {
        let process = self.launcher.load(Ordering::Acquire);
        if !process.is_null() {
            // SAFETY: in shared memory that stays; a latch may be set without a reason, so
            // it does no harm if another process has the slot by now.
            unsafe { pg_sys::SetLatch(&raw mut (*process).procLatch) }
        }
    }

    /// This process is the launcher, until it ends.
    pub fn set_launcher(&self) {
        // SAFETY: this process has a slot among the server's; the callback is static.
        unsafe {
            pg_sys::before_shmem_exit(Some(leave), pg_sys::Datum::from(0usize));
            self.launcher.store(pg_sys::MyProc, Ordering::Release);
            self.launcher_pid
                .store(pg_sys::MyProcPid, Ordering::Release);
        }
    }
}

/// Its workers do not outlive a launcher: nobody would see that they are in the way.
#[pg_guard]
unsafe extern "C-unwind" fn leave(_code: i32, _argument: pg_sys::Datum) {
    worker::terminate_all();
    if let Some(state) = state() {
        state
            .launcher
            .store(std::ptr::null_mut(), Ordering::Release);
        state.launcher_pid.store(0, Ordering::Release);
    }
}

static STATE: AtomicPtr<SharedState> = AtomicPtr::new(std::ptr::null_mut());

/// Makes this the state that this process looks at.
///
/// # Safety
/// Memory of that size that stays mapped; every bit pattern is allowed.
pub(super) unsafe fn use_state(state: *mut SharedState) {
    STATE.store(state, Ordering::Relaxed);
}

/// The state that this process looks at: the server's, or that of the launcher that it belongs to.
pub fn state() -> Option<&'static SharedState> {
    // SAFETY: null, or shared memory that stays mapped, with every bit pattern allowed.
    unsafe { STATE.load(Ordering::Relaxed).as_ref() }
}
