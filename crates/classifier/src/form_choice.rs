//! The choice of the score form: every form is judged by leave-one-out on the training sample.

use crate::calibration::{Calibration, Judged};
use crate::counts::RowIndex;
use crate::error::Result;
use crate::evaluation;
use crate::evaluation::Outcome;
use crate::memory::{probe, touch};
use crate::naive_bayes::{LeftOut, NaiveBayes};
use crate::poll::Poll;
use crate::score_form::ScoreForm;
use crate::state::State;

/// Documents that are judged at most.
pub const JUDGED_DOCUMENTS: usize = 2000;

/// Documents x classes that may be judged per form: bounds time and memory with thousands
/// of labels.
const MAX_JUDGED_SCORES: usize = 2_000_000;

/// Cells that may be visited per form: bounds time where many labels share their features.
/// The first document is judged whatever it takes.
const MAX_JUDGED_CELLS: usize = 50_000_000;

/// One form, judged by leave-one-out.
pub(crate) struct Candidate {
    pub form: ScoreForm,
    pub judged: Vec<Judged>,
    pub calibration: Calibration,
    pub outcomes: Vec<Outcome>,
}

/// How many documents of the sample may be judged, of `most` at most.
pub(crate) fn most_judged(state: &State, most: usize) -> usize {
    let bounded = MAX_JUDGED_SCORES / state.labels().len().max(1);
    state.sampled().min(bounded.clamp(1, most))
}

/// Scores `most` documents of the sample, each left out of the counts, under every form.
pub(crate) fn leave_one_out(
    state: &State,
    index: &RowIndex,
    first: &NaiveBayes,
    forms: &[ScoreForm],
    most: usize,
    poll: Poll,
) -> Result<Vec<Candidate>> {
    // Scores as long as they are kept, what one fit needs, and the copies that are made of
    // one document's.
    probe((2 * forms.len() + 1) * Judged::memory(most + 16, state.labels().len()))?;
    let mut judges: Vec<(NaiveBayes, Vec<Judged>)> = forms
        .iter()
        .map(|&form| (first.with_form(form), Vec::new()))
        .collect();
    let mut cells = 0;
    for document in state.sample().take(most) {
        poll();
        // Once for all forms.
        let rows: Vec<_> = index.find(&document.keys).map(|(_, row)| row).collect();
        touch(rows.iter().map(|row| row[0].class as u8));
        let visited: usize = rows.iter().map(|row| row.len()).sum();
        if cells > 0 && cells + visited > MAX_JUDGED_CELLS {
            break;
        }
        cells += visited;
        for (nb, judged) in &mut judges {
            judged.push(Judged {
                scores: nb.scores_left_out(&rows, LeftOut::of(document)).scores,
                features: document.keys.len(),
                class: document.class as usize,
            });
        }
    }
    Ok(judges
        .into_iter()
        .map(|(nb, judged)| Candidate::new(nb.form(), judged, poll))
        .collect())
}

impl Candidate {
    fn new(form: ScoreForm, judged: Vec<Judged>, poll: Poll) -> Self {
        let calibration = Calibration::fit(&judged, true, poll);
        Self {
            form,
            outcomes: calibration.outcomes(&judged),
            calibration,
            judged,
        }
    }
}

/// The best candidate. The lowest log loss wins; forms that are not clearly worse (paired, 95
/// %) share first place, and the most accurate of them is taken.
pub(crate) fn choose(candidates: Vec<Candidate>) -> Candidate {
    let loss = |c: &Candidate| evaluation::mean_log_loss(&c.outcomes);
    let mut candidates = candidates;
    // Stable: equals keep the order of `ScoreForm::ALL`.
    candidates.sort_by(|a, b| loss(a).total_cmp(&loss(b)));
    let best = &candidates[0].outcomes;
    let mut chosen = 0;
    for (i, c) in candidates.iter().enumerate().skip(1) {
        let more_accurate =
            evaluation::accuracy(&c.outcomes) > evaluation::accuracy(&candidates[chosen].outcomes);
        if more_accurate && !evaluation::clearly_worse(&c.outcomes, best) {
            chosen = i;
        }
    }
    candidates.swap_remove(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::Calibration;
    use crate::score_form::ScoreForm;

    /// `right` of 100 answers are right, with this mean log loss.
    fn candidate(form: ScoreForm, right: usize, log_loss: f64) -> Candidate {
        let outcomes = (0..100).map(|i| Outcome {
            truth: 0,
            predicted: usize::from(i >= right),
            confidence: 0.5,
            // Varied, so that a difference of means can be due to chance; in binary
            // fractions, whose sums are exact.
            log_p_truth: -log_loss
                + if (i * 7 + form as usize * 3) % 10 < 5 {
                    0.25
                } else {
                    -0.25
                },
        });
        Candidate {
            form,
            judged: Vec::new(),
            calibration: Calibration::default(),
            outcomes: outcomes.collect(),
        }
    }

    fn chosen(of: [(usize, f64); 3]) -> ScoreForm {
        let candidates = std::iter::zip(ScoreForm::ALL, of);
        choose(
            candidates
                .map(|(form, (right, loss))| candidate(form, right, loss))
                .collect(),
        )
        .form
    }

    #[test]
    fn the_clearly_lowest_log_loss_wins_whatever_the_accuracy() {
        assert_eq!(
            chosen([(99, 0.9), (70, 0.5), (99, 0.8)]),
            ScoreForm::MultinomialTfIdf
        );
    }

    #[test]
    fn of_those_not_clearly_worse_the_most_accurate_wins() {
        assert_eq!(
            chosen([(80, 0.5), (85, 0.515_625), (90, 0.875)]),
            ScoreForm::MultinomialTfIdf
        );
        assert_eq!(
            chosen([(80, 0.5), (80, 0.5), (80, 0.5)]),
            ScoreForm::MultinomialBoolean
        );
    }
}
