//! Rows of `triage_internal.base` and `triage_internal.model` that counts are read from and
//! written to.

use pg_triage_classifier::{Features, probe};
use pgrx::PgSqlErrorCode as Code;

use super::connection::{DECISIONS_AT_ONCE, Writer};
use super::decision::Place;
use super::model::checksum;
use crate::error::{SqlResult, from_core, report};
use crate::pg::{RawValue, Rows};
use crate::session;
use crate::types::ledger::load_features;

/// The base of a classifier and the version that it is for. Values are read while it exists.
pub struct StoredBase<'c> {
    /// The active version, or that which was asked about.
    pub active: Option<i32>,
    /// The version's model, where there is one.
    pub model: Option<RawValue>,
    /// Whether that model has no counts but those of the decisions.
    pub from_ledger: bool,
    /// Whether the base was put together for this version.
    pub is_current: bool,
    /// What sessions are served from.
    pub serving: Option<RawValue>,
    /// The decisions' own counts, where those are not all.
    pub learned: Option<RawValue>,
    /// How many decisions were compacted.
    pub decisions: i64,
    /// The version whose steps count, 0 for none.
    pub steps_of: i64,
    _rows: Rows<'c>,
}

/// A version as it is stored. Its model is read while it exists.
pub struct StoredVersion<'c> {
    pub model: RawValue,
    /// Whether it has no counts but those of the decisions.
    pub from_ledger: bool,
    /// The latest decision that training may have seen.
    pub last_decision: i64,
    /// The version whose steps count with it.
    pub steps_of: Option<i32>,
    _rows: Rows<'c>,
}

/// Versions and their models. These are read while it exists.
pub struct StoredModels<'c> {
    pub models: Vec<(i32, RawValue)>,
    _rows: Rows<'c>,
}

impl<'c> Writer<'c> {
    /// Waits until nobody else compacts, until the end of the transaction. A row lock, which
    /// only who may write the table can take: anybody could hold an advisory lock.
    pub fn lock_base(&mut self, classifier: &str) -> SqlResult<()> {
        if session::base_is_held() {
            return Err(report(
                Code::ERRCODE_OBJECT_IN_USE,
                format!("classifier \"{classifier}\" is being trained by this very statement"),
            ));
        }
        self.run(
            "SELECT 1 FROM triage.classifier WHERE name = $1 FOR NO KEY UPDATE",
            &[classifier.into()],
        )?;
        Ok(())
    }

    /// Locks the base without waiting; false if somebody else holds it.
    pub fn try_lock_base(&mut self, classifier: &str) -> SqlResult<bool> {
        if session::base_is_held() {
            return Ok(false);
        }
        let rows = self.run(
            "SELECT 1 FROM triage.classifier WHERE name = $1 FOR NO KEY UPDATE SKIP LOCKED",
            &[classifier.into()],
        )?;
        Ok(rows.len() > 0)
    }

    /// Whether more decisions than this are pending.
    pub fn pending_over(&mut self, classifier: &str, most: i64) -> SqlResult<bool> {
        let rows = self.run(
            "SELECT 1 FROM triage_internal.pending WHERE classifier = $1 OFFSET $2 LIMIT 1",
            &[classifier.into(), most.into()],
        )?;
        Ok(rows.len() > 0)
    }

    /// The base of a classifier, for this version if one is given, else for the active one.
    pub fn base(&mut self, classifier: &str, version: Option<i32>) -> SqlResult<StoredBase<'c>> {
        let rows = self.run(
            "SELECT a.version, m.from_ledger, m.model, b.version IS NOT DISTINCT FROM a.version, b.serving, b.learned,
                    coalesce(b.decisions, 0), coalesce(m.steps_of, a.version, 0)
               FROM triage.classifier c
               LEFT JOIN LATERAL (SELECT coalesce($2, (SELECT a.version FROM triage_internal.activation a
                                   WHERE a.classifier = c.name ORDER BY a.activation_id DESC LIMIT 1)) AS version) a ON true
               LEFT JOIN triage_internal.model m ON m.classifier = c.name AND m.version = a.version
               LEFT JOIN triage_internal.base b ON b.classifier = c.name
              WHERE c.name = $1",
            &[classifier.into(), version.into()],
        )?;
        if rows.len() == 0 {
            return Err(report(
                Code::ERRCODE_UNDEFINED_OBJECT,
                format!("classifier \"{classifier}\" does not exist"),
            ));
        }
        Ok(StoredBase {
            active: rows.parsed(0, 1),
            from_ledger: rows.text(0, 2).as_deref() == Some("t"),
            model: rows.raw(0, 3),
            is_current: rows.text(0, 4).as_deref() == Some("t"),
            serving: rows.raw(0, 5),
            learned: rows.raw(0, 6),
            decisions: rows.parsed(0, 7).unwrap_or(0),
            steps_of: rows.parsed(0, 8).unwrap_or(0),
            _rows: rows,
        })
    }

    /// Decisions that are compacted and in force, and have a step against this version.
    pub fn compacted_with_step(&mut self, classifier: &str, version: i32) -> SqlResult<Vec<i64>> {
        let rows = self.run(
            "SELECT d.decision_id FROM triage.decision d
              WHERE d.classifier = $1 AND d.features IS NOT NULL AND d.step_version = $2
                AND NOT EXISTS (SELECT FROM triage_internal.pending p WHERE p.classifier = $1 AND p.decision_id = d.decision_id)
                AND NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id
                    AND NOT EXISTS (SELECT FROM triage_internal.pending p WHERE p.classifier = $1 AND p.decision_id = r.decision_id))",
            &[classifier.into(), version.into()],
        )?;
        Ok(ids(&rows))
    }

    /// Takes the decisions that the base does not have yet from the list of them.
    pub fn take_pending(&mut self, classifier: &str) -> SqlResult<Vec<i64>> {
        let query =
            "DELETE FROM triage_internal.pending WHERE classifier = $1 RETURNING decision_id";
        Ok(ids(&self.run(query, &[classifier.into()])?))
    }

    /// Emails of decisions in force in the order of the training sample, and where to read on.
    /// Unless `pending_too`, of compacted ones, and as if there were no others.
    pub fn sampled(
        &mut self,
        classifier: &str,
        (priority, after): Place,
        pending_too: bool,
    ) -> SqlResult<(Vec<(Features, String)>, Option<Place>)> {
        let rows = self.run(
            "SELECT d.features, d.new_label, d.sample_priority, d.decision_id FROM triage.decision d
              WHERE d.classifier = $1 AND d.features IS NOT NULL
                AND (d.sample_priority, d.decision_id) > ($2, $5)
                AND ($3 OR NOT EXISTS (SELECT FROM triage_internal.pending p WHERE p.classifier = $1 AND p.decision_id = d.decision_id))
                AND NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id
                    AND ($3 OR NOT EXISTS (SELECT FROM triage_internal.pending p WHERE p.classifier = $1 AND p.decision_id = r.decision_id)))
              ORDER BY d.sample_priority, d.decision_id LIMIT $4",
            &[
                classifier.into(),
                priority.into(),
                pending_too.into(),
                (DECISIONS_AT_ONCE as i64).into(),
                after.into(),
            ],
        )?;
        // Read, and copied once more into the sample.
        let bytes = (0..rows.len()).map(|row| rows.size(row, 1) + 256);
        probe(3 * bytes.sum::<usize>()).map_err(from_core)?;
        let mut examples = Vec::new();
        for row in 0..rows.len() {
            let features = rows.bytes(row, 1)?.map(load_features).transpose()?;
            examples.extend(features.zip(rows.text(row, 2)));
        }
        let last = rows.len().checked_sub(1);
        let next = last.filter(|_| rows.len() == DECISIONS_AT_ONCE);
        let next = next.and_then(|row| rows.parsed(row, 3).zip(rows.parsed(row, 4)));
        Ok((examples, next))
    }

    /// All decisions in force that have taught something.
    pub fn all_in_force(&mut self, classifier: &str) -> SqlResult<Vec<i64>> {
        let rows = self.run(
            "SELECT d.decision_id FROM triage.decision d
              WHERE d.classifier = $1 AND d.features IS NOT NULL
                AND NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id)",
            &[classifier.into()],
        )?;
        Ok(ids(&rows))
    }

    /// A version's row. It is an error if there is none.
    pub fn version(&mut self, classifier: &str, version: i32) -> SqlResult<StoredVersion<'c>> {
        let rows = self.run(
            "SELECT model, from_ledger, last_decision, coalesce(steps_of, version) FROM triage_internal.model WHERE classifier = $1 AND version = $2",
            &[classifier.into(), version.into()],
        )?;
        let model = (rows.len() > 0).then(|| rows.raw(0, 1)).flatten();
        Ok(StoredVersion {
            model: model.ok_or_else(|| super::model::unknown_version(classifier, version, &[]))?,
            from_ledger: rows.text(0, 2).as_deref() == Some("t"),
            last_decision: rows.parsed(0, 3).unwrap_or(0),
            steps_of: rows.parsed(0, 4),
            _rows: rows,
        })
    }

    /// Passes the active version's model on, if there is one.
    pub fn with_active_model<R>(
        &mut self,
        classifier: &str,
        read: impl FnOnce(RawValue) -> SqlResult<R>,
    ) -> SqlResult<Option<R>> {
        let rows = self.run(
            "SELECT m.model FROM triage_internal.model m
              WHERE m.classifier = $1 AND m.version = (SELECT a.version FROM triage_internal.activation a
                    WHERE a.classifier = $1 ORDER BY a.activation_id DESC LIMIT 1)",
            &[classifier.into()],
        )?;
        let model = (rows.len() > 0).then(|| rows.raw(0, 1)).flatten();
        model.map(read).transpose()
    }

    /// The models of all versions of a classifier, ascending.
    pub fn models(&mut self, classifier: &str) -> SqlResult<StoredModels<'c>> {
        let rows = self.run(
            "SELECT version, model FROM triage_internal.model WHERE classifier = $1 ORDER BY version",
            &[classifier.into()],
        )?;
        let models = (0..rows.len()).filter_map(|r| rows.parsed(r, 1).zip(rows.raw(r, 2)));
        Ok(StoredModels {
            models: models.collect(),
            _rows: rows,
        })
    }

    /// Stores what a version keeps anew, with its identity.
    pub fn replace_model(
        &mut self,
        classifier: &str,
        version: i32,
        model: &[u8],
        identity: u128,
    ) -> SqlResult<()> {
        self.run(
            "UPDATE triage_internal.model SET model = $3, checksum = $4, bytes = $5 WHERE classifier = $1 AND version = $2",
            &[
                classifier.into(),
                version.into(),
                RawValue::of_bytes(model, c"email_model"),
                checksum(identity).into(),
                (model.len() as i64).into(),
            ],
        )?;
        Ok(())
    }

    /// Whether there is a base, or has to be: the active version may have no counts of its own
    /// to answer with.
    pub fn needs_base(&mut self, classifier: &str) -> SqlResult<bool> {
        let rows = self.run(
            "SELECT 1 FROM triage_internal.base WHERE classifier = $1
             UNION ALL SELECT 1 FROM triage_internal.model m
              WHERE m.classifier = $1 AND m.from_ledger
                AND m.version = (SELECT a.version FROM triage_internal.activation a WHERE a.classifier = $1
                                  ORDER BY a.activation_id DESC LIMIT 1)",
            &[classifier.into()],
        )?;
        Ok(rows.len() > 0)
    }

    /// Stores a base, packed for serving.
    pub fn write_base(
        &mut self,
        classifier: &str,
        version: Option<i32>,
        serving: &[u8],
        learned: Option<&[u8]>,
        decisions: i64,
    ) -> SqlResult<()> {
        let learned = match learned {
            Some(bytes) => RawValue::of_bytes(bytes, c"email_state"),
            None => RawValue::null(c"email_state"),
        };
        self.run(
            "INSERT INTO triage_internal.base (classifier, version, serving, learned, decisions) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (classifier) DO UPDATE SET version = excluded.version, serving = excluded.serving,
                 learned = excluded.learned, decisions = excluded.decisions, compacted_at = now()",
            &[
                classifier.into(),
                version.into(),
                RawValue::of_bytes(serving, c"email_model"),
                learned,
                decisions.into(),
            ],
        )?;
        Ok(())
    }

    /// Deletes a review and its decisions; returns how many decisions.
    pub fn erase(&mut self, review_id: i64) -> SqlResult<usize> {
        self.run(
            "UPDATE triage.classifier SET erasures = erasures + 1
              WHERE name = (SELECT classifier FROM triage.review WHERE review_id = $1)",
            &[review_id.into()],
        )?;
        session::as_erasure(|| {
            let erased = self.run(
                "DELETE FROM triage.decision WHERE review_id = $1",
                &[review_id.into()],
            )?;
            self.run(
                "DELETE FROM triage.review WHERE review_id = $1",
                &[review_id.into()],
            )?;
            Ok(erased.len())
        })
    }

    /// Counts that something of a classifier is being erased: what was read before is stale.
    pub fn count_erasure(&mut self, classifier: &str) -> SqlResult<()> {
        self.run(
            "UPDATE triage.classifier SET erasures = erasures + 1 WHERE name = $1",
            &[classifier.into()],
        )?;
        Ok(())
    }

    /// Deletes all reviews and decisions of a classifier; returns how many decisions.
    pub fn erase_all(&mut self, classifier: &str) -> SqlResult<i64> {
        session::as_erasure(|| {
            let erased = self.run(
                "DELETE FROM triage.decision WHERE classifier = $1",
                &[classifier.into()],
            )?;
            for table in [
                "triage_internal.pending",
                "triage.review",
                "triage_internal.base",
            ] {
                let query = format!("DELETE FROM {table} WHERE classifier = $1");
                self.run(&query, &[classifier.into()])?;
            }
            Ok(erased.len() as i64)
        })
    }
}

fn ids(rows: &Rows) -> Vec<i64> {
    (0..rows.len()).filter_map(|r| rows.parsed(r, 1)).collect()
}
