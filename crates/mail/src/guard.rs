//! Calls into libraries that might panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls into a library with what a mail says. None of them is known to panic; if one does,
/// its part of the mail is not read, instead of no mail.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}
