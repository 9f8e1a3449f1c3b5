//! What a background worker finds in a database before it uses anything of the extension's.

use pgrx::Spi;

use crate::error::SqlResult;
use crate::pg;

/// The extension as it is installed.
pub struct Installed {
    version: String,
    /// Whether the current role may do maintenance.
    permitted: bool,
    role: String,
    /// Whether another server maintains its tables.
    pub replicated: bool,
}

/// Looks for the extension, with the rights of the current role.
pub fn installed() -> SqlResult<Option<Installed>> {
    Spi::connect(|client| {
        let rows = pg::select(
            client,
            "SELECT e.extversion,
                    coalesce((SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                                     AND pg_catalog.bool_and(pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))
                                FROM pg_catalog.pg_namespace n
                                JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid AND p.proname = 'maintain'
                               WHERE n.nspname = 'triage' GROUP BY n.oid), false),
                    current_user
               FROM pg_catalog.pg_extension e WHERE e.extname = 'pg_triage'",
            &[],
        )?;
        let replicated = pg::select(client, super::maintenance::REPLICATED, &[])?.len() > 0;
        Ok((rows.len() > 0).then(|| Installed {
            replicated,
            version: rows.text(0, 1).unwrap_or_default(),
            permitted: rows.text(0, 2).is_some_and(|permitted| permitted == "t"),
            role: rows.text(0, 3).unwrap_or_default(),
        }))
    })
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
                "role \"{0}\" may not do maintenance: GRANT EXECUTE ON FUNCTION triage.maintain(integer) TO {0}, and USAGE ON SCHEMA triage",
                self.role
            ));
        }
        Ok(())
    }
}
