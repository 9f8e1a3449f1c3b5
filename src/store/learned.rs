//! Decisions that hold, as learning them anew reads them.

use pg_triage_classifier::Features;
use pg_triage_classifier::tokenizer::TOKENIZER_VERSION;

use super::connection::{DECISIONS_AT_ONCE, Reader};
use super::row::row;
use crate::error::SqlResult;
use crate::types::ledger::load_features;

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

row! {
    /// A decision in the order of the training sample.
    struct Sampled {
        features: Vec<u8>,
        label: Option<String> = "new_label",
        priority: i64 = "sample_priority",
        decision_id: i64,
    }
}

impl Reader<'_> {
    /// All decisions in force that have taught something.
    pub fn all_in_force(&self, classifier: &str) -> SqlResult<Vec<i64>> {
        self.values(
            "decision_id FROM triage_internal.decision_in_force
              WHERE classifier = $1 AND features IS NOT NULL",
            &[classifier.into()],
        )
    }

    /// Some decisions in force that taught something, and where to read on: nowhere after the
    /// last.
    pub fn in_force(
        &self,
        classifier: &str,
        (priority, after): Place,
    ) -> SqlResult<(Vec<InForce>, Option<Place>)> {
        let rows: Vec<Sampled> = self.rows(
            "FROM triage_internal.decision_in_force
              WHERE classifier = $1 AND features IS NOT NULL AND tokenizer_version = $5
                AND (sample_priority, decision_id) > ($2, $3)
              ORDER BY sample_priority, decision_id LIMIT $4",
            &[
                classifier.into(),
                priority.into(),
                after.into(),
                (DECISIONS_AT_ONCE as i64).into(),
                (TOKENIZER_VERSION as i32).into(),
            ],
        )?;
        let next = next_place(&rows);
        let mut found = Vec::new();
        for row in rows {
            let features = load_features(row.features)?;
            found.extend(row.label.map(|label| InForce {
                decision_id: row.decision_id,
                features,
                label,
            }));
        }
        Ok((found, next))
    }

    /// Decisions in force about a review that taught something.
    pub fn in_force_about(&self, review_id: i64) -> SqlResult<Vec<i64>> {
        self.values(
            "decision_id FROM triage_internal.decision_in_force
              WHERE review_id = $1 AND features IS NOT NULL",
            &[review_id.into()],
        )
    }

    /// Decisions that the base holds and that have a step against this version.
    pub fn in_base_with_step(&self, classifier: &str, version: i32) -> SqlResult<Vec<i64>> {
        self.values(
            "decision_id FROM triage_internal.decision_in_base
              WHERE classifier = $1 AND features IS NOT NULL AND step_version = $2",
            &[classifier.into(), version.into()],
        )
    }

    /// Some emails of decisions in force, in the order of the training sample, and where to
    /// read on: nowhere after the last.
    pub fn sample_in_force(
        &self,
        classifier: &str,
        from: Place,
    ) -> SqlResult<(Vec<(Features, String)>, Option<Place>)> {
        self.sample(
            "FROM triage_internal.decision_in_force
              WHERE classifier = $1 AND features IS NOT NULL
                AND (sample_priority, decision_id) > ($2, $3)
              ORDER BY sample_priority, decision_id LIMIT $4",
            classifier,
            from,
        )
    }

    /// Some emails of decisions that the base holds, in the order of the training sample, and
    /// where to read on: nowhere after the last.
    pub fn sample_in_base(
        &self,
        classifier: &str,
        from: Place,
    ) -> SqlResult<(Vec<(Features, String)>, Option<Place>)> {
        self.sample(
            "FROM triage_internal.decision_in_base
              WHERE classifier = $1 AND features IS NOT NULL
                AND (sample_priority, decision_id) > ($2, $3)
              ORDER BY sample_priority, decision_id LIMIT $4",
            classifier,
            from,
        )
    }

    fn sample(
        &self,
        query: &str,
        classifier: &str,
        (priority, after): Place,
    ) -> SqlResult<(Vec<(Features, String)>, Option<Place>)> {
        let rows: Vec<Sampled> = self.rows(
            query,
            &[
                classifier.into(),
                priority.into(),
                after.into(),
                (DECISIONS_AT_ONCE as i64).into(),
            ],
        )?;
        let next = next_place(&rows);
        let mut examples = Vec::new();
        for row in rows {
            let features = load_features(row.features)?;
            examples.extend(row.label.map(|label| (features, label)));
        }
        Ok((examples, next))
    }
}

/// Where to read on after rows that may not be all.
fn next_place(rows: &[Sampled]) -> Option<Place> {
    let last = rows.last().filter(|_| rows.len() == DECISIONS_AT_ONCE);
    last.map(|last| (last.priority, last.decision_id))
}
