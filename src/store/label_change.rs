//! `triage_internal.label_change` and `relabelled`: what was done to labels, and the statements
//! that do it. A label is stored under its name in many places; each of them is here.

use pgrx::PgSqlErrorCode as Code;

use super::connection::{Reader, Writer};
use super::row::row;
use crate::error::{SqlResult, report};
use crate::pg;
use crate::session::{self, Change};

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

/// The relation whose lock keeps labels as they are. Who writes a review takes it in any case.
fn reviews() -> SqlResult<pgrx::pg_sys::Oid> {
    pg::extension_relation(c"triage", c"review").ok_or_else(|| {
        report(
            Code::ERRCODE_UNDEFINED_OBJECT,
            "table triage.review is not there",
        )
    })
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

/// Rows of the ledger that have the label with key $2.
const DECISIONS_WITH: &str = "classifier = $1
    AND (triage_internal.is_label(new_label, $2) OR triage_internal.is_label(old_label, $2)
         OR triage_internal.is_label(predicted_label, $2) OR step ? $2)";

/// Reviews that have the label with key $2.
const REVIEWS_WITH: &str = "classifier = $1
    AND (triage_internal.is_label(predicted_label, $2) OR triage_internal.is_label(human_label, $2)
         OR triage_internal.is_label(second_label, $2) OR triage_internal.is_label(given_label, $2))";

impl Writer<'_> {
    /// Waits until nobody is about to write labels, and lets nobody begin until the end of the
    /// transaction. Before the lock of the classifier. Not for ever: new mail waits behind it.
    pub fn lock_labels(&mut self) -> SqlResult<()> {
        if pg::keeps_one_snapshot() {
            return Err(report(
                Code::ERRCODE_ACTIVE_SQL_TRANSACTION,
                "labels cannot be changed in a transaction that keeps one snapshot, which hides decisions: use READ COMMITTED",
            ));
        }
        let relation = reviews()?;
        let locked = pg::catching(|| {
            let is_unlimited = pg::setting(c"lock_timeout").is_none_or(|limit| limit == "0");
            if is_unlimited {
                self.limit_lock_wait(LONGEST_WAIT)?;
            }
            pg::lock_against_changes(relation);
            if is_unlimited {
                self.limit_lock_wait("0")?;
            }
            Ok(())
        });
        locked.map_err(|message| {
            report(
                Code::ERRCODE_LOCK_NOT_AVAILABLE,
                format!(
                    "{message}: transactions that have labelled or decided something are still open (see pg_stat_activity), try again when they have ended"
                ),
            )
        })
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

    /// Keeps what a merge puts in the place of: the label that goes, what both were described by,
    /// costs, and which rows had the label. `description` is what the label that is left gets.
    pub fn keep_for_undo(
        &mut self,
        change_id: i64,
        classifier: &str,
        (from, into): (&LabelRow, &LabelRow),
        description: Option<&str>,
    ) -> SqlResult<()> {
        self.execute(
            "UPDATE triage_internal.label_change
                SET kept = jsonb_build_object(
                        'label', (SELECT to_jsonb(l) FROM triage.label l WHERE l.classifier = $2 AND l.label = $3),
                        'new_label_description', $5, 'description', $6,
                        'costs', (SELECT jsonb_agg(to_jsonb(c)) FROM triage.cost c
                                   WHERE c.classifier = $2
                                     AND (triage_internal.is_label(c.actual, $4)
                                          OR triage_internal.is_label(c.predicted, $4)
                                          OR triage_internal.is_label(c.actual, $7)
                                          OR triage_internal.is_label(c.predicted, $7))))
              WHERE change_id = $1",
            &[
                change_id.into(),
                classifier.into(),
                from.label.as_str().into(),
                from.key.as_str().into(),
                into.description.as_deref().into(),
                description.into(),
                into.key.as_str().into(),
            ],
        )?;
        let arguments = [
            classifier.into(),
            from.key.as_str().into(),
            change_id.into(),
        ];
        self.execute(
            &format!(
                "INSERT INTO triage_internal.relabelled (change_id, relation, row_id, columns, step)
                 SELECT $3, 'decision', decision_id,
                        array_remove(ARRAY[
                            CASE WHEN triage_internal.is_label(new_label, $2) THEN 'new_label' END,
                            CASE WHEN triage_internal.is_label(old_label, $2) THEN 'old_label' END,
                            CASE WHEN triage_internal.is_label(predicted_label, $2) THEN 'predicted_label' END],
                            NULL),
                        CASE WHEN step ? $2 THEN step END
                   FROM triage.decision WHERE {DECISIONS_WITH}"
            ),
            &arguments,
        )?;
        self.execute(
            &format!(
                "INSERT INTO triage_internal.relabelled (change_id, relation, row_id, columns)
                 SELECT $3, 'review', review_id,
                        array_remove(ARRAY[
                            CASE WHEN triage_internal.is_label(predicted_label, $2) THEN 'predicted_label' END,
                            CASE WHEN triage_internal.is_label(human_label, $2) THEN 'human_label' END,
                            CASE WHEN triage_internal.is_label(second_label, $2) THEN 'second_label' END,
                            CASE WHEN triage_internal.is_label(given_label, $2) THEN 'given_label' END],
                            NULL)
                   FROM triage.review WHERE {REVIEWS_WITH}"
            ),
            &arguments,
        )?;
        Ok(())
    }

    /// Gives all decisions with a label another one.
    pub fn relabel_decisions(
        &mut self,
        classifier: &str,
        key: &str,
        (new, new_key): (&str, &str),
    ) -> SqlResult<usize> {
        session::as_label_change(|| {
            self.execute(
                &format!(
                    "UPDATE triage.decision
                        SET new_label = CASE WHEN triage_internal.is_label(new_label, $2) THEN $3 ELSE new_label END,
                            old_label = CASE WHEN triage_internal.is_label(old_label, $2) THEN $3 ELSE old_label END,
                            predicted_label = CASE WHEN triage_internal.is_label(predicted_label, $2)
                                                   THEN $3 ELSE predicted_label END,
                            sample_priority = CASE WHEN triage_internal.is_label(new_label, $2)
                                                   THEN triage_internal.sample_priority(features, $3)
                                                   ELSE sample_priority END,
                            step = triage_internal.relabel_step(step, $2, $4)
                      WHERE {DECISIONS_WITH}"
                ),
                &[classifier.into(), key.into(), new.into(), new_key.into()],
            )
        })
    }

    /// Gives all reviews with a label another one; returns how many. The second best label is
    /// none if it is now the best one.
    pub fn relabel_reviews(&mut self, classifier: &str, key: &str, new: &str) -> SqlResult<usize> {
        session::as_own_change(Change::Review, || {
            self.execute(
                &format!(
                    "UPDATE triage.review
                        SET predicted_label = CASE WHEN triage_internal.is_label(predicted_label, $2)
                                                   THEN $3 ELSE predicted_label END,
                            human_label = CASE WHEN triage_internal.is_label(human_label, $2)
                                               THEN $3 ELSE human_label END,
                            second_label = CASE WHEN triage_internal.is_label(second_label, $2)
                                                THEN CASE WHEN predicted_label <> $3 THEN $3 END
                                                WHEN triage_internal.is_label(predicted_label, $2)
                                                THEN nullif(second_label, $3)
                                                ELSE second_label END,
                            given_label = CASE WHEN triage_internal.is_label(given_label, $2)
                                               THEN $3 ELSE given_label END,
                            row_version = row_version + 1
                      WHERE {REVIEWS_WITH}"
                ),
                &[classifier.into(), key.into(), new.into()],
            )
        })
    }

    /// What errors cost follows a label; where it says so for the other one already, that stays.
    pub fn relabel_costs(&mut self, classifier: &str, key: &str, new: &str) -> SqlResult<()> {
        self.execute(
            "WITH gone AS (
                 DELETE FROM triage.cost
                  WHERE classifier = $1
                    AND (triage_internal.is_label(actual, $2) OR triage_internal.is_label(predicted, $2))
                 RETURNING *)
             INSERT INTO triage.cost (classifier, actual, predicted, cost)
             SELECT n.classifier, n.actual, n.predicted, n.cost
               FROM (SELECT classifier, cost,
                            CASE WHEN triage_internal.is_label(actual, $2) THEN $3 ELSE actual END AS actual,
                            CASE WHEN triage_internal.is_label(predicted, $2) THEN $3 ELSE predicted END AS predicted
                       FROM gone) n
              WHERE n.actual <> n.predicted
             ON CONFLICT DO NOTHING",
            &[classifier.into(), key.into(), new.into()],
        )?;
        Ok(())
    }

    /// Gives a label of the catalogue another name.
    pub fn rename_in_catalogue(&mut self, classifier: &str, old: &str, new: &str) -> SqlResult<()> {
        session::as_label_change(|| {
            self.execute(
                "UPDATE triage.label SET label = $3 WHERE classifier = $1 AND label = $2",
                &[classifier.into(), old.into(), new.into()],
            )
        })?;
        Ok(())
    }

    /// Takes a label out of the catalogue.
    pub fn delete_from_catalogue(&mut self, classifier: &str, label: &str) -> SqlResult<()> {
        session::as_label_change(|| {
            self.execute(
                "DELETE FROM triage.label WHERE classifier = $1 AND label = $2",
                &[classifier.into(), label.into()],
            )
        })?;
        Ok(())
    }

    /// Describes a label in the catalogue. What that teaches is another matter.
    pub fn set_description(
        &mut self,
        classifier: &str,
        label: &str,
        description: Option<&str>,
    ) -> SqlResult<()> {
        self.execute(
            "UPDATE triage.label SET description = $3 WHERE classifier = $1 AND label = $2",
            &[classifier.into(), label.into(), description.into()],
        )?;
        Ok(())
    }

    /// Gives the decision that taught a description other features; without any it teaches nothing.
    pub fn rewrite_description(
        &mut self,
        decision_id: i64,
        features: Option<Vec<u8>>,
    ) -> SqlResult<()> {
        session::as_label_change(|| {
            self.execute(
                "UPDATE triage.decision
                    SET features = $2, sample_priority = triage_internal.sample_priority($2, new_label)
                  WHERE decision_id = $1",
                &[decision_id.into(), features.into()],
            )
        })?;
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

    /// Takes back in ledger, reviews, catalogue and costs what a merge has put there; returns how
    /// many reviews have their label again. What was decided since is left as it is.
    pub fn unmerge(&mut self, merge: &LabelChange, into: &LabelRow) -> SqlResult<usize> {
        let label = merge.label.as_str();
        self.execute(
            "INSERT INTO triage.label
             SELECT l.* FROM triage_internal.label_change c,
                    jsonb_populate_record(NULL::triage.label, c.kept -> 'label') l
              WHERE c.change_id = $1",
            &[merge.change_id.into()],
        )?;
        session::as_label_change(|| {
            self.execute(
                "UPDATE triage.decision d
                    SET new_label = CASE WHEN 'new_label' = ANY (m.columns) THEN $2 ELSE d.new_label END,
                        old_label = CASE WHEN 'old_label' = ANY (m.columns) THEN $2 ELSE d.old_label END,
                        predicted_label = CASE WHEN 'predicted_label' = ANY (m.columns)
                                               THEN $2 ELSE d.predicted_label END,
                        sample_priority = CASE WHEN 'new_label' = ANY (m.columns)
                                               THEN triage_internal.sample_priority(d.features, $2)
                                               ELSE d.sample_priority END,
                        step = coalesce(m.step, d.step)
                   FROM triage_internal.relabelled m
                  WHERE m.change_id = $1 AND m.relation = 'decision' AND d.decision_id = m.row_id",
                &[merge.change_id.into(), label.into()],
            )
        })?;
        let reviews = session::as_own_change(Change::Review, || {
            self.execute(
                "UPDATE triage.review r
                    SET predicted_label = CASE WHEN 'predicted_label' = ANY (m.columns) AND r.predicted_label = $3
                                               THEN $2 ELSE r.predicted_label END,
                        human_label = CASE WHEN 'human_label' = ANY (m.columns) AND r.human_label = $3
                                                -- Else somebody has decided anew.
                                                AND coalesce((SELECT d.new_label FROM triage.decision d
                                                               WHERE d.decision_id = r.decision_id), $2) = $2
                                           THEN $2 ELSE r.human_label END,
                        second_label = CASE WHEN 'second_label' = ANY (m.columns) AND coalesce(r.second_label, $3) = $3
                                            THEN $2
                                            WHEN 'predicted_label' = ANY (m.columns) AND r.second_label IS NULL
                                                 AND r.second_confidence IS NOT NULL
                                            THEN $3
                                            ELSE r.second_label END,
                        given_label = CASE WHEN 'given_label' = ANY (m.columns) AND r.given_label = $3
                                           THEN $2 ELSE r.given_label END,
                        row_version = r.row_version + 1
                   FROM triage_internal.relabelled m
                   JOIN triage_internal.label_change c ON c.change_id = m.change_id
                  WHERE m.change_id = $1 AND m.relation = 'review' AND r.review_id = m.row_id
                    -- Else another email has the key by now.
                    AND r.received_at <= c.changed_at",
                &[
                    merge.change_id.into(),
                    label.into(),
                    into.label.as_str().into(),
                ],
            )
        })?;
        self.execute(
            "DELETE FROM triage.cost
              WHERE classifier = $1
                AND (triage_internal.is_label(actual, $2) OR triage_internal.is_label(predicted, $2))",
            &[
                merge.classifier.as_str().into(),
                into.key.as_str().into(),
            ],
        )?;
        self.execute(
            "INSERT INTO triage.cost
             SELECT k.* FROM triage_internal.label_change c,
                    jsonb_populate_recordset(NULL::triage.cost, nullif(c.kept -> 'costs', 'null')) k
              WHERE c.change_id = $1
             ON CONFLICT DO NOTHING",
            &[merge.change_id.into()],
        )?;
        Ok(reviews)
    }

    /// The rows of an attached table that a merge has relabelled and that are to have their label
    /// again, so many after this place; with the place to go on from.
    pub fn rows_to_unmerge(
        &self,
        merge: &LabelChange,
        (source_id, source): (i64, &str),
        after: i64,
        most: i64,
    ) -> SqlResult<Vec<RelabelledRow>> {
        self.rows(
            "FROM triage_internal.relabelled m
               LEFT JOIN triage.review r ON r.source = $3 AND r.email_key = m.email_key AND r.classifier = $4
              WHERE m.change_id = $1 AND m.relation = 'source' AND m.row_id = $2 AND m.relabelled_id > $5
                AND coalesce(r.human_label, r.predicted_label, r.given_label, $6) = $6
              ORDER BY m.relabelled_id LIMIT $7",
            &[
                merge.change_id.into(),
                source_id.into(),
                source.into(),
                merge.classifier.as_str().into(),
                after.into(),
                merge.label.as_str().into(),
                most.into(),
            ],
        )
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

    /// Notes which rows of an attached table a merge has relabelled.
    pub fn note_relabelled(
        &mut self,
        change_id: i64,
        source_id: i64,
        keys: Vec<String>,
    ) -> SqlResult<()> {
        self.execute(
            "INSERT INTO triage_internal.relabelled (change_id, relation, row_id, email_key, columns)
             SELECT $1, 'source', $2, key, '{}' FROM unnest($3) AS key",
            &[change_id.into(), source_id.into(), keys.into()],
        )?;
        Ok(())
    }
}

row! {
    /// A number of emails.
    struct Count {
        emails: i64 = "count(*)",
    }
}

row! {
    /// A row of an attached table that had another label before a merge.
    pub struct RelabelledRow {
        pub relabelled_id: i64 = "m.relabelled_id",
        pub key: String = "m.email_key",
    }
}
