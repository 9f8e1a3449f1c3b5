//! Numbers of a model's sections, which are stored: [`crate::model`] says what is in each.

pub(super) const META: u32 = 1;
pub(super) const DIRECTORY: u32 = 2;
pub(super) const ROWS: u32 = 3;
pub(super) const CELLS: u32 = 4;
pub(super) const STATE: u32 = 5;
