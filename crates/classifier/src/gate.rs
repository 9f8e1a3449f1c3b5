//! Whether a new model may take the place of the one that answers: both are asked about the
//! same emails, which people have decided and neither has learned from.

use crate::calibration::Judged;
use crate::evaluation::{self, Outcome};
use crate::{Calibration, Features, Fit, Model, Poll, Result, casefold_label, probe};

/// A challenger that answers fewer of the emails right is accepted where it is worse by no
/// more than this, with 95 % confidence.
pub const TOLERANCE: f64 = 0.01;

/// With fewer emails there is nothing to say.
const EMAILS: u64 = 5;

/// A label's recall may not fall by more than this, beyond chance.
const LABEL_TOLERANCE: f64 = 0.1;
/// Labels with fewer emails are not looked at one by one.
const EMAILS_PER_LABEL: u64 = 10;

/// Two-sided 95 %.
const Z: f64 = 1.96;

/// A reviewer stands out with at least so many decisions,
const DECISIONS_PER_REVIEWER: u64 = 30;
/// this much more of them contradicted than of the others',
const EXCESS: f64 = 0.1;
/// and so many standard errors more: one in thirty thousand by chance.
const STANDS_OUT: f64 = 4.0;

/// Emails with more or fewer right answers after a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paired {
    /// Emails that both were asked about.
    pub emails: u64,
    /// Answered right by the champion.
    pub champion: u64,
    /// Answered right by the challenger.
    pub challenger: u64,
    /// Answered right by the challenger alone.
    pub gained: u64,
    /// Answered right by the champion alone.
    pub lost: u64,
}

impl Paired {
    /// Counts one email.
    pub fn add(&mut self, champion: bool, challenger: bool) {
        self.emails += 1;
        self.champion += u64::from(champion);
        self.challenger += u64::from(challenger);
        self.gained += u64::from(challenger && !champion);
        self.lost += u64::from(champion && !challenger);
    }

    /// Difference of the accuracies, challenger minus champion, with the ends of its 95 %
    /// interval: Wald's, with half an email added to each of the four ways in which two answers
    /// can be right or wrong (Agresti and Min 2005).
    pub fn difference(&self) -> (f64, f64, f64) {
        if self.emails == 0 {
            return (0.0, -1.0, 1.0);
        }
        let (gained, lost) = (self.gained as f64 + 0.5, self.lost as f64 + 0.5);
        let n = self.emails as f64 + 2.0;
        let middle = (gained - lost) / n;
        let error = (gained + lost - (gained - lost) * (gained - lost) / n)
            .max(0.0)
            .sqrt()
            / n;
        let difference = (self.gained as f64 - self.lost as f64) / self.emails as f64;
        (difference, middle - Z * error, middle + Z * error)
    }
}

/// Both models' answers about emails with known labels.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// Of all labels.
    pub all: Paired,
    by_label: std::collections::BTreeMap<String, Paired>,
}

/// Why a challenger is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// There are hardly any emails to ask about.
    TooFew(Paired),
    /// It answers fewer emails right, by more than what is tolerated or can be told.
    Worse(Paired),
    /// One label's recall falls.
    LabelWorse(String, Paired),
}

impl Comparison {
    /// Counts one email of this label.
    pub fn add(&mut self, label: &str, champion: bool, challenger: bool) {
        self.all.add(champion, challenger);
        match self.by_label.get_mut(label) {
            Some(paired) => paired.add(champion, challenger),
            None => {
                let mut paired = Paired::default();
                paired.add(champion, challenger);
                self.by_label.insert(label.to_owned(), paired);
            }
        }
    }

    /// Why the challenger may not take the champion's place; `None` if it may.
    pub fn refusal(&self) -> Option<Refusal> {
        if self.all.emails < EMAILS {
            return Some(Refusal::TooFew(self.all));
        }
        let (difference, low, _) = self.all.difference();
        if difference < 0.0 && low < -TOLERANCE {
            return Some(Refusal::Worse(self.all));
        }
        let fallen = |paired: &Paired| {
            let (difference, _, high) = paired.difference();
            paired.emails >= EMAILS_PER_LABEL && difference < -LABEL_TOLERANCE && high < 0.0
        };
        let (label, paired) = self.by_label.iter().find(|(_, paired)| fallen(paired))?;
        Some(Refusal::LabelWorse(label.clone(), *paired))
    }
}

/// Decisions, and how many of them all others contradict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contradicted {
    /// Decisions looked at.
    pub decisions: u64,
    /// Of these.
    pub contradicted: u64,
}

impl Contradicted {
    /// Counts one decision.
    pub fn add(&mut self, contradicted: bool) {
        self.decisions += 1;
        self.contradicted += u64::from(contradicted);
    }

    /// What is left when these are taken out.
    pub fn without(&self, part: &Contradicted) -> Self {
        Self {
            decisions: self.decisions.saturating_sub(part.decisions),
            contradicted: self.contradicted.saturating_sub(part.contradicted),
        }
    }

    /// Share that is contradicted.
    pub fn share(&self) -> f64 {
        self.contradicted as f64 / self.decisions.max(1) as f64
    }

    /// Whether so many contradictions are neither chance nor what others have, too.
    pub fn stands_out_from(&self, others: &Contradicted) -> bool {
        let n = self.decisions as f64;
        let usual = (others.contradicted as f64 + 1.0) / (others.decisions as f64 + 2.0);
        let error = (n * usual * (1.0 - usual)).sqrt();
        self.decisions >= DECISIONS_PER_REVIEWER
            && self.share() - usual >= EXCESS
            && self.contradicted as f64 - n * usual >= STANDS_OUT * error
    }
}

/// Least emails that calibration is fitted on.
pub const EMAILS_TO_CALIBRATE: usize = 100;

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
    if judged.len() < EMAILS_TO_CALIBRATE {
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
    use crate::Learner;
    use crate::{State, never_cancelled};

    fn comparison(of: &[(&str, u64, u64, u64, u64)]) -> Comparison {
        let mut all = Comparison::default();
        for &(label, both, gained, lost, neither) in of {
            for (n, champion, challenger) in [
                (both, true, true),
                (gained, false, true),
                (lost, true, false),
                (neither, false, false),
            ] {
                (0..n).for_each(|_| all.add(label, champion, challenger));
            }
        }
        all
    }

    #[test]
    fn interval_by_hand() {
        let mut paired = Paired::default();
        for i in 0..99 {
            paired.add(i < 60, !(50..80).contains(&i));
        }
        assert_eq!((paired.gained, paired.lost), (19, 10));
        let (difference, low, high) = paired.difference();
        assert!((difference - 9.0 / 99.0).abs() < 1e-12);
        // (19.5 - 10.5) / 101, sqrt(30 - 81 / 101) / 101
        let (middle, error) = (0.089_108_9, 0.053_500_2);
        assert!((low - (middle - 1.96 * error)).abs() < 1e-6, "{low}");
        assert!((high - (middle + 1.96 * error)).abs() < 1e-6, "{high}");
    }

    #[test]
    fn fewer_right_answers_are_refused_unless_it_is_next_to_nothing() {
        assert_eq!(comparison(&[("a", 18, 1, 1, 0)]).refusal(), None);
        assert!(matches!(
            comparison(&[("a", 18, 0, 1, 1)]).refusal(),
            Some(Refusal::Worse(_))
        ));
        assert_eq!(comparison(&[("a", 1990, 4, 6, 0)]).refusal(), None);
        assert!(comparison(&[("a", 1900, 20, 60, 20)]).refusal().is_some());
        assert!(matches!(
            Comparison::default().refusal(),
            Some(Refusal::TooFew(_))
        ));
    }

    #[test]
    fn one_label_may_not_pay_for_the_others() {
        let refused = comparison(&[("a", 400, 60, 0, 40), ("b", 20, 0, 20, 0)]).refusal();
        assert!(matches!(&refused, Some(Refusal::LabelWorse(l, p)) if l == "b" && p.lost == 20));
        // Chance.
        let few = comparison(&[("a", 400, 60, 0, 40), ("b", 8, 0, 2, 0)]);
        assert_eq!(few.refusal(), None);
    }

    fn contradicted(contradicted: u64, decisions: u64) -> Contradicted {
        Contradicted {
            decisions,
            contradicted,
        }
    }

    #[test]
    fn who_flips_labels_stands_out_and_nobody_else() {
        let usual = contradicted(10, 500);
        assert!(contradicted(45, 150).stands_out_from(&usual));
        assert!(!contradicted(6, 150).stands_out_from(&usual));
        assert!(!contradicted(9, 20).stands_out_from(&usual), "too few");
        // All are contradicted when words change, or where labels overlap.
        assert!(!contradicted(45, 150).stands_out_from(&contradicted(120, 500)));
        // Nobody to compare with.
        assert!(!contradicted(45, 150).stands_out_from(&contradicted(0, 0)));
    }

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
