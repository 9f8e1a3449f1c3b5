//! Weighing the rows that changed.

use super::base_rows::{base_cells, touch_counts};
use super::contents::Overlay;
use crate::error::Result;
use crate::memory::{probe, touch};
use crate::model::{CellCounts, FoundRow, Model, ROWS_PER_POLL};
use crate::naive_bayes::CELLS_PER_POLL;
use crate::poll::Poll;

impl Overlay {
    /// Weighs the rows whose counts changed. Those that are the base's again go.
    pub(crate) fn weigh(
        &mut self,
        base: &Model,
        counts: Option<&CellCounts>,
        poll: Poll,
    ) -> Result<()> {
        let table = base.table()?;
        let weighing = base.meta().fit.weighing();
        probe(ROWS_PER_POLL * 2 * size_of::<FoundRow<u64>>())?;
        let mut weighed = 0;
        // A row leaves the list when it is done: errors and polls may end this at any time.
        while !self.change.dirty.is_empty() {
            poll();
            let from = self.change.dirty.len().saturating_sub(ROWS_PER_POLL);
            let dirty = &self.change.dirty[from..];
            let mut found = match self.shrunk {
                true => table.find(dirty, |key| key),
                false => Vec::new(),
            };
            touch_counts(counts, &found);
            let rows = dirty.iter().filter_map(|key| self.rows.get(key));
            touch(
                rows.filter_map(|row| row.cells().first())
                    .map(|cell| cell.documents as u8),
            );
            while let Some(&key) = self.change.dirty[from..].last() {
                let in_base = found.pop_if(|row| row.tag == key);
                if let Some(row) = self.rows.get_mut(&key) {
                    let before = row.cell_bytes();
                    let range = in_base.map_or(0..0, |row| row.cells);
                    let is_base = self.shrunk
                        && row
                            .counted()
                            .map(|cell| Some(cell.counts()))
                            .eq(base_cells(&table, counts, range)
                                .map(|cell| Some(cell.ok()?.counts())));
                    if !is_base {
                        row.weigh(&weighing)?;
                    }
                    weighed += row.cells().len();
                    self.change.shift(&weighing, row.cells(), 1);
                    self.cell_bytes -= before;
                    match is_base {
                        true => drop(self.rows.remove(&key)),
                        false => self.cell_bytes += row.cell_bytes(),
                    }
                }
                self.change.dirty.pop();
                if weighed >= CELLS_PER_POLL {
                    weighed = 0;
                    poll();
                }
            }
        }
        self.change.dirty = Vec::new();
        Ok(())
    }
}
