//! Lookup tables: what label columns that refer to one hold is an id, and people say names.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use pg_triage_classifier::casefold_label;
use pgrx::PgSqlErrorCode as Code;

use super::connection::{Reader, Writer};
use super::source::Source;
use crate::error::{SqlResult, from_classifier, report};
use crate::pg::{self, LabelTable, Mark};
use crate::session;
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
    /// Whether there are more names than are read.
    has_more: bool,
}

/// What to do when there is no lookup table any more.
const GONE: &str =
    "the table with the names of the labels is gone: detach the table and attach it again";

/// What marks an id in place of its name, if it has none.
const UNNAMED: char = '#';

impl Names {
    /// The name of an id; one that the table does not have is shown as `#17`.
    pub fn name_of(&self, id: &str) -> String {
        match self.by_id.get(id) {
            Some(name) => name.clone(),
            None => format!("{UNNAMED}{id}"),
        }
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

    /// The casefolded names in use of all rows but these.
    pub fn in_use_but(&self, ids: &HashSet<String>) -> HashSet<String> {
        let others = self
            .by_id
            .iter()
            .filter(|(id, _)| !ids.contains(*id) && !self.retired.contains(*id));
        others
            .filter_map(|(_, name)| casefold_label(name).ok())
            .collect()
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
        Err(report(
            Code::ERRCODE_FOREIGN_KEY_VIOLATION,
            format!("{id} is not in table {}: insert it there first", self.table),
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

/// Changes of names seen, and the transaction if it keeps one snapshot.
type AsOf = (u64, i64);

thread_local! {
    /// By attachment.
    static NAMES: RefCell<HashMap<i64, (AsOf, Rc<Names>)>> = RefCell::default();
}

/// The relation whose invalidation says that names have changed: `triage_internal.source`, which
/// says where they are, and hardly ever changes itself.
fn names_signal() -> Option<pg_sys::Oid> {
    pg::extension_relation(c"triage_internal", c"source")
}

/// Tells every session, at commit, that names of labels have changed.
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
    if let Some(relation) = names_signal() {
        pg::watch_names(relation);
    }
    // What an old snapshot shows does not hold for the next transaction.
    let transaction = match pg::keeps_one_snapshot() {
        true => pg::transaction_time(),
        false => 0,
    };
    let stamp = (pg::name_changes(), transaction);
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
        let Some((relation, place)) = source.label_table.and_then(|relation| {
            pg::label_table(relation, source.id).map(|place| (relation, place))
        }) else {
            return Ok(Names::default());
        };
        let query = format!(
            "SELECT t.{id}::text, t.{name}::text, {retired} FROM {table} AS t WHERE t.{name} IS NOT NULL
              ORDER BY 3, t.{id} LIMIT {most}",
            id = place.id,
            name = place.name,
            table = place.table,
            retired = is_retired(&place),
            most = MOST_NAMES + 1,
        );
        let mut names = Names {
            table: place.table,
            ..Names::default()
        };
        let mut spellings = HashMap::new();
        for label in self.labels(&source.classifier)? {
            spellings.insert(casefold_label(&label).map_err(from_classifier)?, label);
        }
        pg::as_table_owner(relation, pg::OWN_PATH, || {
            let rows = self.connection.run(&query, &[])?;
            rows.probe()?;
            names.has_more = rows.len() > MOST_NAMES;
            for row in rows.iter().take(MOST_NAMES) {
                let (id, name): (String, String) = (row.get(0)?, row.get(1)?);
                let name = name.trim();
                let Ok(casefolded) = casefold_label(name) else {
                    continue;
                };
                if casefolded.is_empty() {
                    continue;
                }
                if row.get::<bool>(2)? {
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
            Ok(())
        })?;
        Ok(names)
    }
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

impl Writer<'_> {
    /// A label has another name: so has it in the lookup table of an attachment, with the rights of
    /// that table's owner. Nothing happens where the table does not have the old one.
    pub fn rename_in_label_table(
        &mut self,
        source: &Source,
        old: &str,
        new: &str,
    ) -> SqlResult<()> {
        let known = names(source)?.unwrap_or_default();
        let Some((relation, place)) = source.label_table.and_then(|relation| {
            pg::label_table(relation, source.id).map(|place| (relation, place))
        }) else {
            return Ok(());
        };
        let Some(id) = known.id_of(old) else {
            return Ok(());
        };
        let statement = format!(
            "UPDATE {} AS t SET {} = $2 WHERE t.{}::text = $1",
            place.table, place.name, place.id
        );
        pg::catching(|| {
            pg::as_table_owner(relation, &source.search_path, || {
                session::as_own_change(session::Change::Label(source.id), || {
                    self.execute(&statement, &[id.into(), new.into()])
                })
            })
        })
        .map(drop)
        .map_err(|message| {
            report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "label \"{new}\" cannot be written to table {}, let it take the name first: {message}",
                    place.table
                ),
            )
        })
    }

    /// A table of the user's has a name that is to be a label.
    pub fn follow_new_label(&mut self, classifier: &str, label: &str) -> SqlResult<()> {
        let arguments = [classifier.into(), label.into()];
        let label = self.call::<Option<String>>("triage.add_label($1, $2)::text", &arguments);
        label.map(drop)
    }

    /// A label has another name in a table of the user's.
    pub fn follow_renamed_label(
        &mut self,
        classifier: &str,
        old: &str,
        new: &str,
    ) -> SqlResult<()> {
        match self.follow_renamed_labels(classifier, None, &[(old, new)])? {
            None => Ok(()),
            Some(problem) => Err(report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                problem,
            )),
        }
    }

    /// A statement has changed names in the lookup table of an attachment: from the first to the
    /// second of each. Returns why some labels cannot follow.
    pub fn follow_renamed_labels(
        &mut self,
        classifier: &str,
        label_table: Option<pg_sys::Oid>,
        renamed: &[(&str, &str)],
    ) -> SqlResult<Option<String>> {
        let (mut old, mut new, mut added) = (Vec::new(), Vec::new(), Vec::new());
        for &(before, after) in renamed {
            if self.label(classifier, before)?.is_none() {
                added.push(after);
                continue;
            }
            old.push(before.to_owned());
            new.push(after.to_owned());
        }
        let problems = match old.is_empty() {
            true => None,
            false => self
                .call::<Option<String>>(
                    "triage_internal.follow_label_names($1, $2, $3, $4)",
                    &[
                        classifier.into(),
                        label_table.into(),
                        old.into(),
                        new.into(),
                    ],
                )?
                .flatten(),
        };
        for label in added {
            self.follow_new_label(classifier, label)?;
        }
        Ok(problems)
    }

    /// Tables that a new name of a label would be written to, and whose owners have not agreed to
    /// that: those of the classifier that do not take their labels from this attachment's lookup
    /// table, unless the owner of its own table has their owners' rights; `None` if there are none.
    pub fn tables_of_others(&self, source: &Source) -> SqlResult<Option<String>> {
        let found = self.value::<Option<String>>(
            "string_agg(s.relation::text, ', ' ORDER BY s.source_id)
               FROM triage_internal.source s
               JOIN pg_class theirs ON theirs.oid = s.relation
               JOIN pg_class ours ON ours.oid = $2
              WHERE s.attached AND s.source_id <> 0 AND s.classifier = $1
                AND s.label_table::oid IS DISTINCT FROM $3
                AND NOT pg_has_role(ours.relowner, theirs.relowner, 'USAGE')",
            &[
                source.classifier.as_str().into(),
                source.relation.into(),
                source.label_table.into(),
            ],
        )?;
        Ok(found.flatten())
    }

    /// An id of a lookup table has no name any more.
    pub fn note_lost_name(&mut self, source: i64, id: &str, name: &str) -> SqlResult<()> {
        self.execute(
            "UPDATE triage_internal.source SET lost_names = lost_names || jsonb_build_object($2, $3)
              WHERE source_id = $1",
            &[source.into(), id.into(), name.into()],
        )
        .map(drop)
    }

    /// The name that an id of a lookup table had before it lost it.
    pub fn lost_name(&self, source: i64, id: &str) -> SqlResult<Option<String>> {
        let found = self.value::<Option<String>>(
            "lost_names ->> $2 FROM triage_internal.source WHERE source_id = $1",
            &[source.into(), id.into()],
        )?;
        Ok(found.flatten())
    }

    /// A label is not to be used any more, says a table of the user's.
    pub fn follow_retired_label(&mut self, classifier: &str, label: &str) -> SqlResult<()> {
        let key = casefold_label(label).map_err(from_classifier)?;
        if let Some(found) = self.label_row(classifier, &key)?
            && !found.is_retired
        {
            let arguments = [classifier.into(), found.label.as_str().into()];
            self.call::<i64>("triage.retire_label($1, $2)", &arguments)?;
        }
        Ok(())
    }
}
