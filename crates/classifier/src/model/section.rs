//! Numbers of a model's sections.

pub const META: u32 = 1;
pub const DIRECTORY: u32 = 2;
pub const ROWS: u32 = 3;
pub const CELLS: u32 = 4;
pub const STATE: u32 = 5;
