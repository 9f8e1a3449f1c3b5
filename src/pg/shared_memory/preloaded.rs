//! The state of a launcher that starts with the server: a part of the server's own memory.

use pgrx::{pg_guard, pg_sys};

use super::shared_state::{SharedState, use_state};

static mut NEXT_REQUEST_HOOK: pg_sys::shmem_request_hook_type = None;
static mut NEXT_STARTUP_HOOK: pg_sys::shmem_startup_hook_type = None;

#[pg_guard]
#[allow(ffi_unwind_calls)] // Within a guard.
unsafe extern "C-unwind" fn request_memory() {
    // SAFETY: the server calls its hooks in one thread, and so do we with the next one.
    unsafe {
        if let Some(hook) = NEXT_REQUEST_HOOK {
            pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| hook());
        }
        pg_sys::RequestAddinShmemSpace(size_of::<SharedState>());
    }
}

#[pg_guard]
#[allow(ffi_unwind_calls)] // Within a guard.
unsafe extern "C-unwind" fn initialize() {
    // SAFETY: as above. Only the postmaster gets here, so nobody else makes it meanwhile; after
    // a crash it gets here again, with new memory.
    unsafe {
        if let Some(hook) = NEXT_STARTUP_HOOK {
            pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| hook());
        }
        let mut found = false;
        let memory =
            pg_sys::ShmemInitStruct(c"pg_triage".as_ptr(), size_of::<SharedState>(), &mut found);
        if !found {
            std::ptr::write_bytes(memory.cast::<u8>(), 0, size_of::<SharedState>());
        }
        use_state(memory.cast());
    }
}

/// Asks for a part of the server's memory; in `_PG_init` with `shared_preload_libraries` only.
pub fn request() {
    // SAFETY: as the server asks for it.
    unsafe {
        NEXT_REQUEST_HOOK = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(request_memory);
        NEXT_STARTUP_HOOK = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(initialize);
    }
}
