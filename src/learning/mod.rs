//! What decisions teach: the step of a new one, the base that they are compacted into, and what
//! the ledger alone says.

pub mod base;
pub mod compaction;
mod inspection;
pub mod replay;
pub mod sample;
pub mod statement_model;
