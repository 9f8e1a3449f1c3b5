//! What training decides once and later learning keeps.

use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::features::Features;
use crate::labels::Label;
use crate::math::{exp, ln};
use crate::naive_bayes::{Scores, Weighing};
use crate::score_form::ScoreForm;
use crate::step::Step;

/// How counts become probabilities. Frozen between trainings, so that an email learned
/// later changes the terms of its own features only.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// How counts become scores.
    pub form: ScoreForm,
    /// How scores become the probabilities that the residual layer learns from: that of the
    /// counts alone, with a margin exponent of one.
    pub learning: Calibration,
    /// How scores of both layers become probabilities.
    pub calibration: Calibration,
    /// Number of documents that idf compares document frequencies with.
    pub reference_documents: u64,
}

impl Default for Fit {
    /// Before there was anything to fit: presence only, and an exponent that takes back the
    /// overconfidence that naive Bayes gains with every word.
    fn default() -> Self {
        let calibration = Calibration {
            length_exponent: -0.5,
            ..Calibration::default()
        };
        Self {
            form: ScoreForm::MultinomialBoolean,
            learning: calibration,
            calibration,
            reference_documents: 0,
        }
    }
}

impl Fit {
    /// How the cells of features are weighed under this fit.
    pub(crate) fn weighing(&self) -> Weighing {
        Weighing::new(self.form, self.reference_documents)
    }

    /// Log-probabilities of a message's labels; their shares if no feature is known.
    pub(crate) fn log_probabilities(
        &self,
        scores: Scores,
        features: &Features,
        documents: &[u64],
    ) -> Vec<f64> {
        if scores.known == 0 {
            let all: u64 = documents.iter().sum();
            let share = |&n: &u64| ln(n as f64 / all as f64);
            return documents.iter().map(share).collect();
        }
        let mut log_p = scores.scores;
        let n = features.keys().len();
        self.calibration.log_probabilities(&mut log_p, n);
        log_p
    }

    /// The step of a message with these scores that is to get `label`; labels are casefolded, in
    /// class order.
    pub(crate) fn step(
        &self,
        scores: Scores,
        features: &Features,
        label: &str,
        labels: &[Label],
    ) -> Step {
        let n = features.keys().len();
        let (scale, inverse_temperature) = (scores.scale, self.learning.inverse_temperature(n));
        let mut log_p = scores.scores;
        self.learning.log_probabilities(&mut log_p, n);
        let answers = labels
            .iter()
            .zip(log_p)
            .map(|(l, lp)| (l.casefolded.as_str(), exp(lp)));
        Step::of(self.form, scale, inverse_temperature, n, label, answers)
    }

    /// Whether training could have found it.
    pub(crate) fn in_range(&self) -> bool {
        self.learning.in_range()
            && self.learning.margin_exponent == 1.0
            && self.calibration.in_range()
            && self.reference_documents < 1 << 48
    }
}
