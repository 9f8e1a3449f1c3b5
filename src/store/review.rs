//! Reviews: what was predicted, and what a person said.

use pgrx::PgSqlErrorCode as Code;
use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};

use super::connection::{Reader, Writer};
use super::row::row;
use super::source::Source;
use crate::error::{SqlResult, report};
use crate::pg::{self, Timestamp};
use crate::session::{self, Actor};

/// The character between the key that an email had and what tells it from the one that has it now.
const ASIDE: char = '\u{1}';

/// `unclassified_reason` of an email that waits for its text.
pub const NO_TEXT: &str = "no text";

/// Whether a review's key is one that another email has by now: its own email is gone.
pub fn is_aside(key: &str) -> bool {
    key.contains(ASIDE)
}

/// The key that an email had itself.
pub fn own_key(key: &str) -> &str {
    key.split(ASIDE).next().unwrap_or(key)
}

/// What an email is reviewed under: its source, its key there, and the classifier.
#[derive(Debug, Clone, Copy)]
pub struct EmailName<'a> {
    pub source: &'a str,
    pub key: &'a str,
    pub classifier: &'a str,
}

row! {
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
        pub reviewed_at: Option<Timestamp>,
        pub queue_reason: Option<String>,
        pub row_version: i32,
        pub decision_id: Option<i64>,
        /// The label that the row had before anybody classified or decided.
        pub given_label: Option<String>,
        /// Drawn at random, to measure accuracy.
        pub audit: bool,
        /// When its text was last changed after a decision.
        pub text_changed_at: Option<Timestamp>,
        /// Its row is gone.
        pub is_deleted: bool = "deleted_at IS NOT NULL",
    }
}

row! {
    /// A review and whose it is.
    pub struct LockedReview {
        pub classifier: String,
        pub review_id: i64,
    }
}

/// What a classifier says about an email, as its review has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewPrediction<'a> {
    pub label: Option<&'a str>,
    pub confidence: Option<f64>,
    pub second_label: Option<&'a str>,
    pub second_confidence: Option<f64>,
    pub margin: Option<f64>,
    pub version: Option<i32>,
    pub queue_reason: &'a str,
    /// That reason, were it not drawn for the audit sample.
    pub reason_by_confidence: &'a str,
    pub audit: bool,
    pub unknown_share: Option<f64>,
    /// Why there is no label, if that is not for want of a model.
    pub unclassified_reason: Option<&'a str>,
    /// The label that the row has instead.
    pub given_label: Option<&'a str>,
    /// When the email was received; `None` for now.
    pub received_at: Option<Timestamp>,
}

/// Which predictions are to be made anew, of those that nobody has decided about.
pub struct Which<'a> {
    pub predicted_label: Option<&'a str>,
    pub confidence_below: Option<f64>,
    pub version_before: Option<i32>,
    pub received_since: Option<TimestampWithTimeZone>,
    pub keys: Option<&'a [Option<String>]>,
    /// Only those of other versions than this one,
    pub other_than: Option<i32>,
    /// or made before this, if it is given. What was predicted anew is neither, so that there is an
    /// end to it.
    pub before: Option<Timestamp>,
}

/// Needs `$1` to `$7`, the arguments of [`Which`].
const TO_PREDICT: &str =
    "r.human_label IS NULL AND r.predicted_label IS NOT NULL AND r.deleted_at IS NULL
    AND (r.model_version IS DISTINCT FROM $1 OR coalesce(r.predicted_at, r.received_at) < $2)
    AND ($3 IS NULL OR r.predicted_label = $3) AND ($4 IS NULL OR r.confidence < $4)
    AND ($5 IS NULL OR r.model_version < $5) AND ($6 IS NULL OR r.received_at >= $6)
    AND ($7 IS NULL OR r.email_key = ANY ($7))";

impl Which<'_> {
    fn arguments(&self) -> Vec<DatumWithOid<'_>> {
        vec![
            self.other_than.into(),
            Timestamp::argument(self.before),
            self.predicted_label.into(),
            self.confidence_below.into(),
            self.version_before.into(),
            self.received_since.into(),
            self.keys.map(<[_]>::to_vec).into(),
        ]
    }
}

const BY_EMAIL: &str =
    "FROM triage.review WHERE source = $1 AND email_key = $2 AND classifier = $3";
const BY_NUMBER: &str = "FROM triage.review WHERE review_id = $1";
/// Reviews of an email by all classifiers, those that stepped aside included.
const BY_KEY: &str =
    "FROM triage.review WHERE source = $1 AND (email_key = $2 OR starts_with(email_key, $3))";

fn existing(review: Option<Review>, review_id: i64) -> SqlResult<Review> {
    review.ok_or_else(|| {
        report(
            Code::ERRCODE_NO_DATA_FOUND,
            format!("review {review_id} does not exist (see triage.review)"),
        )
    })
}

impl Reader<'_> {
    /// The review of an email.
    pub fn review_of(&self, email: EmailName) -> SqlResult<Option<Review>> {
        self.maybe(
            BY_EMAIL,
            &[
                email.source.into(),
                email.key.into(),
                email.classifier.into(),
            ],
        )
    }

    /// A review by its number. It is an error if there is none.
    pub fn review(&self, review_id: i64) -> SqlResult<Review> {
        existing(self.maybe(BY_NUMBER, &[review_id.into()])?, review_id)
    }

    /// Whether there is a review of this number.
    pub fn has_review(&self, review_id: i64) -> SqlResult<bool> {
        self.exists(BY_NUMBER, &[review_id.into()])
    }

    /// Classifiers that have reviewed an email.
    pub fn classifiers_of(&self, source: &str, key: &str) -> SqlResult<Vec<String>> {
        self.values(
            &format!("DISTINCT classifier {BY_KEY} ORDER BY 1"),
            &[source.into(), key.into(), format!("{key}{ASIDE}").into()],
        )
    }
}

row! {
    /// A review and the email's key.
    struct ReviewKey {
        review_id: i64,
        email_key: String,
    }
}

impl Reader<'_> {
    /// Reviews whose prediction is to be made anew, with the keys of their emails: so many, by
    /// number after `last`.
    pub fn reviews_to_predict(
        &self,
        source: &Source,
        which: &Which,
        last: i64,
        most: i64,
    ) -> SqlResult<Vec<(i64, String)>> {
        let mut arguments = which.arguments();
        arguments.extend([
            source.name.as_str().into(),
            source.classifier.as_str().into(),
            last.into(),
            most.into(),
        ]);
        let rest = format!(
            "FROM triage.review r WHERE {TO_PREDICT} AND r.source = $8 AND r.classifier = $9 AND r.review_id > $10
              ORDER BY r.review_id LIMIT $11"
        );
        let found: Vec<ReviewKey> = self.rows(&rest, &arguments)?;
        Ok(found
            .into_iter()
            .map(|review| (review.review_id, review.email_key))
            .collect())
    }

    /// Whether the prediction of a review is to be made anew.
    pub fn is_to_predict(&self, review_id: i64, which: &Which) -> SqlResult<bool> {
        let mut arguments = which.arguments();
        arguments.push(review_id.into());
        let rest = format!("FROM triage.review r WHERE {TO_PREDICT} AND r.review_id = $8");
        self.exists(&rest, &arguments)
    }

    /// When the latest decision of a classifier was taken.
    pub fn last_decided_at(&self, classifier: &str) -> SqlResult<Option<Timestamp>> {
        self.value(
            "decided_at FROM triage.decision WHERE classifier = $1 ORDER BY decision_id DESC LIMIT 1",
            &[classifier.into()],
        )
    }
}

impl Writer<'_> {
    /// The review of an email, locked.
    pub fn lock_review_of(&mut self, email: EmailName) -> SqlResult<Option<Review>> {
        self.lock_first(
            BY_EMAIL,
            &[
                email.source.into(),
                email.key.into(),
                email.classifier.into(),
            ],
        )
    }

    /// A review by its number, locked. It is an error if there is none.
    pub fn lock_review(&mut self, review_id: i64) -> SqlResult<Review> {
        existing(self.lock_first(BY_NUMBER, &[review_id.into()])?, review_id)
    }

    /// Reviews of an email by all classifiers, locked in one order for everybody.
    pub fn lock_reviews(&mut self, source: &str, key: &str) -> SqlResult<Vec<LockedReview>> {
        self.lock_all(
            &format!("{BY_KEY} ORDER BY review_id"),
            &[source.into(), key.into(), format!("{key}{ASIDE}").into()],
        )
    }

    /// Writes the review of a new email. A key that was used before gets its row anew: the
    /// email that had it is gone.
    pub fn insert_review(&mut self, email: EmailName, new: &NewPrediction) -> SqlResult<()> {
        self.write_prediction(
            email,
            new,
            "received_at = excluded.received_at, queue_reason = excluded.queue_reason, audit = excluded.audit, human_label = NULL,
             note = NULL, reviewed_by = NULL, reviewed_at = NULL, decision_id = NULL,
             given_label = excluded.given_label, text_changed_at = NULL, predicted_at = NULL",
            "true",
        )
    }

    /// Fills in the prediction of an email that had none; leaves any other as it is.
    pub fn complete_review(&mut self, email: EmailName, new: &NewPrediction) -> SqlResult<()> {
        self.write_prediction(
            email,
            new,
            // What a person has labelled before may have taught what is predicted now.
            "queue_reason = CASE WHEN r.queue_reason = 'reopened' THEN r.queue_reason
                                 WHEN r.queue_reason IS NOT NULL THEN excluded.queue_reason END,
             audit = excluded.audit AND r.human_label IS NULL",
            "r.predicted_label IS NULL",
        )
    }

    /// Puts what is predicted of an undecided email now in the place of what was. Whether it was
    /// drawn for the audit sample, or was skipped, stays: else the sample would not be one.
    pub fn replace_prediction(&mut self, email: EmailName, new: &NewPrediction) -> SqlResult<()> {
        self.write_prediction(
            email,
            new,
            "predicted_at = clock_timestamp(),
             audit = CASE WHEN r.predicted_label IS NULL OR excluded.predicted_label IS NULL THEN excluded.audit
                          ELSE r.audit END,
             queue_reason = CASE WHEN r.queue_reason IS NULL THEN NULL
                                 WHEN r.predicted_label IS NULL OR excluded.predicted_label IS NULL
                                      THEN excluded.queue_reason
                                 WHEN r.audit THEN 'audit' ELSE $14 END",
            "r.human_label IS NULL",
        )
    }

    /// A constraint has taken the label of a row away: its review is in the queue again, with the
    /// reason, and keeps what was predicted and said. False if there is none.
    pub fn reopen_without_label(&mut self, email: EmailName, reason: &str) -> SqlResult<bool> {
        let reviews = self.change_review(
            "UPDATE triage.review
                SET queue_reason = 'unclassified', unclassified_reason = $4, row_version = row_version + 1
              WHERE source = $1 AND email_key = $2 AND classifier = $3",
            &[
                email.source.into(),
                email.key.into(),
                email.classifier.into(),
                reason.into(),
            ],
        )?;
        Ok(reviews > 0)
    }

    /// Notes that the text of an email is another one since somebody has decided about it.
    pub fn mark_text_changed(&mut self, email: EmailName) -> SqlResult<()> {
        self.change_review(
            "UPDATE triage.review SET text_changed_at = now(), row_version = row_version + 1
              WHERE source = $1 AND email_key = $2 AND classifier = $3 AND human_label IS NOT NULL",
            &[
                email.source.into(),
                email.key.into(),
                email.classifier.into(),
            ],
        )
        .map(drop)
    }

    fn write_prediction(
        &mut self,
        email: EmailName,
        new: &NewPrediction,
        also_set: &str,
        where_known: &str,
    ) -> SqlResult<()> {
        let statement = format!(
            "INSERT INTO triage.review AS r (classifier, source, email_key, predicted_label, confidence,
                    second_label, second_confidence, margin, model_version, queue_reason, audit, unknown_share,
                    unclassified_reason, received_at, given_label)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, coalesce($15, now()), $16)
             ON CONFLICT (source, email_key, classifier) DO UPDATE
                SET predicted_label = excluded.predicted_label, confidence = excluded.confidence,
                    second_label = excluded.second_label, second_confidence = excluded.second_confidence,
                    margin = excluded.margin, model_version = excluded.model_version,
                    unknown_share = excluded.unknown_share, deleted_at = NULL, deleted_queue_reason = NULL,
                    unclassified_reason = excluded.unclassified_reason,
                    row_version = r.row_version + 1, {also_set}
              WHERE {where_known}"
        );
        session::note_received();
        self.change_review(
            &statement,
            &[
                email.classifier.into(),
                email.source.into(),
                email.key.into(),
                new.label.into(),
                new.confidence.into(),
                new.second_label.into(),
                new.second_confidence.into(),
                new.margin.into(),
                new.version.into(),
                new.queue_reason.into(),
                new.audit.into(),
                new.unknown_share.into(),
                new.unclassified_reason.into(),
                new.reason_by_confidence.into(),
                Timestamp::argument(new.received_at),
                new.given_label.into(),
            ],
        )
        .map(drop)
    }

    /// A row came with a label: if its key was another email's, that one's review is no longer
    /// about it.
    pub fn reset_review(
        &mut self,
        email: EmailName,
        given_label: &str,
        received_at: Option<Timestamp>,
    ) -> SqlResult<()> {
        self.change_review(
            "UPDATE triage.review
                SET received_at = coalesce($5, now()), predicted_label = NULL, confidence = NULL, second_label = NULL,
                    second_confidence = NULL, margin = NULL, model_version = NULL, queue_reason = NULL,
                    human_label = NULL, note = NULL, reviewed_by = NULL, reviewed_at = NULL, decision_id = NULL,
                    audit = false, unknown_share = NULL, unclassified_reason = NULL, text_changed_at = NULL,
                    predicted_at = NULL, deleted_at = NULL, deleted_queue_reason = NULL,
                    given_label = $4, row_version = row_version + 1
              WHERE source = $1 AND email_key = $2 AND classifier = $3",
            &[
                email.source.into(),
                email.key.into(),
                email.classifier.into(),
                given_label.into(),
                Timestamp::argument(received_at),
            ],
        )
        .map(drop)
    }

    /// The review of an email that nobody classified: it was there before, or came with a
    /// label.
    pub fn insert_unclassified(
        &mut self,
        email: EmailName,
        given_label: Option<&str>,
        received_at: Option<Timestamp>,
    ) -> SqlResult<()> {
        session::note_received();
        self.execute(
            "INSERT INTO triage.review (classifier, source, email_key, queue_reason, given_label, received_at)
             VALUES ($1, $2, $3, 'unclassified', $4, coalesce($5, now())) ON CONFLICT DO NOTHING",
            &[
                email.classifier.into(),
                email.source.into(),
                email.key.into(),
                given_label.into(),
                Timestamp::argument(received_at),
            ],
        )?;
        Ok(())
    }

    /// Writes back what a decision has changed.
    pub fn update_review(&mut self, review: &Review) -> SqlResult<()> {
        self.change_review(
            "UPDATE triage.review SET human_label = $2, note = $3, reviewed_by = $4, reviewed_at = $5,
                    queue_reason = $6, row_version = $7, decision_id = $8,
                    text_changed_at = $9
              WHERE review_id = $1",
            &[
                review.review_id.into(),
                review.human_label.as_deref().into(),
                review.note.as_deref().into(),
                review.reviewed_by.as_deref().into(),
                Timestamp::argument(review.reviewed_at),
                review.queue_reason.as_deref().into(),
                review.row_version.into(),
                review.decision_id.into(),
                Timestamp::argument(review.text_changed_at),
            ],
        )
        .map(drop)
    }

    /// An email's key has changed. A review that has the new key already is that of an email
    /// which is gone, or whose key the same statement changes, too: it steps aside.
    pub fn move_review(&mut self, from: EmailName, to: &str) -> SqlResult<()> {
        let aside = |key: &str| format!("{key}{ASIDE}{}", pg::statement_time());
        let mut moved = |old: &str, new: &str| {
            self.change_review(
                "UPDATE triage.review SET email_key = $3, row_version = row_version + 1
                  WHERE source = $1 AND email_key = $2 AND classifier = $4",
                &[
                    from.source.into(),
                    old.into(),
                    new.into(),
                    from.classifier.into(),
                ],
            )
        };
        moved(to, &aside(to))?;
        if moved(&aside(from.key), to)? == 0 {
            moved(from.key, to)?;
        }
        Ok(())
    }

    /// The review of an imported email, decided from the start; returns its number, or none if
    /// another session was faster.
    pub fn insert_decided(
        &mut self,
        email: EmailName,
        label: &str,
        given_label: Option<&str>,
        received_at: Option<Timestamp>,
        actor: &Actor,
    ) -> SqlResult<Option<i64>> {
        self.returning_value(
            "INSERT INTO triage.review (classifier, source, email_key, human_label, given_label, reviewed_by,
                    reviewed_at, received_at)
             VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp(), coalesce($7, now()))
             ON CONFLICT (source, email_key, classifier) DO NOTHING RETURNING review_id",
            &[
                email.classifier.into(),
                email.source.into(),
                email.key.into(),
                label.into(),
                given_label.into(),
                actor.name.as_str().into(),
                Timestamp::argument(received_at),
            ],
        )
    }

    /// Notes the latest decision about a review.
    pub fn set_decision(&mut self, review_id: i64, decision_id: i64) -> SqlResult<()> {
        self.change_review(
            "UPDATE triage.review SET decision_id = $2 WHERE review_id = $1",
            &[review_id.into(), decision_id.into()],
        )
        .map(drop)
    }

    /// Runs a statement whose change of `triage.review` our own triggers leave alone.
    pub(super) fn change_review(
        &mut self,
        statement: &str,
        arguments: &[DatumWithOid],
    ) -> SqlResult<usize> {
        session::as_own_change(session::Change::Review, || {
            self.execute(statement, arguments)
        })
    }
}
