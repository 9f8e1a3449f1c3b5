//! A session's models: what a classifier answers with under the current snapshot.
//!
//! Every change of `triage.classifier`, `label`, `model`, `activation`, `base`, `pending` or
//! `source` invalidates the relation cache entry of `triage_internal.model_signal`, a table that
//! holds nothing and that no plan depends on. The message arrives at commit, on standbys at
//! replay, in the changing session at once, and again at its rollback. It says only *that*
//! something changed; which version and which decisions count is always read under the caller's
//! snapshot, so a statement, a cursor or a REPEATABLE READ transaction keeps what it can see, and
//! decisions that are not committed, or were rolled back, are nobody else's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgSqlErrorCode as Code, notice};

use crate::arguments::comparable_name;
use crate::error::{SqlResult, report};
use crate::pg::{self, SnapshotTime};
use crate::predict::active::{self, Active, Found};
use crate::store::{self, Reader};

/// When an entry was read, in terms that later snapshots can be compared with.
struct AsOf {
    invalidations: u64,
    snapshot: SnapshotTime,
    /// The snapshot is no older than the last invalidation received: what it showed holds
    /// for every later one too, until the next invalidation.
    settled: bool,
}

impl AsOf {
    fn covers(&self, invalidations: u64, snapshot: SnapshotTime) -> bool {
        self.invalidations == invalidations
            && (snapshot == self.snapshot || self.settled && snapshot.is_not_before(self.snapshot))
    }
}

struct Entry {
    as_of: AsOf,
    active: Option<Rc<Active>>,
}

#[derive(Default)]
struct Cache {
    entries: HashMap<String, Entry>,
    /// The last invalidation noticed, and a snapshot time that is later than it.
    noticed: Option<(u64, SnapshotTime)>,
    told_how_to_start: bool,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

/// The model that `classifier` answers with now; `None`, with one notice per session, if it
/// has none yet.
pub fn active_model(classifier: &str) -> SqlResult<Option<Rc<Active>>> {
    match known_model(classifier) {
        Some(active) => Ok(active),
        None => read(None, comparable_name(classifier)),
    }
}

/// The model that [`active_model`] gives, read over a connection that is open already: under the
/// snapshot of the caller's statement, whatever the connection sees.
pub fn active_model_of(r: &Reader, classifier: &str) -> SqlResult<Option<Rc<Active>>> {
    match known_model(classifier) {
        Some(active) => Ok(active),
        None => read(Some(r), comparable_name(classifier)),
    }
}

/// The model that [`active_model`] gives, where the session knows it without reading a table.
pub fn known_model(classifier: &str) -> Option<Option<Rc<Active>>> {
    let classifier = comparable_name(classifier);
    let invalidations = pg::invalidations();
    let snapshot = pg::snapshot_time()?;
    // The borrow must not span calls into the server: they can unwind.
    CACHE.with_borrow(|cache| {
        let entry = cache.entries.get(classifier)?;
        let current = entry.as_of.covers(invalidations, snapshot);
        current.then(|| entry.active.clone())
    })
}

/// Whether the model that the session answers with, as it was read last, has all that is committed
/// by now: that of an older snapshot may have labels that are called otherwise since.
pub fn is_of_now(classifier: &str) -> bool {
    let classifier = comparable_name(classifier);
    let invalidations = pg::invalidations();
    CACHE.with_borrow(|cache| {
        let as_of = cache.entries.get(classifier).map(|entry| &entry.as_of);
        as_of.is_some_and(|as_of| as_of.settled && as_of.invalidations == invalidations)
    })
}

fn read(r: Option<&Reader>, classifier: &str) -> SqlResult<Option<Rc<Active>>> {
    let signal = store::signal_relation()?;
    pg::watch_relation(signal);
    // Before the look, so that what arrives during it makes the entry stale.
    let invalidations = pg::invalidations();
    let snapshot = pg::snapshot_time().ok_or_else(no_snapshot)?;
    let settled = later_than(invalidations).is_some_and(|noticed| snapshot.is_not_before(noticed));
    // Taken out, so that it can be brought up to date in place. Another call may hold it, too.
    let stale = CACHE.with_borrow_mut(|c| c.entries.remove(classifier));
    let known = stale
        .and_then(|entry| entry.active)
        .map(Rc::unwrap_or_clone);
    let found = match r {
        Some(r) => active::read(&r.at_statement(), signal, classifier, known),
        None => store::read(|r| active::read(r, signal, classifier, known)),
    }?;
    let active = match found {
        Found::Active(active) => Some(Rc::new(active)),
        Found::NoModel { stored } => {
            tell_how_to_start(r, classifier, stored)?;
            None
        }
    };
    let as_of = AsOf {
        invalidations,
        snapshot,
        settled,
    };
    CACHE.with_borrow_mut(|c| {
        let entry = Entry {
            as_of,
            active: active.clone(),
        };
        c.entries.insert(classifier.to_owned(), entry);
    });
    Ok(active)
}

fn tell_how_to_start(r: Option<&Reader>, classifier: &str, stored: Option<i32>) -> SqlResult<()> {
    // Each parallel worker is a session of its own.
    if pg::is_parallel_worker()
        || CACHE.with_borrow_mut(|c| std::mem::replace(&mut c.told_how_to_start, true))
    {
        return Ok(());
    }
    let labels = match r {
        Some(r) => r.labels(classifier),
        None => store::read(|r| r.labels(classifier)),
    }?;
    let quoted = classifier.replace('\'', "''");
    match stored {
        Some(version) => notice!(
            "classifier \"{classifier}\" has no active model: SELECT triage.activate('{quoted}', {version})"
        ),
        None if !labels.is_empty() => {
            notice!("classifier \"{classifier}\" has no model yet: the first correction makes one")
        }
        None => notice!(
            "classifier \"{classifier}\" has no model yet: \
             SELECT triage.deploy('{quoted}', train_classifier(body, label)) FROM your_table"
        ),
    }
    Ok(())
}

/// A snapshot time later than the invalidations received so far. It is taken once for each,
/// so that a busy server does not move it away from the statements that follow.
fn later_than(invalidations: u64) -> Option<SnapshotTime> {
    let noticed = CACHE.with_borrow(|c| c.noticed);
    match noticed {
        Some((then, time)) if then == invalidations => Some(time),
        _ => {
            let latest = pg::latest_snapshot_time()?;
            CACHE.with_borrow_mut(|c| c.noticed = Some((invalidations, latest)));
            Some(latest)
        }
    }
}

fn no_snapshot() -> ErrorReport {
    report(
        Code::ERRCODE_INTERNAL_ERROR,
        "classification was called without a snapshot",
    )
}
