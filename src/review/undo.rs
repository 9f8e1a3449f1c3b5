//! Taking decisions back: `triage.undo()` and `undo_batch()`.

use pgrx::{PgSqlErrorCode as Code, pg_extern};

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
        let id = decide::undo(w, &actor, &decision, &decision, note)?;
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
        undo_all(w, &actor, batch_id, note)
    })
}

fn undo_all(w: &mut Writer, actor: &Actor, batch_id: i64, note: Option<&str>) -> SqlResult<i64> {
    let emails = w.batch(batch_id)?;
    if emails.is_empty() {
        return Err(report(
            Code::ERRCODE_NO_DATA_FOUND,
            format!("batch {batch_id} does not exist (see triage.decision_history)"),
        ));
    }
    for email in &emails {
        pg::check_for_interrupts();
        let (first, last) = (w.decision(email.first)?, w.decision(email.last)?);
        decide::undo(w, actor, &first, &last, note)?;
    }
    compaction::compact_if_due(w)?;
    Ok(emails.len() as i64)
}
