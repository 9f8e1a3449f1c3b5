//! A session's models: what a classifier answers with under the current snapshot.
//!
//! Every change of `triage.classifier`, `label`, `model` or `activation` invalidates the
//! relation cache entry of `triage.model_signal`, a table that holds nothing and that no
//! plan depends on. The message arrives at commit, on standbys at replay, in the changing
//! session at once, and again at its rollback. It says only *that* something changed;
//! which version counts is always read under the caller's snapshot, so a statement, a
//! cursor or a REPEATABLE READ transaction keeps the version that it can see.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pg_triage_core::Model;
use pgrx::notice;

use crate::error::SqlResult;
use crate::{catalog, pg};

/// A model in use.
pub struct Active {
    /// Version number within the classifier.
    pub version: String,
    /// Checksum of the artifact.
    pub checksum: String,
    /// The model.
    pub model: Rc<Model>,
    /// Its labels in class order, spelled as in `triage.label`.
    pub labels: Vec<String>,
}

/// When an entry was read, in terms that later snapshots can be compared with.
struct AsOf {
    invalidations: u64,
    snapshot: Option<u64>,
    /// The snapshot was no older than the last invalidation received: what it showed holds
    /// for every later one too, until the next invalidation.
    settled: bool,
}

impl AsOf {
    fn covers(&self, invalidations: u64, snapshot: Option<u64>) -> bool {
        self.invalidations == invalidations
            && match (self.snapshot, snapshot) {
                (Some(then), Some(now)) => now == then || self.settled && now > then,
                _ => false,
            }
    }
}

struct Entry {
    as_of: AsOf,
    active: Option<Rc<Active>>,
}

#[derive(Default)]
struct Cache {
    entries: HashMap<String, Entry>,
    told_how_to_train: bool,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

/// The model that `classifier` answers with now; `None`, with one notice per session, if it
/// has none yet.
pub fn active_model(classifier: &str) -> SqlResult<Option<Rc<Active>>> {
    let invalidations = pg::invalidations();
    let snapshot = pg::snapshot_time();
    // The borrow must not span calls into the server: they can unwind.
    let known = CACHE.with_borrow(|cache| {
        cache.entries.get(classifier).map(|e| {
            let current = e.as_of.covers(invalidations, snapshot);
            (current, e.active.clone())
        })
    });
    let active = match known {
        Some((true, active)) => active,
        stale => read(classifier, stale.and_then(|(_, active)| active))?,
    };
    if active.is_none()
        && !CACHE.with_borrow_mut(|c| std::mem::replace(&mut c.told_how_to_train, true))
    {
        notice!(
            "classifier \"{classifier}\" has no model yet: \
             SELECT triage.deploy('{}', train_classifier(body, label)) FROM your_table",
            classifier.replace('\'', "''")
        );
    }
    Ok(active)
}

fn read(classifier: &str, known: Option<Rc<Active>>) -> SqlResult<Option<Rc<Active>>> {
    let signal = catalog::signal_relation()?;
    pg::watch_relation(signal);
    // Before the look, so that what arrives during it makes the entry stale.
    let invalidations = pg::invalidations();
    let snapshot = pg::snapshot_time();
    let latest = pg::latest_snapshot_time();
    let active = catalog::read_active(signal, classifier, known)?;
    let as_of = AsOf {
        invalidations,
        snapshot,
        settled: latest.is_some_and(|latest| snapshot.is_some_and(|s| s >= latest)),
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
