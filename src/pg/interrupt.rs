//! Where a statement may be stopped, and refuses work for which there is no memory.

use crate::error::{SqlResult, from_classifier};

/// Lets a cancel request, a timeout or a shutdown take effect here.
pub fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}

/// Lets some milliseconds pass.
pub fn pause(milliseconds: u16) {
    // SAFETY: sleeps.
    unsafe { pgrx::pg_sys::pg_usleep(std::ffi::c_long::from(milliseconds) * 1000) };
    check_for_interrupts();
}

/// Refuses work on a text that may need this much memory where there is not as much left.
/// Not for the small ones, of which there are many.
pub fn probe_for_text(bytes: usize) -> SqlResult<()> {
    const SMALL: usize = 1 << 20;
    if bytes <= SMALL {
        return Ok(());
    }
    pg_triage_classifier::probe(bytes).map_err(from_classifier)
}

/// Refuses to begin where there is hardly any memory left: many small allocations follow,
/// none of which can fail softly.
pub fn probe_for_work() -> SqlResult<()> {
    const ENOUGH: usize = 2 << 20;
    pg_triage_classifier::probe(ENOUGH).map_err(from_classifier)
}
