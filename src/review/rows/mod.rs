//! Triggers of attached tables: rows are labelled before they are written and reviewed after,
//! and an update of the label is a decision.

pub mod allowed;
mod begun;
mod delete;
mod foreign_key;
mod insert;
mod label;
mod memory;
mod orphan;
mod returned;
mod save;
mod statement;
mod table;
mod text;
mod update;
