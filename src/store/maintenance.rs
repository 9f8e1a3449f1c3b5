//! What maintenance reads and writes: due tasks, jobs, the decisions that judge a version.

use pg_triage_classifier::tokenizer::TOKENIZER_VERSION;
use pgrx::PgSqlErrorCode as Code;

use super::connection::Writer;
use super::decision::InForce;
use crate::error::{SqlResult, from_core, report};
use crate::pg::Rows;
use crate::types::ledger::load_features;

/// A task that is due.
#[derive(Debug, Clone)]
pub struct Due {
    pub task: String,
    pub classifier: Option<String>,
    pub reason: String,
}

/// Number, task, classifier, reason, status, result, error, seconds.
pub type JobRow = (
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<f64>,
);

/// Whether tables of ours are another server's.
pub const REPLICATED: &str = "SELECT 1 FROM pg_catalog.pg_subscription_rel r
   JOIN pg_catalog.pg_class c ON c.oid = r.srrelid
   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname IN ('triage', 'triage_internal') LIMIT 1";

/// A decision with its reviewer.
pub struct Reviewed {
    pub decision: InForce,
    /// As they say.
    pub actor: String,
    /// As they connected.
    pub role: String,
}

/// Most decided emails that a comparison asks about.
const MOST_COMPARED: i64 = 2000;
/// One decision in so many is left out of training, to judge with.
const ONE_IN: i64 = 5;
/// Or so many, if there are enough to leave as many to learn from.
const FEW: i64 = 20;

impl Writer<'_> {
    /// The next task that is due.
    pub fn next_due(&mut self) -> SqlResult<Option<Due>> {
        let rows = self.run(
            "SELECT task, classifier, reason FROM triage_internal.due_tasks() LIMIT 1",
            &[],
        )?;
        Ok((rows.len() > 0).then(|| Due {
            task: rows.text(0, 1).unwrap_or_default(),
            classifier: rows.text(0, 2),
            reason: rows.text(0, 3).unwrap_or_default(),
        }))
    }

    /// Notes that tasks which seem to run do not: who may maintain knows that no other runs.
    pub fn end_stale_jobs(&mut self) -> SqlResult<()> {
        self.run(
            "UPDATE triage_internal.job SET status = 'interrupted', ended_at = clock_timestamp() WHERE status = 'running'",
            &[],
        )?;
        Ok(())
    }

    /// Refuses to work on tables that another server maintains.
    pub fn check_not_replicated(&mut self) -> SqlResult<()> {
        let rows = self.run(REPLICATED, &[])?;
        if rows.len() == 0 {
            return Ok(());
        }
        Err(report(
            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "tables of schema triage arrive by logical replication: maintenance is done on the server that publishes them",
        ))
    }

    /// How often something was erased.
    pub fn erasures(&mut self, classifier: &str) -> SqlResult<Option<i64>> {
        let rows = self.run(
            "SELECT erasures FROM triage.classifier WHERE name = $1",
            &[classifier.into()],
        )?;
        Ok((rows.len() > 0).then(|| rows.parsed(0, 1)).flatten())
    }

    /// Writes down that a task begins; returns its job.
    pub fn begin_job(&mut self, due: &Due) -> SqlResult<Option<i64>> {
        self.progress(0, 0)?;
        let rows = self.run(
            "INSERT INTO triage_internal.job (task, classifier, reason) VALUES ($1, $2, $3) RETURNING job_id",
            &[
                due.task.as_str().into(),
                due.classifier.as_deref().into(),
                due.reason.as_str().into(),
            ],
        )?;
        Ok(rows.parsed(0, 1))
    }

    /// Whether a job has begun and not ended.
    pub fn is_running(&mut self, job: i64) -> SqlResult<bool> {
        let query = "SELECT 1 FROM triage_internal.job WHERE job_id = $1 AND status = 'running'";
        Ok(self.run(query, &[job.into()])?.len() > 0)
    }

    /// Writes down what came out.
    pub fn end_job(&mut self, job: i64, outcome: &Result<String, String>) -> SqlResult<()> {
        let status = if outcome.is_ok() { "done" } else { "failed" };
        self.run(
            "UPDATE triage_internal.job SET status = $2, result = $3, error = $4, ended_at = clock_timestamp() WHERE job_id = $1",
            &[
                job.into(),
                status.into(),
                outcome.as_deref().ok().into(),
                outcome.as_ref().err().map(String::as_str).into(),
            ],
        )?;
        Ok(())
    }

    /// One row of `triage.jobs`.
    pub fn job(&mut self, job: i64) -> SqlResult<JobRow> {
        let rows = self.run(
            "SELECT task, classifier, reason, status, result, error, extract(epoch FROM ended_at - started_at)::float8
               FROM triage_internal.job WHERE job_id = $1",
            &[job.into()],
        )?;
        let text = |column| (rows.len() > 0).then(|| rows.text(0, column)).flatten();
        let seconds = text(7).and_then(|seconds| seconds.parse().ok());
        Ok((
            job,
            text(1),
            text(2),
            text(3),
            text(4),
            text(5),
            text(6),
            seconds,
        ))
    }

    /// How far the running job is, for others to see before it ends.
    pub fn progress(&mut self, done: i64, total: i64) -> SqlResult<()> {
        self.run(
            "SELECT setval('triage_internal.job_done', $1), setval('triage_internal.job_total', $2)",
            &[done.into(), total.into()],
        )?;
        Ok(())
    }

    /// The latest decision that this snapshot shows.
    pub fn last_decision(&mut self) -> SqlResult<i64> {
        let rows = self.run("SELECT max(decision_id) FROM triage.decision", &[])?;
        Ok(rows.parsed(0, 1).unwrap_or(0))
    }

    /// The latest decision that the active version may have learned from.
    pub fn last_learned(&mut self, classifier: &str) -> SqlResult<i64> {
        let rows = self.run(
            "SELECT m.last_decision FROM triage_internal.model m
              WHERE m.classifier = $1 AND m.version = (SELECT a.version FROM triage_internal.activation a
                    WHERE a.classifier = $1 ORDER BY a.activation_id DESC LIMIT 1)",
            &[classifier.into()],
        )?;
        Ok((rows.len() > 0)
            .then(|| rows.parsed(0, 1))
            .flatten()
            .unwrap_or(0))
    }

    /// A fifth of the decisions in force after this one, at random: to judge with, so not to
    /// learn from. Not by their content, which repeats: all copies of a mailing would be in it,
    /// or none.
    pub fn judges(&mut self, classifier: &str, after: i64) -> SqlResult<Vec<i64>> {
        let rows = self.run(
            "WITH new AS MATERIALIZED (
                 SELECT d.decision_id FROM triage.decision d
                  WHERE d.classifier = $1 AND d.decision_id > $2 AND d.features IS NOT NULL
                    AND d.tokenizer_version = $3 AND d.door <> 'description'
                    AND NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id)),
             size AS (SELECT count(*) AS n FROM new)
             SELECT decision_id FROM new
              ORDER BY hashint8extended(decision_id, 42), decision_id
              LIMIT (SELECT least($4, greatest(n / $5, least($6, n / 2))) FROM size)",
            &[
                classifier.into(),
                after.into(),
                (TOKENIZER_VERSION as i32).into(),
                MOST_COMPARED.into(),
                ONE_IN.into(),
                FEW.into(),
            ],
        )?;
        Ok(ids(&rows))
    }

    /// The latest decisions in force about the audit sample after this one.
    pub fn audited(&mut self, classifier: &str, after: i64) -> SqlResult<Vec<i64>> {
        let rows = self.run(
            "SELECT d.decision_id FROM triage.decision d
               JOIN triage.review r ON r.review_id = d.review_id AND r.decision_id = d.decision_id
              WHERE d.classifier = $1 AND d.decision_id > $2 AND d.features IS NOT NULL AND d.tokenizer_version = $3
                AND r.audit AND r.human_label IS NOT NULL AND r.predicted_label IS NOT NULL
              ORDER BY d.decision_id DESC LIMIT $4",
            &[
                classifier.into(),
                after.into(),
                (TOKENIZER_VERSION as i32).into(),
                MOST_COMPARED.into(),
            ],
        )?;
        Ok(ids(&rows))
    }

    /// Decisions in force after one, up to another, by whom: a sample of each reviewer's, so
    /// that nobody hides behind those who decide more. Without descriptions, and what was
    /// taken back: that says who took it back.
    pub fn by_reviewer(
        &mut self,
        classifier: &str,
        (after, to): (i64, i64),
        most: i64,
    ) -> SqlResult<Vec<Reviewed>> {
        let rows = self.run(
            "WITH sampled AS (
                 SELECT d.decision_id,
                        row_number() OVER (PARTITION BY d.connected_as, d.actor ORDER BY hashint8extended(d.decision_id, 43)) AS place
                   FROM triage.decision d
                  WHERE d.classifier = $1 AND d.decision_id > $2 AND d.decision_id <= $3 AND d.features IS NOT NULL
                    AND d.tokenizer_version = $4 AND d.door <> 'description' AND d.kind <> 'undo'
                    AND NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id)
                  ORDER BY place, hashint8extended(d.decision_id, 43) LIMIT $5)
             SELECT d.decision_id, d.features, d.new_label, d.actor, d.connected_as
               FROM sampled JOIN triage.decision d ON d.decision_id = sampled.decision_id ORDER BY d.decision_id",
            &[
                classifier.into(),
                after.into(),
                to.into(),
                (TOKENIZER_VERSION as i32).into(),
                most.into(),
            ],
        )?;
        let bytes = (0..rows.len()).map(|row| rows.size(row, 2) + 4096);
        pg_triage_classifier::probe(3 * bytes.sum::<usize>()).map_err(from_core)?;
        let mut found = Vec::new();
        for row in 0..rows.len() {
            let features = rows.bytes(row, 2)?.map(load_features).transpose()?;
            if let (Some(decision_id), Some(features), Some(label), Some(actor), Some(role)) = (
                rows.parsed(row, 1),
                features,
                rows.text(row, 3),
                rows.text(row, 4),
                rows.text(row, 5),
            ) {
                let decision = InForce {
                    decision_id,
                    features,
                    label,
                };
                found.push(Reviewed {
                    decision,
                    actor,
                    role,
                });
            }
        }
        Ok(found)
    }

    /// Opens alerts that are new, and ends those that are no longer so; says how many are open.
    pub fn watch(&mut self) -> SqlResult<String> {
        let rows = self.run("SELECT triage_internal.watch()", &[])?;
        Ok(rows.text(0, 1).unwrap_or_default())
    }

    /// Deletes versions that maintenance made and nobody needs any more, old jobs, and alerts
    /// that have ended; returns how many of each.
    pub fn retain(&mut self, versions: i32, days: i32) -> SqlResult<[usize; 3]> {
        let versions = self.run(
            "DELETE FROM triage_internal.model m
              WHERE m.champion IS NOT NULL
                AND m.version <= (SELECT n.version FROM triage_internal.model n WHERE n.classifier = m.classifier AND n.champion IS NOT NULL
                                   ORDER BY n.version DESC OFFSET $1 LIMIT 1)
                -- The active one, and what rollback() would go back to three times in a row.
                AND m.version NOT IN (
                    WITH RECURSIVE stack AS (
                        (SELECT a.version, a.returns_to, 0 AS back FROM triage_internal.activation a
                          WHERE a.classifier = m.classifier ORDER BY a.activation_id DESC LIMIT 1)
                        UNION ALL
                        SELECT a.version, a.returns_to, back + 1 FROM stack
                          JOIN triage_internal.activation a ON a.activation_id = stack.returns_to WHERE back < 3)
                    SELECT version FROM stack)",
            &[versions.into()],
        )?;
        let jobs = self.run(
            "DELETE FROM triage_internal.job WHERE started_at < now() - make_interval(days => $1) AND status <> 'running'",
            &[days.into()],
        )?;
        let alerts = self.run(
            "DELETE FROM triage_internal.alert WHERE ended_at < now() - make_interval(days => $1)",
            &[days.into()],
        )?;
        Ok([versions.len(), jobs.len(), alerts.len()])
    }

    /// The latest reviews of a classifier: number, source and key.
    pub fn latest_reviews(
        &mut self,
        classifier: &str,
        most: i32,
    ) -> SqlResult<Vec<(i64, String, String)>> {
        let rows = self.run(
            "SELECT review_id, source, email_key FROM triage.review WHERE classifier = $1
              ORDER BY review_id DESC LIMIT $2",
            &[classifier.into(), most.into()],
        )?;
        Ok((0..rows.len())
            .filter_map(|r| Some((rows.parsed(r, 1)?, rows.text(r, 2)?, rows.text(r, 3)?)))
            .collect())
    }

    /// Refuses a version that does not exist.
    pub fn check_version(&mut self, classifier: &str, version: i32) -> SqlResult<()> {
        let rows = self.run(
            "SELECT version FROM triage_internal.model WHERE classifier = $1 ORDER BY version DESC",
            &[classifier.into()],
        )?;
        let known = rows.texts();
        if known.contains(&version.to_string()) {
            return Ok(());
        }
        Err(super::model::unknown_version(classifier, version, &known))
    }
}

fn ids(rows: &Rows) -> Vec<i64> {
    (0..rows.len()).filter_map(|r| rows.parsed(r, 1)).collect()
}
