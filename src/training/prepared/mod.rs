//! Versions that maintenance prepares: of new counts, or of the active version with another
//! calibration.
//!
//! Preparing takes seconds, and a transaction holds vacuum back. So what it needs is read in
//! one transaction, it needs none while it computes, and what came out is written in another.

use crate::error::SqlResult;
use crate::store;

mod calibration;
mod challenger;
mod inputs;
mod reviewers;

use calibration::Calibration;
use challenger::Challenger;

/// A version on its way: read, then computed, then finished.
pub enum PreparedVersion {
    /// A version of new counts.
    Challenger(Box<Challenger>),
    /// The active version with another calibration.
    Calibration(Box<Calibration>),
}

impl PreparedVersion {
    /// Reads what training needs, which is due for this reason. Nothing stays locked:
    /// decisions go on.
    pub fn read_for_training(classifier: &str, reason: &str) -> SqlResult<Self> {
        let challenger = store::read(|r| Challenger::read(r, classifier, reason))?;
        Ok(Self::Challenger(Box::new(challenger)))
    }

    /// Reads what calibration needs, or says why it stays as it is.
    pub fn read_for_calibration(classifier: &str) -> SqlResult<Result<Self, String>> {
        let calibration = store::read(|r| Calibration::read(r, classifier))?;
        Ok(calibration.map(|calibration| Self::Calibration(Box::new(calibration))))
    }

    /// Computes the version. Needs no transaction.
    pub fn compute(&mut self) -> SqlResult<()> {
        match self {
            Self::Challenger(challenger) => challenger.compute(),
            Self::Calibration(calibration) => calibration.compute(),
        }
    }

    /// Stores the version, and activates it if it may take the champion's place; says what
    /// happened.
    pub fn finish(self) -> SqlResult<String> {
        store::write(c"triage.maintain()", |w| match self {
            Self::Challenger(challenger) => challenger.finish(w),
            Self::Calibration(calibration) => calibration.finish(w),
        })
    }
}
