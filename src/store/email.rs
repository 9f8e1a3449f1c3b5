//! Rows of attached tables: texts and labels, read and written with the rights of the table's
//! owner.

use pg_triage_classifier::tokenizer::MAX_TEXT_BYTES;
use pgrx::PgSqlErrorCode as Code;

use super::connection::{Reader, Writer};
use super::review::is_aside;
use super::source::Source;
use crate::error::{SqlResult, report};
use crate::pg::{self, AttachedTable, ResultRow};
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

/// What to do about a row that another transaction has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfLocked {
    /// Wait for it. Only for who has no lock on the review: rows are locked in the order
    /// email, review, so that nobody waits in a circle.
    Wait,
    /// Fail, as a conflict.
    Fail,
}

/// Two texts of a row, under names that depend on the table.
struct Texts {
    first: Option<String>,
    second: Option<String>,
}

impl Texts {
    fn of(row: &ResultRow) -> SqlResult<Self> {
        Ok(Self {
            first: row.get(0)?,
            second: row.get(1)?,
        })
    }
}

/// The text that is classified, as far as it is read, of columns that may be qualified.
fn text_of(columns: &[String]) -> String {
    format!(
        "left(concat_ws(E'\\n', {}), {})",
        columns.join(", "),
        MAX_TEXT_BYTES + 1
    )
}

/// Where the row with key $1 is.
fn from_key(place: &AttachedTable) -> String {
    format!(
        "FROM {} WHERE {} {} CAST($1 AS {})",
        place.table, place.key, place.key_equals, place.key_type
    )
}

impl Reader<'_> {
    /// Reads an email, whoever has its row locked; `None` if it is gone, or its table is not
    /// attached.
    pub fn email(&self, source: &Source, key: &str) -> SqlResult<Option<Email>> {
        self.find_email(source, key, "")
    }

    fn find_email(&self, source: &Source, key: &str, lock: &str) -> SqlResult<Option<Email>> {
        if !source.attached || is_aside(key) {
            return Ok(None);
        }
        let Some(place) = pg::attached_table(source.relation, source.id) else {
            return Ok(None);
        };
        let query = format!(
            "SELECT {}, {}::text {} {lock}",
            text_of(&place.texts),
            place.label,
            from_key(&place)
        );
        pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            let rows = self.connection.run(&query, &[key.into()])?;
            let found = rows.iter().next().map(|row| Texts::of(&row)).transpose()?;
            Ok(found.map(|found| Email {
                text: found.first.unwrap_or_default(),
                label: found.second,
                place,
            }))
        })
    }

    /// The key of the row that has this one, as it is spelled there.
    pub fn stored_key(&self, source: &Source, key: &str) -> SqlResult<Option<String>> {
        let Some(place) = pg::attached_table(source.relation, source.id) else {
            return Ok(None);
        };
        let query = format!(
            "{key}::text FROM {table} WHERE {key} {equals} CAST($1 AS {kind})",
            key = place.key,
            table = place.table,
            equals = place.key_equals,
            kind = place.key_type
        );
        pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            Ok(self.value(&query, &[key.into()])?.flatten())
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
            IfLocked::Fail => "FOR NO KEY UPDATE SKIP LOCKED",
        };
        let found = self.find_email(source, key, lock)?;
        if found.is_none() && if_locked == IfLocked::Fail && self.email(source, key)?.is_some() {
            return Err(being_changed(key, source));
        }
        Ok(found)
    }

    /// Sets the label in an email's row; false if a trigger of the table would not have it.
    /// These run as for its owner.
    pub fn write_label(
        &mut self,
        source: &Source,
        place: &AttachedTable,
        key: &str,
        label: Option<&str>,
    ) -> SqlResult<bool> {
        let statement = format!(
            "UPDATE {} SET {} = $2 WHERE {} {} CAST($1 AS {})",
            place.table, place.label, place.key, place.key_equals, place.key_type
        );
        pg::as_table_owner(source.relation, &source.search_path, || {
            session::as_own_change(session::Change::Label(source.id), || {
                Ok(self.execute(&statement, &[key.into(), label.into()])? > 0)
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
    ) -> SqlResult<Vec<(String, String)>> {
        let texts: Vec<_> = place.texts.iter().map(|text| format!("t.{text}")).collect();
        let query = format!(
            // Qualified: by itself the name would mean the column of the result, which is text.
            "SELECT t.{key}::text, {text} FROM {table} t
              WHERE (t.{label} IS NULL OR btrim(t.{label}) = '')
                AND ($2 IS NULL OR t.{key} {follows} CAST($2 AS {kind}))
              ORDER BY t.{key} LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED",
            key = place.key,
            text = text_of(&texts),
            table = place.table,
            label = place.label,
            follows = place.key_follows,
            kind = place.key_type,
        );
        pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            let rows = self.connection.run(&query, &[most.into(), after.into()])?;
            rows.probe()?;
            let found = rows.iter().map(|row| Texts::of(&row));
            let found = found.collect::<SqlResult<Vec<_>>>()?.into_iter();
            Ok(found.filter_map(|t| t.first.zip(t.second)).collect())
        })
    }
}

/// A conflict with another session that changes an email.
pub fn being_changed(key: &str, source: &Source) -> pgrx::pg_sys::panic::ErrorReport {
    report(
        Code::ERRCODE_T_R_SERIALIZATION_FAILURE,
        format!(
            "email \"{key}\" in {} is being changed by another session: try again",
            source.name
        ),
    )
}
