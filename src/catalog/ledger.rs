//! Reviews, decisions, and what is learned from them.

use pg_triage_core::tokenizer::TOKENIZER_VERSION;
use pg_triage_core::{Error, Features, Live, sample_priority};
use pgrx::PgSqlErrorCode as Code;
use pgrx::spi::SpiClient;

use super::Writer;
use crate::error::{SqlResult, from_core, report, unknown_label};
use crate::pg::{self, Rows};
use crate::session::{self, Actor};

/// Between the key that an email had and what tells it from the one that has it now.
const ASIDE: char = '\u{1}';

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
}

const REVIEW_COLUMNS: &str = "review_id, classifier, source, email_key, predicted_label, confidence, model_version, \
     human_label, note, reviewed_by, reviewed_at, queue_reason, row_version, decision_id, given_label";

fn review_in(rows: &Rows, row: usize) -> SqlResult<Review> {
    let missing = || report(Code::ERRCODE_INTERNAL_ERROR, "a review lacks a value");
    Ok(Review {
        review_id: rows.parsed(row, 1).ok_or_else(missing)?,
        classifier: rows.text(row, 2).ok_or_else(missing)?,
        source: rows.text(row, 3).ok_or_else(missing)?,
        email_key: rows.text(row, 4).ok_or_else(missing)?,
        predicted_label: rows.text(row, 5),
        confidence: rows.parsed(row, 6),
        model_version: rows.parsed(row, 7),
        human_label: rows.text(row, 8),
        note: rows.text(row, 9),
        reviewed_by: rows.text(row, 10),
        reviewed_at: rows.text(row, 11),
        queue_reason: rows.text(row, 12),
        row_version: rows.parsed(row, 13).ok_or_else(missing)?,
        decision_id: rows.parsed(row, 14),
        given_label: rows.text(row, 15),
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
}

impl Prediction {
    fn margin(&self) -> Option<f64> {
        Some(self.confidence? - self.second_confidence.unwrap_or(0.0))
    }

    /// Why a person should see it.
    pub fn queue_reason(&self) -> &'static str {
        queue_reason(self.confidence)
    }
}

/// Confidence from which on a prediction is not called uncertain.
const CONFIDENT: f64 = 0.8;

/// Why an email with a prediction of this confidence is in the queue.
pub fn queue_reason(confidence: Option<f64>) -> &'static str {
    match confidence {
        None => "unclassified",
        Some(confidence) if confidence < CONFIDENT => "uncertain",
        Some(_) => "confident",
    }
}

/// What a decision says, and what is learned from it.
pub struct Decision<'a> {
    pub review_id: Option<i64>,
    pub classifier: &'a str,
    pub kind: &'static str,
    pub old_label: Option<&'a str>,
    pub new_label: Option<&'a str>,
    pub predicted_label: Option<&'a str>,
    pub confidence: Option<f64>,
    pub model_version: Option<i32>,
    pub note: Option<&'a str>,
    pub door: &'static str,
    pub replaces: Option<i64>,
    pub undoes: Option<i64>,
    pub features: Option<&'a Features>,
}

/// A stored decision, as far as undoing it needs.
pub struct Past {
    pub decision_id: i64,
    pub review_id: Option<i64>,
    pub classifier: String,
    pub old_label: Option<String>,
    pub new_label: Option<String>,
    pub replaces: Option<i64>,
    /// What it taught.
    pub features: Option<Features>,
}

/// What one pending decision changes.
#[derive(Default)]
pub struct Lesson {
    /// Learned under this label.
    pub learned: Option<(Features, String)>,
    /// No longer so.
    pub unlearned: Option<(Features, String)>,
}

/// Lessons of these decisions, under the caller's snapshot.
pub fn lessons(client: &SpiClient, decisions: &[i64]) -> SqlResult<Vec<Lesson>> {
    let rows = pg::select(
        client,
        LESSONS,
        &[&array(decisions), &TOKENIZER_VERSION.to_string()],
    )?;
    lessons_in(&rows)
}

/// Features of another tokenizer teach nothing.
const LESSONS: &str =
    "SELECT d.new_label, CASE WHEN d.tokenizer_version = $2::int THEN d.features END,
        p.new_label, CASE WHEN p.tokenizer_version = $2::int THEN p.features END
   FROM triage.decision d LEFT JOIN triage.decision p ON p.decision_id = d.replaces
  WHERE d.decision_id = ANY ($1::bigint[]) ORDER BY d.decision_id";

fn lessons_in(rows: &Rows) -> SqlResult<Vec<Lesson>> {
    let document = |row, label: i32| -> SqlResult<Option<(Features, String)>> {
        let features = rows.bytes(row, label + 1)?.map(decoded).transpose()?;
        Ok(features.zip(rows.text(row, label)))
    };
    let bytes = (0..rows.len()).map(|row| rows.size(row, 2) + rows.size(row, 4) + 1024);
    pg_triage_core::probe(3 * bytes.sum::<usize>()).map_err(from_core)?;
    (0..rows.len())
        .map(|row| {
            Ok(Lesson {
                learned: document(row, 1)?,
                unlearned: document(row, 3)?,
            })
        })
        .collect()
}

/// Adds lessons to a session's model. All that is learned comes first: what is un-learned
/// may have been learned by another of them.
pub fn teach(live: &mut Live, lessons: &[Lesson]) -> SqlResult<()> {
    for (features, label) in lessons.iter().filter_map(|l| l.learned.as_ref()) {
        live.learn(features, label).map_err(from_core)?;
    }
    for (features, label) in lessons.iter().filter_map(|l| l.unlearned.as_ref()) {
        match live.unlearn(features, label) {
            // A ledger that somebody wrote to directly must not stop classification.
            Ok(()) | Err(Error::NotLearned { .. }) => {}
            Err(error) => return Err(from_core(error)),
        }
    }
    Ok(())
}

/// `{1,2,3}`
fn array(ids: &[i64]) -> String {
    let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
    format!("{{{}}}", ids.join(","))
}

/// Features as they are stored.
pub fn encoded(features: &Features) -> SqlResult<Vec<u8>> {
    let mut bytes = pg::buffer(features.keys().len() * 8)?;
    for key in features.keys() {
        bytes.extend_from_slice(&key.to_le_bytes());
    }
    Ok(bytes)
}

/// The features that [`encoded`] wrote.
pub fn decoded(bytes: Vec<u8>) -> SqlResult<Features> {
    let corrupt = || {
        report(
            Code::ERRCODE_DATA_CORRUPTED,
            "a decision in triage.decision has features that are not ascending keys",
        )
    };
    let (keys, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(corrupt());
    }
    let keys = keys.iter().map(|&key| u64::from_le_bytes(key)).collect();
    Features::from_sorted(keys).map_err(|_| corrupt())
}

/// The priority in a form whose signed order is the unsigned one.
fn stored_priority(features: &Features, label: &str) -> SqlResult<i64> {
    let priority = sample_priority(features, label).map_err(from_core)?;
    Ok((priority ^ (1 << 63)) as i64)
}

impl Writer<'_, '_> {
    /// Lessons of these decisions, those of the own statement among them.
    pub fn lessons(&mut self, decisions: &[i64]) -> SqlResult<Vec<Lesson>> {
        let arguments = [array(decisions), TOKENIZER_VERSION.to_string()];
        let rows = self.run(LESSONS, &arguments.map(Into::into))?;
        lessons_in(&rows)
    }

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
        session::as_own_change(|| {
            self.run(
            "INSERT INTO triage.review AS r (classifier, source, email_key, predicted_label, confidence,
                    second_label, second_confidence, margin, model_version, queue_reason)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (source, email_key, classifier) DO UPDATE
                SET received_at = now(), predicted_label = excluded.predicted_label, confidence = excluded.confidence,
                    second_label = excluded.second_label, second_confidence = excluded.second_confidence,
                    margin = excluded.margin, model_version = excluded.model_version,
                    queue_reason = excluded.queue_reason, human_label = NULL, note = NULL, reviewed_by = NULL,
                    reviewed_at = NULL, decision_id = NULL, given_label = NULL, row_version = r.row_version + 1",
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
                prediction.queue_reason().into(),
            ],
        ).map(drop)
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
        session::as_own_change(|| {
            self.run(
            "INSERT INTO triage.review AS r (classifier, source, email_key, predicted_label, confidence,
                    second_label, second_confidence, margin, model_version, queue_reason)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (source, email_key, classifier) DO UPDATE
                SET predicted_label = excluded.predicted_label, confidence = excluded.confidence,
                    second_label = excluded.second_label, second_confidence = excluded.second_confidence,
                    margin = excluded.margin, model_version = excluded.model_version,
                    queue_reason = CASE WHEN r.queue_reason IS NOT NULL THEN excluded.queue_reason END,
                    row_version = r.row_version + 1
              WHERE r.predicted_label IS NULL",
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
                prediction.queue_reason().into(),
            ],
        ).map(drop)
        })
    }

    /// Writes back what a decision has changed; gives the time that was written.
    pub fn update_review(&mut self, review: &Review) -> SqlResult<()> {
        session::as_own_change(|| {
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
        session::as_own_change(|| {
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

    /// Appends a decision, to be learned if there is anything to learn; returns its number
    /// and time.
    pub fn append(
        &mut self,
        decision: &Decision,
        actor: &Actor,
        batch: i64,
        pending: bool,
    ) -> SqlResult<(i64, String)> {
        let learned = decision.features.zip(decision.new_label);
        let priority = learned.map(|(f, l)| stored_priority(f, l)).transpose()?;
        let features = learned.map(|(f, _)| encoded(f)).transpose()?;
        let version = learned.map(|_| TOKENIZER_VERSION as i32);
        let rows = self.run(
            "INSERT INTO triage.decision (review_id, classifier, kind, old_label, new_label, predicted_label,
                    confidence, model_version, note, actor, batch_id, door, connected_as, acting_as,
                    application_name, replaces, undoes, tokenizer_version, sample_priority, features)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
             RETURNING decision_id, decided_at",
            &[
                decision.review_id.into(),
                decision.classifier.into(),
                decision.kind.into(),
                decision.old_label.into(),
                decision.new_label.into(),
                decision.predicted_label.into(),
                decision.confidence.into(),
                decision.model_version.into(),
                decision.note.into(),
                actor.name.as_str().into(),
                batch.into(),
                decision.door.into(),
                actor.connected_as.as_str().into(),
                actor.acting_as.as_str().into(),
                actor.application.as_deref().into(),
                decision.replaces.into(),
                decision.undoes.into(),
                version.into(),
                priority.into(),
                features.into(),
            ],
        )?;
        let missing = || report(Code::ERRCODE_INTERNAL_ERROR, "a decision was not stored");
        let id: i64 = rows.parsed(0, 1).ok_or_else(missing)?;
        let decided_at = rows.text(0, 2).ok_or_else(missing)?;
        if pending && (learned.is_some() || decision.replaces.is_some()) {
            self.run(
                "INSERT INTO triage.pending (classifier, decision_id) VALUES ($1, $2)",
                &[decision.classifier.into(), id.into()],
            )?;
        }
        Ok((id, decided_at))
    }

    /// A new batch.
    pub fn next_batch(&mut self) -> SqlResult<i64> {
        let rows = self.run("SELECT nextval('triage.batch_id_seq')", &[])?;
        rows.parsed(0, 1)
            .ok_or_else(|| report(Code::ERRCODE_INTERNAL_ERROR, "a sequence gave no number"))
    }

    /// A stored decision.
    pub fn past(&mut self, decision_id: i64) -> SqlResult<Past> {
        let rows = self.run(
            "SELECT review_id, classifier, old_label, new_label, replaces, features
               FROM triage.decision WHERE decision_id = $1",
            &[decision_id.into()],
        )?;
        let missing = || {
            report(
                Code::ERRCODE_NO_DATA_FOUND,
                format!("decision {decision_id} does not exist (see triage.decision_history)"),
            )
        };
        if rows.len() == 0 {
            return Err(missing());
        }
        Ok(Past {
            decision_id,
            review_id: rows.parsed(0, 1),
            classifier: rows.text(0, 2).ok_or_else(missing)?,
            old_label: rows.text(0, 3),
            new_label: rows.text(0, 4),
            replaces: rows.parsed(0, 5),
            features: rows.bytes(0, 6)?.map(decoded).transpose()?,
        })
    }

    /// The decision that replaces another one, if there is one.
    pub fn replaced_by(&mut self, decision_id: i64) -> SqlResult<Option<i64>> {
        let rows = self.run(
            "SELECT decision_id FROM triage.decision WHERE replaces = $1 ORDER BY 1 LIMIT 1",
            &[decision_id.into()],
        )?;
        Ok((rows.len() > 0).then(|| rows.parsed(0, 1)).flatten())
    }

    /// First and last decision of a batch about each email.
    pub fn batch(&mut self, batch: i64) -> SqlResult<Vec<(i64, i64)>> {
        let rows = self.run(
            "SELECT min(decision_id), max(decision_id) FROM triage.decision WHERE batch_id = $1
              GROUP BY review_id, CASE WHEN review_id IS NULL THEN decision_id END ORDER BY review_id, 1",
            &[batch.into()],
        )?;
        Ok((0..rows.len())
            .filter_map(|row| rows.parsed(row, 1).zip(rows.parsed(row, 2)))
            .collect())
    }

    /// A label in the classifier's own spelling. One that does not exist is an error, or is
    /// added if the classifier says so.
    pub fn known_label(&mut self, classifier: &str, given: &str) -> SqlResult<String> {
        let key = pg_triage_core::fold_label(given).map_err(from_core)?;
        let rows = self.run(
            "SELECT label FROM triage.label WHERE classifier = $1 AND triage.label_key(label) = $2",
            &[classifier.into(), key.as_str().into()],
        )?;
        if rows.len() > 0
            && let Some(label) = rows.text(0, 1)
        {
            return Ok(label);
        }
        let rows = self.run(
            "SELECT 1 FROM triage.classifier WHERE name = $1 AND open_labels",
            &[classifier.into()],
        )?;
        if rows.len() > 0 {
            return self.add_label(classifier, given, None);
        }
        let known = self
            .run(
                "SELECT label FROM triage.label WHERE classifier = $1 ORDER BY label",
                &[classifier.into()],
            )?
            .texts();
        Err(unknown_label(given, classifier, &known))
    }

    /// The review of an imported email, decided from the start; returns its number.
    pub fn insert_decided(
        &mut self,
        source: &str,
        key: &str,
        classifier: &str,
        label: &str,
        actor: &Actor,
    ) -> SqlResult<i64> {
        let rows = self.run(
            "INSERT INTO triage.review (classifier, source, email_key, human_label, reviewed_by, reviewed_at)
             VALUES ($1, $2, $3, $4, $5, clock_timestamp()) RETURNING review_id",
            &[
                classifier.into(),
                source.into(),
                key.into(),
                label.into(),
                actor.name.as_str().into(),
            ],
        )?;
        rows.parsed(0, 1)
            .ok_or_else(|| report(Code::ERRCODE_INTERNAL_ERROR, "a review was not stored"))
    }

    /// Notes the latest decision about a review.
    pub fn set_decision(&mut self, review_id: i64, decision_id: i64) -> SqlResult<()> {
        session::as_own_change(|| {
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

    /// What decisions about a review have taught and none has taken back.
    pub fn taught_by(&mut self, review_id: i64) -> SqlResult<Vec<(Features, String)>> {
        let rows = self.run(
            "SELECT d.features, d.new_label FROM triage.decision d
              WHERE d.review_id = $1 AND d.features IS NOT NULL
                AND NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id)",
            &[review_id.into()],
        )?;
        let mut taught = Vec::new();
        for row in 0..rows.len() {
            let features = rows.bytes(row, 1)?.map(decoded).transpose()?;
            taught.extend(features.zip(rows.text(row, 2)));
        }
        Ok(taught)
    }
}
