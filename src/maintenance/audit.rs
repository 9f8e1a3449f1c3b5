//! What the views of quality count: the audit sample, and when triggers are to count.

use pgrx::pg_extern;

use crate::error::SqlResult;
use crate::store;
use crate::{pg, settings};

/// Of triage.review's triggers: rows that a dump brings have been counted.
#[pg_extern(sql = false)]
fn is_restoring() -> bool {
    let restoring = pg::is_restoring();
    if restoring {
        pg::worker::begin_restore();
    }
    restoring
}

#[pg_extern(sql = false)]
fn draw_missing_audits() -> SqlResult<i64> {
    if settings::audit_rate() == 0.0 {
        return Ok(0);
    }
    store::write(c"triage_internal.draw_missing_audits()", |w| {
        w.draw_missing_audits()
    })
}
