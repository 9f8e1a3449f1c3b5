//! An attached table, as its triggers see it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pg_triage_decision::{Action, Door, Request};
use pgrx::PgSqlErrorCode as Code;

use crate::error::{SqlResult, report};
use crate::pg::{self, Row, Timestamp, Trigger, Value};
use crate::review::rows::orphan::{warn_of_lost_column, warn_of_orphan, warn_of_two};
use crate::session::{self, Change};
use crate::store;
use crate::store::label_table::Names;
use crate::store::review::EmailName;
use crate::store::source::Source;
use crate::types::text::TextParts;

/// An attachment as of so many changes; `None` if there is none.
type Known = (u64, Option<Rc<Source>>);

thread_local! {
    static SOURCES: RefCell<HashMap<i64, Known>> = RefCell::default();
}

/// The attachment that a trigger acts for, as the session knows it; `None` if it has nothing to
/// do: its table was detached, or is not the one that was attached.
pub fn attachment(trigger: &Trigger) -> SqlResult<Option<Rc<Source>>> {
    let source = source(trigger.argument()?)?;
    match source {
        Some(source) if trigger.is_of(source.relation) => {
            if !source.attached || is_labelled_below(trigger, &source)? {
                return Ok(None);
            }
            Ok(Some(source))
        }
        other => {
            warn_of_orphan(trigger, other.as_deref());
            Ok(None)
        }
    }
}

/// Whether the partition, or a table between, is attached by itself, for the same labels: it was when
/// it became a partition. Each row is labelled through one table only, the nearest.
fn is_labelled_below(trigger: &Trigger, above: &Source) -> SqlResult<bool> {
    if !trigger.is_clone() {
        return Ok(false);
    }
    let others = trigger.other_attachments(above.id);
    if others.is_empty() {
        return Ok(false);
    }
    let label = trigger.columns(above.id).map(|columns| columns[0]);
    for (other, its_label) in others {
        let Some(nearer) = source(other)?.filter(|other| other.attached) else {
            continue;
        };
        let is_nearer = trigger
            .distance(nearer.relation)
            .is_some_and(|distance| Some(distance) < trigger.distance(above.relation));
        if is_nearer && (nearer.classifier == above.classifier || label == Some(its_label)) {
            warn_of_two(trigger, &nearer, above);
            return Ok(true);
        }
    }
    Ok(false)
}

fn source(id: i64) -> SqlResult<Option<Rc<Source>>> {
    let now = store::label_table::heard_changes();
    let known = SOURCES.with_borrow(|sources| sources.get(&id).cloned());
    if let Some((then, source)) = known
        && then == now
        && !pg::keeps_one_snapshot()
    {
        return Ok(source);
    }
    let source = store::read_now(|r| r.find_source(id))?.map(Rc::new);
    // What an old snapshot shows does not hold for the next transaction.
    if !pg::keeps_one_snapshot() {
        SOURCES.with_borrow_mut(|sources| sources.insert(id, (now, source.clone())));
    }
    Ok(source)
}

/// What an email of this table is reviewed under.
pub fn name_of<'a>(source: &'a Source, key: &'a str) -> EmailName<'a> {
    EmailName {
        source: &source.name,
        key,
        classifier: &source.classifier,
    }
}

/// Refuses a row whose label is another one than was decided.
pub fn check_agrees(
    source: &Source,
    key: &str,
    label: Option<&str>,
    decided: Option<&str>,
) -> SqlResult<()> {
    if label == decided {
        return Ok(());
    }
    let quoted = |label: Option<&str>| label.map_or("NULL".to_owned(), |l| format!("\"{l}\""));
    let first = format!("zz_triage_decide_{}", source.id);
    Err(report(
        Code::ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION,
        format!(
            "the label of email \"{key}\" in {} would be {} where {} was decided: a trigger that fires after {first} changes it; give that trigger a name that comes before {first}",
            source.name,
            quoted(label),
            quoted(decided)
        ),
    ))
}

/// What a statement on the table says by giving a row this label.
pub fn label_request(door: Door, label: Option<&str>) -> Request<'_> {
    Request {
        action: Action::Label(label),
        note: None,
        row_version: None,
        door,
        confirmed_by: None,
    }
}

/// Numbers of the columns of an attached table.
pub struct Columns<'a> {
    numbers: Vec<i16>,
    received: Option<i16>,
    /// How many of them, after the first, are those of the key.
    keys: usize,
    text: &'a TextParts,
    /// What the labels are called, if the label column has ids.
    names: Option<Rc<Names>>,
    /// What the label column holds in place of NULL.
    empty: Option<&'a str>,
}

impl<'a> Columns<'a> {
    /// `None`, with a warning, where the table has lost one of them: its statements go on without
    /// labels.
    pub fn of(trigger: &Trigger, source: &'a Source) -> SqlResult<Option<Self>> {
        let Some(all) = trigger.columns(source.id) else {
            warn_of_lost_column(trigger);
            return Ok(None);
        };
        let received = source.received_at.and_then(|place| all.get(place).copied());
        let numbers = pg::listed(&all, source.received_at).to_vec();
        // Label and key, and at least one text.
        let keys = source.keys.min(numbers.len().saturating_sub(2));
        let names = store::label_table::names(source)?;
        Ok(Some(Self {
            numbers,
            received,
            keys,
            text: &source.text,
            names,
            empty: source.empty_label.as_deref(),
        }))
    }

    /// The label column.
    pub fn label(&self) -> i16 {
        self.numbers[0]
    }

    /// Those of the key.
    pub fn keys(&self) -> &[i16] {
        &self.numbers[1..=self.keys]
    }

    /// Text columns.
    pub fn texts(&self) -> &[i16] {
        &self.numbers[self.keys + 1..]
    }

    /// The label that a row has.
    pub fn label_of(&self, row: Row) -> SqlResult<Option<String>> {
        // In the form of a key: the blanks that fill char(n) mean nothing.
        let stored = row.key(&[self.label()])?;
        let stored = stored.filter(|label| self.empty != Some(label.as_str()));
        Ok(match &self.names {
            Some(names) => stored.map(|id| names.name_of(&id)),
            None => stored,
        })
    }

    /// Whether what the label column of a row holds is known by name.
    pub fn has_name(&self, row: Row) -> SqlResult<bool> {
        Ok(match (&self.names, row.key(&[self.label()])?) {
            (Some(names), Some(id)) => names.has_name(&id),
            _ => true,
        })
    }

    /// Whether the label column of a row has a value, if one that counts as no label.
    pub fn has_value(&self, row: Row) -> SqlResult<bool> {
        Ok(row.text(self.label())?.is_some())
    }

    /// Whether a row may be without a label.
    pub fn can_be_empty(&self, trigger: &Trigger) -> bool {
        self.empty.is_some() || !trigger.is_not_null(self.label())
    }

    /// Refuses a row whose label column refers to nothing.
    pub fn check_label(&self, row: Row) -> SqlResult<()> {
        match (&self.names, row.key(&[self.label()])?) {
            (Some(names), Some(id)) => names.check_id(&id),
            _ => Ok(()),
        }
    }

    /// What the column holds for a label; `None` if the lookup table does not have it.
    pub fn stored<'l>(&'l self, label: &'l str) -> Option<&'l str> {
        match &self.names {
            Some(names) => names.id_of(label),
            None => Some(label),
        }
    }

    /// Why a label is not predicted for this table, if its lookup table is against it.
    pub fn refusal(&self, label: &str) -> Option<String> {
        self.names.as_ref()?.refusal(label)
    }

    /// The row with another label, or with none.
    pub fn put(&self, row: Row, label: Option<&str>) -> SqlResult<Row> {
        let Some(label) = label else {
            return row.with(&[(self.label(), self.empty.into())]);
        };
        let stored = self.stored(label).ok_or_else(|| {
            let refusal = self.refusal(label).unwrap_or_default();
            report(Code::ERRCODE_FOREIGN_KEY_VIOLATION, refusal)
        })?;
        row.with(&[(self.label(), Value::Text(stored))])
    }

    /// The row with the label that it had before.
    pub fn keep(&self, row: Row, before: Row) -> SqlResult<Row> {
        let stored = before.text(self.label())?;
        row.with(&[(self.label(), stored.as_deref().into())])
    }

    /// When an email was received, if a column says so.
    pub fn received_at(&self, row: Row) -> Option<Timestamp> {
        self.received.and_then(|column| row.time(column))
    }

    /// The key of a row; `None` if it has none yet.
    pub fn key_of(&self, row: Row) -> SqlResult<Option<String>> {
        row.key(self.keys())
    }

    /// Whether two rows have the same text. Costs next to nothing where it is stored alike.
    pub fn has_same_text(&self, one: Row, other: Row) -> SqlResult<bool> {
        let texts = self.texts();
        if texts.iter().all(|&text| one.stores_same(&other, text)) {
            return Ok(true);
        }
        let read = |row: Row| move |column: usize, most| row.content(texts[column], most);
        self.text.is_same(texts.len(), &read(one), &read(other))
    }

    /// The text of a row, as far as it is read.
    pub fn text_of(&self, row: Row) -> SqlResult<String> {
        let texts = self.texts();
        self.text.text(texts.len(), &|column, most| {
            row.content(texts[column], most)
        })
    }
}

/// Whether a trigger fires because we write a label, or a review.
pub fn fires_for_us(trigger: &Trigger) -> bool {
    if !session::has_own_change() {
        return false;
    }
    let is_review = pg::extension_relation(c"triage", c"review") == Some(trigger.relation());
    match trigger.optional_argument() {
        _ if is_review => session::is_own_change(Change::Review),
        Some(source) => session::is_own_change(Change::Label(source)),
        None => false,
    }
}
