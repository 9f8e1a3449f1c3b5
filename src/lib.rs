//! pg_triage: sorts email inside PostgreSQL and gets better with every human correction.
//!
//! What is where, and who may import whom, is in `docs/architecture.md`. Answers come from
//! [`pg_triage_classifier`], decisions from [`pg_triage_decision`], text of raw mail from
//! [`pg_triage_mail`]; here they meet PostgreSQL. The SQL objects are declared by hand in `sql/`, in the order of
//! `sql/order.txt`; Rust functions there go by the name of their symbol, `<function>_wrapper`.
// A C function called without a guard must not unwind through Rust.
#![cfg_attr(not(test), deny(ffi_unwind_calls))]

#[cfg(not(panic = "unwind"))]
compile_error!(
    "pg_triage needs panic = \"unwind\": a panic must become an SQL error, not end the server"
);

mod arguments;
mod error;
mod learning;
mod mail;
mod maintenance;
mod pg;
mod predict;
mod review;
mod session;
mod settings;
mod store;
mod suggestion;
mod training;
mod types;

pgrx::pg_module_magic!(name, version);

/// Called by the server when it loads the library.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    error::keep_backtraces_in_the_log();
    settings::register();
    pg::watch_invalidations();
    maintenance::worker::register();
}
