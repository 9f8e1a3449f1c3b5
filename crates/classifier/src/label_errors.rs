//! Labels that the other emails contradict.

use crate::calibration::Calibration;
use crate::counts::RowIndex;
use crate::error::Result;
use crate::features::Features;
use crate::form_choice::{JUDGED_DOCUMENTS, choose, leave_one_out, most_judged};
use crate::labels::{casefold_label, trimmed};
use crate::math::exp;
use crate::memory::probe;
use crate::naive_bayes::{LeftOut, NaiveBayes};
use crate::poll::Poll;
use crate::score_form::ScoreForm;
use crate::state::{LabelCounts, State};

/// Fewer emails say little about one of them.
const MIN_DOCUMENTS: u64 = 20;

/// One for all ledgers, so that it does not change from one look to the next what is suspect.
/// The quickest of the three, and none finds clearly more on all corpora.
const FORM: ScoreForm = ScoreForm::MultinomialBoolean;

/// Says of an email that was learned what all the others say about its label: scored by the
/// counts alone, as if it had never been learned.
pub struct LabelErrorFinder<'a> {
    state: &'a State,
    rows: RowIndex<'a>,
    judge: NaiveBayes<'a>,
    calibration: Calibration,
}

/// What the other emails say about one's label, where they contradict it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelError {
    /// Position of the email's label in [`LabelErrorFinder::labels`].
    pub label: usize,
    /// Its probability.
    pub probability: f64,
    /// Position of the most probable label.
    pub suggested: usize,
    /// Its probability.
    pub suggested_probability: f64,
    /// Log-odds of the two, above zero.
    pub margin: f64,
}

impl<'a> LabelErrorFinder<'a> {
    /// Prepares to say which labels the other emails contradict, by the counts alone and
    /// calibrated on them. `None` if there are too few emails or labels. Takes back all steps
    /// of the residual layer.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(state: &'a mut State, poll: Poll<'a>) -> Result<Option<Self>> {
        state.canonicalize(poll)?;
        state.clear_steps(poll)?;
        let state: &State = state;
        if !Self::has_enough(state) {
            return Ok(None);
        }
        let judge = NaiveBayes::new(state, FORM, poll);
        let index = RowIndex::new(state.counts(), judge.features(), poll)?;
        let most = most_judged(state, JUDGED_DOCUMENTS);
        let candidates = leave_one_out(state, &index, &judge, &[FORM], most, poll)?;
        let calibration = choose(candidates).calibration;
        Ok(Some(Self {
            state,
            rows: index,
            judge,
            calibration,
        }))
    }

    /// Whether there is enough to compare with.
    fn has_enough(state: &State) -> bool {
        state.documents() >= MIN_DOCUMENTS && state.labels().len() >= 2
    }

    /// The labels that [`LabelError`] counts.
    pub fn labels(&self) -> &[LabelCounts] {
        self.state.labels()
    }

    /// Judges an email that was learned under this label; `None` if the others agree, or
    /// cannot tell: none has the label or any of its features. Also `None` if the counts rule
    /// out that it was learned.
    ///
    /// # Errors
    /// [`Error::LabelTooLong`](crate::Error::LabelTooLong),
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn check(&self, features: &Features, label: &str) -> Result<Option<LabelError>> {
        let casefolded = casefold_label(trimmed(label)?)?;
        let labels = self.state.labels();
        let Ok(class) = labels.binary_search_by(|l| l.casefolded.as_str().cmp(&casefolded)) else {
            return Ok(None);
        };
        if labels[class].documents < 2 {
            return Ok(None);
        }
        // Copies of the totals per label, and of one row.
        probe(32 * features.keys().len() + 256 * labels.len())?;
        let found = self.rows.find(features.keys());
        let rows: Vec<_> = found.map(|(_, row)| row).collect();
        let out = LeftOut::new(class as u32, rows.len());
        if rows.len() < features.keys().len() || !rows.iter().all(|row| out.is_in(row)) {
            return Ok(None);
        }
        let scores = self.judge.scores_left_out(&rows, out);
        if scores.known == 0 {
            return Ok(None);
        }
        let mut log_p = scores.scores;
        self.calibration.log_probabilities(&mut log_p, rows.len());
        // Of equals the first.
        let mut suggested = usize::from(class == 0);
        for (other, lp) in log_p.iter().enumerate() {
            if other != class && *lp > log_p[suggested] {
                suggested = other;
            }
        }
        let margin = log_p[suggested] - log_p[class];
        Ok((margin > 0.0).then(|| LabelError {
            label: class,
            probability: exp(log_p[class]),
            suggested,
            suggested_probability: exp(log_p[suggested]),
            margin,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::Learner;
    use crate::poll::never_cancelled;

    fn features(keys: impl IntoIterator<Item = u64>) -> Features {
        let mut keys: Vec<u64> = keys.into_iter().collect();
        keys.sort_unstable();
        Features::from_sorted(keys).unwrap()
    }

    /// Emails of two labels with words of their own, shared words, and words that no other has;
    /// one of them has the other label.
    fn emails() -> Vec<(Features, &'static str)> {
        let email = |n: u64| {
            let side = 1 + n % 2;
            let words = [side << 60, (side << 60) + n % 5, 7 << 60, (8 << 60) + n];
            let mut keys = words.to_vec();
            keys.dedup();
            let label = if n.is_multiple_of(2) != (n == 11) {
                "a"
            } else {
                "b"
            };
            (features(keys), label)
        };
        (0..40).map(email).collect()
    }

    fn learned(emails: &[(Features, &str)]) -> State {
        let mut state = State::default();
        for (features, label) in emails {
            state.learn(features, label).unwrap();
        }
        state
    }

    #[test]
    fn a_label_that_the_others_contradict_is_found() {
        let emails = emails();
        let mut state = learned(&emails);
        let finder = LabelErrorFinder::new(&mut state, &never_cancelled);
        let finder = finder.unwrap().unwrap();
        for (n, (features, label)) in emails.iter().enumerate() {
            let found = finder.check(features, label).unwrap();
            assert_eq!(found.is_some(), n == 11, "{n}: {found:?}");
            if let Some(found) = found {
                assert_eq!((found.label, found.suggested), (0, 1));
                let odds = found.suggested_probability / found.probability;
                assert!((found.margin - odds.ln()).abs() < 1e-9, "{found:?}");
            }
        }
    }

    /// Whatever the label of an email is, the others are asked about it without it.
    #[test]
    fn an_email_does_not_speak_for_itself() {
        let mut emails = emails();
        let alone = features([9 << 60, (9 << 60) + 1]);
        emails.push((alone.clone(), "a"));
        let mut state = learned(&emails);
        let finder = LabelErrorFinder::new(&mut state, &never_cancelled);
        let finder = finder.unwrap().unwrap();
        assert_eq!(finder.check(&alone, "a").unwrap(), None);
    }

    #[test]
    fn what_was_not_learned_is_not_judged() {
        let mut state = learned(&emails());
        state.learn(&features([1 << 60]), "only").unwrap();
        let finder = LabelErrorFinder::new(&mut state, &never_cancelled);
        let finder = finder.unwrap().unwrap();
        for (keys, label) in [
            (vec![3 << 60], "a"),
            (vec![2 << 60, 3 << 60], "a"),
            (vec![1 << 60], "unknown"),
            // Nobody else has the label.
            (vec![1 << 60], "only"),
        ] {
            let found = finder.check(&features(keys), label).unwrap();
            assert_eq!(found, None, "{label}");
        }
        assert!(finder.check(&features([]), &"x".repeat(9000)).is_err());
    }

    #[test]
    fn few_emails_or_one_label_say_nothing() {
        let few = &mut learned(&emails()[..19]);
        let one: Vec<_> = emails().into_iter().map(|(f, _)| (f, "a")).collect();
        let one = &mut learned(&one);
        for state in [few, one, &mut State::default()] {
            assert!(
                LabelErrorFinder::new(state, &never_cancelled)
                    .unwrap()
                    .is_none()
            );
        }
    }
}
