//! What sessions, launcher and workers say about one database.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU32, Ordering};

use pgrx::pg_sys;

/// How soon a session wants a worker to look at its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WakeRequest {
    None,
    /// At the next ordinary time: emails have arrived.
    Look,
    /// Now: somebody has decided.
    Now,
}

impl From<u32> for WakeRequest {
    fn from(request: u32) -> Self {
        match request {
            0 => Self::None,
            1 => Self::Look,
            _ => Self::Now,
        }
    }
}

/// What became of a worker, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerOutcome {
    /// It has not yet reached its database.
    Starting,
    /// It is at work, or was when it ended.
    Working,
    /// The extension is not there.
    NotInstalled,
    /// Nothing was due.
    Idle,
    /// It did what was due.
    Worked,
    /// There is more to do.
    More,
    /// It failed, and says why.
    Failed,
}

const WORKER_OUTCOMES: [WorkerOutcome; 7] = [
    WorkerOutcome::Starting,
    WorkerOutcome::Working,
    WorkerOutcome::NotInstalled,
    WorkerOutcome::Idle,
    WorkerOutcome::Worked,
    WorkerOutcome::More,
    WorkerOutcome::Failed,
];

/// A message, cut to what fits.
pub struct Text([AtomicU8; 256]);

impl Text {
    pub fn set(&self, text: &str) {
        let text = &text[..text.floor_char_boundary(self.0.len() - 1)];
        let bytes = text.bytes().filter(|&b| b != 0).chain([0]);
        for (slot, byte) in self.0.iter().zip(bytes) {
            slot.store(byte, Ordering::Relaxed);
        }
    }

    pub fn get(&self) -> Option<String> {
        let bytes = self.0.iter().map(|slot| slot.load(Ordering::Relaxed));
        let bytes: Vec<u8> = bytes.take_while(|&b| b != 0).collect();
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What is known about one database.
pub struct DatabaseSlot {
    database: AtomicU32,
    request: AtomicU32,
    outcome: AtomicU32,
    worker_pid: AtomicI32,
    started_at: AtomicI64,
    ended_at: AtomicI64,
    /// Why the last worker failed; empty after one that did not.
    pub error: Text,
}

impl DatabaseSlot {
    /// Whether it is this database's.
    pub(super) fn is_of(&self, database: pg_sys::Oid) -> bool {
        self.database.load(Ordering::Acquire) == u32::from(database)
    }

    /// Makes a free slot this database's; true also if another session has just done that.
    pub(super) fn claim(&self, database: pg_sys::Oid) -> bool {
        let database = u32::from(database);
        let claimed =
            self.database
                .compare_exchange(0, database, Ordering::AcqRel, Ordering::Acquire);
        claimed.is_ok() || claimed == Err(database)
    }

    pub fn database(&self) -> pg_sys::Oid {
        pg_sys::Oid::from(self.database.load(Ordering::Relaxed))
    }

    /// Adds a request; returns what was requested before.
    pub fn request(&self, request: WakeRequest) -> WakeRequest {
        self.request
            .fetch_max(request as u32, Ordering::AcqRel)
            .into()
    }

    pub fn requested(&self) -> WakeRequest {
        self.request.load(Ordering::Acquire).into()
    }

    pub fn take_request(&self) -> WakeRequest {
        self.request.swap(0, Ordering::AcqRel).into()
    }

    pub fn set_outcome(&self, outcome: WorkerOutcome) {
        self.outcome.store(outcome as u32, Ordering::Release);
    }

    pub fn outcome(&self) -> WorkerOutcome {
        let number = self.outcome.load(Ordering::Acquire) as usize;
        WORKER_OUTCOMES
            .get(number)
            .copied()
            .unwrap_or(WorkerOutcome::Starting)
    }

    /// A worker is being started: it will see what was committed before the requests so far.
    pub fn begin(&self) {
        self.take_request();
        self.set_outcome(WorkerOutcome::Starting);
        self.started_at.store(now(), Ordering::Relaxed);
    }

    /// Written by the worker.
    pub fn set_worker(&self, pid: i32) {
        self.worker_pid.store(pid, Ordering::Relaxed);
    }

    /// The worker has ended.
    pub fn end(&self) {
        self.set_worker(0);
        self.ended_at.store(now(), Ordering::Relaxed);
    }

    /// Its process, if one is at work.
    pub fn worker(&self) -> Option<i32> {
        Some(self.worker_pid.load(Ordering::Relaxed)).filter(|&pid| pid != 0)
    }

    /// When the last worker started and ended.
    pub fn times(
        &self,
    ) -> (
        Option<pgrx::datum::TimestampWithTimeZone>,
        Option<pgrx::datum::TimestampWithTimeZone>,
    ) {
        let time = |at: &AtomicI64| {
            let at = Some(at.load(Ordering::Relaxed)).filter(|&at| at != 0);
            at.and_then(|at| pgrx::datum::TimestampWithTimeZone::try_from(at).ok())
        };
        (time(&self.started_at), time(&self.ended_at))
    }

    /// The database is gone.
    pub fn free(&self) {
        self.request.store(0, Ordering::Relaxed);
        self.end();
        self.started_at.store(0, Ordering::Relaxed);
        self.ended_at.store(0, Ordering::Relaxed);
        self.error.set("");
        self.database.store(0, Ordering::Release);
    }
}

fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}
