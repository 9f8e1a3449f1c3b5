//! A new calibration for a model that stays as it is, from emails that people have decided and
//! the model has not learned from.

use crate::calibration::{Calibration, Judged};
use crate::error::Result;
use crate::evaluation::{self, Outcome};
use crate::features::Features;
use crate::fit::Fit;
use crate::labels::casefold_label;
use crate::memory::probe;
use crate::model::Model;
use crate::poll::Poll;

/// Least emails that calibration is fitted on.
pub const MIN_EMAILS_TO_CALIBRATE: usize = 100;

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
}
