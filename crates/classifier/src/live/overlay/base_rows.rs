//! Rows of the model below, with their counts.

use std::ops::Range;

use crate::artifact::{Kind, corrupt};
use crate::error::Result;
use crate::live::row::LiveCell;
use crate::memory::touch;
use crate::model::{CellCounts, FoundRow, Table};

/// The cells of a row of the base.
pub(crate) fn base_cells<'a>(
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
pub(crate) fn touch_counts(counts: Option<&CellCounts>, rows: &[FoundRow<u64>]) {
    let first = |row: &FoundRow<u64>| counts?.get(row.cells.start);
    touch(
        rows.iter()
            .filter_map(first)
            .map(|cell| cell.documents as u8 ^ cell.weight as u8),
    );
}
