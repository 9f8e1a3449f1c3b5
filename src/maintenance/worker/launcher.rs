//! When a worker is started for which database.

use std::collections::HashMap;
use std::ffi::CString;
use std::time::{Duration, Instant};

use pgrx::pg_sys::Oid;
use pgrx::spi::quote_identifier;

use super::database::{Complaint, Database, Last, PAUSE};
use crate::pg::shared_memory::{self, SharedState, WakeRequest, WorkerOutcome};
use crate::pg::worker::{self as process, RoleProblem};
use crate::settings;

/// Workers at a time: the server has few places for background workers, and they are not ours.
const MOST_WORKERS: usize = 3;
/// How often a running worker is looked after.
const WATCH: Duration = Duration::from_millis(500);

struct Launcher {
    /// The only database to serve, instead of all.
    only: Option<Oid>,
    state: &'static SharedState,
    /// How workers find the state.
    handle: u32,
    databases: HashMap<Oid, Database>,
    role: Option<Oid>,
    complaint: Complaint,
    surveyed: Option<Instant>,
    /// Somebody waits for what the last survey did not find.
    is_missed: bool,
}

/// Runs until the process is ended, or the only database is gone.
pub fn run(only: Option<Oid>) {
    let handle = match only {
        Some(database) => {
            let handle = shared_memory::create();
            process::report_name(&shared_memory::launcher_name(database, handle));
            handle
        }
        None => 0,
    };
    let Some(state) = shared_memory::state() else {
        return;
    };
    state.set_launcher();
    let mut launcher = Launcher {
        only,
        state,
        handle,
        databases: HashMap::new(),
        role: None,
        complaint: Complaint::default(),
        surveyed: None,
        is_missed: false,
    };
    while launcher.serve() {
        let woken = process::sleep(launcher.pause());
        let reloaded = process::reload_settings();
        launcher.hear(woken && !reloaded);
        launcher.is_missed |= reloaded;
    }
    process::terminate_all();
}

impl Launcher {
    /// Takes the requests of sessions.
    fn hear(&mut self, woken: bool) {
        for slot in self.state.slots() {
            match self.databases.get_mut(&slot.database()) {
                Some(database) if slot.requested() > database.request => {
                    database.request = slot.requested();
                    // CREATE EXTENSION makes the role.
                    self.is_missed |= database.request == WakeRequest::Now && self.role.is_none();
                }
                Some(_) => {}
                // It is new.
                None => self.is_missed |= slot.take_request() != WakeRequest::None,
            }
        }
        // Without preload a session can only wake us, and so does DROP DATABASE.
        self.is_missed |= woken && self.only.is_some();
        let request = match (self.only, woken) {
            (Some(_), true) => WakeRequest::Now,
            _ => self.state.take_request_of_others(),
        };
        for database in self.databases.values_mut() {
            database.request = database.request.max(request);
        }
    }

    /// Looks which databases there are, and whether there is a role to work as.
    fn survey(&mut self) {
        let name = settings::worker_role();
        let role_name = CString::new(name.as_str()).unwrap_or_default();
        let (found, role) = process::survey(&role_name);
        self.set_role(&name, role);
        let wanted = |oid| self.only.is_none_or(|only| only == oid);
        let mut before = std::mem::take(&mut self.databases);
        for database in found.into_iter().filter(|database| wanted(database.oid)) {
            let mut served = before
                .remove(&database.oid)
                .unwrap_or_else(|| Database::new(database.name.clone()));
            served.name = database.name;
            if self.role.is_some() && !database.is_open {
                self.refuse(database.oid, &mut served, &name);
            }
            self.databases.insert(database.oid, served);
        }
        // Also of databases that came and went between two looks.
        for slot in self.state.slots() {
            if !self.databases.contains_key(&slot.database()) {
                slot.free();
            }
        }
        self.surveyed = Some(Instant::now());
        self.is_missed = false;
    }

    /// Takes the role that workers are to have, or says why there is none.
    fn set_role(&mut self, name: &str, role: Result<Oid, RoleProblem>) {
        let problem = role.err().map(|problem| in_words(problem, name));
        self.state
            .problem
            .set(problem.as_deref().unwrap_or_default());
        match problem {
            // Nothing is wrong before the first CREATE EXTENSION.
            Some(_) if self.state.slots().next().is_none() => {}
            Some(problem) => self.complaint.make(problem),
            None => self.complaint.withdraw("there is a role to work as again"),
        }
        if self.role != role.ok() {
            // Failures may have been the other role's.
            for database in self.databases.values_mut() {
                database.last = Last::Never;
                database.failures = 0;
            }
        }
        self.role = role.ok();
    }

    /// Marks a database that the role of this name may not connect to.
    fn refuse(&self, oid: Oid, database: &mut Database, name: &str) {
        let text = format!(
            "role \"{name}\" may not connect: GRANT CONNECT ON DATABASE {} TO {}",
            quote_identifier(&database.name),
            quote_identifier(name)
        );
        // Only where somebody has used the extension.
        if let Some(slot) = self.state.slot_of(oid) {
            slot.take_request();
            slot.error.set(&text);
            database.complain(&text);
        }
        database.last = Last::Ended(WorkerOutcome::NotInstalled);
        database.ended = Instant::now();
        database.request = WakeRequest::None;
    }

    /// Starts what is due and looks after what runs; false if there is nothing left to serve.
    fn serve(&mut self) -> bool {
        if self.state.is_stopped() {
            return false;
        }
        if self.until_survey().is_zero() {
            self.survey();
            if self.only.is_some() && self.databases.is_empty() {
                return false;
            }
        }
        for (&oid, database) in &mut self.databases {
            database.watch(oid, self.state.slot_of(oid));
        }
        if self.role.is_none() {
            return true;
        }
        let free = MOST_WORKERS.saturating_sub(self.running());
        let mut due = self.all_due();
        // What was found long ago may be gone, and a worker would fail at once.
        if free > 0 && !due.is_empty() && self.surveyed.is_none_or(|at| at.elapsed() >= PAUSE) {
            self.survey();
            due = self.all_due();
        }
        let Some(role) = self.role else {
            return true;
        };
        let now = Instant::now();
        for oid in due.into_iter().take(free) {
            let Some(database) = self.databases.get_mut(&oid) else {
                continue;
            };
            if process::is_database_wanted(oid) {
                database.last = Last::Sent;
                database.ended = now;
                continue;
            }
            database.start(oid, role, self.state, self.handle);
        }
        let text = match self.running() {
            0 => format!("waiting; {} databases", self.databases.len()),
            n => format!("{n} workers at work; {} databases", self.databases.len()),
        };
        process::report_idle(&text);
        true
    }

    /// Databases whose time has come, the one that waits longest first.
    fn all_due(&self) -> Vec<Oid> {
        let now = Instant::now();
        let due = |(&oid, database)| Some((self.due(database)?, oid));
        let mut due: Vec<(Instant, Oid)> = self.databases.iter().filter_map(due).collect();
        due.retain(|(due, _)| *due <= now);
        due.sort_unstable_by_key(|&(due, _)| due);
        due.into_iter().map(|(_, oid)| oid).collect()
    }

    fn due(&self, database: &Database) -> Option<Instant> {
        database.due(settings::worker_naptime(), self.only.is_none())
    }

    fn running(&self) -> usize {
        self.databases
            .values()
            .filter(|d| d.running.is_some())
            .count()
    }

    fn until_survey(&self) -> Duration {
        let pause = match self.is_missed {
            true => PAUSE,
            false => settings::worker_naptime(),
        };
        self.surveyed
            .map_or(Duration::ZERO, |at| pause.saturating_sub(at.elapsed()))
    }

    /// How long to sleep.
    fn pause(&self) -> Duration {
        let survey = self.until_survey();
        if self.running() > 0 {
            return survey.min(WATCH);
        }
        if self.role.is_none() {
            return survey;
        }
        let due = self
            .databases
            .values()
            .filter_map(|database| self.due(database))
            .min();
        due.map_or(survey, |due| {
            survey.min(due.saturating_duration_since(Instant::now()))
        })
    }
}

/// Why no worker is started as the role of this name.
fn in_words(problem: RoleProblem, name: &str) -> String {
    let quoted = quote_identifier(name);
    match problem {
        RoleProblem::Missing => format!(
            "role \"{name}\" does not exist, so no worker is started: CREATE ROLE {quoted} LOGIN, or set pg_triage.worker_role"
        ),
        RoleProblem::NoLogin => format!(
            "role \"{name}\" may not log in, so no worker is started: ALTER ROLE {quoted} LOGIN, or set pg_triage.worker_role"
        ),
        RoleProblem::Superuser => format!(
            "role \"{name}\" is a superuser, so no worker is started: set pg_triage.worker_role to one that is not"
        ),
    }
}
