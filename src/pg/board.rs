//! What sessions, launcher and workers tell each other in shared memory, and how a commit
//! wakes the launcher.
//!
//! Everything on the board is an atomic of its own, zero at first: there is no lock that a
//! session could wait for at its commit, and a process that is killed leaves none behind.
//! With `shared_preload_libraries` the board is in the server's own shared memory; a launcher
//! that was started later has one in a dynamic segment, whose handle is in its
//! `application_name`.

use std::cell::Cell;
use std::ffi::CStr;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, Ordering,
};
use std::time::{Duration, Instant};

use pgrx::{pg_guard, pg_sys};

/// Databases that have a place on the board. Those beyond are served, too, but a wish of one
/// makes the launcher look at all of them.
const PLACES: usize = 256;

/// Type of a launcher; `application_name` of one without preload, where its database and its
/// board's handle follow.
pub const LAUNCHER: &str = "pg_triage launcher";

/// How soon a session wants a worker to look at its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    None,
    /// At the next ordinary time: emails have arrived.
    Look,
    /// Now: somebody has decided.
    Now,
}

impl From<u32> for Wish {
    fn from(wish: u32) -> Self {
        match wish {
            0 => Self::None,
            1 => Self::Look,
            _ => Self::Now,
        }
    }
}

/// What became of a worker, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
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

const OUTCOMES: [Outcome; 7] = [
    Outcome::Starting,
    Outcome::Working,
    Outcome::NotInstalled,
    Outcome::Idle,
    Outcome::Worked,
    Outcome::More,
    Outcome::Failed,
];

/// A message, cut to what fits.
pub struct Text([AtomicU8; 256]);

impl Text {
    pub fn set(&self, text: &str) {
        let text = &text[..text.floor_char_boundary(self.0.len() - 1)];
        let bytes = text.bytes().filter(|&b| b != 0).chain([0]);
        for (place, byte) in self.0.iter().zip(bytes) {
            place.store(byte, Ordering::Relaxed);
        }
    }

    pub fn get(&self) -> Option<String> {
        let bytes = self.0.iter().map(|place| place.load(Ordering::Relaxed));
        let bytes: Vec<u8> = bytes.take_while(|&b| b != 0).collect();
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What is known about one database.
pub struct Place {
    database: AtomicU32,
    wish: AtomicU32,
    outcome: AtomicU32,
    worker_pid: AtomicI32,
    started_at: AtomicI64,
    ended_at: AtomicI64,
    /// Why the last worker failed; empty after one that did not.
    pub error: Text,
}

impl Place {
    pub fn database(&self) -> pg_sys::Oid {
        pg_sys::Oid::from(self.database.load(Ordering::Relaxed))
    }

    /// Adds a wish; returns what was wished before.
    pub fn wish(&self, wish: Wish) -> Wish {
        self.wish.fetch_max(wish as u32, Ordering::AcqRel).into()
    }

    pub fn wished(&self) -> Wish {
        self.wish.load(Ordering::Acquire).into()
    }

    pub fn take_wish(&self) -> Wish {
        self.wish.swap(0, Ordering::AcqRel).into()
    }

    pub fn set_outcome(&self, outcome: Outcome) {
        self.outcome.store(outcome as u32, Ordering::Release);
    }

    pub fn outcome(&self) -> Outcome {
        let number = self.outcome.load(Ordering::Acquire) as usize;
        OUTCOMES.get(number).copied().unwrap_or(Outcome::Starting)
    }

    /// A worker is being started: it will see what was committed before the wishes so far.
    pub fn begin(&self) {
        self.take_wish();
        self.set_outcome(Outcome::Starting);
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
        self.wish.store(0, Ordering::Relaxed);
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

/// The shared memory of one launcher.
pub struct Board {
    launcher: AtomicPtr<pg_sys::PGPROC>,
    launcher_pid: AtomicI32,
    stop: AtomicBool,
    /// The wish of databases without a place.
    wish_of_others: AtomicU32,
    /// Why no worker can be started at all.
    pub problem: Text,
    places: [Place; PLACES],
}

impl Board {
    /// The database's place; makes one unless the board is full.
    pub fn place(&self, database: pg_sys::Oid) -> Option<&Place> {
        thread_local! {
            static LAST: Cell<usize> = const { Cell::new(0) };
        }
        let database = u32::from(database);
        let is_it = |place: &Place| place.database.load(Ordering::Acquire) == database;
        if let Some(place) = self.places.get(LAST.get()).filter(|place| is_it(place)) {
            return Some(place);
        }
        let found = self.places.iter().position(is_it).or_else(|| {
            self.places.iter().position(|place| {
                let taken = place.database.compare_exchange(
                    0,
                    database,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                );
                taken.is_ok() || taken == Err(database)
            })
        })?;
        LAST.set(found);
        self.places.get(found)
    }

    /// The database's place, if it has one.
    pub fn place_of(&self, database: pg_sys::Oid) -> Option<&Place> {
        self.places().find(|place| place.database() == database)
    }

    /// All places in use.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.places
            .iter()
            .filter(|place| place.database() != pg_sys::InvalidOid)
    }

    /// Takes the wish of databases that have no place.
    pub fn take_wish_of_others(&self) -> Wish {
        self.wish_of_others.swap(0, Ordering::AcqRel).into()
    }

    /// The launcher's process, if there is one.
    pub fn launcher(&self) -> Option<i32> {
        Some(self.launcher_pid.load(Ordering::Acquire)).filter(|&pid| pid != 0)
    }

    /// Whether the launcher is to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Makes the launcher end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake_launcher();
    }

    fn wake_launcher(&self) {
        let process = self.launcher.load(Ordering::Acquire);
        if !process.is_null() {
            // SAFETY: in shared memory that stays; a latch may be set without a reason, so
            // it does no harm if another process has the place by now.
            unsafe { pg_sys::SetLatch(&raw mut (*process).procLatch) }
        }
    }

    /// This process is the launcher, until it ends.
    pub fn set_launcher(&self) {
        // SAFETY: this process has a place among the server's; the callback is static.
        unsafe {
            pg_sys::before_shmem_exit(Some(leave_board), pg_sys::Datum::from(0usize));
            self.launcher.store(pg_sys::MyProc, Ordering::Release);
            self.launcher_pid
                .store(pg_sys::MyProcPid, Ordering::Release);
        }
    }
}

/// Its workers do not outlive a launcher: nobody would see that they are in the way.
#[pg_guard]
unsafe extern "C-unwind" fn leave_board(_code: i32, _argument: pg_sys::Datum) {
    super::worker::terminate_all();
    if let Some(board) = board() {
        board
            .launcher
            .store(std::ptr::null_mut(), Ordering::Release);
        board.launcher_pid.store(0, Ordering::Release);
    }
}

static BOARD: AtomicPtr<Board> = AtomicPtr::new(std::ptr::null_mut());

/// The board of this process: the server's, or that of the launcher that it belongs to.
pub fn board() -> Option<&'static Board> {
    // SAFETY: null, or shared memory that stays mapped, with every bit pattern allowed.
    unsafe { BOARD.load(Ordering::Relaxed).as_ref() }
}

// ---------------------------------------------------------------------------------------
// The server's board

static mut NEXT_REQUEST_HOOK: pg_sys::shmem_request_hook_type = None;
static mut NEXT_STARTUP_HOOK: pg_sys::shmem_startup_hook_type = None;

#[pg_guard]
#[allow(ffi_unwind_calls)] // Within a guard.
unsafe extern "C-unwind" fn request_memory() {
    // SAFETY: the server calls its hooks in one thread, and so do we with the next one.
    unsafe {
        if let Some(hook) = NEXT_REQUEST_HOOK {
            pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| hook());
        }
        pg_sys::RequestAddinShmemSpace(size_of::<Board>());
    }
}

#[pg_guard]
#[allow(ffi_unwind_calls)] // Within a guard.
unsafe extern "C-unwind" fn make_board() {
    // SAFETY: as above. Only the postmaster gets here, so nobody else makes it meanwhile; after
    // a crash it gets here again, with new memory.
    unsafe {
        if let Some(hook) = NEXT_STARTUP_HOOK {
            pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| hook());
        }
        let mut found = false;
        let memory = pg_sys::ShmemInitStruct(c"pg_triage".as_ptr(), size_of::<Board>(), &mut found);
        if !found {
            std::ptr::write_bytes(memory.cast::<u8>(), 0, size_of::<Board>());
        }
        BOARD.store(memory.cast(), Ordering::Relaxed);
    }
}

/// Asks for the server's board; in `_PG_init` with `shared_preload_libraries` only.
pub fn request_board() {
    // SAFETY: as the server asks for it.
    unsafe {
        NEXT_REQUEST_HOOK = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(request_memory);
        NEXT_STARTUP_HOOK = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(make_board);
    }
}

// ---------------------------------------------------------------------------------------
// The board of a launcher that was started later

/// Makes a board in a dynamic segment, which goes with this process; returns its handle.
pub fn create_board() -> u32 {
    // SAFETY: the segment is as large as the board, and pinned for the life of the process.
    unsafe {
        let segment = pg_sys::dsm_create(size_of::<Board>(), 0);
        pg_sys::dsm_pin_mapping(segment);
        let memory = pg_sys::dsm_segment_address(segment);
        std::ptr::write_bytes(memory.cast::<u8>(), 0, size_of::<Board>());
        BOARD.store(memory.cast(), Ordering::Relaxed);
        pg_sys::dsm_segment_handle(segment)
    }
}

/// Takes the launcher's board, for the life of this process; false if it is gone.
pub fn attach_board(handle: u32) -> bool {
    // SAFETY: our launcher made the segment.
    unsafe {
        let segment = pg_sys::dsm_attach(handle);
        if segment.is_null() {
            return false;
        }
        pg_sys::dsm_pin_mapping(segment);
        BOARD.store(
            pg_sys::dsm_segment_address(segment).cast(),
            Ordering::Relaxed,
        );
        true
    }
}

/// A launcher of this database alone.
#[derive(Debug, Clone, Copy)]
pub struct OwnLauncher {
    pub pid: i32,
    handle: u32,
}

impl OwnLauncher {
    /// Looks at its board, if it still has one.
    pub fn with_board<R>(&self, f: impl FnOnce(&Board) -> R) -> Option<R> {
        // SAFETY: only a background worker of ours has such a name (see `own_launcher`), and
        // the segment is checked to be as large as a board. `f` raises no errors.
        unsafe {
            let segment = pg_sys::dsm_attach(self.handle);
            if segment.is_null() {
                return None;
            }
            let is_board = pg_sys::dsm_segment_map_length(segment) >= size_of::<Board>();
            let board = pg_sys::dsm_segment_address(segment).cast::<Board>();
            let result = is_board.then(|| f(&*board));
            pg_sys::dsm_detach(segment);
            result
        }
    }
}

/// How a launcher for one database is called.
pub fn launcher_name(database: pg_sys::Oid, handle: u32) -> String {
    format!("{LAUNCHER} {} {handle}", u32::from(database))
}

/// Looks for a launcher that serves this database alone.
pub fn own_launcher() -> Option<OwnLauncher> {
    // SAFETY: entries are copies that live until the snapshot is cleared; their strings are
    // terminated.
    unsafe {
        pg_sys::pgstat_clear_backend_activity_snapshot();
        let prefix = format!("{LAUNCHER} {} ", u32::from(pg_sys::MyDatabaseId));
        let found = (1..=pg_sys::pgstat_fetch_stat_numbackends()).find_map(|number| {
            let entry = pg_sys::pgstat_fetch_stat_beentry(number).as_ref()?;
            if entry.st_appname.is_null() {
                return None;
            }
            let name = CStr::from_ptr(entry.st_appname).to_str().ok()?;
            let handle = name.strip_prefix(&prefix)?.parse().ok()?;
            // Anybody may call themselves so, and their parallel workers too.
            let kind = pg_sys::GetBackgroundWorkerTypeByPid(entry.st_procpid);
            let is_ours = !kind.is_null() && CStr::from_ptr(kind).to_bytes() == LAUNCHER.as_bytes();
            is_ours.then_some(OwnLauncher {
                pid: entry.st_procpid,
                handle,
            })
        });
        pg_sys::pgstat_clear_backend_activity_snapshot();
        found
    }
}

// ---------------------------------------------------------------------------------------
// Waking

thread_local! {
    static WISH: Cell<Wish> = const { Cell::new(Wish::None) };
    /// The launcher to wake where there is no board, and when it was looked for.
    static LAUNCHER_PROCESS: Cell<Option<(*mut pg_sys::PGPROC, i32)>> = const { Cell::new(None) };
    static LOOKED_AT: Cell<Option<Instant>> = const { Cell::new(None) };
}

fn known_launcher() -> Option<*mut pg_sys::PGPROC> {
    let (process, pid) = LAUNCHER_PROCESS.get()?;
    // SAFETY: an entry of the server's array of processes, which stays.
    unsafe { ((*process).pid == pid).then_some(process) }
}

/// Tells the launcher when this transaction commits.
pub fn wake_at_commit(wish: Wish) {
    if wish > WISH.get() {
        WISH.set(wish);
    }
    if wish == Wish::Now && board().is_none() && known_launcher().is_none() {
        find_launcher();
    }
}

/// Not at commit, where nothing may fail.
fn find_launcher() {
    const AGAIN: Duration = Duration::from_secs(10);
    if LOOKED_AT.get().is_some_and(|at| at.elapsed() < AGAIN) && LAUNCHER_PROCESS.get().is_none() {
        return;
    }
    LOOKED_AT.set(Some(Instant::now()));
    LAUNCHER_PROCESS.set(own_launcher().and_then(|launcher| {
        // SAFETY: looks for a process number; null if there is none.
        let process = unsafe { pg_sys::BackendPidGetProc(launcher.pid) };
        (!process.is_null()).then_some((process, launcher.pid))
    }));
}

fn send(wish: Wish) {
    let Some(board) = board() else {
        if let (Wish::Now, Some(process)) = (wish, known_launcher()) {
            // SAFETY: see `Board::wake_launcher`.
            unsafe { pg_sys::SetLatch(&raw mut (*process).procLatch) }
        }
        return;
    };
    // SAFETY: reads a variable.
    let before = match board.place(unsafe { pg_sys::MyDatabaseId }) {
        Some(place) => place.wish(wish),
        None => {
            let others = &board.wish_of_others;
            others.fetch_max(wish as u32, Ordering::AcqRel).into()
        }
    };
    // The launcher leaves a wish where it is until it starts a worker, so that many commits
    // wake it once.
    if wish == Wish::Now && before < wish {
        board.wake_launcher();
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn on_transaction_end(
    event: pg_sys::XactEvent::Type,
    _argument: *mut std::ffi::c_void,
) {
    let wish = WISH.get();
    if wish == Wish::None {
        return;
    }
    match event {
        pg_sys::XactEvent::XACT_EVENT_COMMIT => send(wish),
        // It may be committed at any time, by any session.
        pg_sys::XactEvent::XACT_EVENT_PREPARE => send(Wish::Look),
        pg_sys::XactEvent::XACT_EVENT_ABORT => {}
        _ => return,
    }
    WISH.set(Wish::None);
}

/// Hooks into the end of transactions, once per process.
pub fn watch_commits() {
    // SAFETY: called once from `_PG_init`; the callback is static.
    unsafe { pg_sys::RegisterXactCallback(Some(on_transaction_end), std::ptr::null_mut()) }
}
