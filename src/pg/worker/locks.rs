//! Locks that say what a process is for a database; SQL has no way to take them.

use std::cell::Cell;

use pgrx::pg_sys;

use super::process::own_database;

/// What a process can be for a database, until it ends.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    Launcher = 1,
    Worker = 2,
    /// A session that restores a dump.
    Restore = 3,
}

/// The lock of one kind of process in one database. SQL has no way to take such a lock.
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
