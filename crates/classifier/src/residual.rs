//! Layer B: what layer A gets wrong.
//!
//! Every feature has, per class, a residual weight that is added to its score. It is the sum
//! of *steps*: a document whose label the classifier gives the probability p moves the
//! residuals of its features, all by the same amounts, one per class:
//!
//! ```text
//! step_c = rate / lever * ((1 if c is its label, else 0) - p_c)
//! ```
//!
//! where the lever is what a step of one would do to the document's own logits: so they change
//! by the rate times what was missing, whatever its length and the score form. It is
//! normalised stochastic gradient descent on the log loss of a softmax regression with layer
//! A's score as offset, the combination of Wang and Manning 2012 turned round.
//!
//! A step is a document's own and is stored with it, in fixed point. So the sums are integers
//! that do not depend on order, taking a document back takes its step back exactly, and who
//! has the documents and their steps has the residuals.
//!
//! Training makes several passes over the stored documents, each time with layer A's score as
//! if the document had never been learned, and averages the weights of all its steps (Polyak
//! and Juditsky 1992). How many passes is decided on documents held out; none is an answer.

use crate::calibration::{Calibration, Judged};
use crate::counts::{RESIDUAL_ONE, RowIndex, document_frequency};
use crate::error::Result;
use crate::math::{exp, log_sum_exp};
use crate::memory::{probe, reserve, touch};
use crate::naive_bayes::{LeftOut, NaiveBayes, ScoreForm, Scores};
use crate::poll::Poll;
use crate::state::State;
use crate::step::{MIN_DIFFERENCE, lever};
use crate::training_sample::Document;

/// How much of what is missing one step of training makes up for. More than one, because
/// training averages. Between 1 and 3 hardly anything changes.
const TRAINING_RATE: f64 = 3.0;

/// Most passes over the documents.
const MAX_PASSES: usize = 4;

/// One in so many documents is held out at a time.
const FOLDS: usize = 5;

/// Fewer documents do not tell whether residuals help.
const MIN_DOCUMENTS: usize = 20;

/// Documents x classes whose offsets are kept: 64 MB.
const MAX_OFFSETS: usize = 1 << 24;

/// Cells visited in one pass: bounds time where many labels share their features.
const MAX_CELLS: usize = 100_000_000;

/// What training has found to be worth adding.
pub(crate) struct Trained {
    /// Per cell, in the order of the table.
    pub residuals: Vec<i32>,
    /// Of the scores of both layers.
    pub calibration: Calibration,
    /// Scores of both layers for documents that the residuals had not seen.
    pub judged: Vec<Judged>,
    /// Their positions in the sample.
    pub positions: Vec<usize>,
}

/// A cell while training. What is read together lies together.
#[derive(Clone, Copy)]
struct Weight {
    /// The weight.
    now: f32,
    /// Sum over its steps of the step times the number of steps of all before it.
    before: f32,
    class: u16,
}

/// A feature.
#[derive(Clone, Copy)]
struct Row {
    first_cell: u32,
    /// Squared gain.
    square: f32,
}

/// Sampled documents over the rows of the count table.
struct Corpus {
    form: ScoreForm,
    classes: usize,
    /// All rows, and one end.
    table: Vec<Row>,
    /// Rows of all documents, one after the other.
    rows: Vec<u32>,
    documents: Vec<Entry>,
    /// Logits of layer A with the document left out, per document and class.
    offsets: Vec<f32>,
}

struct Entry {
    class: usize,
    features: usize,
    /// Where its rows start.
    rows: usize,
    /// Factor between scores of features and logits.
    x: f64,
    lever: f64,
    inverse_temperature: f64,
}

/// Trains residuals on the sample of a canonical state without any. `None` if they do not make
/// held-out documents more probable.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(crate) fn train(
    state: &State,
    rows: &RowIndex,
    judge: &NaiveBayes,
    learning: &Calibration,
    most_judged: usize,
    poll: Poll,
) -> Result<Option<Trained>> {
    if state.sampled() < MIN_DOCUMENTS || state.labels().len() < 2 {
        return Ok(None);
    }
    let corpus = Corpus::new(state, rows, judge, learning, poll)?;
    let n = corpus.documents.len();
    let mut weights = Weight::zeros(state)?;
    let most_judged = most_judged.min(n);
    // By number of passes.
    let mut outcomes: Vec<Vec<Judged>> = vec![Vec::new(); MAX_PASSES + 1];
    probe((outcomes.len() + 1) * Judged::memory(most_judged + n / FOLDS + 1, corpus.classes))?;
    let (mut positions, mut losses) = (Vec::new(), vec![0.0; MAX_PASSES + 1]);
    let mut passes = MAX_PASSES;
    for fold in 0..FOLDS {
        if positions.len() >= most_judged {
            break;
        }
        let held_out = |at: &usize| at % FOLDS == fold;
        let mut steps = 0;
        for pass in 0..=passes {
            if pass > 0 {
                let learned = (0..n).filter(|at| !held_out(at));
                corpus.pass(learned, &mut weights, &mut steps, poll);
            }
            for at in (0..n).filter(held_out) {
                poll();
                let logits = corpus.logits(at, &weights, |weight| weight.averaged(steps));
                let entry = &corpus.documents[at];
                losses[pass] += log_sum_exp(logits.iter().copied()) - logits[entry.class];
                outcomes[pass].push(entry.judged(logits));
            }
            // What the first documents say holds for the others.
            if pass > 1 && fold == 0 && losses[pass] > losses[pass - 1] {
                passes = pass;
                break;
            }
        }
        positions.extend((0..n).filter(held_out));
        weights.iter_mut().for_each(Weight::reset);
    }
    // Judged as they will be used: calibrated, each for itself.
    let mut candidates = outcomes[..=passes].iter().map(|judged| {
        let calibration = Calibration::fit(judged, true, poll);
        let log_losses = calibration.log_losses(judged);
        (calibration, log_losses)
    });
    let Some((_, without)) = candidates.next() else {
        return Ok(None);
    };
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let best = (1..)
        .zip(candidates)
        .min_by(|(_, (_, a)), (_, (_, b))| mean(a).total_cmp(&mean(b)));
    let Some((best, (calibration, with))) = best else {
        return Ok(None);
    };
    // By more than chance explains: a standard error of the paired differences.
    let gains: Vec<f64> = without.iter().zip(&with).map(|(a, b)| a - b).collect();
    let gain = mean(&gains);
    let variance = gains.iter().map(|g| (g - gain) * (g - gain)).sum::<f64>() / gains.len() as f64;
    if gain <= (variance / gains.len() as f64).sqrt() {
        return Ok(None);
    }
    let mut steps = 0;
    for _ in 0..best {
        corpus.pass(0..n, &mut weights, &mut steps, poll);
    }
    let mut residuals = Vec::new();
    reserve(&mut residuals, weights.len())?;
    let most = f64::from(i32::MAX / 2);
    residuals.extend(weights.iter().map(|weight| {
        let fixed = weight.averaged(steps) * RESIDUAL_ONE;
        fixed.clamp(-most, most).round() as i32
    }));
    Ok(Some(Trained {
        residuals,
        calibration,
        judged: outcomes.swap_remove(best),
        positions,
    }))
}

impl Weight {
    /// Of all cells.
    fn zeros(state: &State) -> Result<Vec<Self>> {
        let mut weights = Vec::new();
        reserve(&mut weights, state.counts().len())?;
        weights.extend(state.counts().groups().flatten().map(|cell| Self {
            now: 0.0,
            before: 0.0,
            class: cell.class as u16,
        }));
        Ok(weights)
    }

    fn reset(&mut self) {
        (self.now, self.before) = (0.0, 0.0);
    }

    /// Mean over all steps.
    fn averaged(&self, steps: usize) -> f64 {
        f64::from(self.now) - f64::from(self.before) / steps.max(1) as f64
    }
}

impl Corpus {
    fn new(
        state: &State,
        rows: &RowIndex,
        judge: &NaiveBayes,
        learning: &Calibration,
        poll: Poll,
    ) -> Result<Self> {
        let classes = state.labels().len();
        let mut table = Vec::new();
        reserve(&mut table, rows.len() + 1)?;
        table.extend(rows.all().map(|(first_cell, row)| {
            let gain = judge.weighing().gain(document_frequency(row));
            Row {
                first_cell,
                square: (gain * gain) as f32,
            }
        }));
        table.push(Row {
            first_cell: state.counts().len() as u32,
            square: 0.0,
        });
        let mut corpus = Self {
            form: judge.form(),
            classes,
            table,
            rows: Vec::new(),
            documents: Vec::new(),
            offsets: Vec::new(),
        };
        let most = (MAX_OFFSETS / classes).max(1);
        let sampled = state.sampled().min(most);
        reserve(&mut corpus.documents, sampled)?;
        reserve(&mut corpus.offsets, sampled * classes)?;
        let mut cells = 0;
        let mut of_document = Vec::new();
        for document in state.sample().take(most) {
            poll();
            let first = corpus.rows.len();
            of_document.clear();
            reserve(&mut corpus.rows, document.keys.len())?;
            reserve(&mut of_document, document.keys.len())?;
            // What finding and scoring them takes.
            probe((1 << 18) + 64 * document.keys.len() + 64 * classes)?;
            for (row, in_row) in rows.find(&document.keys) {
                corpus.rows.push(row);
                of_document.push(in_row);
                cells += in_row.len();
            }
            if cells > MAX_CELLS && !corpus.documents.is_empty() {
                corpus.rows.truncate(first);
                break;
            }
            touch(of_document.iter().map(|row| row[0].class as u8));
            let left_out = judge.scores_left_out(&of_document, LeftOut::of(document));
            corpus.add(document, first, left_out, learning);
        }
        Ok(corpus)
    }

    fn add(&mut self, document: &Document, rows: usize, left_out: Scores, learning: &Calibration) {
        let features = document.keys.len();
        let inverse_temperature = learning.inverse_temperature(features);
        let logit = |score: f64| (score * inverse_temperature) as f32;
        self.offsets.extend(left_out.scores.into_iter().map(logit));
        self.documents.push(Entry {
            class: document.class as usize,
            features,
            rows,
            x: left_out.scale * inverse_temperature,
            lever: lever(self.form, left_out.scale, inverse_temperature, features),
            inverse_temperature,
        });
    }

    fn cells(&self, row: u32) -> std::ops::Range<usize> {
        let first = |row: usize| self.table[row].first_cell as usize;
        first(row as usize)..first(row as usize + 1)
    }

    fn rows(&self, at: usize) -> &[u32] {
        let start = self.documents[at].rows;
        let end = self
            .documents
            .get(at + 1)
            .map_or(self.rows.len(), |d| d.rows);
        &self.rows[start..end]
    }

    fn logits(&self, at: usize, weights: &[Weight], of: impl Fn(&Weight) -> f64) -> Vec<f64> {
        let offsets = &self.offsets[at * self.classes..(at + 1) * self.classes];
        let mut logits: Vec<f64> = offsets.iter().map(|&o| f64::from(o)).collect();
        let x = self.documents[at].x;
        let first = |&row: &u32| weights[self.cells(row).start].class as u8;
        touch(self.rows(at).iter().map(first));
        for &row in self.rows(at) {
            let square = x * f64::from(self.table[row as usize].square);
            for weight in &weights[self.cells(row)] {
                logits[usize::from(weight.class)] += square * of(weight);
            }
        }
        logits
    }

    /// One step for each of these documents.
    fn pass(
        &self,
        documents: impl Iterator<Item = usize>,
        weights: &mut [Weight],
        steps: &mut usize,
        poll: Poll,
    ) {
        for at in documents {
            poll();
            let entry = &self.documents[at];
            let logits = self.logits(at, weights, |weight| f64::from(weight.now));
            let norm = log_sum_exp(logits.iter().copied());
            let before = *steps as f32;
            *steps += 1;
            let own = 1.0 - exp(logits[entry.class] - norm);
            if own < MIN_DIFFERENCE {
                continue;
            }
            let moves: Vec<f32> = logits
                .iter()
                .enumerate()
                .map(|(class, logit)| match class == entry.class {
                    true => own,
                    false => -exp(logit - norm),
                })
                .map(|difference| match difference.abs() < MIN_DIFFERENCE {
                    true => 0.0,
                    false => (TRAINING_RATE * difference / entry.lever) as f32,
                })
                .collect();
            for &row in self.rows(at) {
                for weight in &mut weights[self.cells(row)] {
                    let step = moves[usize::from(weight.class)];
                    weight.now += step;
                    weight.before += step * before;
                }
            }
        }
    }
}

impl Entry {
    fn judged(&self, mut logits: Vec<f64>) -> Judged {
        for logit in &mut logits {
            *logit /= self.inverse_temperature;
        }
        Judged {
            scores: logits,
            features: self.features,
            class: self.class,
        }
    }
}
