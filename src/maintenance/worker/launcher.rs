//! When a worker is started for which database.

use std::collections::HashMap;
use std::ffi::CString;
use std::time::{Duration, Instant};

use pgrx::pg_sys::Oid;
use pgrx::{log, warning};

use crate::pg::board::{self, Board, Outcome, Place, Wish};
use crate::pg::worker::{self as process, RoleProblem, Started};
use crate::settings;

/// Workers at a time: the server has few places for background workers, and they are not ours.
const MOST_WORKERS: usize = 3;
/// Between two workers of one database when decisions wake them.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a running worker is looked after.
const WATCH: Duration = Duration::from_millis(500);
/// After a failure, doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// The same after a worker that could not say what was wrong: then the server has said so, in
/// two lines.
const FIRST_BLIND_RETRY: Duration = Duration::from_secs(60);
const LAST_RETRY: Duration = Duration::from_secs(600);
/// How long somebody who waited for a database is left alone with it.
const AWAY: Duration = Duration::from_secs(10);
/// A database where nothing happens is looked at this much more rarely.
const QUIET: u32 = 10;

/// What became of the last worker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// There was none yet.
    Never,
    Ended(Outcome),
    /// It had to leave.
    Sent,
}

/// A complaint, made once: the same one again only after a while.
#[derive(Default)]
struct Complaint(Option<(String, Instant)>);

impl Complaint {
    fn make(&mut self, text: String) {
        let known = self
            .0
            .as_ref()
            .filter(|(t, at)| *t == text && at.elapsed() < LAST_RETRY);
        if known.is_none() {
            warning!("pg_triage: {text}");
            self.0 = Some((text, Instant::now()));
        }
    }

    /// Says that it is over, if it was made.
    fn settle(&mut self, text: &str) {
        if self.0.take().is_some() {
            log!("pg_triage: {text}");
        }
    }
}

struct Database {
    name: String,
    wish: Wish,
    last: Last,
    ended: Instant,
    failures: u32,
    complaint: Complaint,
    running: Option<Running>,
}

struct Running {
    worker: Started,
    sent: bool,
}

impl Database {
    fn new(name: String) -> Self {
        Self {
            name,
            wish: Wish::None,
            last: Last::Never,
            ended: Instant::now(),
            failures: 0,
            complaint: Complaint::default(),
            running: None,
        }
    }

    /// When a worker should be started; `told` is whether emails are told of.
    fn due(&self, naptime: Duration, told: bool) -> Option<Instant> {
        if self.running.is_some() {
            return None;
        }
        let retry = |first: Duration| {
            let doubled = first * 2u32.saturating_pow(self.failures.saturating_sub(1).min(10));
            doubled.min(LAST_RETRY)
        };
        let pause = match (self.last, self.wish) {
            (Last::Never, _) => Duration::ZERO,
            (Last::Sent, _) => AWAY,
            (Last::Ended(Outcome::Failed), _) => retry(FIRST_RETRY),
            (Last::Ended(Outcome::Starting | Outcome::Working), _) => retry(FIRST_BLIND_RETRY),
            (Last::Ended(Outcome::More), _) | (_, Wish::Now) => PAUSE,
            (Last::Ended(Outcome::Worked), _) | (_, Wish::Look) => naptime,
            (Last::Ended(Outcome::Idle), _) if !told => naptime,
            (Last::Ended(_), _) => naptime * QUIET,
        };
        Some(self.ended + pause)
    }

    fn start(&mut self, database: Oid, role: Oid, board: &Board, handle: u32) {
        self.wish = Wish::None;
        if let Some(place) = board.place(database) {
            place.begin();
        }
        match Started::worker(database, role, handle) {
            Some(worker) => {
                self.running = Some(Running {
                    worker,
                    sent: false,
                })
            }
            None => {
                self.last = Last::Ended(Outcome::Failed);
                self.ended = Instant::now();
                self.failures += 1;
                self.complain("no background worker is free: raise max_worker_processes and restart the server");
            }
        }
    }

    fn complain(&mut self, what: &str) {
        let text = format!("worker of database \"{}\": {what}", self.name);
        self.complaint.make(text);
    }

    /// Looks after a running worker.
    fn watch(&mut self, database: Oid, place: Option<&Place>) {
        let Some(running) = &mut self.running else {
            return;
        };
        if !running.worker.has_ended() {
            // DROP DATABASE gives up after five seconds.
            if !running.sent && process::is_database_wanted(database) {
                running.worker.terminate();
                running.sent = true;
            }
            return;
        }
        let outcome = place.map_or(Outcome::Worked, Place::outcome);
        let sent = running.sent && outcome == Outcome::Working;
        self.running = None;
        self.ended = Instant::now();
        self.last = if sent {
            Last::Sent
        } else {
            Last::Ended(outcome)
        };
        if let Some(place) = place {
            place.end();
        }
        match outcome {
            _ if sent => {}
            Outcome::Failed => {
                self.failures += 1;
                let error = place.and_then(|place| place.error.get());
                self.complain(&error.unwrap_or_default());
            }
            // The server has said why.
            Outcome::Starting | Outcome::Working => {
                self.failures += 1;
                if let Some(place) = place {
                    place.error.set("it was ended: see the server's log");
                }
            }
            _ => {
                self.failures = 0;
                if let Some(place) = place {
                    place.error.set("");
                }
                let text = format!("worker of database \"{}\" works again", self.name);
                self.complaint.settle(&text);
            }
        }
    }
}

struct Launcher {
    /// The only database to serve, instead of all.
    only: Option<Oid>,
    board: &'static Board,
    /// How workers find the board.
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
            let handle = board::create_board();
            process::report_name(&board::launcher_name(database, handle));
            handle
        }
        None => 0,
    };
    let Some(board) = board::board() else {
        return;
    };
    board.set_launcher();
    let mut launcher = Launcher {
        only,
        board,
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
    /// Takes the wishes of sessions.
    fn hear(&mut self, woken: bool) {
        for place in self.board.places() {
            match self.databases.get_mut(&place.database()) {
                Some(database) if place.wished() > database.wish => {
                    database.wish = place.wished();
                    // CREATE EXTENSION makes the role.
                    self.is_missed |= database.wish == Wish::Now && self.role.is_none();
                }
                Some(_) => {}
                // It is new.
                None => self.is_missed |= place.take_wish() != Wish::None,
            }
        }
        // Without preload a session can only wake us, and so does DROP DATABASE.
        self.is_missed |= woken && self.only.is_some();
        let wish = match (self.only, woken) {
            (Some(_), true) => Wish::Now,
            _ => self.board.take_wish_of_others(),
        };
        for database in self.databases.values_mut() {
            database.wish = database.wish.max(wish);
        }
    }

    /// Looks which databases there are, and whether there is a role to work as.
    fn survey(&mut self) {
        let name = settings::worker_role();
        let role_name = CString::new(name.as_str()).unwrap_or_default();
        let (found, role) = process::survey(&role_name);
        let problem = match role {
            Ok(_) => None,
            Err(RoleProblem::Missing) => Some(format!(
                "role \"{name}\" does not exist, so no worker is started: CREATE ROLE {name} LOGIN, or set pg_triage.worker_role"
            )),
            Err(RoleProblem::NoLogin) => Some(format!(
                "role \"{name}\" may not log in, so no worker is started: ALTER ROLE {name} LOGIN, or set pg_triage.worker_role"
            )),
            Err(RoleProblem::Superuser) => Some(format!(
                "role \"{name}\" is a superuser, so no worker is started: set pg_triage.worker_role to one that is not"
            )),
        };
        self.board
            .problem
            .set(problem.as_deref().unwrap_or_default());
        match problem {
            // Nothing is wrong before the first CREATE EXTENSION.
            Some(_) if self.board.places().next().is_none() => {}
            Some(problem) => self.complaint.make(problem),
            None => self.complaint.settle("there is a role to work as again"),
        }
        if self.role != role.ok() {
            // Failures may have been the other role's.
            for database in self.databases.values_mut() {
                database.last = Last::Never;
                database.failures = 0;
            }
        }
        self.role = role.ok();
        let wanted = |oid| self.only.is_none_or(|only| only == oid);
        let mut before = std::mem::take(&mut self.databases);
        for database in found.into_iter().filter(|database| wanted(database.oid)) {
            let mut served = before
                .remove(&database.oid)
                .unwrap_or_else(|| Database::new(database.name.clone()));
            served.name = database.name;
            if self.role.is_some() && !database.is_open {
                let place = self.board.place_of(database.oid);
                let text = format!(
                    "role \"{name}\" may not connect: GRANT CONNECT ON DATABASE \"{}\" TO {name}",
                    served.name
                );
                // Only where somebody has used the extension.
                if let Some(place) = place {
                    place.take_wish();
                    place.error.set(&text);
                    served.complain(&text);
                }
                served.last = Last::Ended(Outcome::NotInstalled);
                served.ended = Instant::now();
                served.wish = Wish::None;
            }
            self.databases.insert(database.oid, served);
        }
        // Also of databases that came and went between two looks.
        for place in self.board.places() {
            if !self.databases.contains_key(&place.database()) {
                place.free();
            }
        }
        self.surveyed = Some(Instant::now());
        self.is_missed = false;
    }

    /// Starts what is due and looks after what runs; false if there is nothing left to serve.
    fn serve(&mut self) -> bool {
        if self.board.is_stopped() {
            return false;
        }
        if self.until_survey().is_zero() {
            self.survey();
            if self.only.is_some() && self.databases.is_empty() {
                return false;
            }
        }
        for (&oid, database) in &mut self.databases {
            database.watch(oid, self.board.place_of(oid));
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
            database.start(oid, role, self.board, self.handle);
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
