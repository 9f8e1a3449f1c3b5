//! The integer counts below a model, for a session that learns.

use std::ops::Range;

use super::section;
use super::table::CELL_BYTES;
use crate::artifact::{HEADER_BYTES, Header, Kind, corrupt};
use crate::counts::WEIGHT_ONE;
use crate::error::Error;
use crate::memory::reserve_exact;
use crate::poll::Poll;

/// Cells to read between two polls.
const CELLS_PER_POLL: usize = 1 << 20;

/// The integer counts of a model's CELLS, in their order. They are the same sections that
/// the embedded state has, and only needed to learn on top of the model.
#[derive(Debug, Clone)]
pub struct CellCounts {
    model: u128,
    /// What is read together lies together here too.
    cells: Vec<CellCount>,
}

/// Counts of a cell, without its key and class.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CellCount {
    pub weight: u64,
    pub documents: u32,
    pub residual: i32,
}

impl CellCounts {
    /// Reads and verifies them through `read`, which returns a range of the model's
    /// artifact.
    ///
    /// # Errors
    /// Those of [`State::from_bytes`](crate::State::from_bytes), and what `read` returns.
    pub fn read<E: From<Error>>(
        header: &Header,
        read: &mut dyn FnMut(Range<usize>) -> std::result::Result<Vec<u8>, E>,
        poll: Poll,
    ) -> std::result::Result<Self, E> {
        use crate::state::section as part;

        let state = header.range(section::STATE)?;
        let mut read = |range: Range<usize>| -> std::result::Result<Vec<u8>, E> {
            if range.end > state.len() {
                return Err(corrupt(Kind::State, "it is truncated").into());
            }
            let length = range.len();
            let bytes = read(state.start + range.start..state.start + range.end)?;
            if bytes.len() != length {
                return Err(corrupt(Kind::Model, "it is truncated").into());
            }
            Ok(bytes)
        };
        let front = read(0..HEADER_BYTES)?;
        let front = read(0..Header::bytes_needed(&front, Kind::State)?)?;
        let own = Header::read(&front, Kind::State)?;
        if own.total_bytes() != state.len() {
            return Err(corrupt(Kind::State, "its length does not match its header").into());
        }
        let cells = header.range(section::CELLS)?.len() / CELL_BYTES;
        let mut section = |id, bytes: usize| {
            let range = own.range(id)?;
            let none = id == part::CELL_RESIDUALS && range.is_empty();
            if range.len() != cells * bytes && !none {
                return Err(corrupt(Kind::Model, "its state has other tables").into());
            }
            let content = read(range)?;
            own.verify_section(id, &content, poll)?;
            Ok::<_, E>(content)
        };
        let mut counts = Vec::new();
        reserve_exact(&mut counts, cells)?;
        counts.resize(cells, CellCount::default());
        let mut fill = |content: &[u8], set: fn(&mut CellCount, &[u8])| {
            let size = (content.len() / cells.max(1)).max(1);
            let parts = content.chunks(size * CELLS_PER_POLL);
            for (counts, part) in counts.chunks_mut(CELLS_PER_POLL).zip(parts) {
                poll();
                for (count, bytes) in counts.iter_mut().zip(part.chunks_exact(size)) {
                    set(count, bytes);
                }
            }
        };
        fill(&section(part::CELL_DOCUMENTS, 4)?, |count, bytes| {
            count.documents = bytes.try_into().map_or(0, u32::from_le_bytes);
        });
        fill(&section(part::CELL_WEIGHTS, 8)?, |count, bytes| {
            count.weight = bytes.try_into().map_or(0, u64::from_le_bytes);
        });
        fill(&section(part::CELL_RESIDUALS, 4)?, |count, bytes| {
            count.residual = bytes.try_into().map_or(0, i32::from_le_bytes);
        });
        for part in counts.chunks(CELLS_PER_POLL) {
            poll();
            if !part.iter().all(CellCount::is_possible) {
                return Err(corrupt(Kind::State, "its counts do not add up").into());
            }
        }
        Ok(Self {
            model: header.identity(),
            cells: counts,
        })
    }

    /// Counts of a cell.
    pub(crate) fn get(&self, cell: usize) -> Option<&CellCount> {
        self.cells.get(cell)
    }

    /// Whether they are those of the model with this identity.
    pub(crate) fn belong_to(&self, model: u128) -> bool {
        self.model == model
    }
}

impl CellCount {
    /// Whether so many documents can have this weight: bounds every later sum.
    fn is_possible(&self) -> bool {
        let something = self.documents > 0 || self.residual != 0;
        something && self.weight <= u64::from(self.documents) * WEIGHT_ONE as u64
    }
}
