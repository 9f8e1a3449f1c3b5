//! The curve that turns scores into probabilities.

use serde::{Deserialize, Serialize};

use super::judged::Judged;
use crate::evaluation::{self, Outcome};
use crate::math::{exp, ln, log_sum_exp, pow};

/// p = softmax(-((max score - score) t(n))^m) with t(n) = exp(log_scale) n^length_exponent
/// for a message with n features. With exponents of zero and one it is plain temperature
/// scaling (Guo et al. 2017). A negative length exponent takes back the overconfidence that
/// naive Bayes gains with every further word; a margin exponent m below one does the same for
/// large margins without making small ones smaller. The order of labels never changes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// ln of the inverse temperature for a message with one feature.
    pub log_scale: f64,
    /// Power of the number of features.
    pub length_exponent: f64,
    /// Power of the scaled margin.
    pub margin_exponent: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            log_scale: 0.0,
            length_exponent: 0.0,
            margin_exponent: 1.0,
        }
    }
}

impl Calibration {
    /// Log-probabilities of all classes, in place.
    pub(crate) fn log_probabilities(&self, scores: &mut [f64], features: usize) {
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let scale = self.inverse_temperature(features);
        for s in scores.iter_mut() {
            *s = -self.stretched((max - *s) * scale);
        }
        let norm = log_sum_exp(scores.iter().copied());
        for s in scores {
            *s -= norm;
        }
    }

    /// Whether [`Calibration::fit`] could have found it.
    pub(crate) fn in_range(&self) -> bool {
        self.log_scale.abs() <= SCALE_RANGE
            && self.length_exponent.abs() <= EXPONENT_RANGE
            && MARGIN_RANGE.contains(&self.margin_exponent)
    }

    /// The factor that scores of a message with so many features are multiplied with.
    pub(crate) fn inverse_temperature(&self, features: usize) -> f64 {
        exp(self.log_scale + self.length_exponent * ln(features.max(1) as f64))
    }

    fn stretched(&self, margin: f64) -> f64 {
        match self.margin_exponent {
            1.0 => margin,
            m => pow(margin, m),
        }
    }

    /// -ln p(true class) of each.
    pub(crate) fn log_losses(&self, judged: &[Judged]) -> Vec<f64> {
        let loss = |j: &Judged| {
            let mut log_p = j.scores.clone();
            self.log_probabilities(&mut log_p, j.features);
            -log_p[j.class]
        };
        judged.iter().map(loss).collect()
    }

    /// The outcome of each of these documents.
    pub(crate) fn outcomes(&self, judged: &[Judged]) -> Vec<Outcome> {
        let outcome = |j: &Judged| {
            let mut log_p = j.scores.clone();
            self.log_probabilities(&mut log_p, j.features);
            evaluation::outcome(&log_p, j.class)
        };
        judged.iter().map(outcome).collect()
    }
}

/// Largest size of the log scale.
pub(super) const SCALE_RANGE: f64 = 12.0;
/// Largest size of the length exponent.
pub(super) const EXPONENT_RANGE: f64 = 1.0;
/// Range of the margin exponent.
pub(super) const MARGIN_RANGE: std::ops::RangeInclusive<f64> = 0.25..=1.25;
