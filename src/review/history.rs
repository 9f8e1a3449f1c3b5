//! Undoing without a function: column `undone` of `triage.decision_history` and `triage.batches`,
//! for tools that roll a SELECT back.

use pg_triage_decision::Door;
use pgrx::{PgSqlErrorCode as Code, pg_extern, pg_sys};

use crate::error::{SqlResult, report};
use crate::learning::compaction;
use crate::pg::{Returned, Row, Trigger};
use crate::review::queue::{check_limit, number, same};
use crate::review::undo::undo_all;
use crate::session::{self, Actor, ToUndo};
use crate::store;

#[pg_extern(sql = false)]
fn list_undone(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let (old, new) = (trigger.old(), trigger.new_row());
    for column in 1..=old.columns() {
        let name = old.name(column);
        if name != "undone" && !same(old.text(column)?, new.text(column)?) {
            return Err(report(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("column \"{name}\" cannot be changed: only undone can, to true"),
            ));
        }
    }
    let what = match number(old, "decision_id") {
        Ok(Some(decision)) => ToUndo::Decision(decision),
        _ => ToUndo::Batch(number(old, "batch_id")?.unwrap_or_default()),
    };
    match (is_undone(old)?, is_undone(new)?) {
        (false, true) => {
            check_limit("triage.batches has a column undone for a whole batch")?;
            session::list_to_undo(what);
            Ok(Returned::row(new))
        }
        (true, false) => Err(cannot_be_redone(what)?),
        _ => Ok(Returned::row(old)),
    }
}

fn is_undone(row: Row) -> SqlResult<bool> {
    let undone = row.text(row.column("undone")?)?;
    Ok(undone.as_deref() == Some("t"))
}

/// The error of `undone = false`: an undo is a decision, too, and is undone as others are.
fn cannot_be_redone(what: ToUndo) -> SqlResult<pg_sys::panic::ErrorReport> {
    let message = match what {
        ToUndo::Decision(decision) => {
            let by = store::read_now(|r| r.undone_by(decision))?.unwrap_or_default();
            format!(
                "decision {decision} was undone by decision {by}: set undone to true for that one"
            )
        }
        ToUndo::Batch(batch) => format!(
            "batch {batch} was undone by other batches: set undone to true for those (triage.decision_history has them)"
        ),
    };
    Ok(report(Code::ERRCODE_INVALID_PARAMETER_VALUE, message))
}

#[pg_extern(sql = false)]
fn undo_listed(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    Trigger::new(fcinfo)?;
    let listed = session::take_to_undo();
    if listed.is_empty() {
        return Ok(Returned::nothing());
    }
    let actor = Actor::new(None);
    store::write(c"UPDATE", |w| {
        let mut decisions = Vec::new();
        for what in listed {
            match what {
                ToUndo::Decision(decision) => decisions.push(decision),
                ToUndo::Batch(batch) => decisions.extend(w.not_undone(batch)?),
            }
        }
        undo_all(w, &actor, decisions, None, Door::View)?;
        compaction::compact_if_due(w)
    })?;
    Ok(Returned::nothing())
}
