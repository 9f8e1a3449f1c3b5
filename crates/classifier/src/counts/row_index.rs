//! An index over the table, for who looks up many features.

use super::cell::Cell;
use super::table::{CountTable, shard_of};
use crate::error::Result;
use crate::memory::reserve;
use crate::poll::Poll;

/// An index of the rows of a count table without anything pending.
pub(crate) struct RowIndex<'a> {
    keys: Vec<u64>,
    /// First row of each prefix of the key, and one end: keys are hashes, so this is nearly
    /// where they are.
    directory: Vec<u32>,
    /// Bits that are not of the prefix.
    shift: u32,
    /// First cell of each row, and one end.
    starts: Vec<u32>,
    /// Cells by the top byte of the key, with the number of the first.
    groups: Vec<(usize, &'a [Cell])>,
}

impl<'a> RowIndex<'a> {
    /// Indexes a table that has so many features.
    pub(crate) fn new(table: &'a CountTable, features: usize, poll: Poll) -> Result<Self> {
        let (mut keys, mut starts, mut groups, mut directory) = (vec![], vec![], vec![], vec![]);
        let prefixes = features.next_power_of_two().max(2);
        reserve(&mut keys, features)?;
        reserve(&mut starts, features + 1)?;
        reserve(&mut directory, prefixes + 1)?;
        let shift = u64::BITS - prefixes.trailing_zeros();
        let mut cells = 0;
        for group in table.groups() {
            groups.push((cells, group));
            for row in group.chunk_by(|a, b| a.key == b.key) {
                let prefix = (row[0].key >> shift) as usize;
                directory.resize(directory.len().max(prefix + 1), keys.len() as u32);
                keys.push(row[0].key);
                starts.push(cells as u32);
                cells += row.len();
            }
            poll();
        }
        directory.resize(prefixes + 1, keys.len() as u32);
        starts.push(cells as u32);
        Ok(Self {
            keys,
            directory,
            shift,
            starts,
            groups,
        })
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Number of the first cell, and cells, of each row.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, &'a [Cell])> {
        (0..self.len()).map(|row| (self.starts[row], self.cells(row)))
    }

    fn cells(&self, row: usize) -> &'a [Cell] {
        let (first, group) = self.groups[shard_of(self.keys[row])];
        &group[self.starts[row] as usize - first..self.starts[row + 1] as usize - first]
    }

    /// Numbers and cells of the rows of these keys, as far as they have one.
    pub(crate) fn find(&self, keys: &[u64]) -> impl Iterator<Item = (u32, &'a [Cell])> {
        keys.iter().filter_map(|&key| {
            let prefix = (key >> self.shift) as usize;
            let first = self.directory[prefix] as usize;
            let span = &self.keys[first..self.directory[prefix + 1] as usize];
            let row = first + span.binary_search(&key).ok()?;
            Some((row as u32, self.cells(row)))
        })
    }
}
