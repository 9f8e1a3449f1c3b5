//! Decisions and reviews that versions are compared by.

use pg_triage_classifier::tokenizer::TOKENIZER_VERSION;

use super::connection::Reader;
use super::learned::InForce;
use super::row::row;
use crate::error::SqlResult;
use crate::types::ledger::load_features;

/// How many decisions are left out of training, to judge with.
pub struct JudgeShare {
    /// One in so many.
    pub one_in: i64,
    /// At least so many, if there are enough to leave as many to learn from.
    pub least: i64,
    /// At most so many.
    pub most: i64,
}

/// A decision with its reviewer.
pub struct ReviewerDecision {
    pub decision: InForce,
    /// The name that they decide under.
    pub actor: String,
    /// The role that they connected as.
    pub role: String,
    /// What had been predicted.
    pub predicted: Option<String>,
    /// How sure that was.
    pub confidence: Option<f64>,
    /// The day that the email came, since 1970.
    pub day: i64,
}

row! {
    struct ReviewedRow {
        decision_id: i64 = "d.decision_id",
        features: Vec<u8> = "d.features",
        label: Option<String> = "d.new_label",
        actor: String = "d.actor",
        role: String = "d.connected_as",
        predicted: Option<String> = "d.predicted_label",
        confidence: Option<f64> = "d.confidence",
        day: i64 = "floor(extract(epoch FROM CASE WHEN isfinite(r.received_at) THEN r.received_at ELSE d.decided_at END) / 86400)::bigint",
    }
}

row! {
    /// What was predicted for an email of the audit sample, and what people found.
    pub struct AuditedReview {
        pub confidence: f64 = "r.confidence",
        pub second_confidence: f64 = "coalesce(r.second_confidence, 0)::float8",
        /// Of the version that predicted it.
        pub inverse_temperature: f64 = "m.inverse_temperature",
        pub is_best: bool = "triage_internal.label_key(r.human_label) = triage_internal.label_key(r.predicted_label)",
        pub is_second: bool = "coalesce(triage_internal.label_key(r.human_label) = triage_internal.label_key(r.second_label), false)",
    }
}

row! {
    /// A review, and where its email is.
    pub struct ReviewedEmail {
        pub review_id: i64,
        pub source: String,
        pub email_key: String,
    }
}

impl Reader<'_> {
    /// The latest decision of all classifiers, 0 for none.
    pub fn last_decision(&self) -> SqlResult<i64> {
        let last: Option<Option<i64>> = self.value("max(decision_id) FROM triage.decision", &[])?;
        Ok(last.flatten().unwrap_or(0))
    }

    /// The latest decision that the active version may have learned from, 0 for none.
    pub fn last_learned(&self, classifier: &str) -> SqlResult<i64> {
        let last = self.value(
            "m.last_decision FROM triage_internal.active_version v
               JOIN triage_internal.model m ON m.classifier = v.classifier AND m.version = v.version
              WHERE v.classifier = $1",
            &[classifier.into()],
        )?;
        Ok(last.unwrap_or(0))
    }

    /// A share of the decisions in force after this one, at random: to judge with, so not to
    /// learn from. Not by their content, which repeats: all copies of a mailing would be in it,
    /// or none.
    pub fn judges(&self, classifier: &str, after: i64, share: &JudgeShare) -> SqlResult<Vec<i64>> {
        self.values(
            "judge.decision_id FROM (
                 WITH new AS MATERIALIZED (
                     SELECT d.decision_id FROM triage_internal.decision_in_force d
                      WHERE d.classifier = $1 AND d.decision_id > $2 AND d.features IS NOT NULL
                        AND d.tokenizer_version = $3 AND d.door <> 'description'),
                 size AS (SELECT count(*) AS n FROM new)
                 SELECT decision_id FROM new
                  ORDER BY hashint8extended(decision_id, 42), decision_id
                  LIMIT (SELECT least($4, greatest(n / $5, least($6, n / 2))) FROM size)) judge",
            &[
                classifier.into(),
                after.into(),
                (TOKENIZER_VERSION as i32).into(),
                share.most.into(),
                share.one_in.into(),
                share.least.into(),
            ],
        )
    }

    /// The latest decisions in force about the audit sample after this one.
    pub fn audited(&self, classifier: &str, after: i64, most: i64) -> SqlResult<Vec<i64>> {
        self.values(
            "d.decision_id FROM triage.decision d
               JOIN triage.review r ON r.review_id = d.review_id AND r.decision_id = d.decision_id
              WHERE d.classifier = $1 AND d.decision_id > $2 AND d.features IS NOT NULL AND d.tokenizer_version = $3
                AND r.audit AND r.human_label IS NOT NULL AND r.predicted_label IS NOT NULL
              ORDER BY d.decision_id DESC LIMIT $4",
            &[
                classifier.into(),
                after.into(),
                (TOKENIZER_VERSION as i32).into(),
                most.into(),
            ],
        )
    }

    /// The latest answers about the audit sample of the last half year, whichever version predicted:
    /// each had not learned the email then. Of versions with counts from outside only where the
    /// active one has some, too: they were trained elsewhere.
    pub fn audited_reviews(&self, classifier: &str, most: i64) -> SqlResult<Vec<AuditedReview>> {
        self.rows(
            "FROM triage.decision d
               JOIN triage.review r ON r.review_id = d.review_id AND r.decision_id = d.decision_id
               JOIN triage_internal.model m ON m.classifier = r.classifier AND m.version = r.model_version
               JOIN triage_internal.active_version a ON a.classifier = r.classifier
               JOIN triage_internal.model now ON now.classifier = a.classifier AND now.version = a.version
              WHERE d.classifier = $1 AND d.decided_at > now() - interval '180 days'
                AND r.audit AND r.human_label IS NOT NULL AND r.predicted_label IS NOT NULL
                AND r.confidence IS NOT NULL AND r.text_changed_at IS NULL
                AND m.inverse_temperature IS NOT NULL AND m.from_ledger = now.from_ledger
              ORDER BY d.decision_id DESC LIMIT $2",
            &[classifier.into(), most.into()],
        )
    }

    /// Decisions in force after one, up to another, by whom: a sample of each reviewer's, so
    /// that nobody hides behind those who decide more. Without descriptions and imports, which
    /// nobody has decided by looking at a prediction, and what was taken back: that says who took
    /// it back, or asked again.
    pub fn by_reviewer(
        &self,
        classifier: &str,
        (after, to): (i64, i64),
        most: i64,
    ) -> SqlResult<Vec<ReviewerDecision>> {
        let rows: Vec<ReviewedRow> = self.rows(
            "FROM (SELECT d.decision_id,
                          row_number() OVER (PARTITION BY d.connected_as, d.actor
                                                 ORDER BY hashint8extended(d.decision_id, 43)) AS place
                     FROM triage_internal.decision_in_force d
                    WHERE d.classifier = $1 AND d.decision_id > $2 AND d.decision_id <= $3 AND d.features IS NOT NULL
                      AND d.tokenizer_version = $4 AND d.door <> 'description' AND d.kind NOT IN ('ask', 'undo', 'import')
                    ORDER BY place, hashint8extended(d.decision_id, 43) LIMIT $5) sampled
               JOIN triage.decision d ON d.decision_id = sampled.decision_id
               LEFT JOIN triage.review r ON r.review_id = d.review_id ORDER BY d.decision_id",
            &[
                classifier.into(),
                after.into(),
                to.into(),
                (TOKENIZER_VERSION as i32).into(),
                most.into(),
            ],
        )?;
        let mut found = Vec::new();
        for row in rows {
            let features = load_features(row.features)?;
            found.extend(row.label.map(|label| ReviewerDecision {
                decision: InForce {
                    decision_id: row.decision_id,
                    features,
                    label,
                },
                actor: row.actor,
                role: row.role,
                predicted: row.predicted,
                confidence: row.confidence,
                day: row.day,
            }));
        }
        Ok(found)
    }

    /// The latest reviews of a classifier.
    pub fn latest_reviews(&self, classifier: &str, most: i32) -> SqlResult<Vec<ReviewedEmail>> {
        self.rows(
            "FROM triage.review WHERE classifier = $1 ORDER BY review_id DESC LIMIT $2",
            &[classifier.into(), most.into()],
        )
    }
}
