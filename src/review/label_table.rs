//! Lookup tables that label columns refer to: their names are labels, and stay so.
//!
//! A statement only notes which names it changes. Labels follow when its transaction commits, all
//! together, or with the next maintenance: to give a label another name, labels are locked, and
//! nobody who edits a lookup table is to wait for mail, or mail for them.

use std::cell::Cell;

use pg_triage_classifier::casefold_label;
use pgrx::{PgSqlErrorCode as Code, pg_extern, pg_sys, warning};

use crate::arguments::given_label;
use crate::error::{SqlResult, report};
use crate::pg::shared_memory::{WakeRequest, wake_at_commit};
use crate::pg::{self, Event, LabelColumns, Returned, Row, Trigger};
use crate::session::{self, Change};
use crate::store::label_table::{names_now, signal_names};
use crate::store::name_change::{Fate, NewName};
use crate::store::source::Source;
use crate::store::{self, Writer};

/// How long a change of a lookup table waits for a lock at most.
const LONGEST_WAIT: &str = "500ms";

/// With more reviews or decisions, another name of a label takes longer than who edits a lookup table
/// expects to wait.
const MOST_EMAILS: i64 = 20_000;

#[pg_extern(sql = false)]
fn follow_label_table(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let id = trigger.argument()?;
    let row = match (trigger.is_truncation(), trigger.label_columns(id)) {
        (true, _) => None,
        (false, Some(columns)) => Some(ChangedRow::of(&trigger, &columns)?),
        (false, None) => return Ok(Returned::nothing()),
    };
    // Tables of categories have counters, too.
    if row.as_ref().is_some_and(ChangedRow::is_the_same) {
        return Ok(Returned::nothing());
    }
    signal_names();
    // Where a label has been renamed, the table follows.
    if session::is_own_change(Change::Label(id)) {
        return Ok(Returned::nothing());
    }
    if let Some(source) = attachment(&trigger)? {
        match row {
            Some(row) => note(&source, &row)?,
            None => note_all(&source)?,
        }
    }
    Ok(Returned::nothing())
}

/// The attachment that a trigger on a lookup table acts for: of several of a classifier that share
/// one the first. `None` if it has nothing to do, as one that was restored with another table.
fn attachment(trigger: &Trigger) -> SqlResult<Option<Source>> {
    let id = trigger.argument()?;
    store::read_now(|r| {
        let source = r.find_source(id)?.filter(|source| {
            let is_ours = source.label_table.is_some_and(|table| trigger.is_of(table));
            source.attached && is_ours && !pg::is_restoring()
        });
        match source {
            Some(source) if r.first_with_names(&source)? == id => Ok(Some(source)),
            _ => Ok(None),
        }
    })
}

/// What a row of a lookup table says.
#[derive(PartialEq, Eq)]
struct Entry {
    id: Option<String>,
    name: Option<String>,
    is_retired: bool,
}

impl Entry {
    fn of(row: Row, columns: &LabelColumns) -> SqlResult<Self> {
        let name = row.text(columns.name)?;
        Ok(Self {
            id: row.text(columns.id)?,
            name: given_label(name.as_deref()).map(str::to_owned),
            is_retired: match columns.retired {
                Some((column, mark)) => mark.retires(row.text(column)?.as_deref()),
                None => false,
            },
        })
    }

    /// The label that it gives rows; `None` if none.
    fn label(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| !self.is_retired)
    }
}

/// A row of a lookup table as it was and as it is.
struct ChangedRow {
    before: Option<Entry>,
    after: Option<Entry>,
}

impl ChangedRow {
    fn of(trigger: &Trigger, columns: &LabelColumns) -> SqlResult<Self> {
        let event = trigger.event();
        let entry = |row| Entry::of(row, columns).map(Some);
        Ok(Self {
            before: match event {
                Event::Insert => None,
                Event::Update | Event::Erasure => entry(trigger.old())?,
            },
            after: match event {
                Event::Insert | Event::Update => entry(trigger.new_row())?,
                Event::Erasure => None,
            },
        })
    }

    fn is_the_same(&self) -> bool {
        self.before == self.after
    }
}

/// Notes what has become of a row.
fn note(source: &Source, row: &ChangedRow) -> SqlResult<()> {
    let entry = row.after.as_ref().or(row.before.as_ref());
    let Some(id) = entry.and_then(|entry| entry.id.as_deref()) else {
        return Ok(());
    };
    let label = |entry: &'_ Option<Entry>| entry.as_ref().and_then(Entry::label).map(str::to_owned);
    let (before, after) = (label(&row.before), label(&row.after));
    if before == after {
        return Ok(());
    }
    let is_new = row.before.is_none();
    store::as_owner(|w| {
        // What follows in the transaction may say the new name. Where names have changed before,
        // it may be that of a label there is.
        if is_new
            && let Some(label) = &after
            && !w.has_name_changes(source.id)?
            && add_now(w, source, id, label)
        {
            return Ok(());
        }
        let new = NewName {
            id: Some(id),
            before: before.as_deref(),
            after: after.as_deref(),
            is_new,
        };
        w.note_names(source.id, &[new])
    })
}

/// Adds a label; false if it is to be tried again at commit.
fn add_now(w: &mut Writer, source: &Source, id: &str, label: &str) -> bool {
    let added = pg::catching(|| {
        w.with_lock_timeout(LONGEST_WAIT, |w| {
            // Before the classifier, which stays locked: mail may come next in the transaction.
            store::hold_labels()?;
            add(w, source, Some(id), label)
        })
    });
    added.is_ok()
}

/// Notes that all rows of a lookup table are about to go.
fn note_all(source: &Source) -> SqlResult<()> {
    let names = names_now(source)?;
    let rows: Vec<_> = names
        .rows_in_use()
        .map(|(id, name)| NewName {
            id: Some(id),
            before: Some(name),
            ..NewName::default()
        })
        .collect();
    match rows.is_empty() {
        true => Ok(()),
        false => store::as_owner(|w| w.note_names(source.id, &rows)),
    }
}

#[pg_extern(sql = false)]
fn follow_names(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let row = trigger.new_row();
    let id = row.text(row.column("source_id")?)?;
    if let Some(id) = id.and_then(|id| id.parse().ok())
        && !pg::is_restoring()
    {
        // Else within the statement, with SET CONSTRAINTS ALL IMMEDIATE: it may have changed some
        // of its names only.
        let is_complete = pg::trigger_depth() == 1;
        follow_soon(id, is_complete)?;
    }
    Ok(Returned::nothing())
}

thread_local! {
    /// The attachment whose labels could not follow, and in which transaction.
    static POSTPONED: Cell<Option<(i64, i64)>> = const { Cell::new(None) };
}

/// Lets the labels of an attachment follow the names that have changed, if nobody has to be waited
/// for, and else with the next maintenance. Fails no statement. `is_complete` says that all names
/// are there that are to be followed together.
pub fn follow_soon(id: i64, is_complete: bool) -> SqlResult<()> {
    let this = (id, pg::transaction_time());
    if POSTPONED.get() == Some(this) {
        return Ok(());
    }
    let found = store::read_now(|r| Ok((r.find_source(id)?, r.has_name_changes(id)?)))?;
    let (Some(source), true) = found else {
        return Ok(());
    };
    let followed = pg::catching(|| {
        store::as_owner(|w| {
            if !is_complete {
                return Err(report(
                    Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    "constraints are immediate in this transaction",
                ));
            }
            w.try_lock_labels()?;
            w.with_lock_timeout(LONGEST_WAIT, |w| follow(w, &source, Some(MOST_EMAILS)))
        })
    });
    if let Err(reason) = followed {
        POSTPONED.set(Some(this));
        wake_at_commit(WakeRequest::Now);
        warning!(
            "labels of classifier \"{}\" follow the names that have changed with the next maintenance (SELECT triage.maintain()), until then they are called what they were: {reason}",
            source.classifier
        );
    }
    Ok(())
}

/// The same in maintenance, which others wait for. Returns for how many tables.
pub fn follow_all(w: &mut Writer, classifier: &str) -> SqlResult<usize> {
    // Mail waits behind it.
    w.with_lock_timeout(LONGEST_WAIT, Writer::lock_labels)?;
    let mut tables = 0;
    for source in w.attachments(None)? {
        if source.classifier == classifier && w.has_name_changes(source.id)? {
            follow(w, &source, None)?;
            tables += 1;
        }
    }
    Ok(tables)
}

/// Lets labels follow names. What cannot be is warned about, and done with. The caller has locked
/// labels. An error if there are more emails than that and a label is renamed.
fn follow(w: &mut Writer, source: &Source, most: Option<i64>) -> SqlResult<()> {
    let names = names_now(source)?;
    let changes = || names.pending.changed.iter().zip(&names.fates);
    let is_renamed = changes().any(|(_, fate)| *fate == Fate::Renamed);
    if let Some(most) = most.filter(|_| is_renamed)
        && w.estimated_emails()? > most
    {
        return Err(report(
            Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            "there are too many emails to rename their labels at once",
        ));
    }
    w.act_for(&names.pending.changed_by);
    let (mut renamed, mut problems) = (Vec::new(), Vec::new());
    for (one, fate) in changes() {
        let (id, before) = (one.id.as_deref(), one.before.as_deref());
        if let (Some(id), Some(before), None) = (id, before, &one.after) {
            w.note_lost_name(source.id, id, before)?;
        }
        match (before, one.after.as_deref(), fate) {
            (Some(before), _, Fate::Retired) => {
                w.follow_retired_label(&source.classifier, before)?;
            }
            (Some(before), Some(after), Fate::Renamed) => renamed.push((before, after)),
            _ => {}
        }
    }
    problems.extend(rename(w, source, &renamed)?);
    for (one, fate) in changes() {
        if let (Some(after), Fate::Added) = (&one.after, fate) {
            let added = pg::catching_error(|| add(w, source, one.id.as_deref(), after));
            match added {
                Ok(()) => {}
                Err(error) if error.code == Some(Code::ERRCODE_LOCK_NOT_AVAILABLE) => {
                    return Err(report(Code::ERRCODE_LOCK_NOT_AVAILABLE, error.message));
                }
                Err(error) => problems.push(error.message),
            }
        }
    }
    w.forget_names(source.id, names.pending.last)?;
    signal_names();
    if !problems.is_empty() {
        warning!(
            "labels of classifier \"{}\" are not in step with {}: {}",
            source.classifier,
            match names.table.as_str() {
                "" => &source.name,
                table => table,
            },
            problems.join("; ")
        );
    }
    Ok(())
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
