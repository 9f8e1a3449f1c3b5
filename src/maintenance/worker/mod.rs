//! Maintenance without being asked: a launcher that is connected to no database starts
//! short-lived workers, one per database, when something may be due there.
//!
//! A process that is connected holds up DROP DATABASE and CREATE DATABASE ... TEMPLATE, and
//! costs memory; so workers leave when nothing is due, and the launcher ends one that somebody
//! waits for. Everything that a worker does is in [`crate::maintenance::tasks`].

use std::time::{Duration, Instant};

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgSqlErrorCode as Code, name, notice, pg_extern, pg_sys};

use crate::error::report;
use crate::pg::shared_memory::{self, OwnLauncher, SharedState, WakeRequest, WorkerOutcome};
use crate::pg::worker::{self as process, Part, Started};
use crate::{maintenance::tasks, pg, store};

mod database;
mod launcher;

/// How long a worker stays, if there is always something to do: others wait for its place.
const LONGEST_STAY: Duration = Duration::from_secs(300);

/// Called by `_PG_init`.
pub fn register() {
    process::set_main_functions(launch, serve);
    shared_memory::watch_commits();
    if process::is_preloading() {
        shared_memory::request();
        process::register_launcher();
    }
}

/// Main function of a launcher, for all databases or for only one.
pub fn launch(only: Option<pg_sys::Oid>) {
    process::obey_signals();
    process::connect_to_none();
    if let Some(database) = only
        && !process::become_only(Part::Launcher, database)
    {
        return;
    }
    launcher::run(only);
}

/// Main function of a worker for a database.
pub fn serve(database: pg_sys::Oid) {
    process::obey_signals();
    let extra = process::extra();
    let mut numbers = extra.split(' ').filter_map(|n| n.parse::<u32>().ok());
    let (Some(role), Some(handle)) = (numbers.next(), numbers.next()) else {
        return;
    };
    if handle != 0 && !shared_memory::attach(handle) {
        return;
    }
    process::connect(database, pg_sys::Oid::from(role));
    let slot = shared_memory::state().and_then(|state| state.slot(database));
    if let Some(slot) = slot {
        slot.set_worker(process::own_pid());
        slot.set_outcome(WorkerOutcome::Working);
    }
    let result = match process::become_only(Part::Worker, database) {
        true => work(),
        false => Ok(WorkerOutcome::Idle),
    };
    if let Some(slot) = slot {
        match result {
            Ok(outcome) => slot.set_outcome(outcome),
            Err(message) => {
                // The launcher logs it, and not every time.
                slot.error.set(&message);
                slot.set_outcome(WorkerOutcome::Failed);
            }
        }
    }
}

/// Does what is due, each task in a transaction of its own.
fn work() -> Result<WorkerOutcome, String> {
    let started = Instant::now();
    process::report_activity("looking for what is due");
    let Some(installed) = process::transaction(store::installed::installed)? else {
        return Ok(WorkerOutcome::NotInstalled);
    };
    installed.check()?;
    if installed.replicated {
        return Ok(WorkerOutcome::NotInstalled);
    }
    let mut outcome = WorkerOutcome::Idle;
    loop {
        process::reload_settings();
        if process::is_being_restored(process::own_database()) {
            // To be looked at again soon.
            return Ok(WorkerOutcome::Worked);
        }
        let Some(claim) = process::transaction(tasks::claim)? else {
            return Ok(outcome);
        };
        if let Some(mut version) = process::transaction(|| tasks::begin(&claim))? {
            let computed = version.compute();
            process::transaction(|| tasks::finish(&claim, version, computed))?;
        }
        outcome = WorkerOutcome::Worked;
        if started.elapsed() > LONGEST_STAY {
            return Ok(WorkerOutcome::More);
        }
    }
}

// ---------------------------------------------------------------------------------------
// SQL

fn is_preloaded() -> bool {
    shared_memory::state().is_some()
}

#[pg_extern(sql = false)]
fn wake_worker() {
    shared_memory::wake_at_commit(WakeRequest::Now);
}

#[pg_extern(sql = false)]
fn start_worker() -> Result<bool, ErrorReport> {
    pg::prevent_if_read_only(c"triage.start_worker()");
    if is_preloaded() {
        notice!(
            "pg_triage is in shared_preload_libraries: its worker serves this database already"
        );
        return Ok(false);
    }
    let served = || {
        notice!("a worker serves this database already");
        Ok(false)
    };
    if shared_memory::own_launcher().is_some() {
        return served();
    }
    let launcher = Started::launcher().ok_or_else(process::no_free_worker)?;
    // It ends at once if another session was quicker.
    while !launcher.has_ended() {
        if shared_memory::own_launcher().is_some() {
            return Ok(true);
        }
        process::sleep(Duration::from_millis(20));
    }
    served()
}

#[pg_extern(sql = false)]
fn stop_worker() -> Result<bool, ErrorReport> {
    if is_preloaded() {
        return Err(report(
            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the worker was started with the server: take pg_triage out of shared_preload_libraries and restart the server to stop it",
        ));
    }
    let Some(launcher) = shared_memory::own_launcher() else {
        notice!("no worker serves this database");
        return Ok(false);
    };
    launcher.with_state(SharedState::stop);
    while shared_memory::own_launcher().is_some_and(|now| now.pid == launcher.pid) {
        process::sleep(Duration::from_millis(20));
    }
    Ok(true)
}

/// What is known about the worker of this database.
#[derive(Default)]
struct Status {
    launcher_pid: Option<i32>,
    worker_pid: Option<i32>,
    started_at: Option<TimestampWithTimeZone>,
    ended_at: Option<TimestampWithTimeZone>,
    last_error: Option<String>,
    problem: Option<String>,
}

impl Status {
    fn on(state: &SharedState) -> Self {
        let slot = state.slot_of(process::own_database());
        let (started_at, ended_at) = slot.map(|slot| slot.times()).unwrap_or_default();
        Self {
            launcher_pid: state.launcher(),
            worker_pid: slot.and_then(|slot| slot.worker()),
            started_at,
            ended_at,
            last_error: slot.and_then(|slot| slot.error.get()),
            problem: state.problem.get(),
        }
    }
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn worker_status() -> TableIterator<
    'static,
    (
        name!(served, bool),
        name!(preloaded, bool),
        name!(launcher_pid, Option<i32>),
        name!(worker_pid, Option<i32>),
        name!(last_started_at, Option<TimestampWithTimeZone>),
        name!(last_ended_at, Option<TimestampWithTimeZone>),
        name!(last_error, Option<String>),
        name!(problem, Option<String>),
    ),
> {
    let own: Option<OwnLauncher> = match is_preloaded() {
        true => None,
        false => shared_memory::own_launcher(),
    };
    let status = match shared_memory::state() {
        Some(state) => Some(Status::on(state)),
        None => own.and_then(|launcher| launcher.with_state(Status::on)),
    };
    let status = status.unwrap_or_default();
    let problem = match (status.launcher_pid, status.problem) {
        (Some(_), problem) => problem,
        (None, _) if is_preloaded() => Some(
            "the launcher is not running: on a standby this is so until promotion, else see the server's log".to_owned(),
        ),
        (None, _) => Some(
            "no worker serves this database: put pg_triage into shared_preload_libraries and restart the server, or SELECT triage.start_worker()".to_owned(),
        ),
    };
    TableIterator::once((
        status.launcher_pid.is_some() && problem.is_none(),
        is_preloaded(),
        status.launcher_pid,
        status.worker_pid,
        status.started_at,
        status.ended_at,
        status.last_error,
        problem,
    ))
}
