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

/// Some of the decisions that are asked for.
pub struct Page<T> {
    pub found: Vec<T>,
    /// Where to read on: nowhere after the last.
    pub next: Option<Place>,
}

const IN_FORCE: &str = "triage_internal.decision_in_force";
const IN_BASE: &str = "triage_internal.decision_in_base";
const HAS_TAUGHT: &str = "features IS NOT NULL";

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

    /// Decisions that were in force, and had taught something, when this one was the latest.
    pub fn in_force_until(&self, classifier: &str, last: i64) -> SqlResult<Vec<i64>> {
        self.values(
            "d.decision_id FROM triage.decision d
              WHERE d.classifier = $1 AND d.decision_id <= $2 AND d.features IS NOT NULL
                AND NOT EXISTS (SELECT FROM triage.decision r
                                 WHERE r.replaces = d.decision_id AND r.decision_id <= $2)",
            &[classifier.into(), last.into()],
        )
    }

    /// Decisions in force that taught something to this tokenizer.
    pub fn in_force(&self, classifier: &str, from: Place) -> SqlResult<Page<InForce>> {
        let known = format!("{HAS_TAUGHT} AND tokenizer_version = {TOKENIZER_VERSION}");
        let page = self.in_sample_order(IN_FORCE, &known, classifier, from)?;
        let mut found = Vec::new();
        for row in page.found {
            let features = load_features(row.features)?;
            found.extend(row.label.map(|label| InForce {
                decision_id: row.decision_id,
                features,
                label,
            }));
        }
        Ok(Page {
            found,
            next: page.next,
        })
    }

    /// Decisions in force by which somebody has confirmed what was decided before about the same
    /// text: the label stayed. Not where the email has another text by now.
    pub fn confirmed(&self, classifier: &str) -> SqlResult<Vec<i64>> {
        self.values(
            "confirmed.decision_id FROM (
                 WITH RECURSIVE held AS (
                     SELECT d.decision_id, d.decision_id AS held
                       FROM triage_internal.decision_in_force d
                      WHERE d.classifier = $1 AND d.features IS NOT NULL
                        AND (d.kind = 'undo' OR d.old_label = d.new_label)
                     UNION ALL
                     -- An undo has brought back what was before.
                     SELECT h.decision_id, undone.replaces FROM held h
                       JOIN triage.decision d ON d.decision_id = h.held
                       JOIN triage.decision undone ON undone.decision_id = d.undoes
                      WHERE d.kind = 'undo' AND undone.replaces IS NOT NULL)
                 SELECT h.decision_id FROM held h
                   JOIN triage.decision d ON d.decision_id = h.held
                   JOIN triage.decision before ON before.decision_id = d.replaces
                   JOIN triage.review r ON r.review_id = d.review_id
                  WHERE d.kind IN ('accept', 'correct', 'skip') AND d.old_label = d.new_label
                    AND (before.tokenizer_version <> d.tokenizer_version OR before.features = d.features)
                    AND r.text_changed_at IS NULL) confirmed",
            &[classifier.into()],
        )
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

    /// Emails of decisions in force, with their labels, in the order of the training sample.
    pub fn sample_in_force(
        &self,
        classifier: &str,
        from: Place,
    ) -> SqlResult<Page<(Features, String)>> {
        self.in_sample_order(IN_FORCE, HAS_TAUGHT, classifier, from)
            .and_then(examples)
    }

    /// Emails of decisions that the base holds, with their labels, in the order of the training
    /// sample.
    pub fn sample_in_base(
        &self,
        classifier: &str,
        from: Place,
    ) -> SqlResult<Page<(Features, String)>> {
        self.in_sample_order(IN_BASE, HAS_TAUGHT, classifier, from)
            .and_then(examples)
    }

    fn in_sample_order(
        &self,
        decisions: &str,
        condition: &str,
        classifier: &str,
        (priority, after): Place,
    ) -> SqlResult<Page<Sampled>> {
        // The limit is written out: a plan that does not know it reads far more than that.
        let query = format!(
            "FROM {decisions} WHERE classifier = $1 AND {condition}
                AND (sample_priority, decision_id) > ($2, $3)
              ORDER BY sample_priority, decision_id LIMIT {DECISIONS_AT_ONCE}"
        );
        let arguments = [classifier.into(), priority.into(), after.into()];
        let found: Vec<Sampled> = self.rows(&query, &arguments)?;
        let last = found.last().filter(|_| found.len() == DECISIONS_AT_ONCE);
        let next = last.map(|last| (last.priority, last.decision_id));
        Ok(Page { found, next })
    }
}

/// The emails of decisions with their labels.
fn examples(page: Page<Sampled>) -> SqlResult<Page<(Features, String)>> {
    let mut found = Vec::new();
    for row in page.found {
        let features = load_features(row.features)?;
        found.extend(row.label.map(|label| (features, label)));
    }
    Ok(Page {
        found,
        next: page.next,
    })
}
