//! Answers: what a text is classified as, how sure that is and why, from the session's models.

pub mod active;
pub mod cache;
pub mod classify;
pub mod effects;
mod explain;
mod signal;
