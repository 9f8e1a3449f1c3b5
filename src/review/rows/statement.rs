//! Around the rows: statements that decide, and what is never deleted.

use pgrx::{PgSqlErrorCode as Code, pg_extern, pg_sys};

use super::memory::forget_statement;
use super::table::{attachment, fires_for_us};
use super::text::forget_texts;
use crate::error::{SqlResult, report};
use crate::learning::compaction;
use crate::pg::{self, Returned, Trigger};
use crate::{session, store};

#[pg_extern(sql = false)]
fn begin_batch(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if !fires_for_us(&trigger) && has_attachment(&trigger)? {
        session::begin_batch();
        if let Some(source) = trigger.optional_argument() {
            forget_statement(source);
            forget_texts(source);
        }
    }
    Ok(Returned::nothing())
}

#[pg_extern(sql = false)]
fn end_batch(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if !fires_for_us(&trigger) && session::has_decided() && has_attachment(&trigger)? {
        store::as_owner(compaction::compact_if_due)?;
    }
    Ok(Returned::nothing())
}

#[pg_extern(sql = false)]
fn refuse_erasure(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let is_ledger = pg::extension_relation(c"triage", c"decision") == Some(trigger.relation());
    // Reviews go with their classifier, by the trigger on it.
    if session::is_erasure() || !is_ledger && pg::trigger_depth() > 1 {
        return Ok(Returned::nothing());
    }
    let message = if is_ledger {
        "triage.decision is append-only: take a decision back with triage.undo(decision_id), or erase an email with triage.forget(source, key)"
    } else {
        "reviews are not deleted: take an email out of the queue with triage.skip(review_id), or erase it with triage.forget(source, key)"
    };
    Err(report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE, message))
}

/// Whether a trigger is on what it is about: a view or `triage.review`, or the table that was
/// attached.
fn has_attachment(trigger: &Trigger) -> SqlResult<bool> {
    Ok(trigger.optional_argument().is_none()
        || pg::is_restoring()
        || attachment(trigger)?.is_some())
}
