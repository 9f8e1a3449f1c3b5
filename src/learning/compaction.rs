//! Compaction: pending decisions move into the base. It changes no answer.

use pgrx::{pg_extern, warning};

use crate::arguments::given_classifier;
use crate::error::SqlResult;
use crate::learning::base::Base;
use crate::learning::sample;
use crate::predict::effects::effects as effects_of;
use crate::store::{self, DECISIONS_AT_ONCE, Reader, Writer};
use crate::{pg, session, settings};

#[pg_extern(sql = false)]
fn compact(classifier: Option<&str>) -> SqlResult<Option<i64>> {
    let classifier = given_classifier(classifier)?;
    store::write(c"triage.compact()", |w| {
        w.check_classifier(classifier)?;
        if !w.try_lock_base(classifier)? {
            return Ok(None);
        }
        compact_pending(w, classifier).map(Some)
    })
}

/// Compacts, at the end of a statement, what has become many pending decisions.
pub fn compact_if_due(w: &mut Writer) -> SqlResult<()> {
    // A single decision looks only now and then: the answer changes slowly.
    const LOOKS: u64 = 16;
    let after = settings::compact_after();
    for (classifier, decided) in session::take_decided() {
        if after == 0 || pg::keeps_one_snapshot() || decided < LOOKS && !session::one_in(LOOKS) {
            continue;
        }
        // Within a transaction block the lock would be held until its end.
        let most = if pg::in_transaction_block() {
            4 * after
        } else {
            after
        };
        if !w.pending_over(&classifier, most)? || !w.try_lock_base(&classifier)? {
            continue;
        }
        // A decision must not fail because a model has become too large.
        if let Err(message) = pg::catching(|| compact_pending(w, &classifier)) {
            warning!("decisions about classifier \"{classifier}\" stay pending: {message}");
        }
    }
    Ok(())
}

/// Moves pending decisions into the base; returns how many. The caller holds the lock.
pub fn compact_pending(w: &mut Writer, classifier: &str) -> SqlResult<i64> {
    let mut base = Base::read(w, classifier)?;
    let moved = take_pending(w, classifier, &mut base)?;
    if moved > 0 {
        base.write(w, classifier)?;
    }
    Ok(moved as i64)
}

/// Moves pending decisions into counts that were read; returns how many. The caller holds the
/// lock and writes the counts back.
pub fn take_pending(w: &mut Writer, classifier: &str, base: &mut Base) -> SqlResult<usize> {
    let decisions = w.take_pending(classifier)?;
    add(w, &decisions, base)?;
    Ok(decisions.len())
}

/// Reads the base as it would be if all pending decisions were compacted, its training sample
/// complete.
pub fn with_pending(r: &Reader, classifier: &str) -> SqlResult<Base> {
    let mut base = Base::read(r, classifier)?;
    add_pending(r, classifier, &mut base)?;
    sample::complete(r, classifier, base.learned(), true)?;
    Ok(base)
}

/// Adds what pending decisions would, without taking them.
pub fn add_pending(r: &Reader, classifier: &str, base: &mut Base) -> SqlResult<()> {
    let decisions = r.pending(classifier)?;
    add(r, &decisions, base)
}

fn add(r: &Reader, decisions: &[i64], base: &mut Base) -> SqlResult<()> {
    let mut effects = Vec::new();
    for some in decisions.chunks(DECISIONS_AT_ONCE) {
        effects.extend(effects_of(r, some, base.steps_of())?);
    }
    base.apply(&effects)
}
