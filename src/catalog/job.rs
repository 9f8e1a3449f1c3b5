//! Queries of `crate::maintain`.

use super::Writer;
use crate::error::SqlResult;

impl Writer<'_, '_> {
    pub fn claim_fold(&mut self) -> SqlResult<Option<(i64, String)>> {
        self.run(
            "UPDATE triage.job SET status = 'interrupted', ended_at = clock_timestamp()
              WHERE status = 'running' AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = job.pid)",
            &[],
        )?;
        let rows = self.run(
            "INSERT INTO triage.job (step, classifier, status, pid)
             SELECT 'fold', classifier, 'running', pg_backend_pid() FROM triage.pending LIMIT 1
             RETURNING job_id, classifier",
            &[],
        )?;
        if rows.len() == 0 {
            return Ok(None);
        }
        Ok(rows.parsed(0, 1).zip(rows.text(0, 2)))
    }

    pub fn end_job(&mut self, job: i64, error: Option<&str>) -> SqlResult<()> {
        self.run(
            "UPDATE triage.job SET status = CASE WHEN $2 IS NULL THEN 'done' ELSE 'failed' END,
                    ended_at = clock_timestamp(), error = $2 WHERE job_id = $1",
            &[job.into(), error.into()],
        )
        .map(drop)
    }
}
