//! `triage_internal.base`: the counts that decisions are compacted into, one row a classifier.

use pgrx::PgSqlErrorCode as Code;

use super::connection::{Reader, Writer};
use super::row::row;
use crate::error::{SqlResult, report};
use crate::pg::RawValue;
use crate::session;

row! {
    /// The base of a classifier, and the version that it is wanted for.
    pub struct StoredBase {
        /// The active version, or that which was asked about.
        pub active: Option<i32> = "a.version",
        /// The version's model, where there is one.
        pub model: Option<RawValue> = "m.model",
        /// Whether that model has no counts but those of the decisions.
        pub from_ledger: bool = "coalesce(m.from_ledger, false)",
        /// Whether the base was put together for this version.
        pub is_current: bool = "b.version IS NOT DISTINCT FROM a.version",
        /// What sessions are served from.
        pub serving: Option<RawValue> = "b.serving",
        /// The decisions' own counts, where those are not all.
        pub learned: Option<RawValue> = "b.learned",
        /// How many decisions were compacted.
        pub decisions: i64 = "coalesce(b.decisions, 0)",
        /// The version whose steps count, 0 for none.
        pub steps_of: i64 = "coalesce(m.steps_of, a.version, 0)::bigint",
    }
}

impl Reader<'_> {
    /// The base of a classifier, for this version if one is given, else for the active one.
    pub fn base(&self, classifier: &str, version: Option<i32>) -> SqlResult<StoredBase> {
        let base = self.maybe(
            "FROM triage.classifier c
               LEFT JOIN LATERAL (SELECT coalesce($2, (SELECT v.version FROM triage_internal.active_version v
                                                        WHERE v.classifier = c.name)) AS version) a ON true
               LEFT JOIN triage_internal.model m ON m.classifier = c.name AND m.version = a.version
               LEFT JOIN triage_internal.base b ON b.classifier = c.name
              WHERE c.name = $1",
            &[classifier.into(), version.into()],
        )?;
        base.ok_or_else(|| {
            report(
                Code::ERRCODE_UNDEFINED_OBJECT,
                format!("classifier \"{classifier}\" does not exist"),
            )
        })
    }

    /// Whether there is a base, or has to be: the active version may have no counts of its own
    /// to answer with.
    pub fn needs_base(&self, classifier: &str) -> SqlResult<bool> {
        self.exists(
            "1 FROM triage_internal.base WHERE classifier = $1
             UNION ALL SELECT 1 FROM triage_internal.active_version v
               JOIN triage_internal.model m ON m.classifier = v.classifier AND m.version = v.version
              WHERE v.classifier = $1 AND m.from_ledger",
            &[classifier.into()],
        )
    }

    /// Whether more decisions than this are pending.
    pub fn pending_over(&self, classifier: &str, most: i64) -> SqlResult<bool> {
        self.exists(
            "FROM triage_internal.pending WHERE classifier = $1 OFFSET $2 LIMIT 1",
            &[classifier.into(), most.into()],
        )
    }
}

impl Writer<'_> {
    /// Waits until nobody else compacts, until the end of the transaction. A row lock, which
    /// only who may write the table can take: anybody could hold an advisory lock.
    pub fn lock_base(&mut self, classifier: &str) -> SqlResult<()> {
        if session::base_is_held() {
            return Err(report(
                Code::ERRCODE_OBJECT_IN_USE,
                format!("classifier \"{classifier}\" is being trained by this very statement"),
            ));
        }
        self.execute(
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
        let locked = self.execute(
            "SELECT 1 FROM triage.classifier WHERE name = $1 FOR NO KEY UPDATE SKIP LOCKED",
            &[classifier.into()],
        )?;
        Ok(locked > 0)
    }

    /// Takes the decisions that the base does not hold yet from the list of them.
    pub fn take_pending(&mut self, classifier: &str) -> SqlResult<Vec<i64>> {
        self.returning_values(
            "DELETE FROM triage_internal.pending WHERE classifier = $1 RETURNING decision_id",
            &[classifier.into()],
        )
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
        self.execute(
            "INSERT INTO triage_internal.base (classifier, version, serving, learned, decisions)
             VALUES ($1, $2, $3, $4, $5)
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
}
