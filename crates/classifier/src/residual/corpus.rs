//! The training sample laid out for many passes, and one pass over it.

use crate::calibration::{Calibration, Judged};
use crate::counts::{RowIndex, document_frequency};
use crate::error::Result;
use crate::math::{exp, log_sum_exp};
use crate::memory::{probe, reserve, touch};
use crate::naive_bayes::{LeftOut, NaiveBayes, Scores};
use crate::poll::Poll;
use crate::score_form::ScoreForm;
use crate::state::State;
use crate::step::{MIN_DIFFERENCE, lever};
use crate::training_sample::Document;

/// How much of what is missing one step of training makes up for. More than one, because
/// training averages. Between 1 and 3 hardly anything changes.
const TRAINING_RATE: f64 = 3.0;

/// Documents x classes whose offsets are kept: 64 MB.
const MAX_OFFSETS: usize = 1 << 24;

/// Cells visited in one pass: bounds time where many labels share their features.
const MAX_CELLS: usize = 100_000_000;

/// A cell while training. What is read together lies together.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    /// The weight.
    now: f32,
    /// Sum over its steps of the step times the number of steps of all before it.
    before: f32,
    class: u16,
}

/// A feature.
#[derive(Clone, Copy)]
pub(super) struct Row {
    first_cell: u32,
    /// Squared gain.
    square: f32,
}

/// Sampled documents over the rows of the count table.
pub(super) struct Corpus {
    form: ScoreForm,
    pub(super) classes: usize,
    /// All rows, and one end.
    table: Vec<Row>,
    /// Rows of all documents, one after the other.
    rows: Vec<u32>,
    pub(super) documents: Vec<Entry>,
    /// Logits of layer A with the document left out, per document and class.
    offsets: Vec<f32>,
}

/// One document of the corpus.
pub(super) struct Entry {
    pub(super) class: usize,
    features: usize,
    /// Where its rows start.
    rows: usize,
    /// Factor between scores of features and logits.
    x: f64,
    lever: f64,
    inverse_temperature: f64,
}

impl Weight {
    /// The weights of all cells, which are zero.
    pub(super) fn zeros(state: &State) -> Result<Vec<Self>> {
        let mut weights = Vec::new();
        reserve(&mut weights, state.counts().len())?;
        weights.extend(state.counts().groups().flatten().map(|cell| Self {
            now: 0.0,
            before: 0.0,
            class: cell.class as u16,
        }));
        Ok(weights)
    }

    /// Forgets all steps.
    pub(super) fn reset(&mut self) {
        (self.now, self.before) = (0.0, 0.0);
    }

    /// Mean over all steps.
    pub(super) fn averaged(&self, steps: usize) -> f64 {
        f64::from(self.now) - f64::from(self.before) / steps.max(1) as f64
    }
}

impl Corpus {
    /// Lays the sample out, as far as time and memory allow.
    pub(super) fn new(
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

    /// Logits of both layers, with the weights that `of` reads.
    pub(super) fn logits(
        &self,
        at: usize,
        weights: &[Weight],
        of: impl Fn(&Weight) -> f64,
    ) -> Vec<f64> {
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
    pub(super) fn pass(
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
    /// What calibration needs of this document, with these logits.
    pub(super) fn judged(&self, mut logits: Vec<f64>) -> Judged {
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
