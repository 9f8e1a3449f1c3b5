//! What decisions have changed: rows of features, sums per label.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::artifact::{Kind, corrupt};
use crate::counts::MAX_SUM;
use crate::counts::unit_weight;
use crate::error::{Error, Result};
use crate::features::Features;
use crate::labels::{Label, MAX_LABELS};
use crate::memory::{probe, reserve, touch};
use crate::model::{CellCounts, FoundRow, Model, ROWS_PER_POLL, Table};
use crate::naive_bayes::{
    CELLS_PER_POLL, ClassSums, ClassTerms, MessageSums, Scores, Totals, Weighing,
};
use crate::poll::Poll;
use crate::step::Step;

use super::row::{Decision, KeyHash, LiveCell, Row, Turn, find};

/// Labels are numbered by slot: the base's classes, then labels that it does not have.
/// Slots stay while other labels come and go, so that rows need not change with them.
#[derive(Debug, Clone)]
pub(super) struct Overlay {
    pub(super) rows: HashMap<u64, Row, KeyHash>,
    /// Bytes of cells outside of `rows`.
    pub(super) cell_bytes: usize,
    /// By slot. The base's where rows have a part in them.
    pub(super) totals: Totals,
    pub(super) change: Change,
    /// Whether anything was un-learned: rows that only grew are not those of the base.
    pub(super) shrunk: bool,
    pub(super) added: BTreeMap<String, Added>,
    pub(super) derived: Derived,
}

/// The rows of an email's features.
struct FoundRows {
    /// Keys of those that the overlay has.
    there: Vec<u64>,
    /// Those that it does not have, or not with all cells.
    new: Vec<(u64, Row)>,
}

/// A label that the base does not have.
#[derive(Debug, Clone)]
pub(super) struct Added {
    pub(super) slot: usize,
    pub(super) spellings: BTreeMap<String, u64>,
}

/// What depends on sums over everything. Labels with emails, in class order.
#[derive(Debug, Clone)]
pub(super) struct Derived {
    pub(super) class_of_slot: Vec<u32>,
    pub(super) labels: Vec<Label>,
    pub(super) documents: Vec<u64>,
    pub(super) terms: ClassTerms,
}

/// A slot without emails.
pub(super) const NO_CLASS: u32 = u32::MAX;

/// What the rows of the overlay, instead of the base's, change in sums over all features.
/// Exact and signed, so that it is nothing again when they are, whatever the base claims.
#[derive(Debug, Clone, Default)]
pub(super) struct Change {
    /// Rows to weigh: these have no part in the sums until then.
    pub(super) dirty: Vec<u64>,
    /// By slot.
    pub(super) weight_log_df: Vec<i128>,
    pub(super) features: i64,
}

impl Overlay {
    pub(super) fn new(base: &Model) -> Self {
        Self {
            rows: HashMap::with_hasher(KeyHash::new()),
            cell_bytes: 0,
            totals: base.totals(),
            change: Change {
                weight_log_df: vec![0; base.labels().len()],
                ..Change::default()
            },
            shrunk: false,
            added: BTreeMap::new(),
            derived: Derived {
                class_of_slot: (0..base.labels().len() as u32).collect(),
                labels: base.labels().to_vec(),
                documents: base.meta().documents.clone(),
                terms: base.terms().clone(),
            },
        }
    }

    pub(super) fn decide(
        &mut self,
        base: &Model,
        counts: Option<&CellCounts>,
        features: &Features,
        casefolded: &str,
        spelling: &str,
        decision: Decision,
    ) -> Result<()> {
        let not_learned = || Error::NotLearned {
            label: spelling.to_owned(),
        };
        let slot = match (self.slot_of(base, casefolded), decision) {
            (Some(slot), _) => slot,
            (None, Decision::Learn) => self.free_slot()?,
            (None, Decision::Unlearn) => return Err(not_learned()),
        };
        let n = features.keys().len();
        let weight = unit_weight(n);
        let documents = self.totals.documents.get(slot).copied().unwrap_or(0);
        let mut sums = self.totals.sums.get(slot).copied().unwrap_or_default();
        let (tokens, sum) = (n as u64, weight * n as u64);
        let documents = match decision {
            Decision::Learn => {
                sums.tokens += tokens;
                sums.weight += sum;
                if documents >= u32::MAX.into() || sums.tokens.max(sums.weight) >= MAX_SUM {
                    return Err(Error::TooManyDocuments);
                }
                documents + 1
            }
            Decision::Unlearn => {
                let take = |from: u64, n| from.checked_sub(n).ok_or_else(not_learned);
                sums.tokens = take(sums.tokens, tokens)?;
                sums.weight = take(sums.weight, sum)?;
                let spelled = |added: &Added| added.spellings.contains_key(spelling);
                let left = take(documents, 1)?;
                if left == 0 && sums.tokens > 0 || !self.added.get(casefolded).is_none_or(spelled) {
                    return Err(not_learned());
                }
                left
            }
        };
        let turn = Turn { decision, weight };
        let check = |cell: Option<&LiveCell>| match (cell, decision) {
            (Some(cell), _) if turn.after(cell).is_some() => Ok(()),
            (None, Decision::Learn) => Ok(()),
            (Some(_), Decision::Learn) => Err(Error::TooManyDocuments),
            (_, Decision::Unlearn) => Err(not_learned()),
        };
        let slots = [slot as u16];
        let rows = self.find_rows(base, counts, features.keys(), &slots, check)?;

        // From here on nothing fails.
        self.shrunk |= decision == Decision::Unlearn;
        if slot == self.totals.documents.len() {
            self.totals.documents.push(0);
            self.totals.sums.push(ClassSums::default());
            self.change.weight_log_df.push(0);
        }
        self.totals.documents[slot] = documents;
        self.totals.sums[slot] = sums;
        self.change_cells(base, rows, &slots, |_, cell| turn.apply(cell));
        if slot >= base.labels().len() {
            self.spell(slot, casefolded, spelling, decision);
        }
        Ok(())
    }

    /// Adds a step to the residuals of these features, or takes it back.
    pub(super) fn step(
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
        let change = |changed: &mut Change, key: u64, row: &mut Row| {
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
    pub(super) fn spell(
        &mut self,
        slot: usize,
        casefolded: &str,
        spelling: &str,
        decision: Decision,
    ) {
        let added = self.added.entry(casefolded.to_owned()).or_insert(Added {
            slot,
            spellings: BTreeMap::new(),
        });
        let count = added.spellings.entry(spelling.to_owned()).or_default();
        *count = match decision {
            Decision::Learn => *count + 1,
            Decision::Unlearn => count.saturating_sub(1),
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

    /// Weighs the rows whose counts changed. Those that are the base's again go.
    pub(super) fn weigh(
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

    pub(super) fn slot_of(&self, base: &Model, casefolded: &str) -> Option<usize> {
        let in_base = base
            .labels()
            .binary_search_by(|label| label.casefolded.as_str().cmp(casefolded));
        in_base
            .ok()
            .or_else(|| self.added.get(casefolded).map(|added| added.slot))
    }

    /// The slot for a label that neither the base nor the overlay has. That of one whose
    /// emails are gone stays its own: rows may have steps of it.
    pub(super) fn free_slot(&self) -> Result<usize> {
        let documents = &self.totals.documents;
        let labels = documents.iter().filter(|&&n| n > 0).count();
        if labels == MAX_LABELS || documents.len() > u16::MAX.into() {
            return Err(Error::TooManyLabels { limit: MAX_LABELS });
        }
        Ok(documents.len())
    }

    /// Whether everything is as in the base.
    pub(super) fn is_nothing(&self, base: &Model) -> bool {
        // Without rows there is no change of sums.
        let classes = base.labels().len();
        self.rows.is_empty()
            && self.totals.documents[classes..].iter().all(|&n| n == 0)
            && self.totals.documents[..classes] == base.meta().documents
            && self.totals.sums[..classes] == *base.sums()
    }

    pub(super) fn derive(&self, base: &Model) -> Result<Derived> {
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

    /// As [`Model::scores`], for the labels that have emails.
    pub(super) fn scores(&self, base: &Model, features: &Features, poll: Poll) -> Scores {
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

    pub(super) fn memory(&self) -> usize {
        let texts = |label: &Label| label.casefolded.len() + label.name.len() + 128;
        let spelled = |added: &Added| added.spellings.keys().map(|s| s.len() + 64).sum::<usize>();
        size_of::<Self>()
            + self.rows.capacity() * (size_of::<(u64, Row)>() + 1)
            + self.cell_bytes
            + self.change.dirty.capacity() * size_of::<u64>()
            + self.totals.documents.len() * (size_of::<ClassSums>() + 64)
            + self.derived.labels.iter().map(texts).sum::<usize>()
            + self
                .added
                .iter()
                .map(|(casefolded, added)| casefolded.len() + 64 + spelled(added))
                .sum::<usize>()
    }
}

/// The cells of a row of the base.
pub(super) fn base_cells<'a>(
    table: &Table<'a>,
    counts: Option<&'a CellCounts>,
    at: Range<usize>,
) -> impl Iterator<Item = Result<LiveCell>> + 'a {
    at.clone()
        .zip(table.cells(at))
        .map(move |(at, (class, score))| {
            let counts = counts.and_then(|counts| counts.get(at));
            let counts =
                counts.ok_or_else(|| corrupt(Kind::Model, "its state has other tables"))?;
            LiveCell::new(class as u16, counts, score)
        })
}

/// See [`touch`].
pub(super) fn touch_counts(counts: Option<&CellCounts>, rows: &[FoundRow<u64>]) {
    let first = |row: &FoundRow<u64>| counts?.get(row.cells.start);
    touch(
        rows.iter()
            .filter_map(first)
            .map(|cell| cell.documents as u8 ^ cell.weight as u8),
    );
}

impl Change {
    /// To be called before a row's counts change. There must be room for its key.
    pub(super) fn touch(&mut self, weighing: &Weighing, key: u64, row: &mut Row) {
        let (_, dirty, cells) = row.parts();
        if !*dirty {
            *dirty = true;
            self.shift(weighing, cells, -1);
            self.dirty.push(key);
        }
    }

    /// Adds or takes a row's part of the sums.
    pub(super) fn shift(&mut self, weighing: &Weighing, cells: &[LiveCell], sign: i64) {
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

impl Added {
    /// As [`LabelCounts::name`](crate::LabelCounts::name).
    pub(super) fn name(&self) -> &str {
        self.spellings
            .iter()
            .max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)))
            .map_or("", |(name, _)| name)
    }
}
