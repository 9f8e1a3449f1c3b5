//! The table of all cells, which learns and un-learns documents.

use super::cell::{Cell, add, unit_weight, without};
use crate::error::Result;
use crate::memory::{reserve, reserve_exact};
use crate::poll::Poll;

/// Keys are hashes, so their top byte splits any table into equal parts. Every sort, merge
/// and reallocation touches one shard: bounded work between two polls.
const SHARDS: usize = 256;

#[derive(Debug, Clone, Default)]
struct Shard {
    /// Sorted by (key, class), no repeats.
    cells: Vec<Cell>,
    /// Newly learned, unsorted; merged into `cells` when it is half as large or a little more.
    pending: Vec<Cell>,
}

impl Shard {
    fn bytes(&self) -> usize {
        (self.cells.capacity() + self.pending.capacity()) * size_of::<Cell>()
    }

    fn merge_pending(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_unstable_by_key(Cell::order);
        pending.dedup_by(|next, kept| {
            let same = next.order() == kept.order();
            if same {
                add(kept, next);
            }
            same
        });
        self.merge_sorted(&pending)?;
        pending.clear();
        self.pending = pending;
        Ok(())
    }

    fn merge_sorted(&mut self, other: &[Cell]) -> Result<()> {
        let mut merged = Vec::new();
        reserve_exact(&mut merged, self.cells.len() + other.len())?;
        let (mut a, mut b) = (self.cells.iter().peekable(), other.iter().peekable());
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            match x.order().cmp(&y.order()) {
                std::cmp::Ordering::Less => merged.extend(a.next()),
                std::cmp::Ordering::Greater => merged.extend(b.next()),
                std::cmp::Ordering::Equal => {
                    let mut sum = **x;
                    add(&mut sum, y);
                    merged.push(sum);
                    a.next();
                    b.next();
                }
            }
        }
        merged.extend(a);
        merged.extend(b);
        // Steps can cancel each other.
        merged.retain(|cell| !cell.is_nothing());
        self.cells = merged;
        Ok(())
    }
}

/// All cells, split by the top byte of the key.
#[derive(Debug, Clone)]
pub(crate) struct CountTable {
    shards: Vec<Shard>,
    bytes: usize,
}

impl Default for CountTable {
    fn default() -> Self {
        Self {
            shards: vec![Shard::default(); SHARDS],
            bytes: 0,
        }
    }
}

/// Number of the shard that a key belongs to.
pub(super) fn shard_of(key: u64) -> usize {
    (key >> 56) as usize
}

impl CountTable {
    /// Adds one document.
    pub(crate) fn learn(&mut self, keys: &[u64], class: u32) -> Result<()> {
        let cell = Cell {
            key: 0,
            weight: unit_weight(keys.len()),
            documents: 1,
            class,
            residual: 0,
        };
        self.add_to(keys, cell)
    }

    /// Adds a step to these features of a class.
    pub(crate) fn step(&mut self, keys: &[u64], class: u32, step: i32) -> Result<()> {
        let cell = Cell {
            key: 0,
            weight: 0,
            documents: 0,
            class,
            residual: step,
        };
        self.add_to(keys, cell)
    }

    fn add_to(&mut self, keys: &[u64], cell: Cell) -> Result<()> {
        for group in keys.chunk_by(|a, b| shard_of(*a) == shard_of(*b)) {
            let shard = &mut self.shards[shard_of(group[0])];
            let before = shard.bytes();
            reserve(&mut shard.pending, group.len())?;
            shard
                .pending
                .extend(group.iter().map(|&key| Cell { key, ..cell }));
            // Shards fill up evenly: with one threshold for all, one email would make all of
            // them merge.
            let room = shard.cells.len() / 2 + shard.cells.len() / 4 * shard_of(group[0]) / SHARDS;
            if shard.pending.len() >= room.max(64) {
                shard.merge_pending()?;
            }
            self.bytes = self.bytes - before + shard.bytes();
        }
        Ok(())
    }

    /// Subtracts one document. Returns false, with nothing changed, if one of its features
    /// is not there. Needs a table without anything pending.
    pub(crate) fn unlearn(&mut self, keys: &[u64], class: u32) -> bool {
        let weight = unit_weight(keys.len());
        let learned = |&key: &u64| {
            self.cell(key, class)
                .is_some_and(|c| without(c.documents, c.weight, weight).is_some())
        };
        if !keys.iter().all(learned) {
            return false;
        }
        for group in keys.chunk_by(|a, b| shard_of(*a) == shard_of(*b)) {
            let shard = &mut self.shards[shard_of(group[0])];
            let mut emptied = false;
            for &key in group {
                if let Ok(at) = shard.cells.binary_search_by_key(&(key, class), Cell::order) {
                    let cell = &mut shard.cells[at];
                    cell.documents -= 1;
                    cell.weight -= weight;
                    emptied |= cell.is_nothing();
                }
            }
            if emptied {
                shard.cells.retain(|c| !c.is_nothing());
            }
        }
        true
    }

    /// Drops what is left of these features where no document has them. Needs a table without
    /// anything pending.
    pub(crate) fn purge(&mut self, keys: &[u64]) {
        for &key in keys {
            if self.row(key).iter().all(|cell| cell.documents == 0) {
                let shard = &mut self.shards[shard_of(key)];
                shard.cells.retain(|cell| cell.key != key);
            }
        }
    }

    /// Replaces the sums of steps by those that `of` gives for each row in turn. Needs a
    /// table without anything pending.
    pub(crate) fn set_residuals(&mut self, mut of: impl FnMut(&mut [Cell]), poll: Poll) {
        for shard in &mut self.shards {
            for row in shard.cells.chunk_by_mut(|a, b| a.key == b.key) {
                of(row);
            }
            shard.cells.retain(|cell| !cell.is_nothing());
            poll();
        }
    }

    /// Adds all of `other`, with its classes renumbered by `class_map`.
    pub(crate) fn merge(
        &mut self,
        other: &CountTable,
        class_map: &[u32],
        poll: Poll,
    ) -> Result<()> {
        self.absorb(other, poll, |cell| {
            Some(Cell {
                class: class_map[cell.class as usize],
                ..*cell
            })
        })
    }

    /// Adds the steps of `other` alone; those of a class that `class_map` has as `u32::MAX`
    /// are left out.
    pub(crate) fn merge_steps(
        &mut self,
        other: &CountTable,
        class_map: &[u32],
        poll: Poll,
    ) -> Result<()> {
        self.absorb(other, poll, |cell| {
            let class = class_map[cell.class as usize];
            (cell.residual != 0 && class != u32::MAX).then_some(Cell {
                weight: 0,
                documents: 0,
                class,
                ..*cell
            })
        })
    }

    /// Adds what `taken` makes of the cells of `other`.
    fn absorb(
        &mut self,
        other: &CountTable,
        poll: Poll,
        taken: impl Fn(&Cell) -> Option<Cell>,
    ) -> Result<()> {
        for (shard, from) in self.shards.iter_mut().zip(&other.shards) {
            let before = shard.bytes();
            reserve(&mut shard.pending, from.cells.len() + from.pending.len())?;
            let cells = from.cells.iter().chain(&from.pending);
            shard.pending.extend(cells.filter_map(&taken));
            shard.merge_pending()?;
            shard.pending = Vec::new();
            self.bytes = self.bytes - before + shard.bytes();
            poll();
        }
        Ok(())
    }

    /// Sorts in everything that is pending.
    pub(crate) fn merge_pending(&mut self, poll: Poll) -> Result<()> {
        for shard in &mut self.shards {
            let before = shard.bytes();
            shard.merge_pending()?;
            shard.pending = Vec::new();
            self.bytes = self.bytes - before + shard.bytes();
            poll();
        }
        Ok(())
    }

    /// Renumbers the classes; cells of a class that becomes `u32::MAX` go. Needs a
    /// table.
    pub(crate) fn renumber(&mut self, class_map: &[u32], poll: Poll) {
        for shard in &mut self.shards {
            for cell in &mut shard.cells {
                cell.class = class_map[cell.class as usize];
            }
            shard.cells.retain(|cell| cell.class != u32::MAX);
            for row in shard.cells.chunk_by_mut(|a, b| a.key == b.key) {
                row.sort_unstable_by_key(|c| c.class);
            }
            poll();
        }
    }

    /// Adds the counts of one class to another, which leaves nothing of the first. Needs a table
    /// without anything pending.
    pub(crate) fn merge_classes(&mut self, from: u32, into: u32, poll: Poll) {
        if from == into {
            return;
        }
        for shard in &mut self.shards {
            for row in shard.cells.chunk_by_mut(|a, b| a.key == b.key) {
                if let Some(cell) = row.iter_mut().find(|cell| cell.class == from) {
                    cell.class = into;
                    row.sort_unstable_by_key(|cell| cell.class);
                }
            }
            shard.cells.dedup_by(|next, kept| {
                let same = next.order() == kept.order();
                if same {
                    add(kept, next);
                }
                same
            });
            // Steps can cancel each other.
            shard.cells.retain(|cell| !cell.is_nothing());
            poll();
        }
    }

    /// A table of cells in (key, class) order; `None` if they are in another.
    pub(crate) fn from_sorted(
        cells: impl Iterator<Item = Cell> + Clone,
        poll: Poll,
    ) -> Result<Option<Self>> {
        let mut table = Self::default();
        let mut lengths = [0; SHARDS];
        for cell in cells.clone() {
            lengths[shard_of(cell.key)] += 1;
        }
        let mut last = None;
        for cell in cells {
            if last.is_some_and(|l| l >= cell.order()) || cell.is_nothing() {
                return Ok(None);
            }
            last = Some(cell.order());
            let shard = &mut table.shards[shard_of(cell.key)];
            if shard.cells.is_empty() {
                reserve_exact(&mut shard.cells, lengths[shard_of(cell.key)])?;
                poll();
            }
            shard.cells.push(cell);
        }
        table.bytes = table.shards.iter().map(Shard::bytes).sum();
        Ok(Some(table))
    }

    /// The cells of one feature. Needs a table without anything pending.
    pub(crate) fn row(&self, key: u64) -> &[Cell] {
        let cells = &self.shards[shard_of(key)].cells;
        let start = cells.partition_point(|c| c.key < key);
        let length = cells[start..].iter().take_while(|c| c.key == key).count();
        &cells[start..start + length]
    }

    fn cell(&self, key: u64, class: u32) -> Option<&Cell> {
        self.row(key).iter().find(|c| c.class == class)
    }

    /// All cells in groups of bounded size, in (key, class) order; no row is split. Needs
    /// a table without anything pending.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &[Cell]> {
        self.shards.iter().map(|s| s.cells.as_slice())
    }

    /// Number of cells. Needs a table without anything pending.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|s| s.cells.len()).sum()
    }

    /// Memory in use, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
