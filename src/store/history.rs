//! Labelled history of a relation, read with the rights of who imports it.

use pgrx::{PgSqlErrorCode as Code, Spi, pg_sys};

use super::connection::Reader;
use super::row::row;
use crate::error::{SqlResult, report};
use crate::pg::{self, Timestamp, check_for_interrupts};
use crate::types::text::TextParts;

/// Emails read at once.
const ROWS_AT_ONCE: i64 = 500;

row! {
    /// How labelled history is read from a relation.
    pub struct History {
        /// Gives text columns, label, time and the columns of the key.
        query: String = "triage_internal.history_query($1::oid::regclass, $2, $3, $4::oid::regclass, $5, $6)",
        /// How many text columns these are.
        columns: i32 = "cardinality(triage_internal.text_names($1::oid::regclass, $2))",
        /// How the text is made of them.
        text_paths: Option<String> = "triage_internal.text_paths($1::oid::regclass, $2)::text",
        /// How many columns the key has; 0 without a primary key.
        keys: i32 = "coalesce(cardinality(triage_internal.primary_key($1::oid::regclass)), 0)",
        /// The name under which the relation's rows are reviewed.
        pub source: String = "triage_internal.source_name($1::oid::regclass)",
        /// Counts the labels.
        counts: String =
            "format('SELECT %s, pg_catalog.count(*) FROM %s AS t GROUP BY 1 ORDER BY 2 DESC, 1',
                    triage_internal.label_expression($1::oid::regclass, $3, $4::oid::regclass, $5), $1::oid::regclass)",
    }
}

/// Where a relation has the labels.
#[derive(Debug, Clone, Copy)]
pub struct LabelPlace<'a> {
    /// The column with the labels, or with their ids.
    pub column: &'a str,
    /// The lookup table with the names of the ids.
    pub table: Option<pg_sys::Oid>,
    /// Its column with the names; `None` to find it.
    pub name_column: Option<&'a str>,
}

/// An email of the past.
pub struct PastEmail {
    pub key: Option<String>,
    pub text: String,
    pub label: Option<String>,
    /// When it was received, if a column says so.
    pub received_at: Option<Timestamp>,
}

impl Reader<'_> {
    /// How labelled history is read from a relation.
    pub fn history(
        &self,
        relation: pg_sys::Oid,
        text_columns: &[Option<String>],
        label: LabelPlace,
        received_at_column: Option<&str>,
    ) -> SqlResult<History> {
        self.one(
            "",
            &[
                relation.into(),
                text_columns.to_vec().into(),
                label.column.into(),
                label.table.into(),
                label.name_column.into(),
                received_at_column.into(),
            ],
        )
    }
}

impl History {
    /// All labels with the number of their emails, the most frequent first, with the rights of
    /// the current user.
    pub fn labels(&self) -> SqlResult<Vec<(String, i64)>> {
        Spi::connect_mut(|client| {
            let rows = pg::execute_once(client, &self.counts)?;
            let mut labels = Vec::new();
            for row in rows.iter() {
                let (label, count) = (row.get::<Option<String>>(0)?, row.get(1)?);
                labels.extend(label.map(|label| (label, count)));
            }
            Ok(labels)
        })
    }

    /// Passes on all emails, some at a time, with the rights of the current user.
    pub fn emails(
        &self,
        mut pass_on: impl FnMut(&mut dyn Iterator<Item = SqlResult<PastEmail>>) -> SqlResult<()>,
    ) -> SqlResult<()> {
        let text = TextParts::of(self.text_paths.as_deref());
        let columns = self.columns.max(0) as usize;
        Spi::connect_mut(|client| {
            let cursor = client
                .try_open_cursor_mut(self.query.as_str(), &[])
                .map_err(|error| report(Code::ERRCODE_INTERNAL_ERROR, error.to_string()))?;
            let cursor = pgrx::spi::quote_identifier(cursor.detach_into_name());
            let fetch = format!("FETCH {ROWS_AT_ONCE} FROM {cursor}");
            loop {
                check_for_interrupts();
                let rows = pg::execute_once(client, &fetch)?;
                if rows.len() == 0 {
                    break;
                }
                // One text at a time is copied: they may be large.
                pass_on(&mut rows.iter().map(|row| {
                    Ok(PastEmail {
                        key: match self.keys {
                            1.. => row.key(columns + 2..columns + 2 + self.keys as usize)?,
                            _ => None,
                        },
                        text: text.text(columns, &|column, most| row.content(column, most))?,
                        label: row.get(columns)?,
                        received_at: row.get(columns + 1)?,
                    })
                }))?;
            }
            pg::execute_once(client, &format!("CLOSE {cursor}"))?;
            Ok(())
        })
    }
}
