//! Rows that policies hide from the owner of their table, with whose rights they are read: one
//! that is not found may be there all the same.

use pgrx::PgSqlErrorCode as Code;
use pgrx::pg_sys::panic::ErrorReport;

use super::connection::{Reader, Writer};
use super::review::is_aside;
use super::row::row;
use super::source::Source;
use crate::error::{SqlResult, report};
use crate::pg;

row! {
    /// A table and its owner, as SQL writes their names.
    struct Owned {
        table: String = "coalesce(c.oid::regclass::text, '')",
        owner: String = "quote_ident(pg_get_userbyid(c.relowner))",
    }
}

impl Owned {
    fn reason(&self, as_session: &str) -> String {
        let Owned { table, owner } = self;
        format!(
            "row-level security applies to {owner}, who owns {table}, too: {as_session}ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, or ALTER ROLE {owner} BYPASSRLS"
        )
    }
}

impl Reader<'_> {
    /// Why rows of a table may be there and not be seen, and what to do about it; `None` if no
    /// row-level security applies to its owner.
    pub fn hidden_rows(&self, source: &Source) -> SqlResult<Option<String>> {
        let owned = self.subject_to_policies(source)?;
        Ok(owned.map(|owned| owned.reason("set in this session what its policies ask for, or ")))
    }

    /// Refuses what has to reach all rows of a table, where policies may hide some: no session can
    /// tell that it sees all of them.
    pub fn check_sees_all(&self, source: &Source) -> SqlResult<()> {
        match self.subject_to_policies(source)? {
            Some(owned) => Err(report(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!(
                    "labels of {} cannot be changed where policies may hide rows, which would keep the old one: {}",
                    source.name,
                    owned.reason("")
                ),
            )),
            None => Ok(()),
        }
    }

    fn subject_to_policies(&self, source: &Source) -> SqlResult<Option<Owned>> {
        if !source.attached || !pg::hides_rows_from_owner(source.relation) {
            return Ok(None);
        }
        self.maybe(
            "FROM pg_catalog.pg_class c WHERE c.oid = $1",
            &[source.relation.into()],
        )
    }

    /// Refuses to take an email for deleted that policies may hide.
    pub fn check_not_hidden(&self, source: &Source, key: &str) -> SqlResult<()> {
        if is_aside(key) {
            return Ok(());
        }
        match self.hidden_rows(source)? {
            Some(reason) => Err(not_seen(key, source, &reason)),
            None => Ok(()),
        }
    }
}

impl Writer<'_> {
    /// Refuses to take an email for locked that policies show and do not let be changed.
    pub fn check_not_hidden_from_change(&self, source: &Source, key: &str) -> SqlResult<()> {
        if self.hidden_rows(source)?.is_none() {
            return Ok(());
        }
        match pg::catching(|| self.find_email(source, key, "FOR NO KEY UPDATE NOWAIT")) {
            Ok(None) => self.check_not_hidden(source, key),
            _ => Ok(()),
        }
    }
}

fn not_seen(key: &str, source: &Source, reason: &str) -> ErrorReport {
    report(
        Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!(
            "email \"{key}\" in {} is not there, or cannot be seen and changed: {reason}",
            source.name
        ),
    )
}
