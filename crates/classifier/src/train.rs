//! From a state to a model: choice of the score form, calibration, metrics.

use linfa::ParamGuard;

use crate::baseline;
use crate::calibration::{Calibration, Judged};
use crate::counts::{Cell, RowIndex};
use crate::error::{Error, Result};
use crate::evaluation::{self, Outcome};
use crate::fit::Fit;
use crate::memory::{probe, touch};
use crate::naive_bayes::{LeftOut, NaiveBayes, ScoreForm};
use crate::poll::Poll;
use crate::residual;
use crate::state::State;

/// Documents that are judged at most.
pub const JUDGED_DOCUMENTS: usize = 2000;

/// Documents x classes that may be judged per form: bounds time and memory with thousands
/// of labels.
const MAX_JUDGED_SCORES: usize = 2_000_000;

/// Cells that may be visited per form: bounds time where many labels share their features.
/// The first document is judged whatever it takes.
const MAX_JUDGED_CELLS: usize = 50_000_000;

/// Entry point: [`Trainer::params`].
pub struct Trainer;

impl Trainer {
    /// Hyper-parameters with their defaults.
    pub fn params() -> TrainerParams {
        TrainerParams(TrainerValidParams {
            judged_documents: JUDGED_DOCUMENTS,
            form: None,
            residuals: true,
        })
    }
}

/// Hyper-parameters that are still to be checked.
#[derive(Debug, Clone)]
pub struct TrainerParams(TrainerValidParams);

/// Checked hyper-parameters.
#[derive(Debug, Clone)]
pub struct TrainerValidParams {
    judged_documents: usize,
    form: Option<ScoreForm>,
    residuals: bool,
}

impl TrainerParams {
    /// Whether to train the residual layer, where it helps.
    pub fn residuals(mut self, wanted: bool) -> Self {
        self.0.residuals = wanted;
        self
    }

    /// Sampled documents that are left out and scored, 1 to [`JUDGED_DOCUMENTS`].
    pub fn judged_documents(mut self, n: usize) -> Self {
        self.0.judged_documents = n;
        self
    }

    /// Uses one score form instead of choosing.
    pub fn form(mut self, form: ScoreForm) -> Self {
        self.0.form = Some(form);
        self
    }
}

impl ParamGuard for TrainerParams {
    type Checked = TrainerValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&TrainerValidParams> {
        if (1..=JUDGED_DOCUMENTS).contains(&self.0.judged_documents) {
            return Ok(&self.0);
        }
        Err(Error::InvalidParameter {
            name: "judged_documents",
            range: "between 1 and 2000",
            value: self.0.judged_documents.to_string(),
        })
    }

    fn check(self) -> Result<TrainerValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// One form, judged by leave-one-out.
pub(crate) struct Candidate {
    form: ScoreForm,
    judged: Vec<Judged>,
    pub calibration: Calibration,
    outcomes: Vec<Outcome>,
}

impl TrainerValidParams {
    /// Fits a model to a state and returns its artifact. The state is left with the residuals
    /// that were trained.
    ///
    /// # Errors
    /// [`Error::NoDocuments`] for an empty state, [`Error::OutOfMemory`].
    pub fn fit_state(&self, state: &mut State, poll: Poll) -> Result<Vec<u8>> {
        state.canonicalize(poll)?;
        state.clear_steps(poll)?;
        if state.documents() == 0 {
            return Err(Error::NoDocuments);
        }
        let forms = self.form.as_slice();
        let forms = if forms.is_empty() {
            &ScoreForm::ALL
        } else {
            forms
        };
        let judge = NaiveBayes::new(state, forms[0], poll);
        let index = RowIndex::new(state.counts(), judge.features(), poll)?;
        let chosen = choose(self.judge(state, &index, &judge, forms, poll)?);
        let learning = Calibration::fit(&chosen.judged, false, poll);
        let mut fit = Fit {
            form: chosen.form,
            learning,
            calibration: chosen.calibration,
            reference_documents: state.documents(),
        };
        let mut outcomes = chosen.outcomes;
        let mut positions: Vec<usize> = (0..outcomes.len()).collect();
        let most = self.most_judged(state);
        let judge = judge.with_form(fit.form);
        let trained = match self.residuals {
            true => residual::train(state, &index, &judge, &learning, most, poll)?,
            false => None,
        };
        if let Some(trained) = trained {
            fit.calibration = trained.calibration;
            outcomes = fit.calibration.outcomes(&trained.judged);
            positions = trained.positions;
            let mut residuals = trained.residuals.into_iter();
            let set = |row: &mut [Cell]| {
                for cell in row {
                    cell.residual = residuals.next().unwrap_or(0);
                }
            };
            state.counts_mut().set_residuals(set, poll);
        }
        let metrics = metrics(state, &outcomes, &positions, poll)?;
        state.pack(&fit, metrics, poll)
    }

    /// How many documents may be judged.
    fn most_judged(&self, state: &State) -> usize {
        let most = MAX_JUDGED_SCORES / state.labels().len().max(1);
        state.sampled().min(most.clamp(1, self.judged_documents))
    }

    /// Scores sampled documents, each left out of the counts, under every form.
    pub(crate) fn judge(
        &self,
        state: &State,
        index: &RowIndex,
        first: &NaiveBayes,
        forms: &[ScoreForm],
        poll: Poll,
    ) -> Result<Vec<Candidate>> {
        let judged = self.most_judged(state);
        // Scores as long as they are kept, what one fit needs, and the copies that are made of
        // one document's.
        probe((2 * forms.len() + 1) * Judged::memory(judged + 16, state.labels().len()))?;
        let mut judges: Vec<(NaiveBayes, Vec<Judged>)> = forms
            .iter()
            .map(|&form| (first.with_form(form), Vec::new()))
            .collect();
        let mut cells = 0;
        for document in state.sample().take(judged) {
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
}

/// Metrics of documents at these positions of the sample, and the baseline's on the same.
fn metrics(
    state: &State,
    outcomes: &[Outcome],
    positions: &[usize],
    poll: Poll,
) -> Result<evaluation::Metrics> {
    let mut metrics = evaluation::metrics(outcomes)?;
    let held_out: Vec<_> = outcomes
        .iter()
        .enumerate()
        .filter_map(|(i, o)| baseline::is_held_out(i).then_some(*o))
        .collect();
    metrics.held_out = held_out.len() as u32;
    metrics.held_out_accuracy = evaluation::rounded(evaluation::accuracy(&held_out));
    let last = positions.iter().max().map_or(0, |last| last + 1);
    probe(last * size_of::<usize>())?;
    let sample: Vec<_> = state.sample().take(last).collect();
    let judged: Vec<_> = positions.iter().map(|&at| sample[at]).collect();
    metrics.baseline_accuracy =
        evaluation::rounded(baseline::accuracy(&judged, state.labels().len(), poll)?);
    Ok(metrics)
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

/// The lowest log loss wins; forms that are not clearly worse (paired, 95 %) share first
/// place, and the most accurate of them is taken.
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
