//! One database as the launcher knows it: when a worker is due there, and what became of the last.

use std::time::{Duration, Instant};

use pgrx::pg_sys::Oid;
use pgrx::{log, warning};

use crate::pg::shared_memory::{DatabaseSlot, SharedState, WakeRequest, WorkerOutcome};
use crate::pg::worker::{self as process, Started};

/// Least time between two workers of one database when decisions wake them.
pub const PAUSE: Duration = Duration::from_secs(1);
/// Pause after a failure, doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// Pause after a worker that could not say what was wrong: then the server has said so, in two
/// lines.
const FIRST_BLIND_RETRY: Duration = Duration::from_secs(60);
/// Longest pause after failures.
const LAST_RETRY: Duration = Duration::from_secs(600);
/// How long somebody who waited for a database is left alone with it.
const AWAY: Duration = Duration::from_secs(10);
/// A database where nothing happens is looked at this much more rarely.
const QUIET: u32 = 10;

/// What became of the last worker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// There was none yet.
    Never,
    Ended(WorkerOutcome),
    /// It had to leave.
    Sent,
}

/// A complaint, made once: the same one again only after a while.
#[derive(Default)]
pub struct Complaint(Option<(String, Instant)>);

impl Complaint {
    pub fn make(&mut self, text: String) {
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
    pub fn withdraw(&mut self, text: &str) {
        if self.0.take().is_some() {
            log!("pg_triage: {text}");
        }
    }
}

/// A database that is served.
pub struct Database {
    /// For people.
    pub name: String,
    /// What sessions have asked for since the last worker began.
    pub request: WakeRequest,
    /// What became of the last worker.
    pub last: Last,
    /// When it ended.
    pub ended: Instant,
    /// How many in a row have failed.
    pub failures: u32,
    /// What was last said about it in the log.
    pub complaint: Complaint,
    /// The worker that is there.
    pub running: Option<Running>,
}

/// A worker at work.
pub struct Running {
    worker: Started,
    sent: bool,
}

impl Database {
    pub fn new(name: String) -> Self {
        Self {
            name,
            request: WakeRequest::None,
            last: Last::Never,
            ended: Instant::now(),
            failures: 0,
            complaint: Complaint::default(),
            running: None,
        }
    }

    /// When a worker should be started; `told` is whether emails are told of.
    pub fn due(&self, naptime: Duration, told: bool) -> Option<Instant> {
        if self.running.is_some() {
            return None;
        }
        let retry = |first: Duration| {
            let doubled = first * 2u32.saturating_pow(self.failures.saturating_sub(1).min(10));
            doubled.min(LAST_RETRY)
        };
        let pause = match (self.last, self.request) {
            (Last::Never, _) => Duration::ZERO,
            (Last::Sent, _) => AWAY,
            (Last::Ended(WorkerOutcome::Failed), _) => retry(FIRST_RETRY),
            (Last::Ended(WorkerOutcome::Starting | WorkerOutcome::Working), _) => {
                retry(FIRST_BLIND_RETRY)
            }
            (Last::Ended(WorkerOutcome::More), _) | (_, WakeRequest::Now) => PAUSE,
            (Last::Ended(WorkerOutcome::Worked), _) | (_, WakeRequest::Look) => naptime,
            (Last::Ended(WorkerOutcome::Idle), _) if !told => naptime,
            (Last::Ended(_), _) => naptime * QUIET,
        };
        Some(self.ended + pause)
    }

    pub fn start(&mut self, database: Oid, role: Oid, state: &SharedState, handle: u32) {
        self.request = WakeRequest::None;
        if let Some(slot) = state.slot(database) {
            slot.begin();
        }
        match Started::worker(database, role, handle) {
            Some(worker) => {
                self.running = Some(Running {
                    worker,
                    sent: false,
                })
            }
            None => {
                self.last = Last::Ended(WorkerOutcome::Failed);
                self.ended = Instant::now();
                self.failures += 1;
                self.complain("no background worker is free: raise max_worker_processes and restart the server");
            }
        }
    }

    pub fn complain(&mut self, what: &str) {
        let text = format!("worker of database \"{}\": {what}", self.name);
        self.complaint.make(text);
    }

    /// Looks after a running worker.
    pub fn watch(&mut self, database: Oid, slot: Option<&DatabaseSlot>) {
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
        let outcome = slot.map_or(WorkerOutcome::Worked, DatabaseSlot::outcome);
        let sent = running.sent && outcome == WorkerOutcome::Working;
        self.running = None;
        self.ended = Instant::now();
        self.last = if sent {
            Last::Sent
        } else {
            Last::Ended(outcome)
        };
        if let Some(slot) = slot {
            slot.end();
        }
        match outcome {
            _ if sent => {}
            WorkerOutcome::Failed => {
                self.failures += 1;
                let error = slot.and_then(|slot| slot.error.get());
                self.complain(&error.unwrap_or_default());
            }
            // The server has said why.
            WorkerOutcome::Starting | WorkerOutcome::Working => {
                self.failures += 1;
                if let Some(slot) = slot {
                    slot.error.set("it was ended: see the server's log");
                }
            }
            _ => {
                self.failures = 0;
                if let Some(slot) = slot {
                    slot.error.set("");
                }
                let text = format!("worker of database \"{}\" works again", self.name);
                self.complaint.withdraw(&text);
            }
        }
    }
}
