//! When what was read may have changed: invalidation messages and the order of snapshots.

use std::cell::Cell;

use pgrx::{pg_guard, pg_sys};

thread_local! {
    static WATCHED: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
    static INVALIDATIONS: Cell<u64> = const { Cell::new(0) };
    static NAMES_WATCHED: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
    static NAME_CHANGES: Cell<u64> = const { Cell::new(0) };
}

/// Only counts: no catalogue access, no allocation and no error is allowed here.
#[pg_guard]
unsafe extern "C-unwind" fn on_relcache_invalidation(
    _argument: pg_sys::Datum,
    relation: pg_sys::Oid,
) {
    if relation == pg_sys::InvalidOid || relation == WATCHED.get() {
        INVALIDATIONS.set(INVALIDATIONS.get() + 1);
    }
    if relation == pg_sys::InvalidOid || relation == NAMES_WATCHED.get() {
        NAME_CHANGES.set(NAME_CHANGES.get() + 1);
    }
}

/// Hooks into relation-cache invalidation, once per process.
pub fn watch_invalidations() {
    // SAFETY: called once from `_PG_init`; the callback is static.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(
            Some(on_relcache_invalidation),
            pg_sys::Datum::from(0usize),
        );
    }
}

/// From now on, count the invalidations of this relation.
pub fn watch_relation(relation: pg_sys::Oid) {
    WATCHED.set(relation);
}

/// From now on, count the invalidations of this relation as changes of the names of labels.
pub fn watch_names(relation: pg_sys::Oid) {
    NAMES_WATCHED.set(relation);
}

/// Tells every session, at commit, that this relation has changed.
pub fn invalidate_relation(relation: pg_sys::Oid) {
    // SAFETY: looks the relation up and raises an SQL error if it is gone.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(relation) }
}

/// Invalidations received so far, with those that arrived since the statement began: a
/// statement that locks no table would otherwise not look.
pub fn invalidations() -> u64 {
    // SAFETY: allowed wherever a relation may be opened.
    unsafe { pg_sys::AcceptInvalidationMessages() };
    INVALIDATIONS.get()
}

/// Changes of the names of labels received so far, as [`invalidations`].
pub fn name_changes() -> u64 {
    // SAFETY: allowed wherever a relation may be opened.
    unsafe { pg_sys::AcceptInvalidationMessages() };
    NAME_CHANGES.get()
}

/// What orders the snapshots of a cluster in time: the transactions that a snapshot counts
/// as completed only ever become more. With the same `xmax`, none can join those that are
/// running, so fewer of them means later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotTime {
    xmax: pg_sys::TransactionId,
    running: u32,
    /// Command of the own transaction.
    command: pg_sys::CommandId,
}

fn own_transaction_precedes(xmax: pg_sys::TransactionId) -> bool {
    // SAFETY: reads the state of the own transaction.
    let own = unsafe { pg_sys::GetTopTransactionIdIfAny() };
    own != pg_sys::InvalidTransactionId && (u32::from(own).wrapping_sub(xmax.into()) as i32) < 0
}

impl SnapshotTime {
    fn of(snapshot: &pg_sys::SnapshotData) -> Self {
        // On a standby all running transactions are kept in the other array.
        let others = if snapshot.takenDuringRecovery {
            snapshot.subxcnt.max(0) as u32
        } else {
            snapshot.xcnt
        };
        Self {
            xmax: snapshot.xmax,
            // A snapshot leaves out its own transaction, one that was imported does not.
            running: others + u32::from(own_transaction_precedes(snapshot.xmax)),
            command: snapshot.curcid,
        }
    }

    /// Whether everything that was seen then is seen now too.
    pub fn is_not_before(self, then: Self) -> bool {
        // Transaction ids wrap around.
        let ahead = u32::from(self.xmax).wrapping_sub(then.xmax.into()) as i32;
        let key = |t: Self| (std::cmp::Reverse(t.running), t.command);
        ahead > 0 || ahead == 0 && key(self) >= key(then)
    }
}

/// Time of the active snapshot.
pub fn snapshot_time() -> Option<SnapshotTime> {
    // SAFETY: functions run under an active snapshot; it is checked all the same.
    unsafe {
        let snapshot = pg_sys::ActiveSnapshotSet().then(|| pg_sys::GetActiveSnapshot());
        snapshot.and_then(|s| s.as_ref()).map(SnapshotTime::of)
    }
}

/// Number of the command that has called a trigger, within its transaction: with the depth of the
/// trigger it tells one statement from another. To be asked before the trigger runs any itself.
pub fn calling_command() -> u32 {
    // SAFETY: triggers run under the snapshot of their statement; it is checked all the same.
    unsafe {
        let snapshot = pg_sys::ActiveSnapshotSet().then(|| pg_sys::GetActiveSnapshot());
        snapshot
            .and_then(|snapshot| snapshot.as_ref())
            .map_or(0, |snapshot| snapshot.curcid)
    }
}

/// Time of a snapshot taken now, where one can be taken.
pub fn latest_snapshot_time() -> Option<SnapshotTime> {
    // SAFETY: refused by the server in parallel mode only, which is checked.
    unsafe {
        if pg_sys::IsInParallelMode() {
            return None;
        }
        pg_sys::GetLatestSnapshot().as_ref().map(SnapshotTime::of)
    }
}
