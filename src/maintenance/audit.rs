//! The audit sample: accuracy is measured on it, so no day is to be without.

use pgrx::pg_extern;

use crate::error::SqlResult;
use crate::{settings, store};

/// Draws an audit for days that have none; returns how many, or `None` if nothing is to be drawn.
pub fn draw() -> SqlResult<Option<i64>> {
    if settings::audit_rate() == 0.0 {
        return Ok(None);
    }
    store::write(c"triage_internal.draw_missing_audits()", |w| {
        w.draw_missing_audits().map(Some)
    })
}

#[pg_extern(sql = false)]
fn draw_missing_audits() -> SqlResult<i64> {
    Ok(draw()?.unwrap_or(0))
}
