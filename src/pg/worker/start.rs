//! Starting and ending launchers and workers.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::Duration;

use pgrx::bgworkers::BackgroundWorkerBuilder;
use pgrx::{PgSqlErrorCode as Code, pg_guard, pg_sys};

use super::super::environment::setting;
use super::process::own_database;
use crate::error::report;

const LIBRARY: &str = "pg_triage";
const WORKER: &str = "pg_triage worker";

/// Type of a launcher; `application_name` of one without preload, where its database and the
/// handle of its state follow.
pub const LAUNCHER: &str = "pg_triage launcher";

/// What the processes do: they begin here, and their work is in folders above this one.
struct MainFunctions {
    /// Serves all databases, or only one.
    launch: fn(Option<pg_sys::Oid>),
    /// Works in a database.
    serve: fn(pg_sys::Oid),
}

static MAIN_FUNCTIONS: OnceLock<MainFunctions> = OnceLock::new();

/// Says what launchers and workers do; in `_PG_init`, which the server runs in each process
/// before it begins.
pub fn set_main_functions(launch: fn(Option<pg_sys::Oid>), serve: fn(pg_sys::Oid)) {
    MAIN_FUNCTIONS.get_or_init(|| MainFunctions { launch, serve });
}

/// Where the server begins a launcher; the argument is the only database to serve, or 0.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_triage_launcher_main(argument: pg_sys::Datum) {
    let database = pg_sys::Oid::from(argument.value() as u32);
    if let Some(main) = MAIN_FUNCTIONS.get() {
        (main.launch)((database != pg_sys::InvalidOid).then_some(database));
    }
}

/// Where the server begins a worker; the argument is the database.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_triage_worker_main(argument: pg_sys::Datum) {
    if let Some(main) = MAIN_FUNCTIONS.get() {
        (main.serve)(pg_sys::Oid::from(argument.value() as u32));
    }
}

const RESTART_AFTER: Duration = Duration::from_secs(5);

fn launcher(database: pg_sys::Oid) -> BackgroundWorkerBuilder {
    BackgroundWorkerBuilder::new(LAUNCHER)
        .set_library(LIBRARY)
        .set_function("pg_triage_launcher_main")
        .enable_spi_access()
        .set_restart_time(Some(RESTART_AFTER))
        .set_argument(Some(pg_sys::Datum::from(u32::from(database))))
}

/// Has the server start a launcher for all databases; in `_PG_init` only.
pub fn register_launcher() {
    launcher(pg_sys::InvalidOid).load();
}

/// A worker that this process has started.
pub struct Started(*mut pg_sys::BackgroundWorkerHandle);

thread_local! {
    static ALL: RefCell<Vec<*mut pg_sys::BackgroundWorkerHandle>> = const { RefCell::new(Vec::new()) };
}

impl Started {
    fn new(builder: &BackgroundWorkerBuilder) -> Option<Self> {
        let mut worker: pg_sys::BackgroundWorker = builder.into();
        let mut handle = std::ptr::null_mut();
        // SAFETY: the server copies the worker, and sets the handle if it returns true.
        let started = unsafe { pg_sys::RegisterDynamicBackgroundWorker(&mut worker, &mut handle) };
        started.then(|| {
            ALL.with_borrow_mut(|all| all.push(handle));
            Self(handle)
        })
    }

    /// A worker for a database, connected as a role, with the launcher's memory (0: the server's);
    /// `None` if the server has no slot for another one.
    pub fn worker(database: pg_sys::Oid, role: pg_sys::Oid, memory: u32) -> Option<Self> {
        let builder = BackgroundWorkerBuilder::new(WORKER)
            .set_library(LIBRARY)
            .set_function("pg_triage_worker_main")
            .enable_spi_access()
            .set_argument(Some(pg_sys::Datum::from(u32::from(database))))
            .set_extra(&format!("{} {memory}", u32::from(role)));
        Self::new(&builder)
    }

    /// A launcher for this database.
    pub fn launcher() -> Option<Self> {
        Self::new(&launcher(own_database()))
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        let mut pid = 0;
        // SAFETY: the handle is freed in `drop` only.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &mut pid) };
        status == pg_sys::BgwHandleStatus::BGWH_STOPPED
    }

    /// Has the server end it.
    pub fn terminate(&self) {
        // SAFETY: as above.
        unsafe { pg_sys::TerminateBackgroundWorker(self.0) }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        ALL.with_borrow_mut(|all| all.retain(|&handle| handle != self.0));
        // SAFETY: nobody else has it. A launcher lives too long to leave it to its memory context.
        unsafe { pg_sys::pfree(self.0.cast()) }
    }
}

/// Ends all workers that this process has started.
pub fn terminate_all() {
    let all = ALL.take();
    for handle in all {
        // SAFETY: only those that are not freed are listed.
        unsafe { pg_sys::TerminateBackgroundWorker(handle) }
    }
}

/// An error for SQL: no background worker could be registered.
pub fn no_free_worker() -> pg_sys::panic::ErrorReport {
    let most = setting(c"max_worker_processes").unwrap_or_default();
    report(
        Code::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        format!(
            "no background worker is free: raise max_worker_processes (now {most}) and restart the server"
        ),
    )
}
