//! What people do with classified mail: attached tables, the doors to decide, and the one way in
//! which all decisions end.

pub mod absence;
mod adopt;
mod again;
pub mod attach;
pub mod decide;
mod functions;
mod history;
pub mod label_table;
mod prediction;
mod queue;
mod restore;
pub mod rows;
mod undo;
mod waiting;
mod wanted;
