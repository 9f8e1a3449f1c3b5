//! Layer A's three score forms, all computed from the same integer counts.
//!
//! With V features, N documents, and for a feature k and a class c: n_kc documents,
//! w_kc summed unit-length weights, df_k documents in all, idf_k = ln((1+N)/(1+df_k)) + 1.
//!
//! | form | score of class c for the features k of a message |
//! |---|---|
//! | multinomial, Boolean | ln prior_c + sum ln((n_kc + a) / (n_c + a V)), a = .05 |
//! | multinomial, tf-idf | ln prior_c + sum x_k ln((v_kc + a) / (v_c + a V)), a = .1 |
//! | complement, tf-idf | - sum x_k ln((v_k - v_kc + a) / (v - v_c + a V)), a = 1 |
//!
//! where v_kc = w_kc idf_k and x = idf scaled to length one over the message. The first is
//! Metsis et al. 2006, the third Rennie et al. 2003 (complement naive Bayes).
//!
//! Every form is a constant per class plus a sum over the *stored* cells of the message's
//! features; that sum is what [`crate::Model`] packs.

use serde::{Deserialize, Serialize};

use crate::counts::{Cell, WEIGHT_ONE};
use crate::math::ln;
use crate::{Features, Poll, State};

/// How counts become scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScoreForm {
    /// Multinomial over presence.
    MultinomialBoolean,
    /// Multinomial over unit-length tf-idf.
    MultinomialTfIdf,
    /// Complement naive Bayes over unit-length tf-idf.
    ComplementTfIdf,
}

impl ScoreForm {
    /// All forms; the first of equals is preferred.
    pub const ALL: [Self; 3] = [
        Self::MultinomialBoolean,
        Self::MultinomialTfIdf,
        Self::ComplementTfIdf,
    ];

    /// Name shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::MultinomialBoolean => "multinomial, boolean",
            Self::MultinomialTfIdf => "multinomial, tf-idf",
            Self::ComplementTfIdf => "complement, tf-idf",
        }
    }

    /// Additive smoothing per (feature, class).
    pub fn alpha(self) -> f64 {
        match self {
            Self::MultinomialBoolean => 0.05,
            Self::MultinomialTfIdf => 0.1,
            Self::ComplementTfIdf => 1.0,
        }
    }

    /// Whether message vectors are scaled to length one.
    pub fn unit_length(self) -> bool {
        self != Self::MultinomialBoolean
    }

    fn prior_counts(self) -> bool {
        self != Self::ComplementTfIdf
    }
}

/// Sums over all features, per class.
#[derive(Debug, Clone)]
struct Totals {
    documents: u64,
    features: u64,
    class_documents: Vec<u64>,
    class_tokens: Vec<u64>,
    /// Sum of w_kc, in fixed point.
    class_weight: Vec<u64>,
    /// Sum of w_kc ln(1 + df_k).
    class_weight_log_df: Vec<f64>,
}

/// A document that is to be scored as if it had never been learned.
#[derive(Clone, Copy)]
pub(crate) struct LeftOut {
    pub class: u32,
    pub weight: u64,
}

/// Scores emails straight from the counts: the reference that the packed table must equal,
/// and the judge for leave-one-out.
pub struct NaiveBayes<'a> {
    state: &'a State,
    form: ScoreForm,
    totals: Totals,
    poll: Poll<'a>,
}

/// Each takes a logarithm or two.
const CELLS_PER_POLL: usize = 1 << 16;

/// What one feature adds: its own weight in the message vector and, per class in which it
/// was seen, the difference to a class in which it was not.
pub(crate) struct RowTerms<'b> {
    pub gain: f64,
    pub deltas: &'b [(u32, f64)],
}

impl<'a> NaiveBayes<'a> {
    /// Prepares scoring. `state` must be settled.
    pub fn new(state: &'a State, form: ScoreForm, poll: Poll<'a>) -> Self {
        let labels = state.labels();
        let mut totals = Totals {
            documents: state.documents(),
            features: 0,
            class_documents: labels.iter().map(|l| l.documents).collect(),
            class_tokens: labels.iter().map(|l| l.tokens).collect(),
            class_weight: labels.iter().map(|l| l.weight).collect(),
            class_weight_log_df: vec![0.0; labels.len()],
        };
        for group in state.counts().groups() {
            for row in group.chunk_by(|a, b| a.key == b.key) {
                let log_df = ln(1.0 + document_frequency(row) as f64);
                totals.features += 1;
                for cell in row {
                    totals.class_weight_log_df[cell.class as usize] +=
                        cell.weight as f64 / WEIGHT_ONE * log_df;
                }
            }
            poll();
        }
        Self {
            state,
            form,
            totals,
            poll,
        }
    }

    /// The same counts under another form, without another pass over them.
    pub(crate) fn with_form(&self, form: ScoreForm) -> Self {
        Self {
            state: self.state,
            form,
            totals: self.totals.clone(),
            poll: self.poll,
        }
    }

    /// Number of features.
    pub(crate) fn features(&self) -> usize {
        self.totals.features as usize
    }

    /// The form that scores are computed in.
    pub(crate) fn form(&self) -> ScoreForm {
        self.form
    }

    /// Scores of all classes (not normalised; for the multinomial forms the joint log
    /// likelihood) and the number of known features.
    pub fn scores(&self, features: &Features) -> (Vec<f64>, usize) {
        let rows: Vec<_> = features
            .keys()
            .iter()
            .map(|&k| self.state.counts().row(k))
            .collect();
        self.scores_of(&rows, None)
    }

    /// As [`NaiveBayes::scores`] for the rows of the message's features; with `left_out`, as
    /// if that document, which has exactly these features, had never been learned.
    pub(crate) fn scores_of(
        &self,
        rows: &[&[Cell]],
        left_out: Option<LeftOut>,
    ) -> (Vec<f64>, usize) {
        let mut totals = std::borrow::Cow::Borrowed(&self.totals);
        if let Some(out) = left_out {
            let totals = totals.to_mut();
            let (class, n) = (out.class as usize, rows.len() as u64);
            // Saturating: a forged state may sample what it did not count.
            let take = |from: &mut u64, n: u64| *from = from.saturating_sub(n);
            take(&mut totals.documents, 1);
            take(&mut totals.class_documents[class], 1);
            take(&mut totals.class_tokens[class], n);
            take(&mut totals.class_weight[class], out.weight * n);
        }
        let mut sums = vec![0.0; self.totals.class_documents.len()];
        let (mut gains, mut squares, mut known) = (0.0, 0.0, 0);
        let (mut remaining, mut deltas) = (Vec::new(), Vec::new());
        let mut cells = 0;
        for &(mut row) in rows {
            cells += row.len();
            if cells >= CELLS_PER_POLL {
                (self.poll)();
                cells = 0;
            }
            if let Some(out) = left_out {
                let totals = totals.to_mut();
                move_log_df(totals, row, -1.0);
                leave_out(row, out, &mut remaining);
                row = &remaining;
                move_log_df(totals, row, 1.0);
                totals.features = totals.features.saturating_sub(row.is_empty().into());
            }
            if row.is_empty() {
                continue;
            }
            let terms = self.row_terms(row, totals.documents, &mut deltas);
            known += 1;
            gains += terms.gain;
            squares += terms.gain * terms.gain;
            for &(class, delta) in terms.deltas {
                sums[class as usize] += delta;
            }
        }
        let scale = message_scale(self.form, squares);
        let (prior, base) = self.class_terms(&totals);
        let scores = (0..sums.len())
            .map(|c| prior[c] + scale * (gains * base[c] + sums[c]))
            .collect();
        (scores, known)
    }

    /// Log prior (zero where the form has none) and the term of a feature of gain one that
    /// was never seen in the class.
    pub(crate) fn class_constants(&self) -> (Vec<f64>, Vec<f64>) {
        self.class_terms(&self.totals)
    }

    /// Terms of one row of the table; `deltas` is a buffer.
    pub(crate) fn terms<'b>(&self, row: &[Cell], deltas: &'b mut Vec<(u32, f64)>) -> RowTerms<'b> {
        self.row_terms(row, self.totals.documents, deltas)
    }

    fn row_terms<'b>(
        &self,
        row: &[Cell],
        documents: u64,
        deltas: &'b mut Vec<(u32, f64)>,
    ) -> RowTerms<'b> {
        let alpha = self.form.alpha();
        deltas.clear();
        let gain = if self.form == ScoreForm::MultinomialBoolean {
            let seen = |cell: &Cell| ln(f64::from(cell.documents) + alpha) - ln(alpha);
            deltas.extend(row.iter().map(|cell| (cell.class, seen(cell))));
            1.0
        } else {
            let idf = idf(documents, document_frequency(row));
            let value = |weight: u64| weight as f64 / WEIGHT_ONE * idf;
            let whole: u64 = row.iter().map(|c| c.weight).sum();
            let seen = |cell: &Cell| match self.form {
                ScoreForm::ComplementTfIdf => {
                    ln(value(whole) + alpha) - ln(value(whole - cell.weight) + alpha)
                }
                _ => ln(value(cell.weight) + alpha) - ln(alpha),
            };
            deltas.extend(row.iter().map(|cell| (cell.class, idf * seen(cell))));
            idf
        };
        RowTerms { gain, deltas }
    }

    fn class_terms(&self, totals: &Totals) -> (Vec<f64>, Vec<f64>) {
        let classes = 0..totals.class_documents.len();
        let alpha = self.form.alpha();
        let smoothing = alpha * totals.features as f64;
        let prior = classes
            .clone()
            .map(|c| match self.form.prior_counts() {
                // Half a document for a class whose only document is left out.
                true => ln(
                    (totals.class_documents[c] as f64).max(0.5) / totals.documents.max(1) as f64
                ),
                false => 0.0,
            })
            .collect();
        let log_documents = 1.0 + ln(1.0 + totals.documents as f64);
        let value = |c: usize| {
            // sum over k of w_kc idf_k; rounding can leave a trace below zero.
            let all = totals.class_weight[c] as f64 / WEIGHT_ONE * log_documents;
            (all - totals.class_weight_log_df[c]).max(0.0)
        };
        let whole: f64 = classes.clone().map(value).sum();
        let base = classes
            .map(|c| match self.form {
                ScoreForm::MultinomialBoolean => {
                    ln(alpha) - ln(totals.class_tokens[c] as f64 + smoothing)
                }
                ScoreForm::MultinomialTfIdf => ln(alpha) - ln(value(c) + smoothing),
                // ln(v_k + a) is the same for every class and drops out of any comparison.
                ScoreForm::ComplementTfIdf => ln((whole - value(c)).max(0.0) + smoothing),
            })
            .map(|term| if term.is_finite() { term } else { 0.0 })
            .collect();
        (prior, base)
    }
}

/// Factor that brings a message vector with this sum of squared gains to length one.
pub(crate) fn message_scale(form: ScoreForm, squares: f64) -> f64 {
    if form.unit_length() && squares > 0.0 {
        1.0 / squares.sqrt()
    } else {
        1.0
    }
}

fn idf(documents: u64, document_frequency: u64) -> f64 {
    ln((1.0 + documents as f64) / (1.0 + document_frequency as f64)) + 1.0
}

fn document_frequency(row: &[Cell]) -> u64 {
    row.iter().map(|c| u64::from(c.documents)).sum()
}

fn move_log_df(totals: &mut Totals, row: &[Cell], sign: f64) {
    let log_df = ln(1.0 + document_frequency(row) as f64);
    for cell in row {
        totals.class_weight_log_df[cell.class as usize] +=
            sign * cell.weight as f64 / WEIGHT_ONE * log_df;
    }
}

fn leave_out(row: &[Cell], out: LeftOut, remaining: &mut Vec<Cell>) {
    remaining.clear();
    remaining.extend(row.iter().filter_map(|cell| {
        let own = cell.class == out.class;
        let documents = cell.documents - u32::from(own);
        (documents > 0).then_some(Cell {
            documents,
            weight: cell.weight.saturating_sub(if own { out.weight } else { 0 }),
            ..*cell
        })
    }));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::counts::unit_weight;
    use crate::never_cancelled;

    fn learn(documents: &[(Vec<u64>, usize)]) -> State {
        let mut state = State::default();
        for (keys, class) in documents {
            let features = Features::from_sorted(keys.clone()).unwrap();
            state.learn(&features, ["a", "b", "c"][*class]).unwrap();
        }
        state.settle(&never_cancelled).unwrap();
        state
    }

    proptest! {
        /// Scores of a left-out document are those of a state that never saw it.
        #[test]
        fn leaving_out_equals_never_having_learned(
            mut documents in prop::collection::vec(
                (prop::collection::btree_set(0u64..12, 0..6), 0usize..3), 2..12),
        ) {
            let mut documents: Vec<_> = documents
                .drain(..)
                .map(|(keys, class)| (keys.into_iter().collect::<Vec<_>>(), class))
                .collect();
            let whole = learn(&documents);
            let (keys, class) = documents.remove(0);
            let without = learn(&documents);
            let number = |state: &State, label: usize| {
                let name = ["a", "b", "c"][label];
                state.labels().iter().position(|l| l.folded == name)
            };
            let left_out = LeftOut {
                class: number(&whole, class).unwrap() as u32,
                weight: unit_weight(keys.len()),
            };
            let rows: Vec<_> = keys.iter().map(|&k| whole.counts().row(k)).collect();
            for form in ScoreForm::ALL {
                let judge = NaiveBayes::new(&whole, form, &never_cancelled);
                let (found, known) = judge.scores_of(&rows, Some(left_out));
                let features = Features::from_sorted(keys.clone()).unwrap();
                let (wanted, wanted_known) =
                    NaiveBayes::new(&without, form, &never_cancelled).scores(&features);
                prop_assert_eq!(known, wanted_known);
                // A label whose only document is left out does not exist without it.
                for label in 0..3 {
                    if let (Some(a), Some(b)) = (number(&whole, label), number(&without, label)) {
                        prop_assert!((found[a] - wanted[b]).abs() < 1e-9, "{form:?}: {found:?} {wanted:?}");
                    }
                }
            }
        }
    }
}
