//! Lookup tables that label columns refer to: their names are labels, and stay so.

use std::collections::HashSet;

use pg_triage_classifier::casefold_label;
use pgrx::{pg_extern, pg_sys, warning};

use crate::arguments::given_label;
use crate::error::SqlResult;
use crate::pg::{self, Event, LabelColumns, Returned, Row, Trigger};
use crate::session::{self, Change};
use crate::store::label_table::{Names, names_now, signal_names};
use crate::store::source::Source;
use crate::store::{self, Reader, Writer};

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
    // Names that change are looked at when all of a statement have changed.
    let is_update = trigger.event() == Event::Update;
    // Where a label has been renamed, the table follows.
    if trigger.is_for_row() == is_update || session::is_own_change(Change::Label(source.id)) {
        return Ok(Returned::nothing());
    }
    // What becomes of the labels is not to make the user's statement fail.
    let followed = pg::catching(|| match is_update {
        true => follow_update(&source, &trigger, &columns),
        false => follow(&source, &trigger, &columns).map(|()| None),
    });
    if let Some(message) = followed.unwrap_or_else(Some) {
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
    let is_new = trigger.event() == Event::Insert;
    let row = match is_new {
        true => trigger.new_row(),
        false => trigger.old(),
    };
    let (id, entry) = (row.text(columns.id)?, Entry::of(row, columns)?);
    let Some(label) = entry.label() else {
        return Ok(());
    };
    store::as_owner(|w| match is_new {
        true => add(w, source, id.as_deref(), label),
        false => retire(w, source, &names_now(source)?, id.as_deref(), label),
    })
}

/// Retires a label, unless another row has the name, too.
fn retire(
    w: &mut Writer,
    source: &Source,
    names: &Names,
    id: Option<&str>,
    label: &str,
) -> SqlResult<()> {
    if let Some(id) = id {
        w.note_lost_name(source.id, id, label)?;
    }
    match names.refusal(label) {
        Some(_) => w.follow_retired_label(&source.classifier, label),
        None => Ok(()),
    }
}

/// Adds the label of an id that had none. Whether it means what it did before it lost its name
/// cannot be told.
fn add(w: &mut Writer, source: &Source, id: Option<&str>, label: &str) -> SqlResult<()> {
    let classifier = &source.classifier;
    w.follow_new_label(classifier, label)?;
    let Some(id) = id else {
        return Ok(());
    };
    let Some(lost) = w.lost_name(source.id, id)? else {
        return Ok(());
    };
    if casefold_label(&lost).ok() != casefold_label(label).ok()
        && let Some(lost) = w.label(classifier, &lost)?
    {
        let quoted = |text: &str| text.replace('\'', "''");
        warning!(
            "id {id} was \"{lost}\" and is \"{label}\" now, but reviews of its rows say \"{lost}\": if both mean the same, SELECT triage.merge_labels('{}', '{}', '{}')",
            quoted(classifier),
            quoted(&lost),
            quoted(label)
        );
    }
    Ok(())
}

/// Lets labels follow what a statement has changed, taken together: names may change places.
/// Returns why some cannot.
fn follow_update(
    source: &Source,
    trigger: &Trigger,
    columns: &LabelColumns,
) -> SqlResult<Option<String>> {
    let rows = trigger.updated(|row| Ok((row.text(columns.id)?, Entry::of(row, columns)?)))?;
    let changed: HashSet<String> = rows.iter().filter_map(|(_, (id, _))| id.clone()).collect();
    store::as_owner(|w| {
        let names = names_now(source)?;
        let kept = names.in_use_but(&changed);
        let has_another = |label: &str| casefold_label(label).is_ok_and(|key| kept.contains(&key));
        let (mut renamed, mut added) = (Vec::new(), Vec::new());
        let is_first = is_first(w, source)?;
        for ((id, before), (after_id, after)) in rows.iter().filter(|(old, new)| old.1 != new.1) {
            match (before.label(), after.label()) {
                (Some(old), Some(new)) if !has_another(old) => {
                    if is_first && old != new {
                        renamed.push((old, new));
                    }
                }
                (_, Some(new)) => added.push((after_id.as_deref(), new)),
                (Some(old), None) => retire(w, source, &names, id.as_deref(), old)?,
                (None, None) => {}
            }
        }
        let problems = rename(w, source, &renamed)?;
        for (id, label) in added {
            add(w, source, id, label)?;
        }
        Ok(problems)
    })
}

/// Renames labels; returns why some cannot be. Who may write a lookup table speaks for those who
/// use it, not for the owners of other tables.
fn rename(w: &mut Writer, source: &Source, renamed: &[(&str, &str)]) -> SqlResult<Option<String>> {
    let Some((old, new)) = renamed.first() else {
        return Ok(None);
    };
    if let Some(others) = w.tables_of_others(source)? {
        let quoted = |text: &str| text.replace('\'', "''");
        return Ok(Some(format!(
            "tables of other owners have these labels, too ({others}): let a trainer call SELECT triage.rename_label('{}', '{}', '{}')",
            quoted(&source.classifier),
            quoted(old),
            quoted(new)
        )));
    }
    w.follow_renamed_labels(&source.classifier, source.label_table, renamed)
}

/// Whether an attachment is the first of its classifier that takes its labels from a column of a
/// lookup table: a name that changes is followed once.
fn is_first(r: &Reader, source: &Source) -> SqlResult<bool> {
    let column = |source: &Source| {
        let table = source.label_table?;
        Some((table, pg::label_table(table, source.id)?.name))
    };
    let ours = column(source);
    let attachments = r.attachments(None)?;
    let mut others = attachments
        .iter()
        .filter(|other| other.classifier == source.classifier && other.id < source.id);
    Ok(!others.any(|other| other.label_table == source.label_table && column(other) == ours))
}
