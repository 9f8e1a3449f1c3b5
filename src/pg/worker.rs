//! What a background worker asks of the server.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use pgrx::bgworkers::BackgroundWorkerBuilder;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgTryBuilder, pg_guard, pg_sys};

use super::board::LAUNCHER;
use crate::error::{SqlResult, report};

const LIBRARY: &str = "pg_triage";
const WORKER: &str = "pg_triage worker";

// pgrx wraps C functions in Rust ones, which are none for a signal.
unsafe extern "C-unwind" {
    #[link_name = "die"]
    fn on_terminate(signal: c_int);
    #[link_name = "SignalHandlerForConfigReload"]
    fn on_reload(signal: c_int);
}

/// Where the server begins a launcher; the argument is the only database to serve, or 0.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_triage_launcher_main(argument: pg_sys::Datum) {
    let database = pg_sys::Oid::from(argument.value() as u32);
    crate::maintenance::worker::launch((database != pg_sys::InvalidOid).then_some(database));
}

/// Where the server begins a worker; the argument is the database.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_triage_worker_main(argument: pg_sys::Datum) {
    crate::maintenance::worker::serve(pg_sys::Oid::from(argument.value() as u32));
}

/// Begins a background worker: from here on it can be ended (in the middle of a long statement,
/// too: pgrx's own handler would only set a flag), and reads its settings again when told to.
pub fn obey_signals() {
    // SAFETY: the server's own handlers, set before signals are let through.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        let set = pg_sys::pqsignal;
        #[cfg(feature = "pg18")]
        let set = pg_sys::pqsignal_be;
        set(pg_sys::SIGTERM as c_int, Some(on_terminate));
        set(pg_sys::SIGHUP as c_int, Some(on_reload));
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// Reads the settings again if the server was told to.
pub fn reload_settings() -> bool {
    // SAFETY: a flag that the signal handler sets; outside of a transaction.
    unsafe {
        if pg_sys::ConfigReloadPending == 0 {
            return false;
        }
        pg_sys::ConfigReloadPending = 0;
        pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        true
    }
}

/// Sleeps until somebody sets the latch (true) or the time is over.
pub fn sleep(time: Duration) -> bool {
    let milliseconds = time.as_millis().clamp(1, 3_600_000) as std::ffi::c_long;
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: this process's own latch.
    let events = unsafe {
        let events = pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as c_int,
            milliseconds,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
        events
    };
    // Others wait for an answer here when a database is dropped.
    super::check_for_interrupts();
    events & pg_sys::WL_LATCH_SET as c_int != 0
}

/// What a worker was started with, besides its argument.
pub fn extra() -> String {
    // SAFETY: set before the worker's main function is called; terminated by the server.
    unsafe { CStr::from_ptr((&raw const (*pg_sys::MyBgworkerEntry).bgw_extra).cast()) }
        .to_string_lossy()
        .into_owned()
}

/// Process number of this process.
pub fn own_pid() -> i32 {
    // SAFETY: reads a variable.
    unsafe { pg_sys::MyProcPid }
}

/// The database that this session is connected to.
pub fn own_database() -> pg_sys::Oid {
    // SAFETY: reads a variable.
    unsafe { pg_sys::MyDatabaseId }
}

/// Whether the library is being loaded with the server.
pub fn is_preloading() -> bool {
    // SAFETY: reads variables. pg_upgrade wants nobody else in its databases.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress && !pg_sys::IsBinaryUpgrade }
}

// ---------------------------------------------------------------------------------------
// Starting and ending

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

    /// A worker for a database, connected as a role, with the launcher's board (0: the server's);
    /// `None` if the server has no place for another one.
    pub fn worker(database: pg_sys::Oid, role: pg_sys::Oid, board: u32) -> Option<Self> {
        let builder = BackgroundWorkerBuilder::new(WORKER)
            .set_library(LIBRARY)
            .set_function("pg_triage_worker_main")
            .enable_spi_access()
            .set_argument(Some(pg_sys::Datum::from(u32::from(database))))
            .set_extra(&format!("{} {board}", u32::from(role)));
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

// ---------------------------------------------------------------------------------------
// Locks

/// What a process can be for a database, until it ends.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    Launcher = 1,
    Worker = 2,
    /// A session that restores a dump.
    Restore = 3,
}

/// Of one kind of process in one database. SQL has no way to take such a lock.
fn lock_of(part: Part, database: pg_sys::Oid) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        locktag_field1: database.into(),
        locktag_field2: part as u32,
        // "pgtr"
        locktag_field3: 0x7067_7472,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_USERLOCK as u8,
        // These are released when the session ends, however it does.
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}

fn lock(tag: &pg_sys::LOCKTAG, mode: u32) -> bool {
    // SAFETY: a session's lock, so that it needs no transaction; it does not wait.
    let result = unsafe { pg_sys::LockAcquire(tag, mode as pg_sys::LOCKMODE, true, true) };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

/// Whether a lock could be had now.
fn is_free(tag: &pg_sys::LOCKTAG, mode: u32) -> bool {
    let free = lock(tag, mode);
    if free {
        // SAFETY: just taken.
        unsafe { pg_sys::LockRelease(tag, mode as pg_sys::LOCKMODE, true) };
    }
    free
}

/// Makes this process the only one of its kind for a database, until it ends; false if another
/// one is.
pub fn become_only(part: Part, database: pg_sys::Oid) -> bool {
    lock(&lock_of(part, database), pg_sys::ExclusiveLock)
}

/// Whether this transaction may do maintenance, until it ends: no worker of the database is at
/// it, nor another session. A worker has the lock for as long as it is there.
pub fn maintain_alone() -> bool {
    let tag = lock_of(Part::Worker, own_database());
    let mode = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: a lock of the transaction; it does not wait.
    let result = unsafe { pg_sys::LockAcquire(&tag, mode, false, true) };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

/// This session restores a dump, table by table: until it ends, no worker may take what is there
/// for all there is.
pub fn begin_restore() {
    thread_local! {
        static BEGUN: Cell<bool> = const { Cell::new(false) };
    }
    if !BEGUN.get() {
        let tag = lock_of(Part::Restore, own_database());
        // SAFETY: a lock of the session. It waits for no longer than a worker needs to look.
        unsafe { pg_sys::LockAcquire(&tag, pg_sys::ShareLock as pg_sys::LOCKMODE, true, false) };
        BEGUN.set(true);
    }
}

/// Whether some session restores a dump into the database.
pub fn is_being_restored(database: pg_sys::Oid) -> bool {
    !is_free(&lock_of(Part::Restore, database), pg_sys::ExclusiveLock)
}

/// Whether somebody drops, renames or copies the database, or waits for it.
pub fn is_database_wanted(database: pg_sys::Oid) -> bool {
    let tag = pg_sys::LOCKTAG {
        locktag_field1: 0,
        locktag_field2: pg_sys::DatabaseRelationId.into(),
        locktag_field3: database.into(),
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    // What a new connection takes.
    !is_free(&tag, pg_sys::RowExclusiveLock)
}

// ---------------------------------------------------------------------------------------
// Shared catalogues

/// A database that can be connected to.
pub struct Database {
    pub oid: pg_sys::Oid,
    pub name: String,
    /// Whether the role may connect.
    pub is_open: bool,
}

/// What stands in the way of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleProblem {
    Missing,
    NoLogin,
    Superuser,
}

/// All databases, and the role of this name.
pub fn survey(role: &CStr) -> (Vec<Database>, Result<pg_sys::Oid, RoleProblem>) {
    // SAFETY: what the autovacuum launcher does. Everything is freed with the transaction.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::GetTransactionSnapshot();
        let role = find_role(role);
        let relation = pg_sys::table_open(pg_sys::DatabaseRelationId, pg_sys::AccessShareLock as _);
        let scan = pg_sys::table_beginscan_catalog(relation, 0, std::ptr::null_mut());
        let mut databases = Vec::new();
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
            // With -2 its DROP was interrupted.
            if form.datistemplate || !form.datallowconn || form.datconnlimit == -2 {
                continue;
            }
            let name = CStr::from_ptr(form.datname.data.as_ptr());
            databases.push(Database {
                oid: form.oid,
                name: name.to_string_lossy().into_owned(),
                is_open: role.is_ok_and(|role| may_connect(form.oid, role)),
            });
        }
        pg_sys::table_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as _);
        pg_sys::CommitTransactionCommand();
        (databases, role)
    }
}

unsafe fn find_role(name: &CStr) -> Result<pg_sys::Oid, RoleProblem> {
    // SAFETY: within a transaction.
    unsafe {
        let role = pg_sys::get_role_oid(name.as_ptr(), true);
        let cache = pg_sys::SysCacheIdentifier::AUTHOID as c_int;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(role));
        if tuple.is_null() {
            return Err(RoleProblem::Missing);
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_authid>();
        let (login, superuser) = (form.rolcanlogin, form.rolsuper);
        pg_sys::ReleaseSysCache(tuple);
        match (login, superuser) {
            (_, true) => Err(RoleProblem::Superuser),
            (false, _) => Err(RoleProblem::NoLogin),
            _ => Ok(role),
        }
    }
}

unsafe fn may_connect(database: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    // SAFETY: within a transaction; the database may be gone by now.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::DATABASEOID as c_int;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(database));
        if tuple.is_null() {
            return false;
        }
        let mode = pg_sys::ACL_CONNECT as pg_sys::AclMode;
        #[cfg(feature = "pg15")]
        let result = pg_sys::pg_database_aclcheck(database, role, mode);
        #[cfg(not(feature = "pg15"))]
        let result = pg_sys::object_aclcheck(pg_sys::DatabaseRelationId, database, role, mode);
        pg_sys::ReleaseSysCache(tuple);
        result == pg_sys::AclResult::ACLCHECK_OK
    }
}

// ---------------------------------------------------------------------------------------
// Connecting and working

thread_local! {
    static REPORTS: Cell<bool> = const { Cell::new(false) };
}

/// Connects to no database: such a process holds no database up, and sees the shared catalogues.
pub fn connect_to_none() {
    REPORTS.set(true);
    // SAFETY: once per process.
    unsafe { pg_sys::BackgroundWorkerInitializeConnection(std::ptr::null(), std::ptr::null(), 0) }
}

/// Connects to a database as a role. Settings of the database and of the role that would change
/// what a transaction does, or end it, do not hold here, as in autovacuum.
pub fn connect(database: pg_sys::Oid, role: pg_sys::Oid) {
    REPORTS.set(true);
    // SAFETY: once per process; the settings exist, with these values.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnectionByOid(database, role, 0);
        for (name, value) in [
            (c"search_path", super::OWN_PATH),
            (c"default_transaction_isolation", c"read committed"),
            (c"default_transaction_read_only", c"off"),
            (c"default_transaction_deferrable", c"off"),
            (c"statement_timeout", c"0"),
            // What a step waits for, vacuum waits for, too: it is tried again.
            (c"lock_timeout", c"5s"),
            (c"idle_in_transaction_session_timeout", c"0"),
        ] {
            pg_sys::SetConfigOption(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_OVERRIDE,
            );
        }
    }
}

/// Runs `f` in a transaction of its own. An error rolls it back and is returned, as its message;
/// the end of the process is no error.
pub fn transaction<R>(f: impl FnOnce() -> SqlResult<R>) -> Result<R, String> {
    // SAFETY: the sequence of the server's own main loop; pgrx has taken a caught error off the
    // server's stack before `catch_others` sees it.
    unsafe {
        let outcome = PgTryBuilder::new(AssertUnwindSafe(|| {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let value = f().map_err(|error| error.message().to_owned())?;
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
            pg_sys::pgstat_report_stat(false);
            Ok(value)
        }))
        .catch_others(|error| Err(message(&error)))
        .catch_rust_panic(|error| Err(message(&error)))
        .execute();
        if outcome.is_err() {
            pg_sys::AbortCurrentTransaction();
        }
        outcome
    }
}

fn message(error: &CaughtError) -> String {
    let (CaughtError::PostgresError(report)
    | CaughtError::ErrorReport(report)
    | CaughtError::RustPanic {
        ereport: report, ..
    }) = error;
    report.message().to_owned()
}

/// Tells `pg_stat_activity` what a background worker of ours is doing; in a session it says
/// nothing, because there the statement is shown.
pub fn report_activity(text: &str) {
    report_state(pg_sys::BackendState::STATE_RUNNING, text);
}

/// The same for one that waits.
pub fn report_idle(text: &str) {
    report_state(pg_sys::BackendState::STATE_IDLE, text);
}

fn report_state(state: pg_sys::BackendState::Type, text: &str) {
    if let (true, Ok(text)) = (REPORTS.get(), CString::new(text)) {
        // SAFETY: the server copies the text.
        unsafe { pg_sys::pgstat_report_activity(state, text.as_ptr()) }
    }
}

/// What this process calls itself in `pg_stat_activity`.
pub fn report_name(name: &str) {
    if let Ok(name) = CString::new(name) {
        // SAFETY: the server copies the name.
        unsafe { pg_sys::pgstat_report_appname(name.as_ptr() as *const c_char) }
    }
}

/// An error for SQL: no background worker could be registered.
pub fn no_place() -> pg_sys::panic::ErrorReport {
    let most = super::setting(c"max_worker_processes").unwrap_or_default();
    report(
        pgrx::PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        format!(
            "no background worker is free: raise max_worker_processes (now {most}) and restart the server"
        ),
    )
}
