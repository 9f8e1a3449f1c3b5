//! One document that comes or goes.

use super::row::LiveCell;
use crate::counts::without;

/// Whether a document comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Learn,
    Unlearn,
}

/// What a document that comes or goes does to the cell of its label in each row of its email.
#[derive(Debug, Clone, Copy)]
pub(super) struct DocumentChange {
    pub(super) direction: Direction,
    pub(super) weight: u64,
}

impl DocumentChange {
    /// A cell's documents and weight after it; `None` if it is not possible.
    pub(super) fn after(self, cell: &LiveCell) -> Option<(u32, u64)> {
        let (documents, weight) = (cell.documents, cell.weight());
        match self.direction {
            Direction::Learn => Some((documents.checked_add(1)?, weight + self.weight)),
            Direction::Unlearn => without(documents, weight, self.weight),
        }
    }

    /// Changes the cell, if that is possible.
    pub(super) fn apply(self, cell: &mut LiveCell) {
        if let Some((documents, weight)) = self.after(cell) {
            cell.set(documents, weight);
        }
    }
}
