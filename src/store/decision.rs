//! `triage.decision`, the ledger, and `triage_internal.pending`, the decisions of it that the
//! base does not hold yet.

use pg_triage_classifier::tokenizer::TOKENIZER_VERSION;
use pgrx::PgSqlErrorCode as Code;

use super::connection::{Reader, Writer};
use super::review::own_key;
use super::row::row;
use crate::error::{SqlResult, report};
use crate::pg::Timestamp;
use crate::session::Actor;
use crate::types::ledger::StoredExample;

/// A row that is to be appended.
pub struct NewDecision<'a> {
    pub review_id: Option<i64>,
    /// The table that the email is in, and its key there at the time.
    pub source: Option<&'a str>,
    pub email_key: Option<&'a str>,
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
    /// Why its email waits from then on.
    pub queue_reason: Option<&'static str>,
    /// What is learned from it.
    pub example: Option<StoredExample>,
}

row! {
    /// What the server has given a new decision.
    pub struct Appended {
        pub decision_id: i64,
        pub decided_at: Timestamp,
    }
}

row! {
    /// A stored decision, as far as undoing it needs.
    pub struct StoredDecision {
        pub decision_id: i64,
        pub review_id: Option<i64>,
        pub source: Option<String>,
        pub classifier: String,
        pub old_label: Option<String>,
        pub new_label: Option<String>,
        pub replaces: Option<i64>,
        pub undoes: Option<i64>,
        /// Why its email waited from then on.
        pub queue_reason: Option<String>,
        pub features: Option<Vec<u8>>,
        /// In JSON.
        pub step: Option<String> = "step::text",
        /// The version that the step was computed against.
        pub step_version: Option<i32>,
    }
}

row! {
    /// What a decision changes in what is learned: what it adds, and what the decision that it
    /// replaces had added. Features of another tokenizer and steps against another version are
    /// left out.
    pub struct StoredEffect {
        pub added_features: Option<Vec<u8>> = "CASE WHEN d.tokenizer_version = $2 THEN d.features END",
        pub added_label: Option<String> = "d.new_label",
        pub added_step: Option<String> = "CASE WHEN d.step_version = $3 THEN d.step END::text",
        pub removed_features: Option<Vec<u8>> = "CASE WHEN p.tokenizer_version = $2 THEN p.features END",
        pub removed_label: Option<String> = "p.new_label",
        pub removed_step: Option<String> = "CASE WHEN p.step_version = $3 THEN p.step END::text",
    }
}

impl Reader<'_> {
    /// A stored decision. It is an error if there is none.
    pub fn decision(&self, decision_id: i64) -> SqlResult<StoredDecision> {
        let found = self.maybe(
            "FROM triage.decision WHERE decision_id = $1",
            &[decision_id.into()],
        )?;
        found.ok_or_else(|| {
            report(
                Code::ERRCODE_NO_DATA_FOUND,
                format!("decision {decision_id} does not exist (see triage.decision_history)"),
            )
        })
    }

    /// What these decisions change, in their order, with steps against this version.
    pub fn effects(&self, decisions: &[i64], steps_of: i64) -> SqlResult<Vec<StoredEffect>> {
        // One by itself is what a session reads after each correction. Of an array the server does
        // not know the length, and plans anew each time.
        let (which, wanted) = match decisions {
            [one] => ("= $1", (*one).into()),
            all => ("= ANY ($1)", all.to_vec().into()),
        };
        let rest = format!(
            "FROM triage.decision d LEFT JOIN triage.decision p ON p.decision_id = d.replaces
              WHERE d.decision_id {which} ORDER BY d.decision_id"
        );
        let (tokenizer, version) = (TOKENIZER_VERSION as i32, steps_of as i32);
        self.rows(&rest, &[wanted, tokenizer.into(), version.into()])
    }

    /// Decisions that the base does not hold yet.
    pub fn pending(&self, classifier: &str) -> SqlResult<Vec<i64>> {
        self.values(
            "decision_id FROM triage_internal.pending WHERE classifier = $1",
            &[classifier.into()],
        )
    }

    /// The decision that taught a label's description, if it holds.
    pub fn described(&self, classifier: &str, label: &str) -> SqlResult<Option<StoredDecision>> {
        self.maybe(
            "FROM triage_internal.decision_in_force
              WHERE classifier = $1 AND triage_internal.label_key(new_label) = triage_internal.label_key($2)
                AND door = 'description'
              -- Of a label that was two, the other one's description teaches nothing any more.
              ORDER BY features IS NULL, decision_id DESC LIMIT 1",
            &[classifier.into(), label.into()],
        )
    }

    /// Whether a decision was made before this database knew of its email.
    pub fn is_import(&self, decision_id: i64) -> SqlResult<bool> {
        self.exists(
            "FROM triage.decision WHERE decision_id = $1 AND kind = 'import'",
            &[decision_id.into()],
        )
    }

    /// The decision that replaces another one, if there is one.
    pub fn replaced_by(&self, decision_id: i64) -> SqlResult<Option<i64>> {
        self.value(
            "decision_id FROM triage.decision WHERE replaces = $1 ORDER BY 1 LIMIT 1",
            &[decision_id.into()],
        )
    }

    /// The decisions of a batch.
    pub fn batch(&self, batch: i64) -> SqlResult<Vec<i64>> {
        self.values(
            "decision_id FROM triage.decision WHERE batch_id = $1",
            &[batch.into()],
        )
    }

    /// The decisions of a batch that nobody has undone.
    pub fn not_undone(&self, batch: i64) -> SqlResult<Vec<i64>> {
        self.values(
            "d.decision_id FROM triage.decision d
              WHERE d.batch_id = $1 AND NOT triage_internal.is_undone(d.decision_id)",
            &[batch.into()],
        )
    }

    /// The decision that has undone another one, the latest if there are several.
    pub fn undone_by(&self, decision_id: i64) -> SqlResult<Option<i64>> {
        self.value(
            "decision_id FROM triage.decision WHERE undoes = $1 ORDER BY 1 DESC LIMIT 1",
            &[decision_id.into()],
        )
    }

    /// These decisions, as they are to be undone: email by email, in one order for everybody, the
    /// latest first.
    pub fn latest_first(&self, decisions: Vec<i64>) -> SqlResult<Vec<i64>> {
        self.values(
            "decision_id FROM triage.decision WHERE decision_id = ANY ($1)
              ORDER BY review_id, decision_id DESC",
            &[decisions.into()],
        )
    }
}

impl Writer<'_> {
    /// Appends a decision.
    pub fn append(
        &mut self,
        decision: NewDecision,
        actor: &Actor,
        batch: i64,
    ) -> SqlResult<Appended> {
        let (mut features, mut tokenizer, mut priority, mut step) = (None, None, None, None);
        if let Some(example) = decision.example {
            features = Some(example.features);
            tokenizer = Some(example.tokenizer_version);
            priority = Some(example.sample_priority);
            step = example.step;
        }
        let (step, steps_of) = step.unzip();
        let appended = self.returning(
            "INSERT INTO triage.decision (review_id, classifier, kind, old_label, new_label, predicted_label,
                    confidence, model_version, note, actor, batch_id, door, connected_as, acting_as,
                    application_name, replaces, undoes, tokenizer_version, sample_priority, features,
                    step, step_version, source, email_key, queue_reason)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                     $21::jsonb, $22, $23, $24, $25)",
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
                tokenizer.into(),
                priority.into(),
                features.into(),
                step.into(),
                steps_of.into(),
                decision.source.into(),
                decision.email_key.map(own_key).into(),
                decision.queue_reason.into(),
            ],
        )?;
        let missing = || report(Code::ERRCODE_INTERNAL_ERROR, "a decision was not stored");
        appended.into_iter().next().ok_or_else(missing)
    }

    /// Notes that the base does not hold a decision yet.
    pub fn add_pending(&mut self, classifier: &str, decision_id: i64) -> SqlResult<()> {
        self.execute(
            "INSERT INTO triage_internal.pending (classifier, decision_id) VALUES ($1, $2)",
            &[classifier.into(), decision_id.into()],
        )?;
        Ok(())
    }

    /// A new batch.
    pub fn next_batch(&mut self) -> SqlResult<i64> {
        let batch = self.returning_value("SELECT nextval('triage_internal.batch_id_seq')", &[])?;
        batch.ok_or_else(|| report(Code::ERRCODE_INTERNAL_ERROR, "a sequence gave no number"))
    }
}
