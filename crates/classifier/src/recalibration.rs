//! A new calibration for a model that stays as it is, from emails that people have decided and
//! the model has not learned from: of many a new curve, of few its temperature alone.

use crate::calibration::{Calibration, Judged};
use crate::error::Result;
use crate::evaluation::{self, Outcome};
use crate::features::Features;
use crate::fit::Fit;
use crate::labels::casefold_label;
use crate::math::{exp, ln, log_sum_exp};
use crate::memory::probe;
use crate::model::Model;
use crate::poll::Poll;

/// Least emails that a new curve is fitted on.
pub const MIN_EMAILS_TO_CALIBRATE: usize = 100;

/// Least answers that say something about the temperature of a model.
pub const MIN_ANSWERS_TO_CALIBRATE: usize = 10;

/// How far the inverse temperature of a trained model is off, as a rule: standard deviation of its
/// logarithm. Ten answers move it by a quarter of what they say, a hundred by most of it.
const TEMPERATURE_SPREAD: f64 = 0.4;

/// Largest logarithm of an inverse temperature.
const TEMPERATURE_RANGE: f64 = 1.5;

/// A change has to make the answers so much more likely, as a logarithm: the likelihood ratio
/// that chance alone exceeds in one of twenty (Wilks 1938).
const CLEARLY: f64 = 1.92;

/// Less is not told apart: a label that no model knows must not decide by itself.
const LEAST_PROBABILITY: f64 = 1e-4;

/// The model's fit with a calibration that suits these emails, which it has not seen; `None`
/// if that is not clearly better: half of them are judged by what the other half suggests.
///
/// # Errors
/// [`crate::Error::OutOfMemory`], [`crate::Error::LabelTooLong`].
pub fn recalibrated(
    model: &Model,
    emails: &[(Features, String)],
    poll: Poll,
) -> Result<Option<Fit>> {
    let labels = model.labels();
    probe(3 * Judged::memory(emails.len(), labels.len()))?;
    let mut judged = Vec::with_capacity(emails.len());
    for (features, label) in emails {
        poll();
        let casefolded = casefold_label(label)?;
        let class = labels.binary_search_by(|l| l.casefolded.as_str().cmp(&casefolded));
        let scores = model.scores(features, poll);
        if let (Ok(class), true) = (class, scores.known > 0) {
            judged.push(Judged {
                scores: scores.scores,
                features: features.keys().len(),
                class,
            });
        }
    }
    if judged.len() < MIN_EMAILS_TO_CALIBRATE {
        return Ok(None);
    }
    let fit = model.meta().fit;
    let half = |odd: usize| -> Vec<Judged> {
        let every_other = judged.iter().skip(odd).step_by(2);
        every_other.cloned().collect()
    };
    let (mut before, mut after): (Vec<Outcome>, Vec<Outcome>) = Default::default();
    for odd in [0, 1] {
        let (ours, other) = (half(odd), half(1 - odd));
        before.extend(fit.calibration.outcomes(&ours));
        after.extend(Calibration::fit(&other, true, poll).outcomes(&ours));
    }
    Ok(evaluation::clearly_worse(&before, &after).then(|| Fit {
        calibration: Calibration::fit(&judged, true, poll),
        ..fit
    }))
}

/// What people found to be the label of an email that was drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The most probable one.
    Best,
    /// The second one.
    Second,
    /// Any other.
    Other,
}

/// A prediction as it was given, by whatever version of a model, and what people found.
#[derive(Debug, Clone, Copy)]
pub struct AuditedAnswer {
    /// Log-probabilities of the best label, of the second one and of all others, as the version was
    /// trained to give them.
    log_p: [f64; 3],
    found: Found,
}

impl AuditedAnswer {
    /// An answer with these probabilities of the best and the second label, which are those that the
    /// version was trained to give raised to `inverse_temperature`. All others count as one label:
    /// they are little, and the powers near one.
    pub fn new(best: f64, second: f64, inverse_temperature: f64, found: Found) -> Self {
        let log_p = |p: f64| ln(p.max(LEAST_PROBABILITY)) / inverse_temperature;
        let mut log_p = [best, second, 1.0 - best - second].map(log_p);
        normalize(&mut log_p);
        Self { log_p, found }
    }

    /// -ln p(what people found), at this inverse temperature.
    fn log_loss(&self, inverse_temperature: f64) -> f64 {
        let mut log_p = self.log_p.map(|log_p| log_p * inverse_temperature);
        normalize(&mut log_p);
        -match self.found {
            Found::Best => log_p[0],
            Found::Second => log_p[1],
            Found::Other => log_p[2],
        }
    }
}

fn normalize(log_p: &mut [f64; 3]) {
    let norm = log_sum_exp(log_p.iter().copied());
    for log_p in log_p {
        *log_p -= norm;
    }
}

/// The inverse temperature that suits these answers about emails that the versions that gave them
/// had not learned: probabilities are raised to it (Guo et al. 2017). It is shrunk towards one, with
/// which each version was trained, the more the fewer answers there are (a normal prior of its
/// logarithm), so that answers about several versions that are trained alike add up.
/// `None` if it is not clearly better than the present one.
pub fn inverse_temperature(answers: &[AuditedAnswer], present: f64) -> Option<f64> {
    if answers.len() < MIN_ANSWERS_TO_CALIBRATE {
        return None;
    }
    let loss = |log_t: f64| {
        let off = log_t / TEMPERATURE_SPREAD;
        let answers = answers.iter().map(|answer| answer.log_loss(exp(log_t)));
        off * off / 2.0 + answers.sum::<f64>()
    };
    // The loss has one valley: by thirds.
    let (mut low, mut high) = (-TEMPERATURE_RANGE, TEMPERATURE_RANGE);
    while high - low > 1e-4 {
        let third = (high - low) / 3.0;
        match loss(low + third) < loss(high - third) {
            true => high -= third,
            false => low += third,
        }
    }
    let best = (low + high) / 2.0;
    (loss(ln(present)) - loss(best) >= CLEARLY).then(|| exp(best))
}

impl Fit {
    /// The same fit with probabilities that are powers of its own, with this exponent.
    pub fn raised_to(&self, exponent: f64) -> Option<Self> {
        let mut fit = *self;
        fit.calibration.log_scale += ln(exponent) / fit.calibration.margin_exponent;
        fit.calibration.in_range().then_some(fit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::Learner;
    use crate::poll::never_cancelled;
    use crate::state::State;

    /// Emails of two labels, told apart by one word each, which is wrong in every fifth.
    fn emails(n: u64) -> Vec<(Features, String)> {
        let email = |i: u64| {
            let class = i % 2;
            let word = if i % 5 == 4 { 1 - class } else { class };
            let mut keys = vec![10 + word, 20 + i % 7, 30 + i % 11];
            keys.sort_unstable();
            let features = Features::from_sorted(keys).unwrap();
            (features, if class == 0 { "a" } else { "b" }.to_owned())
        };
        (0..n).map(email).collect()
    }

    fn model(log_scale: f64) -> Model {
        let mut state = State::default();
        for (features, label) in emails(400) {
            state.learn(&features, &label).unwrap();
        }
        let mut fit = Fit {
            reference_documents: 400,
            ..Fit::default()
        };
        fit.calibration.length_exponent = 0.0;
        fit.calibration.log_scale = log_scale;
        let bytes = state.pack(&fit, Default::default(), &never_cancelled);
        Model::from_bytes(bytes.unwrap(), &never_cancelled).unwrap()
    }

    #[test]
    fn calibration_follows_what_people_found() {
        let overconfident = model(2.0);
        let fit = recalibrated(&overconfident, &emails(300), &never_cancelled).unwrap();
        let fit = fit.expect("a fifth of the answers is wrong, all were given as certain");
        assert!(fit.calibration.log_scale < 1.0, "{fit:?}");
        // What fits already stays, and few emails say nothing.
        let good = Fit {
            calibration: fit.calibration,
            ..overconfident.meta().fit
        };
        let mut state = State::default();
        for (features, label) in emails(400) {
            state.learn(&features, &label).unwrap();
        }
        let bytes = state.pack(&good, Default::default(), &never_cancelled);
        let good = Model::from_bytes(bytes.unwrap(), &never_cancelled).unwrap();
        for (model, n) in [(&good, 300), (&overconfident, 50)] {
            assert_eq!(
                recalibrated(model, &emails(n), &never_cancelled).unwrap(),
                None
            );
        }
    }

    /// Answers of a model whose probabilities are powers of the true ones, and what people find.
    fn audited(
        seed: u64,
        answers: usize,
        power: f64,
        given_at: f64,
    ) -> (Vec<AuditedAnswer>, Vec<AuditedAnswer>) {
        let mut at = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut random = || {
            // Knuth's MMIX.
            at = at
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (at >> 33) as f64 / f64::from(1_u32 << 31)
        };
        let mut draw = |n: usize| {
            let mut made = Vec::new();
            for _ in 0..n {
                let log_odds = 1.0 + 4.0 * random();
                let best = 1.0 / (1.0 + exp(-log_odds));
                let second = (1.0 - best) * (0.5 + 0.4 * random());
                let mut given =
                    [best, second, 1.0 - best - second].map(|p| ln(p) * power * given_at);
                normalize(&mut given);
                let drawn = random();
                let found = if drawn < best {
                    Found::Best
                } else if drawn < best + second {
                    Found::Second
                } else {
                    Found::Other
                };
                made.push(AuditedAnswer::new(
                    exp(given[0]),
                    exp(given[1]),
                    given_at,
                    found,
                ));
            }
            made
        };
        (draw(answers), draw(300))
    }

    fn mean_loss(answers: &[AuditedAnswer], inverse_temperature: f64) -> f64 {
        let losses = answers.iter().map(|a| a.log_loss(inverse_temperature));
        losses.sum::<f64>() / answers.len() as f64
    }

    /// Held-out log loss after minus before, mean over seeds, and how often it changed.
    fn gain(answers: usize, power: f64) -> (f64, usize, f64) {
        let (mut sum, mut changed, mut moved) = (0.0, 0, 0.0);
        for seed in 1..=100 {
            // Half of them by a version that was corrected already.
            let (mut seen, held_out) = audited(seed, answers / 2, power, 1.0);
            seen.extend(audited(1000 + seed, answers - answers / 2, power, 0.8).0);
            if let Some(found) = inverse_temperature(&seen, 1.0) {
                changed += 1;
                moved -= ln(found) / if power == 1.0 { 1.0 } else { ln(power) };
                sum += mean_loss(&held_out, found) - mean_loss(&held_out, 1.0);
            }
        }
        (sum / 100.0, changed, moved / 100.0)
    }

    #[test]
    fn few_answers_move_the_temperature_a_little_and_many_fully_and_none_makes_it_worse() {
        for power in [0.5, 1.0, 1.6, 2.5] {
            for answers in [10, 30, 100, 400] {
                let (gain, changed, moved) = gain(answers, power);
                println!(
                    "power {power}, {answers} answers: {gain:+.5}, changed {changed}, moved {moved:.2}"
                );
                // By chance, where nothing is to be mended.
                let worst = if power == 1.0 { 0.002 } else { 0.0 };
                assert!(gain <= worst, "{power} {answers}: {gain}");
                if power == 1.0 {
                    assert!(changed <= 10, "{changed} of 100");
                }
                if power == 2.5 && answers >= 100 {
                    assert!(changed >= 97 && moved > 0.8, "{changed} {moved}");
                }
                if answers == 10 {
                    assert!(moved < 0.5, "{moved}");
                }
            }
        }
    }

    #[test]
    fn what_is_suited_already_stays_and_fewer_than_ten_say_nothing() {
        let (seen, _) = audited(3, 300, 2.0, 1.0);
        let found = inverse_temperature(&seen, 1.0).unwrap();
        assert!((0.4..0.7).contains(&found), "{found}");
        assert_eq!(inverse_temperature(&seen, found), None);
        assert_eq!(inverse_temperature(&seen[..9], 1.0), None);
        // The same temperature from answers that were given at it.
        let (seen, _) = audited(3, 300, 2.0, found);
        let again = inverse_temperature(&seen, 1.0).unwrap();
        assert!((again - found).abs() < 0.02, "{again} {found}");
    }

    #[test]
    fn another_temperature_is_a_power_of_all_probabilities() {
        let mut fit = model(1.0).meta().fit;
        fit.calibration.margin_exponent = 0.7;
        let cooler = fit.raised_to(0.6).unwrap();
        let log_p = |fit: &Fit| {
            let mut scores = vec![3.0, 1.0, -2.0];
            fit.calibration.log_probabilities(&mut scores, 40);
            scores
        };
        let (before, after) = (log_p(&fit), log_p(&cooler));
        for (a, b) in [(0, 1), (1, 2)] {
            let ratio = (after[a] - after[b]) / (before[a] - before[b]);
            assert!((ratio - 0.6).abs() < 1e-9, "{ratio}");
        }
        assert_eq!(fit.raised_to(1e-12), None);
    }
}
