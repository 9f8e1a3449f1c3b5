//! From a state to a model: choice of the score form, calibration, metrics.

use linfa::ParamGuard;

use crate::baseline;
use crate::calibration::Calibration;
use crate::counts::{Cell, RowIndex};
use crate::error::{Error, Result};
use crate::evaluation::{self, Outcome};
use crate::fit::Fit;
use crate::form_choice::{JUDGED_DOCUMENTS, choose, leave_one_out, most_judged};
use crate::memory::probe;
use crate::naive_bayes::NaiveBayes;
use crate::poll::Poll;
use crate::residual;
use crate::score_form::ScoreForm;
use crate::state::State;

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
        let most = most_judged(state, self.judged_documents);
        let judge = NaiveBayes::new(state, forms[0], poll);
        let index = RowIndex::new(state.counts(), judge.features(), poll)?;
        let chosen = choose(leave_one_out(state, &index, &judge, forms, most, poll)?);
        let learning = Calibration::fit(&chosen.judged, false, poll);
        let mut fit = Fit {
            form: chosen.form,
            learning,
            calibration: chosen.calibration,
            reference_documents: state.documents(),
        };
        let mut outcomes = chosen.outcomes;
        let mut positions: Vec<usize> = (0..outcomes.len()).collect();
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
