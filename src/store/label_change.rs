//! `triage_internal.label_change` and `relabelled`: what was done to labels, and the lock under
//! which it is done.

use pgrx::PgSqlErrorCode as Code;

use super::connection::{Reader, Writer};
use super::row::row;
use crate::error::{SqlResult, report};
use crate::pg;

row! {
    /// A label as the catalogue has it.
    #[derive(Debug, Clone)]
    pub struct LabelRow {
        pub label: String,
        /// Its identity.
        pub key: String = "triage_internal.label_key(label)",
        pub description: Option<String>,
        pub is_retired: bool = "retired_at IS NOT NULL",
    }
}

row! {
    /// One row of `triage_internal.label_change`.
    #[derive(Debug, Clone)]
    pub struct LabelChange {
        pub change_id: i64,
        pub classifier: String,
        pub kind: String,
        pub label: String,
        pub new_label: Option<String>,
        pub version_before: Option<i32>,
        pub version_after: Option<i32>,
        /// The description that a merge gave the label which is left.
        pub description: Option<String> = "kept ->> 'description'",
        /// The descriptions that both had before.
        pub label_description: Option<String> = "kept -> 'label' ->> 'description'",
        pub new_label_description: Option<String> = "kept ->> 'new_label_description'",
        /// The change that takes it back, if there is one.
        pub undone_by: Option<i64> = "(SELECT u.change_id FROM triage_internal.label_change u
            WHERE u.classifier = c.classifier AND u.undoes = c.change_id LIMIT 1)",
    }
}

row! {
    /// A label whose emails have another one since.
    #[derive(Debug, Clone)]
    pub struct Relabelling {
        pub from: String = "c.label",
        pub to: String = "c.new_label",
    }
}

row! {
    /// A change that builds on an earlier one.
    pub struct LaterChange {
        pub change_id: i64,
        pub kind: String,
        pub label: String,
    }
}

/// A change that is to be written down.
pub struct NewLabelChange<'a> {
    pub classifier: &'a str,
    pub kind: &'static str,
    pub label: &'a str,
    pub new_label: Option<&'a str>,
    pub undoes: Option<i64>,
}

/// How long a change of labels waits for others at most.
const LONGEST_WAIT: &str = "10s";

/// Whom it waits for.
const STILL_OPEN: &str =
    "transactions that have labelled or decided something are still open (see pg_stat_activity)";

/// The relation whose lock keeps labels as they are. Who writes a review takes it in any case.
fn reviews() -> SqlResult<pgrx::pg_sys::Oid> {
    pg::extension_relation(c"triage", c"review").ok_or_else(|| {
        report(
            Code::ERRCODE_UNDEFINED_OBJECT,
            "table triage.review is not there",
        )
    })
}

/// Refuses a transaction that does not see all that is to be changed.
fn check_snapshot() -> SqlResult<()> {
    match pg::keeps_one_snapshot() {
        true => Err(report(
            Code::ERRCODE_ACTIVE_SQL_TRANSACTION,
            "labels cannot be changed in a transaction that keeps one snapshot, which hides decisions: use READ COMMITTED",
        )),
        false => Ok(()),
    }
}

/// Until the end of the transaction no label changes: for who reads labels in order to write
/// them. Before any row is locked, because a change of labels writes rows, and nobody is to wait
/// in a circle.
pub fn hold_labels() -> SqlResult<()> {
    pg::lock_for_rows(reviews()?);
    Ok(())
}

impl Reader<'_> {
    /// A label as the catalogue has it, whatever the spelling that is asked for.
    pub fn label_row(&self, classifier: &str, key: &str) -> SqlResult<Option<LabelRow>> {
        self.maybe(
            "FROM triage.label WHERE classifier = $1 AND triage_internal.label_key(label) = $2",
            &[classifier.into(), key.into()],
        )
    }

    /// A change of labels. It is an error if there is none.
    pub fn label_change(&self, change_id: i64) -> SqlResult<LabelChange> {
        let found = self.maybe(
            "FROM triage_internal.label_change c WHERE change_id = $1",
            &[change_id.into()],
        )?;
        found.ok_or_else(|| {
            report(
                Code::ERRCODE_NO_DATA_FOUND,
                format!("change {change_id} does not exist (see triage.label_changes)"),
            )
        })
    }

    /// The latest change after this one, of those that hold, which is about one of its labels.
    pub fn later_label_change(&self, change: &LabelChange) -> SqlResult<Option<LaterChange>> {
        let new_label = change.new_label.as_ref().unwrap_or(&change.label);
        self.maybe(
            "FROM triage_internal.label_change c
              WHERE c.classifier = $1 AND c.change_id > $2 AND c.kind <> 'undo'
                AND NOT EXISTS (SELECT FROM triage_internal.label_change u
                                 WHERE u.classifier = c.classifier AND u.undoes = c.change_id)
                AND ARRAY[triage_internal.label_key(c.label), triage_internal.label_key(c.new_label)]
                    && ARRAY[triage_internal.label_key($3), triage_internal.label_key($4)]
              ORDER BY c.change_id DESC LIMIT 1",
            &[
                change.classifier.as_str().into(),
                change.change_id.into(),
                change.label.as_str().into(),
                new_label.as_str().into(),
            ],
        )
    }

    /// What a label is called since it was given another name, for who asks for the old one.
    pub fn renamed_to(&self, classifier: &str, key: &str) -> SqlResult<Option<String>> {
        let found: Option<Option<String>> = self.value(
            "c.new_label FROM triage_internal.label_change c
              WHERE c.classifier = $1 AND c.kind <> 'split' AND triage_internal.label_key(c.label) = $2
              ORDER BY c.change_id DESC LIMIT 1",
            &[classifier.into(), key.into()],
        )?;
        Ok(found.flatten())
    }

    /// What has been done to labels since a version was stored, in order. What was taken back
    /// since is left out; a merge before that was taken back since cannot be: counts do not tell
    /// which emails had which label.
    pub fn relabellings_since(
        &self,
        classifier: &str,
        version: i32,
    ) -> SqlResult<Vec<Relabelling>> {
        self.rows(
            "FROM triage_internal.model m
               JOIN triage_internal.label_change c
                 ON c.classifier = m.classifier AND c.change_id > m.label_change AND c.new_label IS NOT NULL
               LEFT JOIN triage_internal.label_change undone ON undone.change_id = c.undoes
              WHERE m.classifier = $1 AND m.version = $2
                AND (c.kind IN ('rename', 'merge')
                     AND NOT EXISTS (SELECT FROM triage_internal.label_change u
                                      WHERE u.classifier = c.classifier AND u.undoes = c.change_id)
                     OR undone.kind = 'rename' AND undone.change_id <= m.label_change)
              ORDER BY c.change_id",
            &[classifier.into(), version.into()],
        )
    }

    /// The latest version that is this one under other names of labels.
    pub fn relabelled_version(&self, classifier: &str, version: i32) -> SqlResult<Option<i32>> {
        let found: Option<Option<i32>> = self.value(
            "max(version) FROM triage_internal.model WHERE classifier = $1 AND relabelled_from = $2",
            &[classifier.into(), version.into()],
        )?;
        Ok(found.flatten())
    }

    /// Whether a label that a statement predicts, or is to write, is called otherwise by now: its
    /// snapshot may be older than the change. Where one snapshot is kept, that is an error (40001).
    pub fn is_renamed(&self, classifier: &str, label: &str) -> SqlResult<bool> {
        self.exists(
            "FROM triage_internal.label_change c
              WHERE c.classifier = $1 AND c.label = $2
                AND NOT EXISTS (SELECT FROM triage.label l WHERE l.classifier = $1 AND l.label = $2) LIMIT 1",
            &[classifier.into(), label.into()],
        )
    }
}

impl Writer<'_> {
    /// Waits until nobody is about to write labels, and lets nobody begin until the end of the
    /// transaction. Before the lock of the classifier. Not for ever: new mail waits behind it.
    pub fn lock_labels(&mut self) -> SqlResult<()> {
        check_snapshot()?;
        let relation = reviews()?;
        let locked = pg::catching(|| {
            let limit = pg::setting(c"lock_timeout").filter(|limit| limit != "0");
            self.with_lock_timeout(limit.as_deref().unwrap_or(LONGEST_WAIT), |_| {
                pg::lock_against_changes(relation);
                Ok(())
            })
        });
        locked.map_err(|message| {
            report(
                Code::ERRCODE_LOCK_NOT_AVAILABLE,
                format!("{message}: {STILL_OPEN}, try again when they have ended"),
            )
        })
    }

    /// The same for who may hold rows already that others wait for: it is never waited for in a
    /// queue, so nobody waits in a circle, and no mail behind it. An error after half a second.
    pub fn try_lock_labels(&mut self) -> SqlResult<()> {
        const TRIES: usize = 50;
        const PAUSE: u16 = 10;
        check_snapshot()?;
        let relation = reviews()?;
        for _ in 0..TRIES {
            if pg::try_lock_against_changes(relation) {
                return Ok(());
            }
            pg::pause(PAUSE);
        }
        Err(report(Code::ERRCODE_LOCK_NOT_AVAILABLE, STILL_OPEN))
    }

    /// Runs `f`, in which no lock is waited for longer than this.
    pub fn with_lock_timeout<R>(
        &mut self,
        limit: &str,
        f: impl FnOnce(&mut Self) -> SqlResult<R>,
    ) -> SqlResult<R> {
        let before = pg::setting(c"lock_timeout").unwrap_or_default();
        self.limit_lock_wait(limit)?;
        // After an error, the subtransaction puts it back.
        let result = f(self)?;
        self.limit_lock_wait(&before)?;
        Ok(result)
    }

    fn limit_lock_wait(&mut self, limit: &str) -> SqlResult<()> {
        self.execute(
            "SELECT set_config('lock_timeout', $1, true)",
            &[limit.into()],
        )
        .map(drop)
    }

    /// Locks a label's row against a change of its name; fails (40001) if the snapshot that the
    /// transaction keeps is older than one.
    pub fn lock_label(&mut self, classifier: &str, label: &str) -> SqlResult<()> {
        self.execute(
            "SELECT FROM triage.label WHERE classifier = $1 AND label = $2 FOR KEY SHARE",
            &[classifier.into(), label.into()],
        )?;
        Ok(())
    }

    /// Writes a change down; returns its number.
    pub fn insert_label_change(&mut self, new: NewLabelChange) -> SqlResult<i64> {
        let caller = self.caller.clone();
        let change_id = self.returning_value(
            "INSERT INTO triage_internal.label_change (classifier, kind, label, new_label, undoes, version_before,
                    changed_by)
             VALUES ($1, $2, $3, $4, $5,
                     (SELECT version FROM triage_internal.active_version WHERE classifier = $1), $6)
             RETURNING change_id",
            &[
                new.classifier.into(),
                new.kind.into(),
                new.label.into(),
                new.new_label.into(),
                new.undoes.into(),
                caller.into(),
            ],
        )?;
        change_id.ok_or_else(super::connection::nothing_returned)
    }

    /// Completes a change: how many emails it was about, and which version answers now.
    pub fn complete_label_change(&mut self, change_id: i64, emails: usize) -> SqlResult<()> {
        self.execute(
            "UPDATE triage_internal.label_change c
                SET emails = $2,
                    version_after = (SELECT version FROM triage_internal.active_version a
                                      WHERE a.classifier = c.classifier)
              WHERE change_id = $1",
            &[change_id.into(), (emails as i64).into()],
        )?;
        Ok(())
    }

    /// Retires a label, or brings it back; false if it is so already.
    pub fn set_retired(&mut self, classifier: &str, label: &str, retired: bool) -> SqlResult<bool> {
        let changed = self.execute(
            "UPDATE triage.label SET retired_at = CASE WHEN $3 THEN now() END
              WHERE classifier = $1 AND label = $2 AND (retired_at IS NOT NULL) <> $3",
            &[classifier.into(), label.into(), retired.into()],
        )?;
        Ok(changed > 0)
    }

    /// How many reviews have a label, as prediction or from a person.
    pub fn reviews_with(&self, classifier: &str, key: &str) -> SqlResult<i64> {
        self.one::<Count>(
            "FROM triage.review WHERE classifier = $1
                AND (triage_internal.is_label(predicted_label, $2) OR triage_internal.is_label(human_label, $2))",
            &[classifier.into(), key.into()],
        )
        .map(|count| count.emails)
    }

    /// The reviews of emails that a person gave a label, in order.
    pub fn reviews_labelled(&self, classifier: &str, label: &str) -> SqlResult<Vec<i64>> {
        self.values(
            "review_id FROM triage.review WHERE classifier = $1 AND human_label = $2 ORDER BY 1",
            &[classifier.into(), label.into()],
        )
    }

    /// Notes the decisions with which a change has put emails to people again.
    pub fn note_asked(&mut self, change_id: i64, decisions: Vec<i64>) -> SqlResult<()> {
        self.execute(
            "INSERT INTO triage_internal.relabelled (change_id, relation, row_id, columns)
             SELECT $1, 'decision', decision_id, '{}' FROM unnest($2) AS decision_id",
            &[change_id.into(), decisions.into()],
        )?;
        Ok(())
    }

    /// Those of them that nobody has answered yet, the latest first.
    pub fn unanswered(&self, change_id: i64) -> SqlResult<Vec<i64>> {
        self.values(
            "m.row_id FROM triage_internal.relabelled m
               JOIN triage.review r ON r.decision_id = m.row_id
              WHERE m.change_id = $1 AND m.relation = 'decision' ORDER BY 1 DESC",
            &[change_id.into()],
        )
    }
}

row! {
    /// A number of emails.
    struct Count {
        emails: i64 = "count(*)",
    }
}
