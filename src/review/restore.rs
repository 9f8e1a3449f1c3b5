//! Restoring a dump: the condition of triggers that count and announce.

use pgrx::pg_extern;

use crate::pg;

/// Whether rows come from a dump: they have been counted and announced already.
#[pg_extern(sql = false)]
fn is_restoring() -> bool {
    let restoring = pg::is_restoring();
    if restoring {
        pg::worker::begin_restore();
    }
    restoring
}
