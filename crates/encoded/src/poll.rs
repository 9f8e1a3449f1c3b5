//! How a host stops a long computation.

/// Called between bounded pieces of work, so that a host can stop it by unwinding.
pub type Poll<'a> = &'a dyn Fn();
