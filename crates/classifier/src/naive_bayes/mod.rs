//! Layer A's three score forms, all computed from the same integer counts.
//!
//! With V features, N documents at the time of fitting, and for a feature k and a class c:
//! n_kc documents, w_kc summed unit-length weights, df_k documents in all,
//! idf_k = ln((1+N)/(1+min(df_k, N))) + 1.
//!
//! | form | score of class c for the features k of a message |
//! |---|---|
//! | multinomial, Boolean | ln prior_c + sum ln((n_kc + a) / (n_c + a V)), a = .05 |
//! | multinomial, tf-idf | ln prior_c + sum x_k ln((v_kc + a) / (v_c + a V)), a = .1 |
//! | complement, tf-idf | - sum x_k ln((v_k - v_kc + a) / (v - v_c + a V)), a = 1 |
//!
//! where v_kc = w_kc idf_k and x = idf scaled to length one over the message, features that
//! nobody knows included: a message of which little is known says little. The first is
//! Metsis et al. 2006, the third Rennie et al. 2003 (complement naive Bayes).
//!
//! The residual layer ([`crate::residual`]) adds g_k^2 r_kc to each, with g_k the feature's
//! own weight (1 or idf_k) and r_kc the sum of its steps.
//!
//! Every form is a constant per class plus a sum over the *stored* cells of the message's
//! features; that sum is what [`crate::Model`] packs.
//!
//! The constants come from sums over all features. Those are integers, with logarithms in
//! fixed point, so that adding and taking back a document gives the same bits as counting
//! anew.

mod left_out;
mod scores;
mod totals;
mod weighing;

pub(crate) use left_out::LeftOut;
pub(crate) use scores::MessageSums;
pub use scores::Scores;
pub(crate) use totals::{ClassSums, ClassTerms, Totals};
pub(crate) use weighing::{CELLS_PER_POLL, Weighing};

use crate::counts::{Cell, document_frequency, weight_of};
use crate::features::Features;
use crate::poll::Poll;
use crate::score_form::ScoreForm;
use crate::state::State;

/// Scores emails straight from the counts: the reference that the packed table must equal,
/// and the judge for leave-one-out.
pub struct NaiveBayes<'a> {
    state: &'a State,
    weighing: Weighing,
    totals: Totals,
    poll: Poll<'a>,
}

impl<'a> NaiveBayes<'a> {
    /// Prepares scoring with idf by the documents that are there. `state` must be canonical:
    /// see [`State::canonicalize`].
    pub fn new(state: &'a State, form: ScoreForm, poll: Poll<'a>) -> Self {
        Self::weighed(state, Weighing::new(form, state.documents()), poll)
    }

    /// Prepares scoring. `state` must be canonical: see [`State::canonicalize`].
    pub(crate) fn weighed(state: &'a State, weighing: Weighing, poll: Poll<'a>) -> Self {
        let labels = state.labels();
        let mut totals = Totals {
            features: 0,
            documents: labels.iter().map(|l| l.documents).collect(),
            sums: labels
                .iter()
                .map(|l| ClassSums {
                    tokens: l.tokens,
                    weight: l.weight,
                    weight_log_df: 0,
                })
                .collect(),
        };
        for group in state.counts().groups() {
            for row in group.chunk_by(|a, b| a.key == b.key) {
                totals.features += u64::from(document_frequency(row) > 0);
                weighing.add_log_df(&mut totals.sums, row);
            }
            poll();
        }
        Self {
            state,
            weighing,
            totals,
            poll,
        }
    }

    /// A scorer of these counts under another form, without another pass over them.
    pub(crate) fn with_form(&self, form: ScoreForm) -> Self {
        Self {
            state: self.state,
            weighing: Weighing::new(form, self.weighing.reference),
            totals: self.totals.clone(),
            poll: self.poll,
        }
    }

    /// MessageSums over all features.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Features that some document has.
    pub(crate) fn features(&self) -> usize {
        self.totals.features as usize
    }

    /// The form that scores are computed in.
    pub(crate) fn form(&self) -> ScoreForm {
        self.weighing.form
    }

    /// How counts are weighed.
    pub(crate) fn weighing(&self) -> &Weighing {
        &self.weighing
    }

    /// Scores of all classes.
    pub fn scores(&self, features: &Features) -> Scores {
        let rows: Vec<_> = features
            .keys()
            .iter()
            .map(|&k| self.state.counts().row(k))
            .collect();
        self.scores_of(&rows)
    }

    /// Scores of all classes, from the rows of the message's features.
    fn scores_of(&self, rows: &[&[Cell]]) -> Scores {
        let mut scores = vec![0.0; self.totals.documents.len()];
        let mut sums = MessageSums {
            features: rows.len(),
            ..MessageSums::default()
        };
        self.each_row(rows, |row| {
            let terms = self.weighing.row(document_frequency(row), weight_of(row));
            if sums.add(terms.gain) {
                for cell in row {
                    let score = terms.score(cell.documents, cell.weight, cell.residual);
                    scores[cell.class as usize] += score;
                }
            }
        });
        let terms = self.weighing.class_terms(&self.totals);
        terms.scores(&self.weighing, scores, sums)
    }

    /// Scores of a learned document, which has exactly these rows, as if it had never been
    /// learned. For counts without residuals.
    pub(crate) fn scores_left_out(&self, rows: &[&[Cell]], out: LeftOut) -> Scores {
        let mut scores = vec![0.0; self.totals.documents.len()];
        let mut sums = MessageSums {
            features: rows.len(),
            ..MessageSums::default()
        };
        let mut totals = out.taken_from(&self.totals, rows.len() as u64);
        let mut log_df_change = vec![0i128; scores.len()];
        // No other feature is in as many documents as there are, so those of the document
        // are all that min(df, N) changes for.
        let weighing = Weighing::new(self.form(), self.weighing.reference.saturating_sub(1));
        self.each_row(rows, |row| {
            let documents = document_frequency(row);
            let others = documents.saturating_sub(1);
            let terms = weighing.row(others, weight_of(row).saturating_sub(out.weight));
            totals.features = totals.features.saturating_sub(u64::from(documents == 1));
            let known = sums.add(terms.gain);
            let before = i128::from(self.weighing.log_df_of(documents));
            let after = i128::from(weighing.log_df_of(others));
            for cell in row {
                let (documents, weight) = out.left_of(cell);
                let class = cell.class as usize;
                log_df_change[class] += i128::from(weight) * (after - before);
                if known {
                    scores[class] += terms.counted(documents, weight);
                }
            }
            log_df_change[out.class as usize] -= i128::from(out.weight) * before;
        });
        for (sums, change) in totals.sums.iter_mut().zip(log_df_change) {
            sums.weight_log_df = sums.weight_log_df.saturating_add_signed(change);
        }
        let terms = weighing.class_terms(&totals);
        terms.scores(&weighing, scores, sums)
    }

    fn each_row(&self, rows: &[&[Cell]], mut each: impl FnMut(&[Cell])) {
        let mut cells = 0;
        for row in rows {
            cells += row.len();
            if cells >= CELLS_PER_POLL {
                (self.poll)();
                cells = 0;
            }
            each(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::counts::unit_weight;
    use crate::learner::Learner;
    use crate::poll::never_cancelled;
    use crate::score_form::ScoreForm;
    use proptest::prelude::*;

    use super::*;

    fn learn(documents: &[(Vec<u64>, usize)]) -> State {
        let mut state = State::default();
        for (keys, class) in documents {
            let features = Features::from_sorted(keys.clone()).unwrap();
            state.learn(&features, ["a", "b", "c"][*class]).unwrap();
        }
        state.canonicalize(&never_cancelled).unwrap();
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
                state.labels().iter().position(|l| l.casefolded == name)
            };
            let left_out = LeftOut {
                class: number(&whole, class).unwrap() as u32,
                weight: unit_weight(keys.len()),
            };
            let rows: Vec<_> = keys.iter().map(|&k| whole.counts().row(k)).collect();
            for form in ScoreForm::ALL {
                let judge = NaiveBayes::new(&whole, form, &never_cancelled);
                let found = judge.scores_left_out(&rows, left_out);
                let features = Features::from_sorted(keys.clone()).unwrap();
                let wanted =
                    NaiveBayes::new(&without, form, &never_cancelled).scores(&features);
                prop_assert_eq!(found.known, wanted.known);
                let (found, wanted) = (found.scores, wanted.scores);
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
