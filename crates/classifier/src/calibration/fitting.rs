//! Fitting the curve to documents whose labels are known.

use super::curve::{Calibration, EXPONENT_RANGE, MARGIN_RANGE, SCALE_RANGE};
use super::judged::Judged;
use crate::math::{exp, ln};
use crate::poll::Poll;

const MAX_STEPS: usize = 60;
/// Pulls the exponents towards zero and one as if by a few documents of evidence.
const EXPONENT_RIDGE: f64 = 2.0;
const MARGIN_RIDGE: f64 = 4.0;

/// Loss, gradient and Fisher information by the three parameters.
struct Slope {
    loss: f64,
    gradient: [f64; 3],
    information: [[f64; 3]; 3],
}

impl Calibration {
    /// Minimises the log loss of judged documents, with as many numbers in memory as they have
    /// scores, by Fisher scoring with backtracking.
    /// Targets are smoothed as in Platt 1999, so that a set without errors does not ask for
    /// infinite certainty. Without `bend` the margin exponent stays one.
    pub(crate) fn fit(judged: &[Judged], bend: bool, poll: Poll) -> Self {
        let mut best = Self::default();
        if judged.iter().all(|j| j.scores.len() < 2) {
            return best;
        }
        // Start where score differences are of order one, whatever the form's units are.
        let spread: f64 = judged.iter().map(|j| j.spread()).sum::<f64>() / judged.len() as f64;
        best.log_scale = -ln(spread.max(1e-9)).clamp(-SCALE_RANGE, SCALE_RANGE);
        let log_margins = log_margins(judged);
        let mut at = best.slope(judged, &log_margins, poll);
        for _ in 0..MAX_STEPS {
            let step = at.step(bend);
            let mut length = 1.0;
            let improved = loop {
                let next = best.moved(step, length);
                let there = next.slope(judged, &log_margins, poll);
                if there.loss < at.loss {
                    let gained = at.loss - there.loss;
                    (best, at) = (next, there);
                    break gained > 1e-9 * at.loss.abs();
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

    fn moved(&self, step: [f64; 3], length: f64) -> Self {
        Self {
            log_scale: (self.log_scale + length * step[0]).clamp(-SCALE_RANGE, SCALE_RANGE),
            length_exponent: (self.length_exponent + length * step[1])
                .clamp(-EXPONENT_RANGE, EXPONENT_RANGE),
            margin_exponent: (self.margin_exponent + length * step[2])
                .clamp(*MARGIN_RANGE.start(), *MARGIN_RANGE.end()),
        }
    }

    /// Penalised loss and its slope.
    fn slope(&self, judged: &[Judged], log_margins: &[f64], poll: Poll) -> Slope {
        let smoothing = 1.0 / (judged.len() as f64 + 2.0);
        let (b, m) = (self.length_exponent, self.margin_exponent - 1.0);
        let mut loss = (EXPONENT_RIDGE * b * b + MARGIN_RIDGE * m * m) / 2.0;
        let mut gradient = [0.0, EXPONENT_RIDGE * b, MARGIN_RIDGE * m];
        let mut information = [
            [1e-6, 0.0, 0.0],
            [0.0, EXPONENT_RIDGE, 0.0],
            [0.0, 0.0, MARGIN_RIDGE],
        ];
        let (mut stretched, mut e) = (Vec::new(), Vec::new());
        let mut log_margins = log_margins;
        for j in judged {
            poll();
            let (own, rest) = log_margins.split_at(j.scores.len());
            log_margins = rest;
            let length = ln(j.features.max(1) as f64);
            let log_scale = self.log_scale + b * length;
            // The best score is zero, so nothing overflows.
            stretched.clear();
            stretched.extend(
                own.iter()
                    .map(|lm| -exp(self.margin_exponent * (log_scale + lm))),
            );
            e.clear();
            e.extend(stretched.iter().map(|&z| exp(z)));
            let sum: f64 = e.iter().sum();
            let norm = ln(sum);
            let other = smoothing / j.scores.len() as f64;
            let (mut mean, mut square) = ([0.0; 3], [[0.0; 3]; 3]);
            for (class, (&z, &log_margin)) in stretched.iter().zip(own).enumerate() {
                let p = e[class] / sum;
                let target = other
                    + if class == j.class {
                        1.0 - smoothing
                    } else {
                        0.0
                    };
                loss -= target * (z - norm);
                if log_margin == f64::NEG_INFINITY {
                    continue;
                }
                // Derivatives of the score after stretching.
                let slope = [
                    z * self.margin_exponent,
                    z * self.margin_exponent * length,
                    z * (log_scale + log_margin),
                ];
                for a in 0..3 {
                    gradient[a] += (p - target) * slope[a];
                    mean[a] += p * slope[a];
                    for b in 0..3 {
                        square[a][b] += p * slope[a] * slope[b];
                    }
                }
            }
            for a in 0..3 {
                for b in 0..3 {
                    information[a][b] += square[a][b] - mean[a] * mean[b];
                }
            }
        }
        Slope {
            loss,
            gradient,
            information,
        }
    }
}

/// ln(best score - score) of all classes of all documents: what fitting does not change.
fn log_margins(judged: &[Judged]) -> Vec<f64> {
    let mut margins = Vec::with_capacity(judged.iter().map(|j| j.scores.len()).sum());
    for j in judged {
        let max = j.max();
        margins.extend(j.scores.iter().map(|score| ln(max - score)));
    }
    margins
}

impl Slope {
    /// The Fisher-scoring step that lowers the loss, shortened as a whole where it is long:
    /// clamping each part would turn it off the way down.
    fn step(&self, bend: bool) -> [f64; 3] {
        let n = if bend { 3 } else { 2 };
        let (mut a, mut step) = (self.information, self.gradient.map(|g| -g));
        // Gaussian elimination; the ridges keep the matrix positive definite.
        for i in 0..n {
            let pivot = a[i][i].max(1e-12);
            for j in i + 1..n {
                let factor = a[j][i] / pivot;
                let row = a[i];
                for (below, above) in a[j][i..n].iter_mut().zip(&row[i..n]) {
                    *below -= factor * above;
                }
                step[j] -= factor * step[i];
            }
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|k| a[i][k] * step[k]).sum();
            step[i] = (step[i] - known) / a[i][i].max(1e-12);
        }
        if !bend {
            step[2] = 0.0;
        }
        let shorten = std::iter::zip(step, [2.0, 0.5, 0.3])
            .map(|(step, most)| most / step.abs().max(1e-300))
            .fold(1.0, f64::min);
        step.map(|s| s * shorten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::log_sum_exp;
    use crate::poll::never_cancelled;

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
                    features: known,
                    class: usize::from(!right),
                }
            })
            .collect()
    }

    #[test]
    fn finds_scale_and_length_exponent() {
        let c = Calibration::fit(&overconfident(4000), false, &never_cancelled);
        assert!((c.length_exponent + 0.5).abs() < 0.1, "{c:?}");
        assert!((c.log_scale + 3f64.ln()).abs() < 0.5, "{c:?}");
    }

    /// Margins that were squared on their way.
    #[test]
    fn finds_the_margin_exponent() {
        let mut judged = overconfident(4000);
        for j in &mut judged {
            j.scores[0] = j.scores[0].signum() * j.scores[0] * j.scores[0];
        }
        let c = Calibration::fit(&judged, true, &never_cancelled);
        assert!((c.margin_exponent - 0.5).abs() < 0.1, "{c:?}");
    }

    #[test]
    fn no_errors_do_not_mean_infinite_certainty() {
        let judged: Vec<_> = (0..10)
            .map(|i| Judged {
                scores: vec![f64::from(i), 0.0],
                features: 5,
                class: 0,
            })
            .collect();
        let c = Calibration::fit(&judged, false, &never_cancelled);
        let mut scores = [5.0, 0.0];
        c.log_probabilities(&mut scores, 5);
        assert!(scores[0].exp() < 0.999, "{c:?}");
    }

    /// Documents whose classes have known probabilities, with scores that are stretched
    /// logits, more so for long documents and for large margins.
    fn known_posterior(n: usize, classes: usize, seed: u64) -> Vec<Judged> {
        let mut x = seed;
        let mut random = move || {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (x >> 11) as f64 / (1u64 << 53) as f64
        };
        let document = |_| {
            // Some documents are clear and some are not.
            let clear = 1.0 + 3.0 * random();
            let mut logits: Vec<f64> = (0..classes)
                .map(|_| -(random() + 1e-9).ln() * clear)
                .collect();
            let norm = log_sum_exp(logits.iter().copied());
            logits.iter_mut().for_each(|logit| *logit -= norm);
            let mut left = random();
            let class = logits.iter().position(|logit| {
                left -= logit.exp();
                left < 0.0
            });
            let features = 10 + (random() * 500.0) as usize;
            let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let stretch = 0.7 * (features as f64).powf(0.4);
            Judged {
                scores: logits
                    .iter()
                    .map(|l| -(max - l).powf(1.3) * stretch)
                    .collect(),
                features,
                class: class.unwrap_or(0),
            }
        };
        (0..n).map(document).collect()
    }

    /// Mean gap between confidence and accuracy, in 15 bins.
    fn calibration_error(c: &Calibration, judged: &[Judged]) -> f64 {
        let mut gaps = [0.0f64; 15];
        for j in judged {
            let mut log_p = j.scores.clone();
            c.log_probabilities(&mut log_p, j.features);
            let (best, p) = (0..log_p.len())
                .map(|class| (class, log_p[class].exp()))
                .fold(
                    (0, 0.0),
                    |best, this| if this.1 > best.1 { this } else { best },
                );
            let bin = ((p * 15.0) as usize).min(14);
            gaps[bin] += f64::from(best == j.class) - p;
        }
        gaps.iter().map(|gap| gap.abs()).sum::<f64>() / judged.len() as f64
    }

    #[test]
    fn probabilities_of_new_documents_mean_what_they_say() {
        for classes in [2, 200] {
            let n = if classes == 2 { 2000 } else { 600 };
            let c = Calibration::fit(&known_posterior(n, classes, 1), true, &never_cancelled);
            let new = known_posterior(3000, classes, 2);
            let (raw, fitted) = (
                calibration_error(&Calibration::default(), &new),
                calibration_error(&c, &new),
            );
            assert!(fitted < 0.04, "{classes}: {fitted} {c:?}");
            assert!(fitted < raw / 2.0, "{classes}: {raw} {fitted} {c:?}");
        }
    }
}
