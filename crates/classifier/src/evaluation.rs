//! Metrics of a fitted model, from documents that it had not seen.

use linfa::prelude::*;
use ndarray::Array1;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::math::{exp, ln};

/// How good a model is, measured on the training sample with each document left out while
/// it was scored. Optimistic where emails repeat (threads, newsletters), and not a
/// substitute for an audit sample of new mail.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Documents judged.
    pub judged: u32,
    /// Share of them that got their label.
    pub accuracy: f64,
    /// Mean F1 over the labels that occur or were answered.
    pub macro_f1: f64,
    /// Mean of -ln p(true label).
    pub log_loss: f64,
    /// Expected calibration error, 15 equal-width bins.
    pub calibration_error: f64,
    /// Documents of the held-out slice on which the baseline was judged too.
    pub held_out: u32,
    /// Accuracy of this model on that slice.
    pub held_out_accuracy: f64,
    /// Accuracy on that slice of `linfa_bayes::BernoulliNb`, fitted on the rest of the
    /// sample.
    pub baseline_accuracy: f64,
}

/// One document's outcome.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub truth: usize,
    pub predicted: usize,
    /// Probability of the predicted label.
    pub confidence: f64,
    /// ln of the probability of the true label.
    pub log_p_truth: f64,
}

/// The mean of -ln p(true label).
pub(crate) fn mean_log_loss(outcomes: &[Outcome]) -> f64 {
    mean(outcomes.iter().map(|o| -o.log_p_truth))
}

/// The share of documents whose most probable label is the true one.
pub(crate) fn accuracy(outcomes: &[Outcome]) -> f64 {
    mean(outcomes.iter().map(|o| f64::from(o.truth == o.predicted)))
}

/// Accuracy, macro-F1 (through linfa), log loss and calibration error.
pub(crate) fn metrics(outcomes: &[Outcome]) -> Result<Metrics> {
    if outcomes.is_empty() {
        return Ok(Metrics::default());
    }
    let truth: Array1<usize> = outcomes.iter().map(|o| o.truth).collect();
    let predicted: Array1<usize> = outcomes.iter().map(|o| o.predicted).collect();
    let confusion = predicted.confusion_matrix(&truth)?;
    // A class without a right answer has an F1 of zero, whatever is divided by zero in it.
    let f1 = confusion
        .split_one_vs_all()
        .iter()
        .map(|one| f64::from(one.f1_score()))
        .map(|f1| if f1.is_finite() { f1 } else { 0.0 })
        .collect::<Vec<_>>();
    Ok(Metrics {
        judged: outcomes.len() as u32,
        accuracy: rounded(confusion.accuracy().into()),
        macro_f1: rounded(mean(f1.into_iter())),
        log_loss: rounded(mean_log_loss(outcomes)),
        calibration_error: rounded(calibration_error(outcomes)),
        ..Metrics::default()
    })
}

/// Six digits: more would be noise, and linfa's metrics are single precision anyway.
pub(crate) fn rounded(figure: f64) -> f64 {
    (figure * 1e6).round() / 1e6
}

/// Guo et al. 2017: gap between confidence and accuracy, averaged over 15 bins.
fn calibration_error(outcomes: &[Outcome]) -> f64 {
    const BINS: usize = 15;
    let mut gap = [0.0; BINS];
    for o in outcomes {
        let bin = ((o.confidence * BINS as f64) as usize).min(BINS - 1);
        gap[bin] += f64::from(o.truth == o.predicted) - o.confidence;
    }
    gap.iter().map(|g: &f64| g.abs()).sum::<f64>() / outcomes.len() as f64
}

/// Whether `a` loses to `b` by more than chance explains: paired difference of log losses
/// over its standard error, 95 %.
pub(crate) fn clearly_worse(a: &[Outcome], b: &[Outcome]) -> bool {
    let differences = || a.iter().zip(b).map(|(a, b)| b.log_p_truth - a.log_p_truth);
    let n = a.len() as f64;
    let m = mean(differences());
    let variance = differences().map(|d| (d - m) * (d - m)).sum::<f64>() / n;
    m > 1.96 * (variance / n).sqrt()
}

/// Index of the largest score, the first of equals.
pub(crate) fn argmax(scores: &[f64]) -> usize {
    let mut best = 0;
    for (i, &s) in scores.iter().enumerate() {
        if s > scores[best] {
            best = i;
        }
    }
    best
}

/// Outcome of a document from its log-probabilities.
pub(crate) fn outcome(log_p: &[f64], truth: usize) -> Outcome {
    let predicted = argmax(log_p);
    Outcome {
        truth,
        predicted,
        confidence: exp(log_p[predicted]),
        log_p_truth: log_p[truth].max(ln(1e-15)),
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len();
    if n == 0 {
        0.0
    } else {
        values.sum::<f64>() / n as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(of: &[(usize, usize, f64, f64)]) -> Vec<Outcome> {
        of.iter()
            .map(|&(truth, predicted, confidence, p_truth)| Outcome {
                truth,
                predicted,
                confidence,
                log_p_truth: p_truth.ln(),
            })
            .collect()
    }

    /// By hand: 4 of 6 right; F1 is 4/5 for class 0, 1/2 for class 1, 2/3 for class 2.
    #[test]
    fn figures_equal_those_by_hand() {
        let m = metrics(&outcomes(&[
            (0, 0, 0.9, 0.9),
            (0, 0, 0.8, 0.8),
            (0, 1, 0.6, 0.3),
            (1, 1, 0.7, 0.7),
            (1, 2, 0.5, 0.4),
            (2, 2, 0.9, 0.9),
        ]))
        .unwrap();
        assert_eq!(m.judged, 6);
        assert_eq!(m.accuracy, 0.666_667);
        let f1 = (4.0 / 5.0 + 1.0 / 2.0 + 2.0 / 3.0) / 3.0;
        assert!((m.macro_f1 - f1).abs() < 1e-6, "{m:?}");
        let product: f64 = 0.9 * 0.8 * 0.3 * 0.7 * 0.4 * 0.9;
        assert!((m.log_loss + product.ln() / 6.0).abs() < 1e-6, "{m:?}");
        // Two answers share the bin of .9; the others have one each.
        let gaps = (2.0 - 1.8) + (1.0 - 0.8) + 0.6 + (1.0 - 0.7) + 0.5;
        assert!((m.calibration_error - gaps / 6.0).abs() < 1e-6, "{m:?}");
    }

    #[test]
    fn worse_means_beyond_chance() {
        let good = outcomes(&[(0, 0, 0.9, 0.9); 50]);
        let mixed: Vec<_> = (0..50)
            .map(|i| {
                if i % 2 == 0 {
                    (0, 0, 0.9, 0.99)
                } else {
                    (0, 0, 0.9, 0.8)
                }
            })
            .collect();
        assert!(clearly_worse(&outcomes(&[(0, 1, 0.9, 0.1); 50]), &good));
        assert!(!clearly_worse(&good, &good));
        assert!(!clearly_worse(&outcomes(&mixed), &good));
    }
}
