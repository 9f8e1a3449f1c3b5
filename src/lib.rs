//! pg_triage: sorts email inside PostgreSQL and gets better with every human correction.
//!
//! This crate is the thin boundary: each file maps one SQL concern onto
//! [`pg_triage_core`]. The SQL objects are declared by hand in `sql/`, in the order below;
//! Rust functions there go by the name of their symbol, `<function>_wrapper`.
// A C function called without a guard must not unwind through Rust.
#![cfg_attr(not(test), deny(ffi_unwind_calls))]

#[cfg(not(panic = "unwind"))]
compile_error!(
    "pg_triage needs panic = \"unwind\": a panic must become an SQL error, not end the server"
);

mod artifact_types;
mod attach;
mod cache;
mod catalog;
mod classify;
mod decide;
mod error;
mod explain;
mod gate;
mod learn;
mod mail;
mod maintain;
mod models;
mod pg;
mod preview;
mod quality;
mod retrain;
mod review;
mod rows;
mod sample;
mod session;
mod settings;
mod suspects;
mod train;
mod worker;

pgrx::pg_module_magic!(name, version);

pgrx::extension_sql_file!("../sql/types.sql", name = "types", bootstrap);
pgrx::extension_sql_file!("../sql/roles.sql", name = "roles", requires = ["types"]);
pgrx::extension_sql_file!("../sql/catalog.sql", name = "catalog", requires = ["roles"]);
pgrx::extension_sql_file!(
    "../sql/classify.sql",
    name = "classify",
    requires = ["catalog"]
);
pgrx::extension_sql_file!("../sql/train.sql", name = "train", requires = ["classify"]);
pgrx::extension_sql_file!("../sql/models.sql", name = "models", requires = ["train"]);
pgrx::extension_sql_file!("../sql/ledger.sql", name = "ledger", requires = ["models"]);
pgrx::extension_sql_file!("../sql/attach.sql", name = "attach", requires = ["ledger"]);
pgrx::extension_sql_file!("../sql/review.sql", name = "review", requires = ["attach"]);
pgrx::extension_sql_file!("../sql/learn.sql", name = "learn", requires = ["review"]);
pgrx::extension_sql_file!(
    "../sql/suspects.sql",
    name = "suspects",
    requires = ["learn"]
);
pgrx::extension_sql_file!("../sql/tally.sql", name = "tally", requires = ["suspects"]);
pgrx::extension_sql_file!("../sql/quality.sql", name = "quality", requires = ["tally"]);
pgrx::extension_sql_file!("../sql/drift.sql", name = "drift", requires = ["quality"]);
pgrx::extension_sql_file!(
    "../sql/maintain.sql",
    name = "maintain",
    requires = ["drift"]
);
pgrx::extension_sql_file!(
    "../sql/worker.sql",
    name = "worker",
    requires = ["maintain"]
);
pgrx::extension_sql_file!("../sql/alerts.sql", name = "alerts", requires = ["worker"]);
pgrx::extension_sql_file!("../sql/mail.sql", name = "mail", requires = ["alerts"]);
pgrx::extension_sql_file!(
    "../sql/ingest_json.sql",
    name = "ingest_json",
    requires = ["mail"]
);
pgrx::extension_sql_file!("../sql/privileges.sql", name = "privileges", finalize);

/// Called by the server when it loads the library.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::register();
    pg::watch_invalidations();
    worker::register();
}

#[cfg(any(test, feature = "pg_test"))]
#[path = "../tests/pg/mod.rs"]
mod pg_tests;

/// Setup of the in-server tests.
#[cfg(test)]
pub mod pg_test {
    /// Called once before the tests.
    pub fn setup(_options: Vec<&str>) {}

    /// Settings of the test server.
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
