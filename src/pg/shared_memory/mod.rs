//! What sessions, launcher and workers tell each other in shared memory, and how a commit
//! wakes the launcher.
//!
//! Everything there is an atomic of its own, zero at first: there is no lock that a session
//! could wait for at its commit, and a process that is killed leaves none behind. With
//! `shared_preload_libraries` it is in the server's own shared memory ([`preloaded`]); a
//! launcher that was started later has a dynamic segment, whose handle is in its
//! `application_name` ([`on_demand`]).

mod on_demand;
mod preloaded;
mod shared_state;
mod slot;
mod wake;

pub use on_demand::{OwnLauncher, attach, create, launcher_name, own_launcher};
pub use preloaded::request;
pub use shared_state::{SharedState, state};
pub use slot::{DatabaseSlot, WakeRequest, WorkerOutcome};
pub use wake::{wake_at_commit, watch_commits};
