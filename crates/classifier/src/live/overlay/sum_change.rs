//! What the overlay changes in sums over all features.

use crate::live::row::{LiveCell, Row};
use crate::naive_bayes::Weighing;

/// What the rows of the overlay, instead of the base's, change in sums over all features.
/// Exact and signed, so that it is nothing again when they are, whatever the base claims.
#[derive(Debug, Clone, Default)]
pub(crate) struct SumChange {
    /// Rows to weigh: these have no part in the sums until then.
    pub(crate) dirty: Vec<u64>,
    /// By slot.
    pub(crate) weight_log_df: Vec<i128>,
    pub(crate) features: i64,
}

impl SumChange {
    /// To be called before a row's counts change. There must be room for its key.
    pub(crate) fn touch(&mut self, weighing: &Weighing, key: u64, row: &mut Row) {
        let (_, dirty, cells) = row.parts();
        if !*dirty {
            *dirty = true;
            self.shift(weighing, cells, -1);
            self.dirty.push(key);
        }
    }

    /// Adds or takes a row's part of the sums.
    pub(crate) fn shift(&mut self, weighing: &Weighing, cells: &[LiveCell], sign: i64) {
        let documents = cells.iter().map(|c| u64::from(c.documents)).sum();
        let log_df = weighing.log_df_of(documents);
        for cell in cells {
            // 48 and 37 bits.
            let part = (u128::from(cell.weight()) * u128::from(log_df)) as i128;
            let sum = &mut self.weight_log_df[usize::from(cell.slot)];
            *sum += if sign < 0 { -part } else { part };
        }
        self.features += if documents > 0 { sign } else { 0 };
    }
}
