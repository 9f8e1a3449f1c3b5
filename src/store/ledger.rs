//! Decisions, and what is learned from them.

use std::collections::BTreeMap;

use pg_triage_classifier::tokenizer::TOKENIZER_VERSION;
use pg_triage_classifier::{DecisionEffect, Example, Features, Step, training_sample_priority};
use pgrx::PgSqlErrorCode as Code;

use super::connection::{DECISIONS_AT_ONCE, Reader, Writer};
use crate::error::{SqlResult, from_core, report};
use crate::pg::{self, Rows};
use crate::session::Actor;

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
    /// The residual layer's step, with the version that it was computed against, 0 for none.
    pub step: Option<(Step, i64)>,
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
    /// With which step, against which version.
    pub step: Option<(Step, i64)>,
}

/// Features of another tokenizer teach nothing.
const LESSONS: &str = "SELECT d.new_label, CASE WHEN d.tokenizer_version = $2 THEN d.features END,
        CASE WHEN d.step_version = $3 THEN d.step END,
        p.new_label, CASE WHEN p.tokenizer_version = $2 THEN p.features END,
        CASE WHEN p.step_version = $3 THEN p.step END
   FROM triage.decision d LEFT JOIN triage.decision p ON p.decision_id = d.replaces
  WHERE d.decision_id = ANY ($1) ORDER BY d.decision_id";

fn lessons_in(rows: &Rows) -> SqlResult<Vec<DecisionEffect>> {
    let taught = |row, from: i32| -> SqlResult<Option<Example>> {
        let features = rows.bytes(row, from + 1)?.map(decoded).transpose()?;
        let step = rows
            .text(row, from + 2)
            .and_then(|step| decoded_step(&step));
        let learned = features.zip(rows.text(row, from));
        Ok(learned.map(|(features, label)| Example {
            features,
            label,
            step: step.unwrap_or_default(),
        }))
    };
    let bytes = (0..rows.len()).map(|row| rows.size(row, 2) + rows.size(row, 5) + 4096);
    pg_triage_classifier::probe(3 * bytes.sum::<usize>()).map_err(from_core)?;
    (0..rows.len())
        .map(|row| {
            Ok(DecisionEffect {
                adds: taught(row, 1)?,
                removes: taught(row, 4)?,
            })
        })
        .collect()
}

/// A decision in force, and what it taught.
pub struct InForce {
    pub decision_id: i64,
    pub features: Features,
    pub label: String,
}

/// Where to read on, in the order of the index that finds a classifier's decisions.
pub type Place = (i64, i64);

/// Before all decisions.
pub const START: Place = (i64::MIN, 0);

/// A step as it is stored; `None` if it is empty.
fn encoded_step(step: &Step) -> Option<String> {
    let amounts: BTreeMap<_, _> = step.labels().collect();
    (!step.is_empty()).then(|| serde_json::json!(amounts).to_string())
}

/// The step that [`encoded_step`] wrote; `None` for anything else.
fn decoded_step(stored: &str) -> Option<Step> {
    let amounts: BTreeMap<String, i32> = serde_json::from_str(stored).ok()?;
    Step::new(amounts.into_iter().collect()).ok()
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

/// A priority in a form whose signed order is the unsigned one.
pub fn signed(priority: u64) -> i64 {
    (priority ^ (1 << 63)) as i64
}

fn stored_priority(features: &Features, label: &str) -> SqlResult<i64> {
    training_sample_priority(features, label)
        .map(signed)
        .map_err(from_core)
}

impl Reader<'_> {
    /// Lessons of these decisions, with steps against this version.
    pub fn lessons(&self, decisions: &[i64], steps_of: i64) -> SqlResult<Vec<DecisionEffect>> {
        let rows = self.connection.run(
            LESSONS,
            &[
                decisions.to_vec().into(),
                (TOKENIZER_VERSION as i32).into(),
                (steps_of as i32).into(),
            ],
        )?;
        lessons_in(&rows)
    }

    /// Decisions that the base does not hold yet.
    pub fn pending(&self, classifier: &str) -> SqlResult<Vec<i64>> {
        self.values(
            "decision_id FROM triage_internal.pending WHERE classifier = $1",
            &[classifier.into()],
        )
    }
}

impl Writer<'_> {
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
        let (step, steps_of) = decision
            .step
            .as_ref()
            .and_then(|(step, steps_of)| Some((encoded_step(step)?, *steps_of as i32)))
            .unzip();
        let rows = self.run(
            "INSERT INTO triage.decision (review_id, classifier, kind, old_label, new_label, predicted_label,
                    confidence, model_version, note, actor, batch_id, door, connected_as, acting_as,
                    application_name, replaces, undoes, tokenizer_version, sample_priority, features, step, step_version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21::jsonb, $22)
             RETURNING decision_id, to_char(decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'",
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
                step.into(),
                steps_of.into(),
            ],
        )?;
        let missing = || report(Code::ERRCODE_INTERNAL_ERROR, "a decision was not stored");
        let id: i64 = rows.parsed(0, 1).ok_or_else(missing)?;
        let decided_at = rows.text(0, 2).ok_or_else(missing)?;
        if pending && (learned.is_some() || decision.replaces.is_some()) {
            self.run(
                "INSERT INTO triage_internal.pending (classifier, decision_id) VALUES ($1, $2)",
                &[decision.classifier.into(), id.into()],
            )?;
        }
        Ok((id, decided_at))
    }

    /// Some decisions in force that taught something, and where to read on: nowhere after the
    /// last.
    pub fn in_force(
        &mut self,
        classifier: &str,
        (priority, after): Place,
    ) -> SqlResult<(Vec<InForce>, Option<Place>)> {
        let rows = self.run(
            "SELECT d.decision_id, d.features, d.new_label, d.sample_priority FROM triage.decision d
              WHERE d.classifier = $1 AND d.features IS NOT NULL AND d.tokenizer_version = $2
                AND (d.sample_priority, d.decision_id) > ($3, $4)
                AND NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id)
              ORDER BY d.sample_priority, d.decision_id LIMIT $5",
            &[
                classifier.into(),
                (TOKENIZER_VERSION as i32).into(),
                priority.into(),
                after.into(),
                (DECISIONS_AT_ONCE as i64).into(),
            ],
        )?;
        let bytes = (0..rows.len()).map(|row| rows.size(row, 2) + 4096);
        pg_triage_classifier::probe(3 * bytes.sum::<usize>()).map_err(from_core)?;
        let mut found = Vec::new();
        for row in 0..rows.len() {
            let features = rows.bytes(row, 2)?.map(decoded).transpose()?;
            if let (Some(decision_id), Some(features), Some(label)) =
                (rows.parsed(row, 1), features, rows.text(row, 3))
            {
                found.push(InForce {
                    decision_id,
                    features,
                    label,
                });
            }
        }
        let last = rows.len().checked_sub(1);
        let next = last.filter(|_| rows.len() == DECISIONS_AT_ONCE);
        let next = next.and_then(|row| rows.parsed(row, 4).zip(rows.parsed(row, 1)));
        Ok((found, next))
    }

    /// A new batch.
    pub fn next_batch(&mut self) -> SqlResult<i64> {
        let rows = self.run("SELECT nextval('triage_internal.batch_id_seq')", &[])?;
        rows.parsed(0, 1)
            .ok_or_else(|| report(Code::ERRCODE_INTERNAL_ERROR, "a sequence gave no number"))
    }

    /// A stored decision.
    pub fn past(&mut self, decision_id: i64) -> SqlResult<Past> {
        let rows = self.run(
            "SELECT review_id, classifier, old_label, new_label, replaces, features, step, step_version
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
            step: rows
                .text(0, 7)
                .and_then(|step| decoded_step(&step))
                .zip(rows.parsed(0, 8)),
        })
    }

    /// Whether a version was ever active.
    pub fn was_trained(&mut self, classifier: &str) -> SqlResult<bool> {
        let rows = self.run(
            "SELECT 1 FROM triage_internal.activation WHERE classifier = $1 LIMIT 1",
            &[classifier.into()],
        )?;
        Ok(rows.len() > 0)
    }

    /// The decision that taught a label's description, if it holds.
    pub fn described(&mut self, classifier: &str, label: &str) -> SqlResult<Option<Past>> {
        let rows = self.run(
            "SELECT d.decision_id FROM triage.decision d
              WHERE d.classifier = $1 AND triage_internal.label_key(d.new_label) = triage_internal.label_key($2)
                AND d.door = 'description'
                AND NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id)
              ORDER BY d.decision_id DESC LIMIT 1",
            &[classifier.into(), label.into()],
        )?;
        let id = (rows.len() > 0).then(|| rows.parsed(0, 1)).flatten();
        id.map(|id| self.past(id)).transpose()
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

    /// What decisions about a review have taught and none has taken back, with steps against
    /// this version.
    pub fn taught_by(&mut self, review_id: i64, steps_of: i64) -> SqlResult<Vec<Example>> {
        let rows = self.run(
            "SELECT d.decision_id FROM triage.decision d
              WHERE d.review_id = $1 AND d.features IS NOT NULL
                AND NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id)",
            &[review_id.into()],
        )?;
        let ids: Vec<i64> = (0..rows.len()).filter_map(|r| rows.parsed(r, 1)).collect();
        let lessons = self.lessons(&ids, steps_of)?;
        Ok(lessons
            .into_iter()
            .filter_map(|effect| effect.adds)
            .collect())
    }
}
