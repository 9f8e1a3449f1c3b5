//! What foreign keys of attached tables refer to.

use pgrx::datum::DatumWithOid;

use super::connection::Writer;
use crate::error::SqlResult;
use crate::pg::{self, ForeignKey};

impl Writer<'_> {
    /// Whether there is the row that a foreign key refers to, which then stays until the
    /// transaction ends. It is read with the rights of its table's owner, as the server does.
    pub fn lock_referenced(&mut self, key: &ForeignKey, values: &[String]) -> SqlResult<bool> {
        let same: Vec<_> = (1..)
            .zip(&key.columns)
            .map(|(number, column)| {
                let (name, equals, own_type) = (&column.name, &column.equals, &column.own_type);
                format!("k.{name} {equals} CAST(${number} AS {own_type})")
            })
            .collect();
        let query = format!(
            "SELECT FROM {} AS k WHERE {} FOR KEY SHARE",
            key.table,
            same.join(" AND ")
        );
        let values: Vec<DatumWithOid> = values.iter().map(|value| value.as_str().into()).collect();
        pg::as_table_owner(key.referenced, pg::OWN_PATH, || {
            Ok(self.connection.run(&query, &values)?.len() > 0)
        })
    }
}
