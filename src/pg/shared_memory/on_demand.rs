//! The state of a launcher that was started later, for one database: a dynamic segment.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::super::worker::LAUNCHER;
use super::shared_state::{SharedState, use_state};

/// Makes the state of this launcher in a dynamic segment, which goes with this process; returns its handle.
pub fn create() -> u32 {
    // SAFETY: the segment is as large as the state, and pinned for the life of the process.
    unsafe {
        let segment = pg_sys::dsm_create(size_of::<SharedState>(), 0);
        pg_sys::dsm_pin_mapping(segment);
        let memory = pg_sys::dsm_segment_address(segment);
        std::ptr::write_bytes(memory.cast::<u8>(), 0, size_of::<SharedState>());
        use_state(memory.cast());
        pg_sys::dsm_segment_handle(segment)
    }
}

/// Takes the launcher's state, for the life of this process; false if it is gone.
pub fn attach(handle: u32) -> bool {
    // SAFETY: our launcher made the segment.
    unsafe {
        let segment = pg_sys::dsm_attach(handle);
        if segment.is_null() {
            return false;
        }
        pg_sys::dsm_pin_mapping(segment);
        use_state(pg_sys::dsm_segment_address(segment).cast());
        true
    }
}

/// A launcher of this database alone.
#[derive(Debug, Clone, Copy)]
pub struct OwnLauncher {
    pub pid: i32,
    handle: u32,
}

impl OwnLauncher {
    /// Looks at its state, if it still has one.
    pub fn with_state<R>(&self, f: impl FnOnce(&SharedState) -> R) -> Option<R> {
        // SAFETY: only a background worker of ours has such a name (see `own_launcher`), and
        // the segment is checked to be as large as that. `f` raises no errors.
        unsafe {
            let segment = pg_sys::dsm_attach(self.handle);
            if segment.is_null() {
                return None;
            }
            let is_large_enough =
                pg_sys::dsm_segment_map_length(segment) >= size_of::<SharedState>();
            let memory = pg_sys::dsm_segment_address(segment).cast::<SharedState>();
            let result = is_large_enough.then(|| f(&*memory));
            pg_sys::dsm_detach(segment);
            result
        }
    }
}

/// How a launcher for one database is called.
pub fn launcher_name(database: pg_sys::Oid, handle: u32) -> String {
    format!("{LAUNCHER} {} {handle}", u32::from(database))
}

/// Looks for a launcher that serves this database alone.
pub fn own_launcher() -> Option<OwnLauncher> {
    // SAFETY: entries are copies that live until the snapshot is cleared; their strings are
    // terminated.
    unsafe {
        pg_sys::pgstat_clear_backend_activity_snapshot();
        let prefix = format!("{LAUNCHER} {} ", u32::from(pg_sys::MyDatabaseId));
        let found = (1..=pg_sys::pgstat_fetch_stat_numbackends()).find_map(|number| {
            let entry = pg_sys::pgstat_fetch_stat_beentry(number).as_ref()?;
            if entry.st_appname.is_null() {
                return None;
            }
            let name = CStr::from_ptr(entry.st_appname).to_str().ok()?;
            let handle = name.strip_prefix(&prefix)?.parse().ok()?;
            // Anybody may call themselves so, and their parallel workers too.
            let kind = pg_sys::GetBackgroundWorkerTypeByPid(entry.st_procpid);
            let is_ours = !kind.is_null() && CStr::from_ptr(kind).to_bytes() == LAUNCHER.as_bytes();
            is_ours.then_some(OwnLauncher {
                pid: entry.st_procpid,
                handle,
            })
        });
        pg_sys::pgstat_clear_backend_activity_snapshot();
        found
    }
}
