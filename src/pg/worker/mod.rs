//! What background processes ask of the server.

mod catalogue;
mod connect;
mod locks;
mod process;
mod start;

pub use catalogue::{RoleProblem, survey};
pub use connect::{
    connect, connect_to_none, report_activity, report_idle, report_name, transaction,
};
pub use locks::{
    Part, become_only, begin_restore, is_being_restored, is_database_wanted, maintain_alone,
};
pub use process::{
    extra, is_preloading, obey_signals, own_database, own_pid, reload_settings, sleep,
};
pub use start::{
    LAUNCHER, Started, no_free_worker, register_launcher, set_main_functions, terminate_all,
};
