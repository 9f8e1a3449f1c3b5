//! Lookup tables: what label columns that refer to one hold is an id, and people say names.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use pg_triage_classifier::casefold_label;
use pgrx::PgSqlErrorCode as Code;

use super::connection::Reader;
use super::name_change::{Fate, NameChanges};
use super::source::Source;
use crate::error::{SqlResult, from_classifier, report};
use crate::pg::{self, LabelTable, Mark};
use pgrx::pg_sys;

/// Most rows of a lookup table that are read.
const MOST_NAMES: usize = 10_000;

/// The labels of a lookup table.
#[derive(Debug, Default)]
pub struct Names {
    /// The table, with its schema.
    pub table: String,
    /// Names by id.
    by_id: HashMap<String, String>,
    /// Ids by casefolded name; of rows with the same name the first that is in use.
    by_name: HashMap<String, String>,
    /// Ids that are not to be used any more.
    retired: HashSet<String>,
    /// Names that several ids have.
    shared: Vec<String>,
    /// Why ids have no name that can be a label.
    unusable: HashMap<String, &'static str>,
    /// Names of ids that were taken out of the table a moment ago.
    gone: HashMap<String, String>,
    /// Whether there are more names than are read.
    has_more: bool,
    /// Whether policies hide rows from the table's owner.
    pub is_hidden: bool,
    /// What labels do not follow yet: until then their ids are called what they were.
    pub pending: NameChanges,
    /// What labels are to do about each of that.
    pub fates: Vec<Fate>,
}

/// What to do when there is no lookup table any more.
const GONE: &str =
    "the table with the names of the labels is gone: detach the table and attach it again";

/// What marks an id in place of its name, if it has none.
const UNNAMED: char = '#';

impl Names {
    /// The name of an id; one that the table does not have is shown as `#17`.
    pub fn name_of(&self, id: &str) -> String {
        match self.by_id.get(id).or_else(|| self.gone.get(id)) {
            Some(name) => name.clone(),
            None => format!("{UNNAMED}{id}"),
        }
    }

    /// Whether an id has a name, or had one a moment ago.
    pub fn has_name(&self, id: &str) -> bool {
        self.by_id.contains_key(id) || self.gone.contains_key(id)
    }

    /// The id of a name, in whatever spelling; `None` if the table does not have it.
    pub fn id_of<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let found = casefold_label(name).ok().and_then(|n| self.by_name.get(&n));
        match found {
            Some(id) => Some(id),
            // An id without a name, as it was shown.
            None => name.strip_prefix(UNNAMED),
        }
    }

    /// Refuses a table that cannot be meant, and returns the names that several ids have.
    pub fn check(&self) -> SqlResult<&[String]> {
        if self.has_more {
            return Err(report(
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!(
                    "table {} has more than {MOST_NAMES} rows: a classifier cannot have so many labels",
                    self.table
                ),
            ));
        }
        Ok(&self.shared)
    }

    /// Refuses an id that the table does not have.
    pub fn check_id(&self, id: &str) -> SqlResult<()> {
        if self.by_id.contains_key(id) {
            return Ok(());
        }
        if self.table.is_empty() {
            return Err(report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("what label {id} is cannot be told: {GONE}"),
            ));
        }
        if let Some(why) = self.unusable.get(id) {
            return Err(report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "row {id} of table {} {why}: give it a name first",
                    self.table
                ),
            ));
        }
        let hidden = match self.is_hidden {
            true => ", or policies hide it from the owner of that table",
            false => ": insert it there first",
        };
        Err(report(
            Code::ERRCODE_FOREIGN_KEY_VIOLATION,
            format!("{id} is not in table {}{hidden}", self.table),
        ))
    }

    /// Why a label is not predicted; `None` if it may be.
    pub fn refusal(&self, name: &str) -> Option<String> {
        let table = &self.table;
        match self.id_of(name) {
            None if table.is_empty() => Some(GONE.to_owned()),
            None => Some(format!("label \"{name}\" is not in table {table}")),
            Some(id) if self.retired.contains(id) => {
                Some(format!("label \"{name}\" is retired in table {table}"))
            }
            Some(_) => None,
        }
    }
}

/// Changes of names seen, and the time of the transaction or statement if they hold no longer.
type AsOf = (u64, i64);

thread_local! {
    /// By attachment.
    static NAMES: RefCell<HashMap<i64, (AsOf, Rc<Names>)>> = RefCell::default();
}

/// The relation whose invalidation says that names have changed: `triage_internal.source`, which
/// says where they are, and hardly ever changes itself. Its own changes are told so, too.
fn names_signal() -> Option<pg_sys::Oid> {
    pg::extension_relation(c"triage_internal", c"source")
}

/// How often the session has heard that an attachment, or the names of labels, have changed. A
/// correction is neither: what is kept as of this number outlives it.
pub fn heard_changes() -> u64 {
    if let Some(relation) = names_signal() {
        pg::watch_names(relation);
    }
    pg::name_changes()
}

/// Tells every session, at commit, that names of labels have changed, or an attachment.
pub fn signal_names() {
    if let Some(relation) = names_signal() {
        pg::invalidate_relation(relation);
    }
}

/// The names of the labels that an attached table refers to by id, as the session knows them;
/// `None` if its label column holds the labels themselves.
pub fn names(source: &Source) -> SqlResult<Option<Rc<Names>>> {
    let Some(table) = source.label_table else {
        return Ok(None);
    };
    // What an old snapshot shows does not hold for the next transaction, nor what policies show for
    // the next statement.
    let time = match pg::keeps_one_snapshot() {
        _ if pg::hides_rows_from_owner(table) => pg::statement_time(),
        true => pg::transaction_time(),
        false => 0,
    };
    let stamp = (heard_changes(), time);
    let known = NAMES.with_borrow(|names| names.get(&source.id).cloned());
    if let Some((then, names)) = known
        && then == stamp
        // Nobody says when it is dropped.
        && pg::relation_exists(table)
    {
        return Ok(Some(names));
    }
    let names = Rc::new(super::read_now(|r| r.label_names(source))?);
    NAMES.with_borrow_mut(|known| known.insert(source.id, (stamp, names.clone())));
    Ok(Some(names))
}

/// The same, as the table has them at this moment of a statement.
pub fn names_now(source: &Source) -> SqlResult<Names> {
    super::read_now(|r| r.label_names(source))
}

impl Reader<'_> {
    /// Reads the names of an attachment's labels, with the rights of their table's owner. There
    /// are none if that table is gone.
    fn label_names(&self, source: &Source) -> SqlResult<Names> {
        let mut names = Names::default();
        let place = source.label_table.and_then(|relation| {
            pg::label_table(relation, source.id).map(|place| (relation, place))
        });
        let rows = match &place {
            Some((relation, place)) => self.label_rows(*relation, place)?,
            None => Vec::new(),
        };
        if let Some((relation, place)) = place {
            names.table = place.table;
            names.is_hidden = pg::hides_rows_from_owner(relation);
        }
        names.has_more = rows.len() > MOST_NAMES;
        let mut spellings = HashMap::new();
        for label in self.labels(&source.classifier)? {
            spellings.insert(casefold_label(&label).map_err(from_classifier)?, label);
        }
        self.read_changes(source, &mut names, &rows, |key| spellings.contains_key(key))?;
        let changes = names.pending.changed.iter().zip(&names.fates);
        let called: HashMap<_, _> = changes
            .filter(|(_, fate)| **fate == Fate::Renamed)
            .filter_map(|(one, _)| Some((one.id.clone()?, one.before.clone()?)))
            .collect();
        for row in rows.into_iter().take(MOST_NAMES) {
            let LabelRow { id, name, .. } = row;
            let name = called.get(&id).unwrap_or(&name).trim();
            let casefolded = match casefold_label(name) {
                Ok(key) if !key.is_empty() => key,
                Ok(_) => {
                    names.unusable.insert(id, "has no name");
                    continue;
                }
                Err(_) => {
                    names
                        .unusable
                        .insert(id, "has a name that is too long for a label");
                    continue;
                }
            };
            if row.is_retired {
                names.retired.insert(id.clone());
            }
            // Spelled as the classifier does: what it predicts is compared with it.
            let spelled = spellings.get(&casefolded).map_or(name, String::as_str);
            names.by_id.insert(id.clone(), spelled.to_owned());
            match names.by_name.entry(casefolded) {
                Entry::Vacant(entry) => drop(entry.insert(id)),
                Entry::Occupied(_) => names.shared.push(spelled.to_owned()),
            }
        }
        for one in &names.pending.changed {
            if let (Some(id), Some(before)) = (&one.id, &one.before) {
                names.gone.insert(id.clone(), before.clone());
            }
        }
        Ok(names)
    }

    /// What labels do not follow yet, and what they are to do about it.
    fn read_changes(
        &self,
        source: &Source,
        names: &mut Names,
        rows: &[LabelRow],
        is_label: impl Fn(&str) -> bool,
    ) -> SqlResult<()> {
        let mut pending = self.name_changes(self.first_with_names(source)?)?;
        if pending.changed.is_empty() {
            return Ok(());
        }
        let ids = pending.ids();
        let used = |row: &&LabelRow| !row.is_retired && !row.name.trim().is_empty();
        let kept = rows.iter().filter(used);
        let kept = kept
            .filter(|row| !ids.contains(row.id.as_str()))
            .filter_map(|row| casefold_label(row.name.trim()).ok())
            .collect();
        // What was noted holds where policies hide the row, or it is gone.
        let by_id: HashMap<_, _> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
        for one in &mut pending.changed {
            if let Some(row) = one.id.as_deref().and_then(|id| by_id.get(id)) {
                one.after = used(row).then(|| row.name.trim().to_owned());
            }
        }
        names.fates = pending.fates(&kept, is_label);
        names.pending = pending;
        Ok(())
    }

    /// The first attachment of the classifier that takes its labels from this one's column of a
    /// lookup table: a name that changes there is followed once.
    pub fn first_with_names(&self, source: &Source) -> SqlResult<i64> {
        let column = |source: &Source| {
            let table = source.label_table?;
            Some((table, pg::label_table(table, source.id)?.name))
        };
        if source.label_table.is_none() {
            return Ok(source.id);
        }
        let ours = column(source);
        let attachments = self.attachments(None)?;
        let mut others = attachments
            .iter()
            .filter(|other| other.classifier == source.classifier && other.id < source.id);
        let first =
            others.find(|other| other.label_table == source.label_table && column(other) == ours);
        Ok(first.map_or(source.id, |first| first.id))
    }

    /// The rows of a lookup table, those in use first: one more than are read, at most.
    fn label_rows(&self, relation: pg_sys::Oid, place: &LabelTable) -> SqlResult<Vec<LabelRow>> {
        let query = format!(
            "SELECT t.{id}::text, coalesce(t.{name}::text, ''), {retired} FROM {table} AS t
              WHERE t.{id} IS NOT NULL ORDER BY 3, t.{id} LIMIT {most}",
            id = place.id,
            name = place.name,
            table = place.table,
            retired = is_retired(place),
            most = MOST_NAMES + 1,
        );
        pg::as_table_owner(relation, pg::OWN_PATH, || {
            let rows = self.connection.run(&query, &[])?;
            rows.probe()?;
            let read = |row: crate::pg::ResultRow| {
                Ok(LabelRow {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    is_retired: row.get(2)?,
                })
            };
            rows.iter().map(read).collect()
        })
    }
}

/// A row of a lookup table.
struct LabelRow {
    id: String,
    /// Empty if it has none.
    name: String,
    is_retired: bool,
}

/// Whether a row of the table, under the name `t`, is not to be used any more.
fn is_retired(place: &LabelTable) -> String {
    let Some(column) = &place.retired else {
        return "false".to_owned();
    };
    let condition = match column.mark {
        Mark::True => "IS TRUE",
        Mark::NotTrue => "IS NOT TRUE",
        Mark::Value => "IS NOT NULL",
    };
    format!("(t.{} {condition})", column.name)
}

impl Names {
    /// Ids and names of the rows that are in use, in no order.
    pub fn rows_in_use(&self) -> impl Iterator<Item = (&str, &str)> {
        let used = self
            .by_id
            .iter()
            .filter(|(id, _)| !self.retired.contains(*id));
        used.map(|(id, name)| (id.as_str(), name.as_str()))
    }

    /// The labels that are in use, in the order of their ids.
    pub fn labels(&self) -> Vec<&str> {
        let used = self
            .by_name
            .values()
            .filter(|id| !self.retired.contains(*id));
        let mut labels: Vec<_> = used.filter_map(|id| self.by_id.get(id)).collect();
        labels.sort_unstable();
        labels.into_iter().map(String::as_str).collect()
    }
}
