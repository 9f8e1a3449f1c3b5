//! How a host stops a long computation.

/// Called between bounded pieces of work (a few milliseconds at most), so that a host can
/// stop a long computation by unwinding.
pub type Poll<'a> = &'a dyn Fn();
