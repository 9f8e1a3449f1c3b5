//! What the foreign key of a label column does to rows when the row that they refer to is deleted or
//! gets another key: it stays so, and is not what a person says.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::table::{Columns, name_of};
use crate::error::SqlResult;
use crate::pg::{self, ForeignKey, Row, Trigger};
use crate::review::label_table::follow_soon;
use crate::review::prediction::unclassified;
use crate::store;
use crate::store::name_change::NewName;
use crate::store::source::Source;

/// What a foreign key has done to the label of a row.
#[derive(Clone)]
pub enum Action {
    /// The label is the same; the row refers to it by another id.
    Kept,
    /// The label is called otherwise.
    Renamed(Rc<str>, Rc<str>),
    /// The label is gone: why.
    Taken(Rc<str>),
}

struct Note {
    depth: i32,
    action: Action,
}

#[derive(Default)]
struct Memory {
    time: (i64, i64),
    /// By attachment and key.
    rows: HashMap<(i64, String), Note>,
    /// Names that have followed already.
    renamed: Option<(i64, Rc<str>, Rc<str>)>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

fn with_memory<R>(f: impl FnOnce(&mut Memory) -> R) -> R {
    let time = (pg::transaction_time(), pg::statement_time());
    MEMORY.with_borrow_mut(|memory| {
        if memory.time != time {
            *memory = Memory {
                time,
                ..Memory::default()
            };
        }
        f(memory)
    })
}

/// Whether an update comes from a foreign key of the label column, or does what one would do:
/// another trigger has issued it, and what the row referred to is no more. If so, it is kept for
/// the trigger after the row.
pub fn is_by_foreign_key(
    trigger: &Trigger,
    source: &Source,
    columns: &Columns,
    key: &str,
) -> SqlResult<bool> {
    if pg::trigger_depth() < 2 {
        return Ok(false);
    }
    let (old, new) = (trigger.old(), trigger.new_row());
    for foreign_key in trigger.rules(columns.label()).foreign_keys {
        let Some(before) = referring(&foreign_key, old)? else {
            continue;
        };
        if store::as_owner(|w| w.is_referenced(&foreign_key, &before))? {
            continue;
        }
        let action = action(source, columns, key, &foreign_key, (old, new))?;
        let note = Note {
            depth: pg::trigger_depth(),
            action,
        };
        with_memory(|memory| memory.rows.insert((source.id, key.to_owned()), note));
        return Ok(true);
    }
    Ok(false)
}

/// What a row refers to; `None` if it refers to nothing.
fn referring(key: &ForeignKey, row: Row) -> SqlResult<Option<Vec<String>>> {
    key.columns
        .iter()
        .map(|column| row.text(column.own))
        .collect()
}

fn action(
    source: &Source,
    columns: &Columns,
    email_key: &str,
    key: &ForeignKey,
    (old, new): (Row, Row),
) -> SqlResult<Action> {
    let (before, after) = (columns.label_of(old)?, columns.label_of(new)?);
    let mut before = before.unwrap_or_default();
    if let (Some(after), Some(now)) = (&after, referring(key, new)?)
        && store::as_owner(|w| Ok(w.updates_cascade(key)? && w.is_referenced(key, &now)?))?
    {
        if source.label_table.is_some() {
            return Ok(Action::Kept);
        }
        // To a label that there is, it is no other name but the default.
        let known = store::as_owner(|w| w.label(&source.classifier, after))?;
        if known.is_none_or(|known| known != *after) || known_same(&before, after) {
            return Ok(Action::Renamed(before.into(), after.as_str().into()));
        }
    }
    // The row with the name is gone already.
    if !columns.has_name(old)? {
        let review = store::read_now(|r| r.review_of(name_of(source, email_key)))?;
        let label = review.and_then(|review| review.human_label.or(review.predicted_label));
        before = label.unwrap_or(before);
    }
    Ok(Action::Taken(
        format!(
            "label \"{before}\" was taken away by foreign key \"{}\"",
            key.name
        )
        .into(),
    ))
}

/// Whether two names are spellings of one label.
fn known_same(one: &str, other: &str) -> bool {
    let folded = |name| pg_triage_classifier::casefold_label(name).ok();
    folded(one) == folded(other)
}

/// What a foreign key has done to a row of this statement, once. Triggers after the rows that it
/// updates fire when the statement is done that made it do so, one level further out.
pub fn recall_action(source: i64, key: &str) -> Option<Action> {
    let depth = pg::trigger_depth();
    with_memory(|memory| {
        if memory.rows.is_empty() {
            return None;
        }
        let name = (source, key.to_owned());
        let is_ours = memory
            .rows
            .get(&name)
            .is_some_and(|note| (note.depth - 1..=note.depth).contains(&depth));
        is_ours.then(|| memory.rows.remove(&name))?
    })
    .map(|note| note.action)
}

impl Action {
    /// Notes it where people look.
    pub fn record(self, source: &Source, key: &str, has_label: bool) -> SqlResult<()> {
        match self {
            Self::Kept => Ok(()),
            Self::Taken(reason) => store::as_owner(|w| {
                let name = name_of(source, key);
                if !w.reopen_without_label(name, &reason)? && !has_label {
                    w.insert_review(name, &unclassified(Some(&reason)))?;
                }
                Ok(())
            }),
            Self::Renamed(old, new) => {
                let this = (source.id, old.clone(), new.clone());
                if with_memory(|memory| memory.renamed.replace(this.clone())) == Some(this) {
                    return Ok(());
                }
                rename(source, &old, &new)
            }
        }
    }
}

/// The label follows: at once, because what comes next in the transaction may say the new name.
fn rename(source: &Source, old: &str, new: &str) -> SqlResult<()> {
    let name = NewName {
        before: Some(old),
        after: Some(new),
        ..NewName::default()
    };
    store::as_owner(|w| w.note_names(source.id, &[name]))?;
    follow_soon(source.id, true)
}
