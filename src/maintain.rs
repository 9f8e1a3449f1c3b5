//! Maintenance: what is due, one step at a time.

use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{name, pg_extern};

use crate::error::SqlResult;
use crate::{catalog, decide, pg};

/// A step that this process is to do.
pub struct Claim {
    pub job: i64,
    classifier: String,
}

/// Finds the next step that is due, and notes in `triage.job` that it is running.
pub fn claim() -> SqlResult<Option<Claim>> {
    catalog::write(c"triage.maintain()", |w| {
        let claimed = w.claim_fold()?;
        Ok(claimed.map(|(job, classifier)| Claim { job, classifier }))
    })
}

/// Does it, in the next transaction. An error is recorded with the step.
pub fn perform(claim: &Claim) -> SqlResult<()> {
    pg::report_activity(&format!(
        "folding decisions of classifier {}",
        claim.classifier
    ));
    catalog::write(c"triage.maintain()", |w| {
        let result = pg::catching(|| {
            w.lock_base(&claim.classifier)?;
            decide::fold(w, &claim.classifier)
        });
        w.end_job(claim.job, result.err().as_deref())
    })
}

#[pg_extern(sql = false)]
fn maintain(
    most: Option<i32>,
) -> Result<TableIterator<'static, (name!(job_id, i64),)>, ErrorReport> {
    let mut done = Vec::new();
    while most.is_none_or(|most| done.len() < most as usize) {
        let Some(claim) = claim()? else {
            break;
        };
        perform(&claim)?;
        done.push((claim.job,));
    }
    Ok(TableIterator::new(done))
}
