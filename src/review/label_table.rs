//! Lookup tables that label columns refer to: their names are labels, and stay so.

use pgrx::{pg_extern, pg_sys, warning};

use crate::arguments::given_label;
use crate::error::SqlResult;
use crate::pg::{self, Event, LabelColumns, Returned, Row, Trigger};
use crate::session::{self, Change};
use crate::store;
use crate::store::label_table::signal_names;
use crate::store::source::Source;

#[pg_extern(sql = false)]
fn follow_label_table(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    signal_names();
    let Some(source) = attachment(&trigger)? else {
        return Ok(Returned::nothing());
    };
    let Some(columns) = trigger.label_columns(source.id) else {
        return Ok(Returned::nothing());
    };
    // Where a label has been renamed, the table follows.
    if !trigger.is_for_row() || session::is_own_change(Change::Label(source.id)) {
        return Ok(Returned::nothing());
    }
    // What becomes of the labels is not to make the user's statement fail.
    if let Err(message) = pg::catching(|| follow(&source, &trigger, &columns)) {
        warning!(
            "labels of classifier \"{}\" are not in step with {}: {message}",
            source.classifier,
            trigger.relation_name()
        );
    }
    Ok(Returned::nothing())
}

#[pg_extern(sql = false)]
fn hold_label_table(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    if attachment(&Trigger::new(fcinfo)?)?.is_some() {
        store::as_owner(|w| w.lock_labels())?;
    }
    Ok(Returned::nothing())
}

/// The attachment that a trigger on a lookup table acts for; `None` if it has nothing to do, as
/// one that was restored with another table.
fn attachment(trigger: &Trigger) -> SqlResult<Option<Source>> {
    let id = trigger.argument()?;
    let source = store::read_now(|r| r.find_source(id))?;
    Ok(source.filter(|source| {
        let is_ours = source.label_table.is_some_and(|table| trigger.is_of(table));
        source.attached && is_ours && !pg::is_restoring()
    }))
}

/// What a row of a lookup table says.
#[derive(PartialEq, Eq)]
struct Entry {
    name: Option<String>,
    is_retired: bool,
}

impl Entry {
    fn of(row: Row, columns: &LabelColumns) -> SqlResult<Self> {
        let name = row.text(columns.name)?;
        let is_retired = match columns.retired {
            Some((column, mark)) => mark.retires(row.text(column)?.as_deref()),
            None => false,
        };
        Ok(Self {
            name: given_label(name.as_deref()).map(str::to_owned),
            is_retired,
        })
    }

    /// The label that it gives rows; `None` if none.
    fn label(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| !self.is_retired)
    }
}

fn follow(source: &Source, trigger: &Trigger, columns: &LabelColumns) -> SqlResult<()> {
    let (before, after) = match trigger.event() {
        Event::Insert => (None, Some(trigger.new_row())),
        Event::Update => (Some(trigger.old()), Some(trigger.new_row())),
        Event::Erasure => (Some(trigger.old()), None),
    };
    let entry = |row: Option<Row>| row.map(|row| Entry::of(row, columns)).transpose();
    let (before, after) = (entry(before)?, entry(after)?);
    if before == after {
        return Ok(());
    }
    let (old, new) = (
        before.as_ref().and_then(Entry::label),
        after.as_ref().and_then(Entry::label),
    );
    let classifier = &source.classifier;
    store::as_owner(|w| {
        let names = store::label_table::names(source)?.unwrap_or_default();
        // Another row may have the name, too.
        let is_gone = |name: &str| names.refusal(name).is_some();
        match (old, new) {
            (Some(old), Some(new)) if is_gone(old) => w.follow_renamed_label(classifier, old, new),
            (_, Some(new)) => w.follow_new_label(classifier, new),
            (Some(old), None) if is_gone(old) => w.follow_retired_label(classifier, old),
            _ => Ok(()),
        }
    })
}
