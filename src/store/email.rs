//! Rows of attached tables: texts and labels, read and written with the rights of the table's
//! owner.

use pgrx::PgSqlErrorCode as Code;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::panic::ErrorReport;

use super::connection::{Reader, Writer};
use super::label_table::names;
use super::review::is_aside;
use super::source::Source;
use crate::error::{SqlResult, report};
use crate::pg::{self, AttachedTable, KeyColumn, ResultRow, Timestamp};
use crate::session;

/// What is read of an email that is being decided about.
pub struct Email {
    /// Its text, as far as it is read.
    pub text: String,
    /// The label in its row.
    pub label: Option<String>,
    /// Where that is.
    pub place: AttachedTable,
}

/// A row without a label.
pub struct Unlabelled {
    pub key: String,
    /// Its text, as far as it is read.
    pub text: String,
    /// When the email was received, if a column says so.
    pub received_at: Option<Timestamp>,
}

/// When the email of a row, under the name `t`, was received.
fn received_at(place: &AttachedTable) -> String {
    match &place.received_at {
        Some(column) => {
            format!("CASE WHEN isfinite(t.{column}::timestamptz) THEN t.{column}::timestamptz END")
        }
        None => "NULL::timestamptz".to_owned(),
    }
}

/// What to do about a row that another transaction has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfLocked {
    /// Wait for it. Only for who has no lock on the review: rows are locked in the order
    /// email, review, so that nobody waits in a circle.
    Wait,
    /// Fail, as a conflict.
    Fail,
    /// Act as if it were not there.
    Skip,
}

/// The text of an email whose text columns are those of a row from `first` on: as the triggers of
/// the table read it.
fn text_of(
    source: &Source,
    place: &AttachedTable,
    row: &ResultRow,
    first: usize,
) -> SqlResult<String> {
    source.text.text(place.texts.len(), &|column, most| {
        row.content(first + column, most)
    })
}

/// The row with the key of which the columns are $1, $2 and so on.
fn has_key(place: &AttachedTable) -> String {
    let same = |(number, key): (usize, &KeyColumn)| {
        let KeyColumn {
            name,
            equals,
            type_name,
            ..
        } = key;
        format!("{name} {equals} CAST(${number} AS {type_name})")
    };
    let same: Vec<_> = (1..).zip(&place.keys).map(same).collect();
    same.join(" AND ")
}

/// The row, under the name `t`, with the key of which the texts of the columns are k1, k2 and so on.
pub(super) fn has_key_of(place: &AttachedTable) -> String {
    let same = |(number, key): (usize, &KeyColumn)| {
        format!(
            "t.{} {} CAST(k{number} AS {})",
            key.name, key.equals, key.type_name
        )
    };
    let same: Vec<_> = (1..).zip(&place.keys).map(same).collect();
    same.join(" AND ")
}

/// Keys in the order of the table, under the name `t`: those after the one of which the columns
/// are `$first` and so on.
fn follows_key(place: &AttachedTable, first: usize) -> String {
    let value =
        |(number, key): (usize, &KeyColumn)| format!("CAST(${number} AS {})", key.type_name);
    let values: Vec<_> = (first..).zip(&place.keys).map(value).collect();
    let operators = place.keys.iter().map(|key| &key.follows);
    // An index finds it so, if one operator compares all columns.
    if let Some(operator) = place.keys.first().map(|key| &key.follows)
        && operators.clone().all(|other| other == operator)
    {
        let names = names_of(place).join(", ");
        return format!("ROW({names}) {operator} ROW({})", values.join(", "));
    }
    let later: Vec<_> = (0..place.keys.len())
        .map(|n| {
            let same = (0..n).map(|n| (&place.keys[n], &values[n]));
            let mut all: Vec<_> = same
                .map(|(key, value)| format!("t.{} {} {value}", key.name, key.equals))
                .collect();
            let key = &place.keys[n];
            all.push(format!("t.{} {} {}", key.name, key.follows, values[n]));
            all.join(" AND ")
        })
        .collect();
    format!("({})", later.join(" OR "))
}

/// Key columns of the table under the name `t`. Qualified, because by itself a name could mean a
/// column of the result.
pub(super) fn names_of(place: &AttachedTable) -> Vec<String> {
    let named = |key: &KeyColumn| format!("t.{}", key.name);
    place.keys.iter().map(named).collect()
}

fn arguments(parts: &[String]) -> Vec<DatumWithOid<'_>> {
    parts.iter().map(|part| part.as_str().into()).collect()
}

impl Reader<'_> {
    /// Reads an email, whoever has its row locked; `None` if it is gone, or its table is not
    /// attached.
    pub fn email(&self, source: &Source, key: &str) -> SqlResult<Option<Email>> {
        self.find_email(source, key, "")
    }

    pub(super) fn find_email(
        &self,
        source: &Source,
        key: &str,
        lock: &str,
    ) -> SqlResult<Option<Email>> {
        if !source.attached || is_aside(key) {
            return Ok(None);
        }
        let Some(place) = source.table() else {
            return Ok(None);
        };
        let Some(parts) = pg::key_parts(key, place.keys.len()) else {
            return Ok(None);
        };
        let names = names(source)?;
        let query = format!(
            "SELECT {}, {}::text FROM {} WHERE {} {lock}",
            place.texts.join(", "),
            place.label,
            place.table,
            has_key(&place),
        );
        pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            let rows = self.connection.run(&query, &arguments(&parts))?;
            let Some(row) = rows.iter().next() else {
                return Ok(None);
            };
            let label: Option<String> = row.get(place.texts.len())?;
            let label = label.filter(|label| source.empty_label.as_ref() != Some(label));
            Ok(Some(Email {
                text: text_of(source, &place, &row, 0)?,
                label: match &names {
                    Some(names) => label.map(|id| names.name_of(&id)),
                    None => label,
                },
                place,
            }))
        })
    }

    /// The key of the row that has this one, as it is spelled there.
    pub fn stored_key(&self, source: &Source, key: &str) -> SqlResult<Option<String>> {
        let Some(place) = source.table() else {
            return Ok(None);
        };
        let Some(parts) = pg::key_parts(key, place.keys.len()) else {
            return Ok(None);
        };
        let query = format!(
            "SELECT {} FROM {} AS t WHERE {}",
            names_of(&place).join(", "),
            place.table,
            has_key(&place)
        );
        pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            let rows = self.connection.run(&query, &arguments(&parts))?;
            let row = rows.iter().next();
            let found = row.map(|row| row.key(0..place.keys.len())).transpose()?;
            Ok(found.flatten())
        })
    }
}

impl Writer<'_> {
    /// Reads an email and locks its row against changes; `None` if it is gone, or its table is
    /// not attached.
    pub fn lock_email(
        &mut self,
        source: &Source,
        key: &str,
        if_locked: IfLocked,
    ) -> SqlResult<Option<Email>> {
        let lock = match if_locked {
            IfLocked::Wait => "FOR NO KEY UPDATE",
            IfLocked::Fail | IfLocked::Skip => "FOR NO KEY UPDATE SKIP LOCKED",
        };
        let found = self.find_email(source, key, lock)?;
        if found.is_none() && if_locked == IfLocked::Fail && self.email(source, key)?.is_some() {
            self.check_not_hidden_from_change(source, key)?;
            return Err(being_changed(key, source));
        }
        Ok(found)
    }

    /// Sets the label in an email's row. Triggers of the table run as for its owner; it is an
    /// error if the row has another label after those that fire before it is written.
    pub fn write_label(
        &mut self,
        source: &Source,
        place: &AttachedTable,
        key: &str,
        label: Option<&str>,
    ) -> SqlResult<()> {
        let refused = || not_written(key, source, label);
        let parts = pg::key_parts(key, place.keys.len()).ok_or_else(refused)?;
        let names = names(source)?;
        let stored = match (&names, label) {
            (Some(names), Some(label)) => Some(names.id_of(label).ok_or_else(|| {
                let refusal = names.refusal(label).unwrap_or_default();
                report(Code::ERRCODE_FOREIGN_KEY_VIOLATION, refusal)
            })?),
            (_, None) => source.empty_label.as_deref(),
            (None, label) => label,
        };
        let statement = format!(
            "UPDATE {} SET {} = CAST(${} AS {}) WHERE {} RETURNING {}::text",
            place.table,
            place.label,
            parts.len() + 1,
            place.label_type,
            has_key(place),
            place.label,
        );
        let mut given = arguments(&parts);
        given.push(stored.into());
        pg::as_table_owner(source.relation, &source.search_path, || {
            session::as_own_change(session::Change::Label(source.id), || {
                let written = self.returning_values::<Option<String>>(&statement, &given)?;
                match written.first() {
                    Some(written) if written.as_deref() == stored => Ok(()),
                    _ => Err(refused()),
                }
            })
        })
    }

    /// Keys and texts of rows without a label, locked, in the order of their keys after
    /// `after`, as many as asked for; those that another transaction has locked are left out.
    pub fn lock_unlabelled(
        &mut self,
        source: &Source,
        place: &AttachedTable,
        after: Option<&str>,
        most: i64,
    ) -> SqlResult<Vec<Unlabelled>> {
        let texts: Vec<_> = place.texts.iter().map(|text| format!("t.{text}")).collect();
        let keys = place.keys.len();
        let parts = after.and_then(|after| pg::key_parts(after, keys));
        let after = match &parts {
            Some(_) => format!("AND {}", follows_key(place, 2)),
            None => String::new(),
        };
        let names = names_of(place).join(", ");
        let empty = match &source.empty_label {
            Some(_) => format!(
                "OR t.{}::text = ${}",
                place.label,
                2 + parts.as_ref().map_or(0, Vec::len)
            ),
            None => String::new(),
        };
        let query = format!(
            "SELECT {names}, {text}, {received_at} FROM {table} AS t
              WHERE (t.{label} IS NULL OR btrim(t.{label}::text) = '' {empty}) {after}
              ORDER BY {names} LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED",
            text = texts.join(", "),
            table = place.table,
            label = place.label,
            received_at = received_at(place),
        );
        let mut given = vec![most.into()];
        given.extend(arguments(parts.as_deref().unwrap_or_default()));
        given.extend(source.empty_label.as_deref().map(DatumWithOid::from));
        pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            let rows = self.connection.run(&query, &given)?;
            rows.probe()?;
            let mut found = Vec::new();
            for row in rows.iter() {
                let Some(key) = row.key(0..keys)? else {
                    continue;
                };
                found.push(Unlabelled {
                    key,
                    text: text_of(source, place, &row, keys)?,
                    received_at: row.get(keys + place.texts.len())?,
                });
            }
            Ok(found)
        })
    }
}

fn not_written(key: &str, source: &Source, label: Option<&str>) -> ErrorReport {
    let label = label.map_or("NULL".to_owned(), |label| format!("\"{label}\""));
    report(
        Code::ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION,
        format!(
            "a trigger or rule of {} keeps the label of email \"{key}\" from being {label}: change it so that it lets the label through",
            source.name
        ),
    )
}

/// A conflict with another session that changes an email.
pub fn being_changed(key: &str, source: &Source) -> ErrorReport {
    report(
        Code::ERRCODE_T_R_SERIALIZATION_FAILURE,
        format!(
            "email \"{key}\" in {} is being changed by another session: try again",
            source.name
        ),
    )
}
