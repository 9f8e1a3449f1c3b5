//! Around the rows: statements that decide, and what is never deleted.

use pgrx::{PgSqlErrorCode as Code, pg_extern, pg_sys, warning};

use super::allowed::forget_refusals;
use super::begun::{self, By};
use super::memory::forget_statement;
use super::orphan::warn_of_children;
use super::table::{attachment, fires_for_us};
use super::text::forget_texts;
use crate::error::{SqlResult, report};
use crate::learning::compaction;
use crate::pg::{self, Event, Returned, Trigger};
use crate::store::source::Source;
use crate::{session, settings, store};

#[pg_extern(sql = false)]
fn begin_batch(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if !fires_for_us(&trigger) && has_attachment(&trigger)? {
        let source = trigger.optional_argument();
        if let Some(source) = source {
            begun::note(source, By::Table);
            warn_of_children(&trigger);
        }
        begin(&trigger, source)?;
        if source.is_none() && trigger.event() == Event::Update && trigger.sets(c"human_label") {
            session::name_label();
        }
    }
    Ok(Returned::nothing())
}

/// Whether a statement is about labels by what it says itself: an update that sets neither label,
/// key nor text is none, unless another trigger of the table makes it one.
fn may_give_labels(trigger: &Trigger) -> bool {
    match trigger.optional_argument() {
        Some(source) if trigger.event() == Event::Update && !pg::is_restoring() => {
            let columns = trigger.columns(source);
            columns.is_none_or(|columns| trigger.sets_one_of(&columns))
        }
        _ => true,
    }
}

fn begin(trigger: &Trigger, source: Option<i64>) -> SqlResult<()> {
    if may_give_labels(trigger) {
        // Before any row of the statement is locked, where it is not a row that begins it: see there.
        store::hold_labels()?;
    }
    session::begin_batch();
    if let Some(source) = source {
        forget_statement(source);
        forget_texts(source);
        forget_refusals();
    }
    Ok(())
}

/// Begins the statement of a row trigger, unless that has been done: one that names a partition, or
/// a table above the attached one, fires none of the attached table's triggers for statements.
pub fn begin_by_row(trigger: &Trigger, source: &Source) -> SqlResult<()> {
    if !trigger.is_on_partition() || begun::by(source.id).is_some() {
        return Ok(());
    }
    begun::note(source.id, By::Row);
    begin(trigger, Some(source.id))?;
    // What the one before has decided, at whose end nothing fired.
    if session::has_decided() {
        store::as_owner(compaction::compact_if_due)?;
    }
    Ok(())
}

/// Says how to take back what a statement has decided that fires no trigger at its end, as soon as
/// that is much.
pub fn announce_by_row(trigger: &Trigger, source: &Source) {
    let most = settings::max_rows_per_correction();
    if trigger.is_on_partition()
        && begun::by(source.id) == Some(By::Row)
        && let Some(batch) = session::batch_beyond(most)
    {
        warning!(
            "this statement decides about more than {most} emails in {} (pg_triage.max_rows_per_correction): if that was not meant, SELECT triage.undo_batch({batch}) takes it back",
            source.name
        );
    }
}

/// Whether a statement fires the triggers of the attached table that come after its rows.
pub fn fires_at_end(trigger: &Trigger, source: &Source) -> bool {
    !trigger.is_on_partition() || begun::by(source.id) == Some(By::Table)
}

#[pg_extern(sql = false)]
fn end_batch(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if !fires_for_us(&trigger) && session::has_decided() && has_attachment(&trigger)? {
        if trigger.optional_argument().is_some() {
            announce_batch(&trigger)?;
        }
        store::as_owner(compaction::compact_if_due)?;
    }
    Ok(Returned::nothing())
}

/// Says how to take back what a statement on an attached table has decided, if that is much: it
/// is people's own table, so that nothing is refused, but its WHERE clause may be missing.
fn announce_batch(trigger: &Trigger) -> SqlResult<()> {
    let most = settings::max_rows_per_correction();
    if let Some((batch, decided)) = session::take_batch()
        && decided > most
        && let Some(source) = attachment(trigger)?
    {
        warning!(
            "this statement has decided about {decided} emails in {}, more than {most} (pg_triage.max_rows_per_correction): if that was not meant, SELECT triage.undo_batch({batch}) takes it back",
            source.name
        );
    }
    Ok(())
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
