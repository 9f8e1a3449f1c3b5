//! Scores to probabilities that mean what they say.

use serde::{Deserialize, Serialize};

use crate::Poll;
use crate::math::{exp, ln, log_sum_exp};

/// A temperature that depends on how much was read: p = softmax(scores * t(n)) with
/// t(n) = exp(log_scale) * n^length_exponent for a message with n known features. With an
/// exponent of zero it is one plain temperature; a negative exponent takes back the
/// overconfidence that naive Bayes gains with every further word.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Calibration {
    /// ln of the inverse temperature for a message with one known feature.
    pub log_scale: f64,
    /// Power of the number of known features.
    pub length_exponent: f64,
}

const SCALE_RANGE: f64 = 12.0;
const EXPONENT_RANGE: f64 = 1.0;
const MAX_STEPS: usize = 60;
/// Pulls the exponent towards zero as if by a few documents of evidence.
const EXPONENT_RIDGE: f64 = 2.0;

/// Scores of one left-out document.
pub(crate) struct Judged {
    pub scores: Vec<f64>,
    pub known: usize,
    pub class: usize,
}

impl Calibration {
    /// Log-probabilities of all classes.
    pub(crate) fn log_probabilities(&self, scores: &mut [f64], known: usize) {
        let scale = self.inverse_temperature(known);
        for s in scores.iter_mut() {
            *s *= scale;
        }
        let norm = log_sum_exp(scores.iter().copied());
        for s in scores {
            *s -= norm;
        }
    }

    /// Whether [`Calibration::fit`] could have found it.
    pub(crate) fn in_range(&self) -> bool {
        self.log_scale.abs() <= SCALE_RANGE && self.length_exponent.abs() <= EXPONENT_RANGE
    }

    fn inverse_temperature(&self, known: usize) -> f64 {
        exp(self.log_scale + self.length_exponent * ln(known.max(1) as f64))
    }

    /// Minimises the log loss over left-out documents by Fisher scoring with backtracking.
    /// Targets are smoothed as in Platt 1999, so that a set without errors does not ask for
    /// infinite certainty.
    pub(crate) fn fit(judged: &[Judged], poll: Poll) -> Self {
        let mut best = Self::default();
        if judged.iter().all(|j| j.scores.len() < 2) {
            return best;
        }
        // Start where score differences are of order one, whatever the form's units are.
        let spread: f64 = judged.iter().map(|j| j.spread()).sum::<f64>() / judged.len() as f64;
        best.log_scale = -ln(spread.max(1e-9)).clamp(-SCALE_RANGE, SCALE_RANGE);
        let (mut loss, mut step) = best.loss_and_step(judged, poll);
        for _ in 0..MAX_STEPS {
            let mut length = 1.0;
            let improved = loop {
                let next = best.moved(step, length);
                let (next_loss, next_step) = next.loss_and_step(judged, poll);
                if next_loss < loss {
                    let gained = loss - next_loss;
                    (best, loss, step) = (next, next_loss, next_step);
                    break gained > 1e-9 * loss.abs();
                }
                length /= 2.0;
                if length < 1e-4 {
                    break false;
                }
            };
            if !improved {
                break;
            }
        }
        best
    }

    fn moved(&self, (scale, exponent): (f64, f64), length: f64) -> Self {
        Self {
            log_scale: (self.log_scale + length * scale).clamp(-SCALE_RANGE, SCALE_RANGE),
            length_exponent: (self.length_exponent + length * exponent)
                .clamp(-EXPONENT_RANGE, EXPONENT_RANGE),
        }
    }

    /// Penalised loss and the Fisher-scoring step that lowers it.
    fn loss_and_step(&self, judged: &[Judged], poll: Poll) -> (f64, (f64, f64)) {
        let smoothing = 1.0 / (judged.len() as f64 + 2.0);
        let b = self.length_exponent;
        let mut loss = EXPONENT_RIDGE / 2.0 * b * b;
        let (mut g0, mut g1) = (0.0, EXPONENT_RIDGE * b);
        let (mut h00, mut h01, mut h11) = (1e-6, 0.0, EXPONENT_RIDGE);
        let mut log_p = Vec::new();
        for j in judged {
            poll();
            log_p.clear();
            log_p.extend_from_slice(&j.scores);
            self.log_probabilities(&mut log_p, j.known);
            let scale = self.inverse_temperature(j.known);
            let uniform = 1.0 / j.scores.len() as f64;
            let (mut mean, mut square, mut target, mut cross) = (0.0, 0.0, 0.0, 0.0);
            for (c, (&lp, &s)) in log_p.iter().zip(&j.scores).enumerate() {
                let z = scale * s;
                let p = exp(lp);
                let t = smoothing * uniform + if c == j.class { 1.0 - smoothing } else { 0.0 };
                mean += p * z;
                square += p * z * z;
                target += t * z;
                cross -= t * lp;
            }
            let u = ln(j.known.max(1) as f64);
            let gradient = mean - target;
            let curvature = (square - mean * mean).max(0.0);
            loss += cross;
            g0 += gradient;
            g1 += gradient * u;
            h00 += curvature;
            h01 += curvature * u;
            h11 += curvature * u * u;
        }
        let det = h00 * h11 - h01 * h01;
        let step = if det > 1e-12 * h00 * h11 {
            (-(h11 * g0 - h01 * g1) / det, -(h00 * g1 - h01 * g0) / det)
        } else {
            (-g0 / h00, 0.0)
        };
        // Shortened as a whole: clamping each part would turn it off the way down.
        let shorten = (2.0 / step.0.abs()).min(0.5 / step.1.abs()).min(1.0);
        (loss, (step.0 * shorten, step.1 * shorten))
    }
}

impl Judged {
    /// Distance between the best and the mean score.
    fn spread(&self) -> f64 {
        let max = self
            .scores
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        max - self.scores.iter().sum::<f64>() / self.scores.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::never_cancelled;

    /// Scores that are log-odds, stretched by a known factor that grows with length.
    fn overconfident(n: usize) -> Vec<Judged> {
        (0..n)
            .map(|i| {
                let known = 10 + 10 * (i % 50);
                let p = 0.55 + 0.4 * ((i * 7919) % 97) as f64 / 97.0;
                let right = ((i * 104_729) % 1000) as f64 / 1000.0 < p;
                let logit = (p / (1.0 - p)).ln() * (known as f64).sqrt() * 3.0;
                Judged {
                    scores: vec![logit, 0.0],
                    known,
                    class: usize::from(!right),
                }
            })
            .collect()
    }

    #[test]
    fn finds_scale_and_length_exponent() {
        let c = Calibration::fit(&overconfident(4000), &never_cancelled);
        assert!((c.length_exponent + 0.5).abs() < 0.1, "{c:?}");
        assert!((c.log_scale + 3f64.ln()).abs() < 0.5, "{c:?}");
    }

    #[test]
    fn no_errors_do_not_mean_infinite_certainty() {
        let judged: Vec<_> = (0..10)
            .map(|i| Judged {
                scores: vec![f64::from(i), 0.0],
                known: 5,
                class: 0,
            })
            .collect();
        let c = Calibration::fit(&judged, &never_cancelled);
        let mut scores = [5.0, 0.0];
        c.log_probabilities(&mut scores, 5);
        assert!(scores[0].exp() < 0.999, "{c:?}");
    }
}
