//! What foreign keys of attached tables refer to.

use pgrx::datum::DatumWithOid;

use super::connection::Writer;
use crate::error::SqlResult;
use crate::pg::{self, ForeignKey};

/// The row that a foreign key refers to: `FROM`, with `locked` at its end.
fn referenced(key: &ForeignKey, locked: &str) -> String {
    let same: Vec<_> = (1..)
        .zip(&key.columns)
        .map(|(number, column)| {
            let (name, equals, own_type) = (&column.name, &column.equals, &column.own_type);
            format!("k.{name} {equals} CAST(${number} AS {own_type})")
        })
        .collect();
    format!(
        "FROM {} AS k WHERE {} {locked}",
        key.table,
        same.join(" AND ")
    )
}

impl Writer<'_> {
    /// Whether there is the row that a foreign key refers to, which then stays until the
    /// transaction ends. It is read with the rights of its table's owner, as the server does.
    pub fn lock_referenced(&mut self, key: &ForeignKey, values: &[String]) -> SqlResult<bool> {
        self.find_referenced(key, values, "FOR KEY SHARE")
    }

    /// Whether there is the row that a foreign key refers to.
    pub fn is_referenced(&mut self, key: &ForeignKey, values: &[String]) -> SqlResult<bool> {
        self.find_referenced(key, values, "")
    }

    fn find_referenced(
        &mut self,
        key: &ForeignKey,
        values: &[String],
        locked: &str,
    ) -> SqlResult<bool> {
        let values: Vec<DatumWithOid> = values.iter().map(|value| value.as_str().into()).collect();
        pg::as_table_owner(key.referenced, pg::OWN_PATH, || {
            self.exists(&referenced(key, locked), &values)
        })
    }

    /// Whether a foreign key follows the key that it refers to.
    pub fn updates_cascade(&mut self, key: &ForeignKey) -> SqlResult<bool> {
        self.exists(
            "FROM pg_constraint WHERE oid = $1 AND confupdtype = 'c'",
            &[key.number.into()],
        )
    }
}
