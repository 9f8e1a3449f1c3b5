//! From a state to a model: choice of the score form, calibration, metrics.

use linfa::ParamGuard;
use linfa::dataset::{DatasetBase, Records};
use ndarray::Array1;

use crate::calibration::Judged;
use crate::counts::unit_weight;
use crate::evaluation::{self, Outcome};
use crate::naive_bayes::{LeftOut, ScoreForm};
use crate::sample::SAMPLE_DOCUMENTS;
use crate::{
    Calibration, Error, Fit, Model, NaiveBayes, Poll, Result, State, Tokenizer, baseline,
    never_cancelled, probe,
};

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
            judged_documents: SAMPLE_DOCUMENTS,
            form: None,
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
}

impl TrainerParams {
    /// Sampled documents that are left out and scored, 1 to [`SAMPLE_DOCUMENTS`].
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
        if (1..=SAMPLE_DOCUMENTS).contains(&self.0.judged_documents) {
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
struct Candidate {
    form: ScoreForm,
    calibration: Calibration,
    outcomes: Vec<Outcome>,
}

impl TrainerValidParams {
    /// Fits a model to a state and returns its artifact.
    ///
    /// # Errors
    /// [`Error::NoDocuments`] for an empty state, [`Error::OutOfMemory`].
    pub fn fit_state(&self, state: &mut State, poll: Poll) -> Result<Vec<u8>> {
        state.settle(poll)?;
        if state.documents() == 0 {
            return Err(Error::NoDocuments);
        }
        let forms = self.form.as_slice();
        let forms = if forms.is_empty() {
            &ScoreForm::ALL
        } else {
            forms
        };
        let chosen = choose(self.judge(state, forms, poll)?);
        let mut metrics = evaluation::metrics(&chosen.outcomes)?;
        let held_out: Vec<_> = chosen
            .outcomes
            .iter()
            .enumerate()
            .filter_map(|(i, o)| baseline::is_held_out(i).then_some(*o))
            .collect();
        metrics.held_out = held_out.len() as u32;
        metrics.held_out_accuracy = evaluation::rounded(evaluation::accuracy(&held_out));
        let judged = &state.sample()[..chosen.outcomes.len()];
        metrics.baseline_accuracy =
            evaluation::rounded(baseline::accuracy(judged, state.labels().len(), poll)?);
        let fit = Fit {
            form: chosen.form,
            calibration: chosen.calibration,
            reference_documents: state.documents(),
        };
        state.pack(&fit, metrics, poll)
    }

    /// Scores sampled documents, each left out of the counts, under every form.
    fn judge(&self, state: &State, forms: &[ScoreForm], poll: Poll) -> Result<Vec<Candidate>> {
        let most =
            (MAX_JUDGED_SCORES / state.labels().len().max(1)).clamp(1, self.judged_documents);
        let judged = state.sample().len().min(most);
        // Scores as long as they are kept, and the copies that are made of one document's.
        probe(8 * state.labels().len() * (judged * forms.len() + 16))?;
        let first = NaiveBayes::new(state, forms[0], poll);
        let mut judges: Vec<(NaiveBayes, Vec<Judged>)> = forms
            .iter()
            .map(|&form| (first.with_form(form), Vec::new()))
            .collect();
        let mut cells = 0;
        for document in &state.sample()[..judged] {
            poll();
            let left_out = LeftOut {
                class: document.class,
                weight: unit_weight(document.keys.len()),
            };
            // Finding the rows costs more than scoring them: once for all forms.
            let rows: Vec<_> = document
                .keys
                .iter()
                .map(|&k| state.counts().row(k))
                .collect();
            let visited: usize = rows.iter().map(|row| row.len()).sum();
            if cells > 0 && cells + visited > MAX_JUDGED_CELLS {
                break;
            }
            cells += visited;
            for (nb, judged) in &mut judges {
                let (scores, known) = nb.scores_of(&rows, Some(left_out));
                judged.push(Judged {
                    scores,
                    known,
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

impl Candidate {
    fn new(form: ScoreForm, judged: Vec<Judged>, poll: Poll) -> Self {
        let calibration = Calibration::fit(&judged, poll);
        let outcomes = judged
            .into_iter()
            .map(|mut j| {
                calibration.log_probabilities(&mut j.scores, j.known);
                evaluation::outcome(&j.scores, j.class)
            })
            .collect();
        Self {
            form,
            calibration,
            outcomes,
        }
    }
}

/// The lowest log loss wins; forms that are not clearly worse (paired, 95 %) share first
/// place, and the most accurate of them is taken.
fn choose(candidates: Vec<Candidate>) -> Candidate {
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

/// Texts as linfa records, for [`linfa::traits::Fit`] and `Predict`.
#[derive(Debug, Clone)]
pub struct Messages(pub Vec<String>);

impl Records for Messages {
    type Elem = f64;

    fn nsamples(&self) -> usize {
        self.0.len()
    }

    /// Hashed features have no fixed number of columns.
    fn nfeatures(&self) -> usize {
        0
    }
}

impl linfa::traits::Fit<Messages, Array1<String>, Error> for TrainerValidParams {
    type Object = Model;

    fn fit(&self, dataset: &DatasetBase<Messages, Array1<String>>) -> Result<Model> {
        let mut state = State::default();
        let mut tokenizer = Tokenizer::default();
        for (text, label) in dataset.records.0.iter().zip(&dataset.targets) {
            state.learn(&tokenizer.features(text), label)?;
        }
        Model::from_bytes(
            self.fit_state(&mut state, &never_cancelled)?,
            &never_cancelled,
        )
    }
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
