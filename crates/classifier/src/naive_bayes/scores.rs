//! From the rows of a message's features to its scores.

use super::totals::ClassTerms;
use super::weighing::Weighing;
use crate::score_form::ScoreForm;

/// MessageSums over the features of a message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MessageSums {
    /// Sum of the gains of known features.
    pub gains: f64,
    /// Sum of the squares of these gains.
    pub squares: f64,
    /// Number of known features.
    pub known: usize,
    /// Number of all features.
    pub features: usize,
}

impl MessageSums {
    /// Adds a feature; returns whether it is known.
    pub(crate) fn add(&mut self, gain: f64) -> bool {
        let known = gain != 0.0;
        self.gains += gain;
        self.squares += gain * gain;
        self.known += usize::from(known);
        known
    }
}

impl ClassTerms {
    /// Scores from the summed cells of a message's features.
    pub(crate) fn scores(
        &self,
        weighing: &Weighing,
        mut scores: Vec<f64>,
        sums: MessageSums,
    ) -> Scores {
        let unknown = sums.features.saturating_sub(sums.known) as f64;
        let gain = weighing.unknown_gain();
        let scale = message_scale(weighing.form, sums.squares + unknown * gain * gain);
        for (c, score) in scores.iter_mut().enumerate() {
            *score = self.prior[c] + scale * (sums.gains * self.base[c] + *score);
        }
        Scores {
            scores,
            known: sums.known,
            scale,
        }
    }
}

/// Scores of one message.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Per class; not normalised, for the multinomial forms the joint log likelihood.
    pub scores: Vec<f64>,
    /// How many of its features are known.
    pub known: usize,
    /// What sums over its features were multiplied with.
    pub scale: f64,
}

/// Factor that brings a message vector with this sum of squared gains to length one.
fn message_scale(form: ScoreForm, squares: f64) -> f64 {
    if form.unit_length() && squares > 0.0 {
        1.0 / squares.sqrt()
    } else {
        1.0
    }
}
