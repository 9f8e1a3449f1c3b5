//! Policies of attached tables and views over them: what they ask of a row that is about to be
//! written.

use super::connection::Reader;
use super::source::Source;
use crate::error::SqlResult;
use crate::pg::{self, Row, Sees};

/// What the policies of a table ask of a row that a user writes.
#[derive(Debug)]
pub struct Policy {
    /// Says it of the row that is its parameter.
    query: String,
}

impl Reader<'_> {
    /// The policies of an attached table for rows that this user inserts, or updates, if one of them
    /// depends on one of these columns. `None` also where no policy is for this user: who may write
    /// all the same does so through a view, under the policies on its owner.
    pub fn policy(
        &self,
        source: &Source,
        user: &str,
        is_update: bool,
        columns: Vec<i32>,
    ) -> SqlResult<Option<Policy>> {
        let command = if is_update { "w" } else { "a" };
        // As the server puts them together: one that is permissive, and all that restrict.
        let query = self.value(
            "format('SELECT (%s)%s FROM (SELECT ($1).*) AS %I',
                    string_agg(p.condition, ' OR ') FILTER (WHERE p.polpermissive),
                    string_agg(' AND ' || p.condition, '') FILTER (WHERE NOT p.polpermissive), c.relname)
               FROM pg_class c
               JOIN (SELECT p.polrelid, p.polpermissive,
                            format('coalesce((%s), false)', coalesce(pg_get_expr(p.polwithcheck, p.polrelid),
                                                                     pg_get_expr(p.polqual, p.polrelid))) AS condition,
                            EXISTS (SELECT FROM pg_depend d
                                     WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                                       AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.polrelid
                                       -- 0 is the whole row.
                                       AND (d.refobjsubid = ANY ($4) OR d.refobjsubid = 0 AND d.deptype = 'n'))
                                AS is_about_label
                       FROM pg_policy p
                      WHERE p.polcmd::text IN ('*', $3) AND coalesce(p.polwithcheck, p.polqual) IS NOT NULL
                        AND EXISTS (SELECT FROM unnest(p.polroles) AS r
                                     WHERE r = 0 OR pg_has_role($2::name, r, 'USAGE'))) p ON p.polrelid = c.oid
              WHERE c.oid = $1 GROUP BY c.relname
             HAVING bool_or(p.polpermissive) AND bool_or(p.is_about_label)",
            &[
                source.relation.into(),
                user.into(),
                command.into(),
                columns.into(),
            ],
        )?;
        Ok(query.map(|query| Policy { query }))
    }

    /// Views with a check option that depend on a column of an attached table.
    pub fn checking_views(&self, source: &Source, column: i16) -> SqlResult<Vec<String>> {
        self.values(
            "v.oid::regclass::text
               FROM pg_class v
              WHERE v.relkind = 'v' AND v.reloptions && ARRAY['check_option=local', 'check_option=cascaded']
                AND EXISTS (SELECT FROM pg_rewrite r JOIN pg_depend d ON d.objid = r.oid
                             WHERE r.ev_class = v.oid AND d.classid = 'pg_rewrite'::regclass
                               AND d.refclassid = 'pg_class'::regclass
                               AND d.refobjid = $1 AND d.refobjsubid = $2)
              ORDER BY 1",
            &[source.relation.into(), i32::from(column).into()],
        )
    }
}

impl Policy {
    /// Whether they let a row be written. Runs what they call as the server does a moment later, as
    /// the current user; where the server has them parsed, a search path must not give them another
    /// meaning.
    pub fn lets(&self, row: &Row) -> SqlResult<bool> {
        pg::on_path(pg::OWN_PATH, || {
            pg::connected(Sees::Now, |connection| {
                let rows = connection.run(&self.query, &[row.argument()])?;
                let first = rows.iter().next();
                let lets = first.map(|row| row.get::<bool>(0)).transpose()?;
                Ok(lets.unwrap_or(false))
            })
        })
    }
}
