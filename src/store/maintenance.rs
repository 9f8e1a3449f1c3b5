//! What maintenance reads and writes about itself: due tasks, jobs, alerts.

use super::connection::{Reader, Writer};
use super::row::row;
use crate::error::SqlResult;

row! {
    /// A task that is due.
    #[derive(Debug, Clone)]
    pub struct Due {
        pub task: String,
        /// For which classifier; none for all.
        pub classifier: Option<String>,
        pub reason: String,
    }
}

row! {
    /// One row of `triage.jobs`.
    pub struct Job {
        pub task: String,
        pub classifier: Option<String>,
        pub reason: String,
        pub status: String,
        pub result: Option<String>,
        pub error: Option<String>,
        pub seconds: Option<f64> = "extract(epoch FROM ended_at - started_at)::float8",
    }
}

impl Reader<'_> {
    /// The next task that is due.
    pub fn next_due(&self) -> SqlResult<Option<Due>> {
        self.maybe("FROM triage_internal.due_tasks() LIMIT 1", &[])
    }

    /// Whether a job has begun and not ended.
    pub fn is_running(&self, job: i64) -> SqlResult<bool> {
        self.exists(
            "FROM triage_internal.job WHERE job_id = $1 AND status = 'running'",
            &[job.into()],
        )
    }

    /// A job, if it is still there.
    pub fn job(&self, job: i64) -> SqlResult<Option<Job>> {
        self.maybe("FROM triage_internal.job WHERE job_id = $1", &[job.into()])
    }
}

impl Writer<'_> {
    /// Notes that tasks which seem to run do not: who may maintain knows that no other runs.
    pub fn end_stale_jobs(&mut self) -> SqlResult<()> {
        self.execute(
            "UPDATE triage_internal.job SET status = 'interrupted', ended_at = clock_timestamp()
              WHERE status = 'running'",
            &[],
        )?;
        Ok(())
    }

    /// Writes down that a task begins; returns its job.
    pub fn begin_job(&mut self, due: &Due) -> SqlResult<Option<i64>> {
        self.progress(0, 0)?;
        self.returning_value(
            "INSERT INTO triage_internal.job (task, classifier, reason) VALUES ($1, $2, $3) RETURNING job_id",
            &[
                due.task.as_str().into(),
                due.classifier.as_deref().into(),
                due.reason.as_str().into(),
            ],
        )
    }

    /// Writes down what came out.
    pub fn end_job(&mut self, job: i64, outcome: &Result<String, String>) -> SqlResult<()> {
        let status = if outcome.is_ok() { "done" } else { "failed" };
        self.execute(
            "UPDATE triage_internal.job SET status = $2, result = $3, error = $4, ended_at = clock_timestamp()
              WHERE job_id = $1",
            &[
                job.into(),
                status.into(),
                outcome.as_deref().ok().into(),
                outcome.as_ref().err().map(String::as_str).into(),
            ],
        )?;
        Ok(())
    }

    /// Says how far the running job is, for others to see before it ends.
    pub fn progress(&mut self, done: i64, total: i64) -> SqlResult<()> {
        self.execute(
            "SELECT setval('triage_internal.job_done', $1), setval('triage_internal.job_total', $2)",
            &[done.into(), total.into()],
        )?;
        Ok(())
    }

    /// Opens alerts that are new, and ends those that are no longer so; says how many are open.
    pub fn watch(&mut self) -> SqlResult<String> {
        let open = self.returning_value("SELECT triage_internal.watch()", &[])?;
        Ok(open.unwrap_or_default())
    }

    /// Deletes versions that maintenance made and nobody needs any more, old jobs, and alerts
    /// that have ended; returns how many of each.
    pub fn retain(&mut self, versions: i32, days: i32) -> SqlResult<[usize; 3]> {
        let versions = self.execute(
            "DELETE FROM triage_internal.model m
              WHERE m.champion IS NOT NULL
                AND m.version <= (SELECT n.version FROM triage_internal.model n
                                   WHERE n.classifier = m.classifier AND n.champion IS NOT NULL
                                   ORDER BY n.version DESC OFFSET $1 LIMIT 1)
                -- The active one, and what rollback() would go back to three times in a row.
                AND m.version NOT IN (
                    WITH RECURSIVE stack AS (
                        SELECT a.version, a.returns_to, 0 AS back FROM triage_internal.active_version a
                         WHERE a.classifier = m.classifier
                        UNION ALL
                        SELECT a.version, a.returns_to, back + 1 FROM stack
                          JOIN triage_internal.activation a ON a.activation_id = stack.returns_to WHERE back < 3)
                    SELECT version FROM stack)",
            &[versions.into()],
        )?;
        let jobs = self.execute(
            "DELETE FROM triage_internal.job
              WHERE started_at < now() - make_interval(days => $1) AND status <> 'running'",
            &[days.into()],
        )?;
        let alerts = self.execute(
            "DELETE FROM triage_internal.alert WHERE ended_at < now() - make_interval(days => $1)",
            &[days.into()],
        )?;
        Ok([versions, jobs, alerts])
    }
}
