//! The packed table: how rows and cells are written, found and checked.

use std::ops::Range;

use super::meta::ModelMeta;
use crate::artifact::{BYTES_PER_POLL, Kind, corrupt};
use crate::error::Result;
use crate::memory::{reserve, touch};
use crate::poll::Poll;

/// Rows per directory entry that the packer aims for.
const ROWS_PER_PREFIX: usize = 4;

/// Rows to visit between two polls. A row has at most one cell per label.
pub(crate) const ROWS_PER_POLL: usize = 512;
const PREFIXES_PER_POLL: usize = 1 << 20;

/// Beyond any weight or score that counts can give.
const MAX_SCORE: f64 = 1e6;

/// Bytes of one row.
pub(super) const ROW_BYTES: usize = 16;
/// Bytes of one cell.
pub(super) const CELL_BYTES: usize = 6;

type Row = [u8; ROW_BYTES];
type PackedCell = [u8; CELL_BYTES];

/// One row as it is stored.
pub(super) fn row_bytes(key: u64, first_cell: u32, gain: f32) -> Row {
    let mut row = [0; ROW_BYTES];
    row[..8].copy_from_slice(&key.to_le_bytes());
    row[8..12].copy_from_slice(&first_cell.to_le_bytes());
    row[12..].copy_from_slice(&gain.to_le_bytes());
    row
}

fn row_key(r: &Row) -> u64 {
    u64::from_le_bytes([r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]])
}

fn row_first_cell(r: &Row) -> usize {
    u32::from_le_bytes([r[8], r[9], r[10], r[11]]) as usize
}

fn row_gain(r: &Row) -> f32 {
    f32::from_le_bytes([r[12], r[13], r[14], r[15]])
}

/// The class of a stored cell.
pub(super) fn cell_class(c: &PackedCell) -> usize {
    u16::from_le_bytes([c[0], c[1]]) as usize
}

/// The score of a stored cell.
pub(super) fn cell_score(c: &PackedCell) -> f32 {
    f32::from_le_bytes([c[2], c[3], c[4], c[5]])
}

/// A feature's weight in the message vector and where its cells are.
pub(crate) struct FoundRow<T> {
    pub gain: f64,
    pub cells: Range<usize>,
    /// What the caller knows it by.
    pub tag: T,
}

/// The serving sections, in place.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    pub(super) directory: &'a [[u8; 4]],
    pub(super) rows: &'a [Row],
    pub(super) cells: &'a [PackedCell],
    pub(super) directory_bits: u32,
}

impl<'a> Table<'a> {
    /// Classes and scores of a row's cells.
    pub(crate) fn cells(&self, at: Range<usize>) -> impl Iterator<Item = (usize, f32)> + 'a {
        let cell = |cell| (cell_class(cell), cell_score(cell));
        self.cells[at].iter().map(cell)
    }

    /// The rows of those keys that have one, tagged by key.
    pub(crate) fn find<T>(&self, keys: &[u64], tag: impl Fn(u64) -> T) -> Vec<FoundRow<T>> {
        let directory_bits = self.directory_bits;
        let place = |at: usize| u32::from_le_bytes(self.directory[at]) as usize;
        let spans: Vec<_> = keys
            .iter()
            .map(|&key| {
                let prefix = prefix(key, directory_bits);
                place(prefix)..place(prefix + 1)
            })
            .collect();
        touch(spans.iter().map(|span| self.rows[span.start][0]));
        let found: Vec<_> = keys
            .iter()
            .zip(spans)
            .filter_map(|(&key, span)| {
                let rows = &self.rows[span.clone()];
                // A handful of rows, so walking them beats searching, unless a model was
                // packed by somebody else.
                let at = if rows.len() <= 4 * ROWS_PER_PREFIX {
                    rows.iter().position(|r| row_key(r) == key)?
                } else {
                    rows.binary_search_by_key(&key, row_key).ok()?
                };
                let at = span.start + at;
                Some(FoundRow {
                    gain: row_gain(&self.rows[at]).into(),
                    cells: row_first_cell(&self.rows[at])..row_first_cell(&self.rows[at + 1]),
                    tag: tag(key),
                })
            })
            .collect();
        touch(
            found
                .iter()
                .filter_map(|row| self.cells.get(row.cells.start))
                .map(|cell| cell[0]),
        );
        found
    }

    /// Checks everything that [`Model::scores`](crate::Model::scores) relies on; returns the
    /// directory's bits.
    pub(super) fn check(&self, meta: &ModelMeta, poll: Poll) -> Result<u32> {
        let classes = meta.labels.len();
        // Real ones are logarithms of counts; NaN is in no range.
        let sane = |x: &[f64]| x.iter().all(|v| v.abs() <= MAX_SCORE);
        let place = |v: &[u8; 4]| u32::from_le_bytes(*v) as usize;
        let prefixes = self.directory.len().saturating_sub(1);
        let weighing = meta.fit.weighing();
        let sound = [meta.documents.len(), meta.sums.len()] == [classes; 2]
            && (meta.features as usize) < self.rows.len().max(1)
            && meta.fit.in_range()
            && meta
                .documents
                .iter()
                .all(|&n| n > 0 && n <= u32::MAX.into())
            && meta.sums.iter().all(|sums| weighing.in_range(sums))
            && prefixes.is_power_of_two()
            && self.directory.is_sorted_by_key(place)
            && self.directory.first().is_some_and(|v| place(v) == 0)
            && self
                .directory
                .last()
                .is_some_and(|v| place(v) + 1 == self.rows.len())
            && self.rows.first().is_some_and(|r| row_first_cell(r) == 0)
            && self
                .rows
                .last()
                .is_some_and(|r| row_first_cell(r) == self.cells.len())
            && parts(self.rows, poll).all(|rows| {
                rows.is_sorted_by_key(row_key) && rows.iter().all(|r| sane(&[row_gain(r).into()]))
            })
            && parts(self.rows, poll).all(|rows| {
                rows.is_sorted_by(|a, b| {
                    let (a, b) = (row_first_cell(a), row_first_cell(b));
                    a <= b && b - a <= classes
                })
            })
            && parts(self.cells, poll).all(|cells| {
                let sound = |c| cell_class(c) < classes && sane(&[cell_score(c).into()]);
                cells.iter().all(sound)
            });
        if !sound {
            return Err(corrupt(Kind::Model, "its tables contradict each other"));
        }
        Ok(prefixes.trailing_zeros())
    }
}

/// Pieces to look at between two polls. Each begins with the last item of the one before,
/// so that the order of neighbours can be judged.
fn parts<'a, const N: usize>(
    items: &'a [[u8; N]],
    poll: Poll,
) -> impl Iterator<Item = &'a [[u8; N]]> {
    let step = BYTES_PER_POLL / N;
    (0..items.len()).step_by(step).map(move |start| {
        poll();
        &items[start..items.len().min(start + step + 1)]
    })
}

fn prefix(key: u64, bits: u32) -> usize {
    // A shift by 64 is not defined, and no bits means one prefix.
    key.checked_shr(64 - bits).unwrap_or(0) as usize
}

/// First row of each prefix; `rows` ends with the closing row.
pub(super) fn directory(rows: &[u8], poll: Poll) -> Result<Vec<u8>> {
    let (rows, _) = rows.as_chunks::<ROW_BYTES>();
    let rows = &rows[..rows.len() - 1];
    let bits = (rows.len() / ROWS_PER_PREFIX)
        .max(1)
        .next_power_of_two()
        .trailing_zeros();
    let mut out = Vec::new();
    reserve(&mut out, ((1 << bits) + 1) * 4)?;
    let mut row = 0;
    for p in 0..1usize << bits {
        if p % PREFIXES_PER_POLL == 0 {
            poll();
        }
        while row < rows.len() && prefix(row_key(&rows[row]), bits) < p {
            row += 1;
        }
        out.extend_from_slice(&(row as u32).to_le_bytes());
    }
    out.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    Ok(out)
}
