//! Reviews: what was predicted, and what a person said.

use pgrx::PgSqlErrorCode as Code;

use super::connection::Writer;
use crate::error::{SqlResult, report};
use crate::pg::{self, Rows};
use crate::session::{self, Actor};
use crate::settings;

/// Between the key that an email had and what tells it from the one that has it now.
const ASIDE: char = '\u{1}';

/// Whether a review's key is one that another email has by now: its own email is gone.
pub fn is_aside(key: &str) -> bool {
    key.contains(ASIDE)
}

/// One row of `triage.review`.
#[derive(Debug, Clone)]
pub struct Review {
    pub review_id: i64,
    pub classifier: String,
    pub source: String,
    pub email_key: String,
    pub predicted_label: Option<String>,
    pub confidence: Option<f64>,
    pub model_version: Option<i32>,
    pub human_label: Option<String>,
    pub note: Option<String>,
    pub reviewed_by: Option<String>,
    pub reviewed_at: Option<String>,
    pub queue_reason: Option<String>,
    pub row_version: i32,
    pub decision_id: Option<i64>,
    /// The label that the row had before anybody classified or decided.
    pub given_label: Option<String>,
    /// Drawn at random, to measure accuracy.
    pub audit: bool,
}

const REVIEW_COLUMNS: &str = "review_id, classifier, source, email_key, predicted_label, confidence, model_version, \
     human_label, note, reviewed_by, \
     to_char(reviewed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00', \
     queue_reason, row_version, decision_id, given_label, audit";

fn review_in(rows: &Rows, row: usize) -> SqlResult<Review> {
    let missing = || report(Code::ERRCODE_INTERNAL_ERROR, "a review lacks a value");
    Ok(Review {
        review_id: rows.parsed(row, 1).ok_or_else(missing)?,
        classifier: rows.text(row, 2).ok_or_else(missing)?,
        source: rows.text(row, 3).ok_or_else(missing)?,
        email_key: rows.text(row, 4).ok_or_else(missing)?,
        predicted_label: rows.text(row, 5),
        confidence: rows.number(row, 6),
        model_version: rows.parsed(row, 7),
        human_label: rows.text(row, 8),
        note: rows.text(row, 9),
        reviewed_by: rows.text(row, 10),
        reviewed_at: rows.text(row, 11),
        queue_reason: rows.text(row, 12),
        row_version: rows.parsed(row, 13).ok_or_else(missing)?,
        decision_id: rows.parsed(row, 14),
        given_label: rows.text(row, 15),
        audit: rows.text(row, 16).as_deref() == Some("t"),
    })
}

/// What a classifier says about an email.
#[derive(Debug, Clone, Default)]
pub struct Prediction {
    pub label: Option<String>,
    pub confidence: Option<f64>,
    pub second_label: Option<String>,
    pub second_confidence: Option<f64>,
    pub version: Option<i32>,
    /// How much of the email the classifier had never seen.
    pub unknown_share: Option<f64>,
    /// Below which confidence a person should see it.
    pub review_below: f64,
}

impl Prediction {
    fn margin(&self) -> Option<f64> {
        Some(self.confidence? - self.second_confidence.unwrap_or(0.0))
    }

    /// Draws whether it belongs to the audit sample: by chance alone.
    fn is_drawn(&self) -> bool {
        let rate = settings::audit_rate();
        self.label.is_some() && rate > 0.0 && pg::random() < rate
    }
}

/// Why an email with a prediction of this confidence is in the queue of a classifier.
pub fn queue_reason(confidence: Option<f64>, review_below: f64, audit: bool) -> &'static str {
    match confidence {
        None => "unclassified",
        Some(_) if audit => "audit",
        Some(confidence) if confidence < review_below => "uncertain",
        Some(_) => "confident",
    }
}

impl Writer<'_> {
    /// The review of an email, locked if asked to.
    pub fn review_of(
        &mut self,
        source: &str,
        key: &str,
        classifier: &str,
        lock: bool,
    ) -> SqlResult<Option<Review>> {
        let lock = if lock { "FOR UPDATE" } else { "" };
        let query = format!(
            "SELECT {REVIEW_COLUMNS} FROM triage.review
              WHERE source = $1 AND email_key = $2 AND classifier = $3 {lock}"
        );
        let rows = self.run(&query, &[source.into(), key.into(), classifier.into()])?;
        (rows.len() > 0).then(|| review_in(&rows, 0)).transpose()
    }

    /// A review by its number, locked if asked to.
    pub fn review(&mut self, review_id: i64, lock: bool) -> SqlResult<Review> {
        let lock = if lock { "FOR UPDATE" } else { "" };
        let query =
            format!("SELECT {REVIEW_COLUMNS} FROM triage.review WHERE review_id = $1 {lock}");
        let rows = self.run(&query, &[review_id.into()])?;
        if rows.len() == 0 {
            return Err(report(
                Code::ERRCODE_NO_DATA_FOUND,
                format!("review {review_id} does not exist (see triage.review)"),
            ));
        }
        review_in(&rows, 0)
    }

    /// Writes the review of a new email. A key that was used before gets its row anew: the
    /// email that had it is gone.
    pub fn insert_review(
        &mut self,
        source: &str,
        key: &str,
        classifier: &str,
        prediction: &Prediction,
    ) -> SqlResult<()> {
        self.write_prediction(
            (source, key, classifier),
            prediction,
            "received_at = now(), queue_reason = excluded.queue_reason, audit = excluded.audit, human_label = NULL,
             note = NULL, reviewed_by = NULL, reviewed_at = NULL, decision_id = NULL, given_label = NULL",
            "true",
        )
    }

    fn write_prediction(
        &mut self,
        (source, key, classifier): (&str, &str, &str),
        prediction: &Prediction,
        also_set: &str,
        where_known: &str,
    ) -> SqlResult<()> {
        let query = format!(
            "INSERT INTO triage.review AS r (classifier, source, email_key, predicted_label, confidence,
                    second_label, second_confidence, margin, model_version, queue_reason, audit, unknown_share)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (source, email_key, classifier) DO UPDATE
                SET predicted_label = excluded.predicted_label, confidence = excluded.confidence,
                    second_label = excluded.second_label, second_confidence = excluded.second_confidence,
                    margin = excluded.margin, model_version = excluded.model_version,
                    unknown_share = excluded.unknown_share,
                    row_version = r.row_version + 1, {also_set}
              WHERE {where_known}"
        );
        let audit = prediction.is_drawn();
        let reason = queue_reason(prediction.confidence, prediction.review_below, audit);
        session::note_received();
        session::as_own_change(session::Change::Review, || {
            self.run(
                &query,
                &[
                    classifier.into(),
                    source.into(),
                    key.into(),
                    prediction.label.as_deref().into(),
                    prediction.confidence.into(),
                    prediction.second_label.as_deref().into(),
                    prediction.second_confidence.into(),
                    prediction.margin().into(),
                    prediction.version.into(),
                    reason.into(),
                    audit.into(),
                    prediction.unknown_share.into(),
                ],
            )
            .map(drop)
        })
    }

    /// A row came with a label: if its key was another email's, that one's review is no longer
    /// about it.
    pub fn reset_review(&mut self, email: (&str, &str, &str), given_label: &str) -> SqlResult<()> {
        let (source, key, classifier) = email;
        session::as_own_change(session::Change::Review, || {
            self.run(
                "UPDATE triage.review
                    SET received_at = now(), predicted_label = NULL, confidence = NULL, second_label = NULL,
                        second_confidence = NULL, margin = NULL, model_version = NULL, queue_reason = NULL,
                        human_label = NULL, note = NULL, reviewed_by = NULL, reviewed_at = NULL, decision_id = NULL,
                        audit = false, unknown_share = NULL, given_label = $4, row_version = row_version + 1
                  WHERE source = $1 AND email_key = $2 AND classifier = $3",
                &[source.into(), key.into(), classifier.into(), given_label.into()],
            )
            .map(drop)
        })
    }

    /// The review of an email that nobody classified: it was there before, or came with a
    /// label.
    pub fn insert_unclassified(
        &mut self,
        source: &str,
        key: &str,
        classifier: &str,
        given_label: Option<&str>,
    ) -> SqlResult<()> {
        session::note_received();
        self.run(
            "INSERT INTO triage.review (classifier, source, email_key, queue_reason, given_label)
             VALUES ($1, $2, $3, 'unclassified', $4) ON CONFLICT DO NOTHING",
            &[
                classifier.into(),
                source.into(),
                key.into(),
                given_label.into(),
            ],
        )?;
        Ok(())
    }

    /// Fills in the prediction of an email that had none; leaves any other as it is.
    pub fn complete_review(
        &mut self,
        source: &str,
        key: &str,
        classifier: &str,
        prediction: &Prediction,
    ) -> SqlResult<()> {
        self.write_prediction(
            (source, key, classifier),
            prediction,
            // What a person has labelled before may have taught what is predicted now.
            "queue_reason = CASE WHEN r.queue_reason IS NOT NULL THEN excluded.queue_reason END,
             audit = excluded.audit AND r.human_label IS NULL",
            "r.predicted_label IS NULL",
        )
    }

    /// Writes back what a decision has changed; gives the time that was written.
    pub fn update_review(&mut self, review: &Review) -> SqlResult<()> {
        session::as_own_change(session::Change::Review, || {
            self.run(
            "UPDATE triage.review SET human_label = $2, note = $3, reviewed_by = $4, reviewed_at = $5::text::timestamptz,
                    queue_reason = $6, row_version = $7, decision_id = $8 WHERE review_id = $1",
            &[
                review.review_id.into(),
                review.human_label.as_deref().into(),
                review.note.as_deref().into(),
                review.reviewed_by.as_deref().into(),
                review.reviewed_at.as_deref().into(),
                review.queue_reason.as_deref().into(),
                review.row_version.into(),
                review.decision_id.into(),
            ],
        ).map(drop)
        })
    }

    /// An email's key has changed. A review that has the new key already is that of an email
    /// which is gone, or whose key the same statement changes, too: it steps aside.
    pub fn move_review(
        &mut self,
        source: &str,
        classifier: &str,
        from: &str,
        to: &str,
    ) -> SqlResult<()> {
        let aside = |key: &str| format!("{key}{ASIDE}{}", pg::statement_time());
        session::as_own_change(session::Change::Review, || {
            let mut moved = |from: &str, to: &str| {
                self.run(
                    "UPDATE triage.review SET email_key = $3, row_version = row_version + 1
                      WHERE source = $1 AND email_key = $2 AND classifier = $4",
                    &[source.into(), from.into(), to.into(), classifier.into()],
                )
                .map(|rows| rows.len())
            };
            moved(to, &aside(to))?;
            if moved(&aside(from), to)? == 0 {
                moved(from, to)?;
            }
            Ok(())
        })
    }

    /// The review of an imported email (source, key, classifier), decided from the start;
    /// returns its number, or none if another session was faster.
    pub fn insert_decided(
        &mut self,
        (source, key, classifier): (&str, &str, &str),
        label: &str,
        given_label: Option<&str>,
        actor: &Actor,
    ) -> SqlResult<Option<i64>> {
        let rows = self.run(
            "INSERT INTO triage.review (classifier, source, email_key, human_label, given_label, reviewed_by, reviewed_at)
             VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
             ON CONFLICT (source, email_key, classifier) DO NOTHING RETURNING review_id",
            &[
                classifier.into(),
                source.into(),
                key.into(),
                label.into(),
                given_label.into(),
                actor.name.as_str().into(),
            ],
        )?;
        Ok((rows.len() > 0).then(|| rows.parsed(0, 1)).flatten())
    }

    /// Notes the latest decision about a review.
    pub fn set_decision(&mut self, review_id: i64, decision_id: i64) -> SqlResult<()> {
        session::as_own_change(session::Change::Review, || {
            self.run(
                "UPDATE triage.review SET decision_id = $2 WHERE review_id = $1",
                &[review_id.into(), decision_id.into()],
            )
            .map(drop)
        })
    }

    /// Classifiers that have reviewed an email.
    pub fn classifiers_of(&mut self, source: &str, key: &str) -> SqlResult<Vec<String>> {
        let rows = self.run(
            "SELECT DISTINCT classifier FROM triage.review
              WHERE source = $1 AND (email_key = $2 OR starts_with(email_key, $3)) ORDER BY 1",
            &[source.into(), key.into(), format!("{key}{ASIDE}").into()],
        )?;
        Ok(rows.texts())
    }

    /// Reviews of an email by all classifiers, locked.
    pub fn lock_reviews(&mut self, source: &str, key: &str) -> SqlResult<Vec<(String, i64)>> {
        let rows = self.run(
            "SELECT classifier, review_id FROM triage.review
              WHERE source = $1 AND (email_key = $2 OR starts_with(email_key, $3))
              ORDER BY review_id FOR UPDATE",
            &[source.into(), key.into(), format!("{key}{ASIDE}").into()],
        )?;
        Ok((0..rows.len())
            .filter_map(|row| rows.text(row, 1).zip(rows.parsed(row, 2)))
            .collect())
    }
}
