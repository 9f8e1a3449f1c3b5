//! Answers from the base and the overlay together.

use super::contents::Overlay;
use super::derived::{Derived, NO_CLASS};
use crate::error::Result;
use crate::features::Features;
use crate::labels::Label;
use crate::memory::probe;
use crate::model::{Model, ROWS_PER_POLL, Table};
use crate::naive_bayes::{MessageSums, Scores, Totals};
use crate::poll::Poll;

impl Overlay {
    /// Computes labels in class order and their constants.
    pub(crate) fn derive(&self, base: &Model) -> Result<Derived> {
        let slots = self.totals.documents.len();
        let texts = |label: &Label| label.casefolded.len() + label.name.len() + 128;
        let added = self.added.iter().map(|(casefolded, added)| {
            let name = added.name();
            (added.slot, casefolded.as_str(), name)
        });
        let known = base.labels().iter().enumerate();
        let mut order: Vec<(usize, &str, &str)> = known
            .map(|(slot, label)| (slot, label.casefolded.as_str(), label.name.as_str()))
            .chain(added)
            .filter(|&(slot, _, _)| self.totals.documents[slot] > 0)
            .collect();
        probe(base.labels().iter().map(texts).sum::<usize>() + slots * 128)?;
        order.sort_unstable_by_key(|&(_, casefolded, _)| casefolded);
        let mut class_of_slot = vec![NO_CLASS; slots];
        for (class, &(slot, _, _)) in (0..).zip(&order) {
            class_of_slot[slot] = class;
        }
        let in_order = |slot: usize| {
            let mut sums = self.totals.sums[slot];
            let change = self.change.weight_log_df[slot];
            sums.weight_log_df = sums.weight_log_df.saturating_add_signed(change);
            (self.totals.documents[slot], sums)
        };
        let (documents, sums) = order.iter().map(|&(slot, _, _)| in_order(slot)).unzip();
        let features = self.totals.features;
        let totals = Totals {
            features: features.saturating_add_signed(self.change.features),
            documents,
            sums,
        };
        let terms = base.meta().fit.weighing().class_terms(&totals);
        let label = |&(_, casefolded, name): &(usize, &str, &str)| Label {
            casefolded: casefolded.to_owned(),
            name: name.to_owned(),
        };
        Ok(Derived {
            class_of_slot,
            labels: order.iter().map(label).collect(),
            documents: totals.documents,
            terms,
        })
    }

    /// Uncalibrated scores of the labels that have emails, as [`Model::scores`] gives them.
    pub(crate) fn scores(&self, base: &Model, features: &Features, poll: Poll) -> Scores {
        let derived = &self.derived;
        let mut of_slot = vec![0.0; self.totals.documents.len()];
        let mut sums = MessageSums {
            features: features.keys().len(),
            ..MessageSums::default()
        };
        // Opening the base built the table once.
        if let Ok(table) = base.table() {
            self.add_rows(&table, features.keys(), &mut of_slot, &mut sums, poll);
        }
        let mut scores = vec![0.0; derived.labels.len()];
        for (&class, score) in derived.class_of_slot.iter().zip(of_slot) {
            if class != NO_CLASS {
                scores[class as usize] = score;
            }
        }
        let weighing = base.meta().fit.weighing();
        derived.terms.scores(&weighing, scores, sums)
    }

    /// Adds up gains and cells, in key order as in a packed model: sums of rounded numbers
    /// depend on it.
    fn add_rows(
        &self,
        table: &Table,
        keys: &[u64],
        scores: &mut [f64],
        sums: &mut MessageSums,
        poll: Poll,
    ) {
        let touched: Vec<_> = keys.iter().map(|key| self.rows.get(key)).collect();
        let untouched: Vec<u64> = keys
            .iter()
            .zip(&touched)
            .filter_map(|(&key, row)| row.is_none().then_some(key))
            .collect();
        let mut found = table.find(&untouched, |key| key).into_iter().peekable();
        for (i, (&key, touched)) in keys.iter().zip(touched).enumerate() {
            if i % ROWS_PER_POLL == 0 {
                poll();
            }
            match touched {
                Some(row) => {
                    if sums.add(row.gain().into()) {
                        for cell in row.cells() {
                            scores[usize::from(cell.slot)] += f64::from(cell.score);
                        }
                    }
                }
                None => {
                    let found = found.next_if(|row| row.tag == key);
                    if let Some(row) = found.filter(|row| sums.add(row.gain)) {
                        for (slot, score) in table.cells(row.cells) {
                            scores[slot] += f64::from(score);
                        }
                    }
                }
            }
        }
    }
}
