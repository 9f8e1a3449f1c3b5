//! What new rows of attached tables have in their label column unless somebody says otherwise.

use super::connection::Writer;
use super::source::Source;
use crate::error::SqlResult;
use crate::pg;

impl Writer<'_> {
    /// The default of the label column of an attached table, or of its type, in text form; `None`
    /// if it is null. It is computed as for the table's owner.
    pub fn label_default(&mut self, source: &Source) -> SqlResult<Option<String>> {
        let (Some(place), Some(column)) = (source.table(), source.label_column()) else {
            return Ok(None);
        };
        let expression: Option<Option<String>> = self.value(
            "coalesce(pg_get_expr(d.adbin, d.adrelid), pg_get_expr(t.typdefaultbin, 0))
               FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
               LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
              WHERE a.attrelid = $1 AND a.attnum = $2",
            &[source.relation.into(), i32::from(column).into()],
        )?;
        let Some(expression) = expression.flatten() else {
            return Ok(None);
        };
        let query = format!("CAST(({expression}) AS {})::text", place.label_type);
        // One that fails fails every INSERT that needs it, too.
        let default = pg::catching(|| {
            pg::as_table_owner(source.relation, pg::OWN_PATH, || {
                self.value::<Option<String>>(&query, &[])
            })
        });
        Ok(default.unwrap_or_default().flatten())
    }

    /// Notes which value of the label column counts as no label.
    pub fn set_empty_label(&mut self, source: &Source, empty: Option<&str>) -> SqlResult<()> {
        if source.empty_label.as_deref() == empty {
            return Ok(());
        }
        self.execute(
            "UPDATE triage_internal.source SET empty_label = $2 WHERE source_id = $1",
            &[source.id.into(), empty.into()],
        )
        .map(drop)
    }
}
