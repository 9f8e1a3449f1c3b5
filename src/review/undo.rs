//! Taking decisions back: `triage.undo()` and `undo_batch()`.

use pg_triage_decision::Door;
use pgrx::{PgSqlErrorCode as Code, notice, pg_extern};

use crate::arguments::given;
use crate::error::{SqlResult, report};
use crate::learning::compaction;
use crate::pg;
use crate::review::decide;
use crate::session::{self, Actor};
use crate::store::{self, Writer};

#[pg_extern(sql = false)]
fn undo(
    decision_id: Option<i64>,
    note: Option<&str>,
    actor: Option<&str>,
) -> SqlResult<Option<i64>> {
    let decision_id = given(decision_id, "decision_id")?;
    let actor = Actor::new(actor);
    store::write(c"triage.undo()", |w| {
        let decision = w.decision(decision_id)?;
        let id = decide::undo(w, &actor, &decision, note, Door::Function)?;
        compaction::compact_if_due(w)?;
        Ok(id)
    })
}

#[pg_extern(sql = false)]
fn undo_batch(batch_id: Option<i64>, note: Option<&str>, actor: Option<&str>) -> SqlResult<i64> {
    let batch_id = given(batch_id, "batch_id")?;
    let actor = Actor::new(actor);
    store::write(c"triage.undo_batch()", |w| {
        session::begin_batch();
        let decisions = w.batch(batch_id)?;
        if decisions.is_empty() {
            return Err(report(
                Code::ERRCODE_NO_DATA_FOUND,
                format!("batch {batch_id} does not exist (see triage.batches)"),
            ));
        }
        let undone = undo_all(w, &actor, decisions, note, Door::Function)?;
        compaction::compact_if_due(w)?;
        Ok(undone as i64)
    })
}

/// Decisions taken back between two notices.
const DECISIONS_PER_NOTICE: usize = 1000;

/// Takes decisions back, all or none; returns how many.
pub fn undo_all(
    w: &mut Writer,
    actor: &Actor,
    decisions: Vec<i64>,
    note: Option<&str>,
    door: Door,
) -> SqlResult<usize> {
    let decisions = w.latest_first(decisions)?;
    let all = decisions.len();
    for (done, decision) in (1..).zip(decisions) {
        pg::check_for_interrupts();
        let decision = w.decision(decision)?;
        decide::undo(w, actor, &decision, note, door)?;
        if done % DECISIONS_PER_NOTICE == 0 {
            notice!("{done} of {all} decisions taken back");
        }
    }
    Ok(all)
}
