//! What is read to prepare a version, and whether it still holds when the version is written.

use pg_triage_classifier::{Features, State};

use crate::error::SqlResult;
use crate::learning::base::{self, Base};
use crate::learning::compaction;
use crate::pg::check_for_interrupts;
use crate::predict::effects::examples;
use crate::store::{Reader, Writer};

/// Why a version that was prepared is not stored.
pub const SUPERSEDED: &str =
    "dropped: another version was activated, or something erased meanwhile";

/// Most decided emails that two versions are compared by.
pub const MOST_COMPARED: i64 = 2000;

/// What is read to prepare a new version.
pub struct Inputs {
    pub classifier: String,
    /// The active version, 0 for decisions alone.
    pub champion: i32,
    /// The latest decision that training may see.
    pub last_decision: i64,
    /// How often something had been erased.
    erasures: Option<i64>,
    /// All that was learned, but for the emails to judge with.
    pub base: Base,
    /// Counts that are not the decisions', where there are any.
    pub outside: Option<State>,
    /// Decided emails and their labels, which nothing has learned.
    pub judges: Vec<(Features, String)>,
}

impl Inputs {
    /// Reads all counts, and takes these decisions out of them.
    pub fn read(r: &Reader, classifier: &str, judges: &[i64]) -> SqlResult<Self> {
        r.check_classifier(classifier)?;
        let champion = r.active_version(classifier)?.unwrap_or(0);
        let last_decision = r.last_decision()?;
        let erasures = r.erasures(classifier)?;
        let mut base = compaction::with_pending(r, classifier)?;
        let outside = base::outside_counts(r, classifier, &base)?;
        let taught = examples(r, judges, base.steps_of())?;
        for example in &taught {
            check_for_interrupts();
            base.leave_out(example)?;
        }
        let judges = taught
            .into_iter()
            .map(|example| (example.features, example.label));
        Ok(Self {
            classifier: classifier.to_owned(),
            champion,
            last_decision,
            erasures,
            base,
            outside,
            judges: judges.collect(),
        })
    }

    /// Locks the classifier; false if another version has become active since, or something
    /// that was read has been erased.
    pub fn are_current(&self, w: &mut Writer) -> SqlResult<bool> {
        w.lock_classifier(&self.classifier)?;
        Ok(
            w.active_version(&self.classifier)?.unwrap_or(0) == self.champion
                && w.erasures(&self.classifier)? == self.erasures,
        )
    }

    /// Activates a version. Compacts first: its residuals are about labels that the base has
    /// emails of.
    pub fn activate(&self, w: &mut Writer, version: i32, why: &str) -> SqlResult<String> {
        w.lock_base(&self.classifier)?;
        compaction::compact_pending(w, &self.classifier)?;
        w.activate(&self.classifier, version, Some(why))?;
        base::rebase(w, &self.classifier)?;
        Ok(format!("version {version} activated: {why}"))
    }
}
