//! One feature's counts and scores after decisions, small, because every feature of every
//! email learned has one in each session.

use crate::error::{Error, Result};
use crate::memory::{reserve, reserve_exact};
use crate::model::CellCount;
use crate::naive_bayes::Weighing;

/// One feature's counts in one class and their score. Small: every feature of every email
/// learned has one in each session.
#[derive(Debug, Clone, Copy)]
pub(super) struct LiveCell {
    pub(super) weight_low: u32,
    pub(super) weight_high: u16,
    pub(super) slot: u16,
    pub(super) documents: u32,
    pub(super) residual: i32,
    pub(super) score: f32,
}

/// The effective counts of a feature. Most new ones are in one class. While it is dirty,
/// cells may have no documents and scores are old.
#[derive(Debug, Clone)]
pub(super) enum Row {
    One {
        gain: f32,
        dirty: bool,
        cells: [LiveCell; 1],
    },
    Other {
        gain: f32,
        dirty: bool,
        cells: Box<[LiveCell]>,
    },
}

/// The position at which the cell of a slot is, or would be.
pub(super) fn find(cells: &[LiveCell], slot: u16) -> std::result::Result<usize, usize> {
    cells.binary_search_by_key(&slot, |cell| cell.slot)
}

impl LiveCell {
    /// A cell with these counts and this score; an error if they are more than a model can have.
    pub(super) fn new(slot: u16, counts: &CellCount, score: f32) -> Result<Self> {
        let high = counts.weight >> 32;
        // No more than documents times one: 48 bits.
        Ok(Self {
            weight_low: counts.weight as u32,
            weight_high: u16::try_from(high).map_err(|_| Error::TooManyDocuments)?,
            slot,
            documents: counts.documents,
            residual: counts.residual,
            score,
        })
    }

    /// A cell without counts.
    pub(super) fn empty(slot: u16) -> Self {
        Self {
            weight_low: 0,
            weight_high: 0,
            slot,
            documents: 0,
            residual: 0,
            score: 0.0,
        }
    }

    /// Summed weight of the documents.
    pub(super) fn weight(&self) -> u64 {
        u64::from(self.weight_high) << 32 | u64::from(self.weight_low)
    }

    /// Replaces documents and weight.
    pub(super) fn set(&mut self, documents: u32, weight: u64) {
        self.documents = documents;
        self.weight_low = weight as u32;
        self.weight_high = (weight >> 32) as u16;
    }

    /// Whether a packed row would have it.
    pub(super) fn is_something(&self) -> bool {
        self.documents > 0 || self.residual != 0
    }

    /// Class and counts.
    pub(super) fn counts(&self) -> (u16, u32, u64, i32) {
        (self.slot, self.documents, self.weight(), self.residual)
    }
}

impl Row {
    /// A row of these cells, which are in the order of slots.
    pub(super) fn new(row: &[LiveCell], gain: f32, dirty: bool) -> Result<Self> {
        Ok(match *row {
            [cell] => Self::One {
                gain,
                dirty,
                cells: [cell],
            },
            _ => {
                let mut cells = Vec::new();
                reserve_exact(&mut cells, row.len())?;
                cells.extend_from_slice(row);
                Self::Other {
                    gain,
                    dirty,
                    cells: cells.into_boxed_slice(),
                }
            }
        })
    }

    /// Computes gain and scores, after dropping what has no documents and no residual.
    pub(super) fn weigh(&mut self, weighing: &Weighing) -> Result<()> {
        let (mut documents, mut weight, mut left) = (0, 0, 0);
        for cell in self.counted() {
            documents += u64::from(cell.documents);
            weight += cell.weight();
            left += 1;
        }
        if left < self.cells().len() {
            let mut cells = Vec::new();
            reserve(&mut cells, left)?;
            cells.extend(self.counted().copied());
            *self = Self::new(&cells, self.gain(), true)?;
        }
        let row = weighing.row(documents, weight);
        let (gain, dirty, cells) = self.parts();
        *gain = row.gain as f32;
        *dirty = false;
        for cell in cells {
            cell.score = row.score(cell.documents, cell.weight(), cell.residual) as f32;
        }
        Ok(())
    }

    /// Weight of the feature in the message vector.
    pub(super) fn gain(&self) -> f32 {
        match self {
            Self::One { gain, .. } | Self::Other { gain, .. } => *gain,
        }
    }

    /// Whether the row has to be weighed.
    pub(super) fn is_dirty(&self) -> bool {
        match self {
            Self::One { dirty, .. } | Self::Other { dirty, .. } => *dirty,
        }
    }

    /// All cells, in the order of slots.
    pub(super) fn cells(&self) -> &[LiveCell] {
        match self {
            Self::One { cells, .. } => cells,
            Self::Other { cells, .. } => cells,
        }
    }

    /// Cells that a packed row would have.
    pub(super) fn counted(&self) -> impl Iterator<Item = &LiveCell> {
        self.cells().iter().filter(|cell| cell.is_something())
    }

    /// Gain, whether it is dirty, and cells.
    pub(super) fn parts(&mut self) -> (&mut f32, &mut bool, &mut [LiveCell]) {
        match self {
            Self::One { gain, dirty, cells } => (gain, dirty, cells),
            Self::Other { gain, dirty, cells } => (gain, dirty, cells),
        }
    }

    /// Bytes outside of the row.
    pub(super) fn cell_bytes(&self) -> usize {
        match self {
            Self::One { .. } => 0,
            Self::Other { cells, .. } => size_of_val(&**cells) + 16,
        }
    }
}

/// A row takes what it has to.
const _: () = assert!(size_of::<Row>() == 32 && size_of::<LiveCell>() == 20);
