//! What training decides once and later learning keeps.

use serde::{Deserialize, Serialize};

use crate::{Calibration, ScoreForm};

/// How counts become probabilities. Frozen between trainings, so that an email learned
/// later changes the terms of its own features only.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// How counts become scores.
    pub form: ScoreForm,
    /// How scores become probabilities.
    pub calibration: Calibration,
    /// Number of documents that idf compares document frequencies with.
    pub reference_documents: u64,
}

impl Default for Fit {
    /// Before there was anything to fit: presence only, and an exponent that takes back the
    /// overconfidence that naive Bayes gains with every word.
    fn default() -> Self {
        Self {
            form: ScoreForm::MultinomialBoolean,
            calibration: Calibration {
                log_scale: 0.0,
                length_exponent: -0.5,
            },
            reference_documents: 0,
        }
    }
}

impl Fit {
    /// Whether training could have found it.
    pub(crate) fn in_range(&self) -> bool {
        self.calibration.in_range() && self.reference_documents < 1 << 48
    }
}
