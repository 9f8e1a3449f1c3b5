//! What a reviewer's action does to a review: a pure function between reading and writing.
//!
//! A door reads the review and what [`needs`] asks for, calls [`resolve`] (or [`undo`]), and
//! writes what that says. Nothing here knows PostgreSQL or mail, so every combination of
//! action, state and door is tested without a server.
#![forbid(unsafe_code)]

mod description;
mod outcome;
mod request;
mod resolve;
mod review;
mod undo;

pub use description::describe;
pub use outcome::{Decision, Effect, Kind, Outcome, Refusal, Resolved};
pub use request::{Action, Door, Request};
pub use resolve::{FoundLabel, MAX_NOTE_BYTES, Needs, Policy, needs, resolve};
pub use review::{EmailFacts, QueueReason, ReviewFacts};
pub use undo::{Undone, undo, undo_import};
