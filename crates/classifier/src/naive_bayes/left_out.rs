//! Leaving one document out of the counts.

use super::totals::Totals;
use crate::counts::{Cell, unit_weight};
use crate::training_sample::Document;

/// A document that is to be scored as if it had never been learned.
#[derive(Clone, Copy)]
pub(crate) struct LeftOut {
    pub class: u32,
    pub weight: u64,
}

impl LeftOut {
    /// A document of the training sample.
    pub(crate) fn of(document: &Document) -> Self {
        Self::new(document.class, document.keys.len())
    }

    /// A document with so many features.
    pub(crate) fn new(class: u32, features: usize) -> Self {
        Self {
            class,
            weight: unit_weight(features),
        }
    }

    /// Whether the document may be among those that this row counts.
    pub(crate) fn is_in(self, row: &[Cell]) -> bool {
        let own = row.iter().find(|cell| cell.class == self.class);
        own.is_some_and(|cell| cell.documents > 0)
    }

    /// Sums without it, as far as they do not depend on its features. Saturating: a forged
    /// state may sample what it did not count.
    pub(super) fn taken_from(self, totals: &Totals, features: u64) -> Totals {
        let mut totals = totals.clone();
        let class = self.class as usize;
        let take = |from: &mut u64, n: u64| *from = from.saturating_sub(n);
        take(&mut totals.documents[class], 1);
        take(&mut totals.sums[class].tokens, features);
        take(&mut totals.sums[class].weight, self.weight * features);
        totals
    }

    /// Documents and weight of a cell without it.
    pub(super) fn left_of(self, cell: &Cell) -> (u32, u64) {
        match cell.class == self.class {
            true => (
                cell.documents.saturating_sub(1),
                cell.weight.saturating_sub(self.weight),
            ),
            false => (cell.documents, cell.weight),
        }
    }
}
