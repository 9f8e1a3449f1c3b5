//! What a background worker finds in a database before it uses anything of the extension's.

use pgrx::PgSqlErrorCode as Code;
use pgrx::spi::quote_identifier;

use super::connection::Reader;
use super::row::row;
use crate::error::{SqlResult, report};
use crate::pg::{self, Sees};

/// The extension's tables that arrive by logical replication.
macro_rules! replicated_tables {
    () => {
        "FROM pg_catalog.pg_subscription_rel r
           JOIN pg_catalog.pg_class c ON c.oid = r.srrelid
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('triage', 'triage_internal')"
    };
}

row! {
    /// The extension as it is installed.
    pub struct Installed {
        version: String = "e.extversion",
        /// Whether the current role may do maintenance.
        permitted: bool = "coalesce((SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                 AND pg_catalog.bool_and(pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))
            FROM pg_catalog.pg_namespace n
            JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid AND p.proname = 'maintain'
           WHERE n.nspname = 'triage' GROUP BY n.oid), false)",
        role: String = "current_user::text",
        /// Whether another server maintains its tables.
        pub replicated: bool = concat!("EXISTS (SELECT ", replicated_tables!(), ")"),
    }
}

/// Looks for the extension, with the rights of the current role.
pub fn installed() -> SqlResult<Option<Installed>> {
    pg::connected(Sees::CallersSnapshot, |connection| {
        let from = "FROM pg_catalog.pg_extension e WHERE e.extname = 'pg_triage'";
        Reader { connection }.maybe(from, &[])
    })
}

impl Reader<'_> {
    /// Refuses to work on tables that another server maintains.
    pub fn check_not_replicated(&self) -> SqlResult<()> {
        let replicated = self.exists(concat!(replicated_tables!(), " LIMIT 1"), &[])?;
        if !replicated {
            return Ok(());
        }
        Err(report(
            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "tables of schema triage arrive by logical replication: maintenance is done on the server that publishes them",
        ))
    }
}

impl Installed {
    /// Refuses to work with another version's tables, or without permission.
    pub fn check(&self) -> Result<(), String> {
        let library = env!("CARGO_PKG_VERSION");
        if self.version != library {
            return Err(format!(
                "extension pg_triage has version {}, its library {library}: ALTER EXTENSION pg_triage UPDATE",
                self.version
            ));
        }
        if !self.permitted {
            return Err(format!(
                "role \"{}\" may not do maintenance: GRANT EXECUTE ON FUNCTION triage.maintain(integer) TO {}, and USAGE ON SCHEMA triage",
                self.role,
                quote_identifier(&self.role)
            ));
        }
        Ok(())
    }
}
