//! A label is stored under its name in many places: the statements that give rows of each of them
//! another one, and those that take back what a merge has done.

use super::connection::Writer;
use super::label_change::{LabelChange, LabelRow};
use super::row::row;
use crate::error::SqlResult;
use crate::session::{self, Change};

row! {
    /// A row of an attached table that had another label before a merge.
    pub struct RelabelledRow {
        pub relabelled_id: i64 = "m.relabelled_id",
        pub key: String = "m.email_key",
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

/// Runs `f`, which gives reviews another name of a label: no decision, and nothing to announce.
fn as_relabelling<R>(f: impl FnOnce() -> R) -> R {
    session::as_label_change(|| session::as_own_change(Change::Review, f))
}

impl Writer<'_> {
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
        as_relabelling(|| {
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
        let reviews = as_relabelling(|| {
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
