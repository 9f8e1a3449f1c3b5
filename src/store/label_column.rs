//! Label columns of attached tables, when a label gets another name: with the rights of the
//! table's owner, and not as decisions.

use pgrx::PgSqlErrorCode as Code;
use pgrx::datum::DatumWithOid;

use super::connection::{Reader, Writer};
use super::row::row;
use super::source::Source;
use crate::error::{SqlResult, report};
use crate::pg::{self, AttachedTable};
use crate::session;

/// Blocks of a table that one statement rewrites: 16 MB.
const BLOCKS_AT_ONCE: i64 = 2048;

row! {
    /// What a label column can hold.
    struct ColumnKind {
        /// Its enum, if it is of one; a domain counts as what it is over.
        enum_type: Option<String> = "CASE WHEN t.typtype = 'e' THEN format('%I.%I', n.nspname, t.typname) END",
        has_old: bool = "EXISTS (SELECT FROM pg_enum e WHERE e.enumtypid = t.oid AND e.enumlabel = $3::name)",
        has_new: bool = "EXISTS (SELECT FROM pg_enum e WHERE e.enumtypid = t.oid AND e.enumlabel = $4::name)",
        is_text: bool = "t.typcategory IN ('S', 'E')",
        /// The largest of the files that its rows are in.
        blocks: i64 =
            "(WITH RECURSIVE tree (oid) AS (
                  SELECT $1::oid
                   UNION ALL
                  SELECT i.inhrelid FROM pg_inherits i JOIN tree ON tree.oid = i.inhparent)
              SELECT max(coalesce(pg_relation_size(oid), 0)) / current_setting('block_size')::bigint FROM tree)",
    }
}

/// A label's old and new name, or ids of both where the column has these.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    pub old: &'a str,
    pub new: &'a str,
}

impl Reader<'_> {
    fn column_kind(
        &self,
        source: &Source,
        place: &AttachedTable,
        names: Names,
    ) -> SqlResult<Option<ColumnKind>> {
        self.maybe(
            "FROM pg_attribute a
               JOIN pg_type d ON d.oid = a.atttypid
               JOIN pg_type t ON t.oid = coalesce(nullif(d.typbasetype, 0), d.oid)
               JOIN pg_namespace n ON n.oid = t.typnamespace
              WHERE a.attrelid = $1 AND quote_ident(a.attname) = $2",
            &[
                source.relation.into(),
                place.label.as_str().into(),
                names.old.into(),
                names.new.into(),
            ],
        )
    }
}

impl Writer<'_> {
    /// Gives all rows of an attached table with one label another. `each` gets the number of rows
    /// after some megabytes, and their keys where these are `wanted`. Of a column that refers to a
    /// lookup table `names` are the ids.
    pub fn relabel_rows(
        &mut self,
        source: &Source,
        place: &AttachedTable,
        names: Names,
        wanted: bool,
        mut each: impl FnMut(&mut Self, usize, Vec<String>) -> SqlResult<()>,
    ) -> SqlResult<()> {
        let Some(kind) = self.column_kind(source, place, names)? else {
            return Ok(());
        };
        if !kind.is_text && source.label_table.is_none() {
            return Ok(());
        }
        if source.label_table.is_none()
            && let Some(enum_type) = &kind.enum_type
            && kind.has_old
            && !kind.has_new
        {
            return self.rename_value(source, place, enum_type, names);
        }
        let keys: Vec<_> = place.keys.iter().map(|key| key.name.as_str()).collect();
        let returning = match wanted {
            true => format!("RETURNING {}", keys.join(", ")),
            false => String::new(),
        };
        let statement = format!(
            "UPDATE {table} SET {label} = CAST($2 AS {kind})
              WHERE {label}::text = $1 AND ctid >= CAST($3 AS tid) AND ctid < CAST($4 AS tid)
              {returning}",
            table = place.table,
            label = place.label,
            kind = place.label_type,
        );
        let mut block = 0;
        while block <= kind.blocks {
            pg::check_for_interrupts();
            let range = [block, block + BLOCKS_AT_ONCE].map(|block| format!("({block},0)"));
            let given = [
                names.old.into(),
                names.new.into(),
                range[0].as_str().into(),
                range[1].as_str().into(),
            ];
            let (rows, keys) = self.write_rows(source, place, names, &statement, &given, wanted)?;
            if rows > 0 {
                each(self, rows, keys)?;
            }
            block += BLOCKS_AT_ONCE;
        }
        self.check_relabelled(source, place, names)
    }

    /// Gives rows with these keys and one label another; returns how many.
    pub fn relabel_keys(
        &mut self,
        source: &Source,
        place: &AttachedTable,
        names: Names,
        keys: &[String],
    ) -> SqlResult<usize> {
        let mut written = 0;
        let same: Vec<_> = (3..)
            .zip(&place.keys)
            .map(|(number, key)| {
                format!(
                    "{} {} CAST(${number} AS {})",
                    key.name, key.equals, key.type_name
                )
            })
            .collect();
        let statement = format!(
            "UPDATE {} SET {label} = CAST($2 AS {}) WHERE {label}::text = $1 AND {}",
            place.table,
            place.label_type,
            same.join(" AND "),
            label = place.label,
        );
        for key in keys {
            pg::check_for_interrupts();
            let Some(parts) = pg::key_parts(key, place.keys.len()) else {
                continue;
            };
            let mut given: Vec<DatumWithOid> = vec![names.old.into(), names.new.into()];
            given.extend(parts.iter().map(|part| DatumWithOid::from(part.as_str())));
            written += self
                .write_rows(source, place, names, &statement, &given, false)?
                .0;
        }
        Ok(written)
    }

    /// Runs a statement on a table with the rights of its owner; how many rows, and their keys
    /// where these are wanted.
    fn write_rows(
        &mut self,
        source: &Source,
        place: &AttachedTable,
        names: Names,
        statement: &str,
        given: &[DatumWithOid],
        wanted: bool,
    ) -> SqlResult<(usize, Vec<String>)> {
        let written = pg::catching(|| {
            pg::as_table_owner(source.relation, &source.search_path, || {
                session::as_own_change(session::Change::Label(source.id), || {
                    let rows = self.connection.run(statement, given)?;
                    let mut keys = Vec::new();
                    if wanted {
                        rows.probe()?;
                        for row in rows.iter() {
                            keys.extend(row.key(0..place.keys.len())?);
                        }
                    }
                    Ok((rows.len(), keys))
                })
            })
        });
        written.map_err(|message| {
            report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "label \"{}\" cannot be written to column {} of {}, let the column take it first: {message}",
                    names.new, place.label, source.name
                ),
            )
        })
    }

    /// Refuses a change that triggers or policies of a table have not let through.
    fn check_relabelled(
        &mut self,
        source: &Source,
        place: &AttachedTable,
        names: Names,
    ) -> SqlResult<()> {
        let left = format!(
            "FROM {} WHERE {}::text = $1 LIMIT 1",
            place.table, place.label
        );
        let is_left = pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            self.exists(&left, &[names.old.into()])
        })?;
        if !is_left {
            return Ok(());
        }
        Err(report(
            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "a trigger of {} does not let label \"{}\" become \"{}\": disable it meanwhile, or let it",
                source.name, names.old, names.new
            ),
        ))
    }

    /// Renames a value of an enum: all rows follow at once, of other tables, too.
    fn rename_value(
        &mut self,
        source: &Source,
        place: &AttachedTable,
        enum_type: &str,
        names: Names,
    ) -> SqlResult<()> {
        let quoted = |name: &str| pgrx::spi::quote_literal(name);
        let statement = format!(
            "ALTER TYPE {enum_type} RENAME VALUE {} TO {}",
            quoted(names.old),
            quoted(names.new)
        );
        pg::catching(|| {
            pg::as_table_owner(source.relation, pg::OWN_PATH, || {
                self.execute(&statement, &[])
            })
        })
        .map(drop)
        .map_err(|message| {
            report(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!(
                    "column {} of {} cannot hold label \"{}\" ({message}): let the owner of the type run {statement}, then call this again",
                    place.label, source.name, names.new
                ),
            )
        })
    }
}
