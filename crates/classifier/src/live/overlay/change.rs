//! Documents and steps that come and go.

use std::collections::BTreeMap;

use super::added_label::AddedLabel;
use super::base_rows::{base_cells, touch_counts};
use super::contents::Overlay;
use super::sum_change::SumChange;
use crate::counts::{MAX_SUM, unit_weight};
use crate::error::{Error, Result};
use crate::features::Features;
use crate::live::document_change::{Direction, DocumentChange};
use crate::live::row::{LiveCell, Row, find};
use crate::memory::{probe, reserve};
use crate::model::{CellCounts, FoundRow, Model};
use crate::naive_bayes::ClassSums;
use crate::step::Step;

/// The rows of an email's features.
struct FoundRows {
    /// Keys of those that the overlay has.
    there: Vec<u64>,
    /// Those that it does not have, or not with all cells.
    new: Vec<(u64, Row)>,
}

impl Overlay {
    /// Learns or un-learns one document under a label.
    pub(crate) fn change_document(
        &mut self,
        base: &Model,
        counts: Option<&CellCounts>,
        features: &Features,
        casefolded: &str,
        spelling: &str,
        direction: Direction,
    ) -> Result<()> {
        let not_learned = || Error::NotLearned {
            label: spelling.to_owned(),
        };
        let slot = match (self.slot_of(base, casefolded), direction) {
            (Some(slot), _) => slot,
            (None, Direction::Learn) => self.free_slot()?,
            (None, Direction::Unlearn) => return Err(not_learned()),
        };
        let n = features.keys().len();
        let weight = unit_weight(n);
        let documents = self.totals.documents.get(slot).copied().unwrap_or(0);
        let mut sums = self.totals.sums.get(slot).copied().unwrap_or_default();
        let (tokens, sum) = (n as u64, weight * n as u64);
        let documents = match direction {
            Direction::Learn => {
                sums.tokens += tokens;
                sums.weight += sum;
                if documents >= u32::MAX.into() || sums.tokens.max(sums.weight) >= MAX_SUM {
                    return Err(Error::TooManyDocuments);
                }
                documents + 1
            }
            Direction::Unlearn => {
                let take = |from: u64, n| from.checked_sub(n).ok_or_else(not_learned);
                sums.tokens = take(sums.tokens, tokens)?;
                sums.weight = take(sums.weight, sum)?;
                let spelled = |added: &AddedLabel| added.spellings.contains_key(spelling);
                let left = take(documents, 1)?;
                if left == 0 && sums.tokens > 0 || !self.added.get(casefolded).is_none_or(spelled) {
                    return Err(not_learned());
                }
                left
            }
        };
        let change = DocumentChange { direction, weight };
        let check = |cell: Option<&LiveCell>| match (cell, direction) {
            (Some(cell), _) if change.after(cell).is_some() => Ok(()),
            (None, Direction::Learn) => Ok(()),
            (Some(_), Direction::Learn) => Err(Error::TooManyDocuments),
            (_, Direction::Unlearn) => Err(not_learned()),
        };
        let slots = [slot as u16];
        let rows = self.find_rows(base, counts, features.keys(), &slots, check)?;

        // From here on nothing fails.
        self.shrunk |= direction == Direction::Unlearn;
        if slot == self.totals.documents.len() {
            self.totals.documents.push(0);
            self.totals.sums.push(ClassSums::default());
            self.change.weight_log_df.push(0);
        }
        self.totals.documents[slot] = documents;
        self.totals.sums[slot] = sums;
        self.change_cells(base, rows, &slots, |_, cell| change.apply(cell));
        if slot >= base.labels().len() {
            self.spell(slot, casefolded, spelling, direction);
        }
        Ok(())
    }

    /// Adds a step to the residuals of these features, or takes it back.
    pub(crate) fn step(
        &mut self,
        base: &Model,
        counts: Option<&CellCounts>,
        features: &Features,
        step: &Step,
        take_back: bool,
    ) -> Result<()> {
        // Also those of labels whose emails are gone: they may come back.
        let (slots, amounts): (Vec<u16>, Vec<i32>) = step
            .amounts(take_back)
            .filter_map(|(casefolded, amount)| {
                let slot = self.slot_of(base, casefolded)?;
                Some((slot as u16, amount))
            })
            .unzip();
        if slots.is_empty() {
            return Ok(());
        }
        let rows = self.find_rows(base, counts, features.keys(), &slots, |_| Ok(()))?;
        self.shrunk |= take_back;
        self.change_cells(base, rows, &slots, |i, cell| {
            cell.residual = cell.residual.wrapping_add(amounts[i]);
        });
        Ok(())
    }

    /// Changes the cells of these slots in these rows. Cannot fail: there is room.
    fn change_cells(
        &mut self,
        base: &Model,
        rows: FoundRows,
        slots: &[u16],
        change: impl Fn(usize, &mut LiveCell),
    ) {
        let weighing = base.meta().fit.weighing();
        let change = |changed: &mut SumChange, key: u64, row: &mut Row| {
            changed.touch(&weighing, key, row);
            let (_, _, cells) = row.parts();
            for (i, &slot) in slots.iter().enumerate() {
                if let Ok(at) = find(cells, slot) {
                    change(i, &mut cells[at]);
                }
            }
        };
        for key in rows.there {
            if let Some(row) = self.rows.get_mut(&key) {
                change(&mut self.change, key, row);
            }
        }
        for (key, mut row) in rows.new {
            change(&mut self.change, key, &mut row);
            self.cell_bytes += row.cell_bytes();
            let old = self.rows.insert(key, row);
            self.cell_bytes -= old.map_or(0, |old| old.cell_bytes());
        }
    }

    /// Counts the spelling of a label that the base does not have.
    pub(crate) fn spell(
        &mut self,
        slot: usize,
        casefolded: &str,
        spelling: &str,
        direction: Direction,
    ) {
        let added = self
            .added
            .entry(casefolded.to_owned())
            .or_insert(AddedLabel {
                slot,
                spellings: BTreeMap::new(),
            });
        let count = added.spellings.entry(spelling.to_owned()).or_default();
        *count = match direction {
            Direction::Learn => *count + 1,
            Direction::Unlearn => count.saturating_sub(1),
        };
        if *count == 0 {
            added.spellings.remove(spelling);
        }
    }

    /// Finds the rows of these features, with cells for all of these slots, and checks
    /// those. There is room for the new ones then.
    fn find_rows(
        &mut self,
        base: &Model,
        counts: Option<&CellCounts>,
        keys: &[u64],
        slots: &[u16],
        check: impl Fn(Option<&LiveCell>) -> Result<()>,
    ) -> Result<FoundRows> {
        // Whether all cells are there.
        let complete = |cells: &[LiveCell]| -> Result<bool> {
            let mut complete = true;
            for &slot in slots {
                let cell = find(cells, slot).ok().map(|at| &cells[at]);
                complete &= cell.is_some();
                check(cell)?;
            }
            Ok(complete)
        };
        let fill = |cells: &mut Vec<LiveCell>| -> Result<()> {
            reserve(cells, slots.len())?;
            for &slot in slots {
                if let Err(at) = find(cells, slot) {
                    cells.insert(at, LiveCell::empty(slot));
                }
            }
            Ok(())
        };
        let (mut there, mut new) = (Vec::new(), Vec::new());
        let (mut unknown, mut cells) = (Vec::new(), Vec::new());
        reserve(&mut there, keys.len())?;
        reserve(&mut new, keys.len())?;
        reserve(&mut unknown, keys.len())?;
        for &key in keys {
            let Some(row) = self.rows.get(&key) else {
                unknown.push(key);
                continue;
            };
            if complete(row.cells())? {
                there.push(key);
                continue;
            }
            cells.clear();
            reserve(&mut cells, row.cells().len())?;
            cells.extend_from_slice(row.cells());
            fill(&mut cells)?;
            new.push((key, Row::new(&cells, row.gain(), row.is_dirty())?));
        }
        let table = base.table()?;
        probe(unknown.len() * 2 * size_of::<FoundRow<u64>>())?;
        let found = table.find(&unknown, |key| key);
        touch_counts(counts, &found);
        let mut found = found.into_iter().peekable();
        for key in unknown {
            cells.clear();
            let mut gain = 0.0;
            if let Some(row) = found.next_if(|row| row.tag == key) {
                gain = row.gain as f32;
                reserve(&mut cells, row.cells.len())?;
                for cell in base_cells(&table, counts, row.cells) {
                    cells.push(cell?);
                }
            }
            if !complete(&cells)? {
                fill(&mut cells)?;
            }
            new.push((key, Row::new(&cells, gain, false)?));
        }
        let bytes = new.len() * size_of::<(u64, Row)>();
        self.rows
            .try_reserve(new.len())
            .map_err(|_| Error::OutOfMemory { bytes })?;
        reserve(&mut self.change.dirty, keys.len())?;
        Ok(FoundRows { there, new })
    }
}
