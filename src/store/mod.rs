//! The only SQL text. Typed rows in, typed rows out, one file per group of tables, with the
//! rights of the tables' owner (history alone is read with the caller's). What rows mean is for
//! others to say: nothing here opens a model or computes an answer.
//!
//! [`Reader`] has the queries, [`Writer`] the statements that change something, too. A function
//! that takes a reader changes nothing: all that it can run begins with SELECT.

mod connection;
mod row;

pub mod base;
pub mod classifier;
pub mod comparison;
pub mod constraint;
pub mod decision;
pub mod deletion;
pub mod email;
pub mod erasure;
mod hidden;
pub mod history;
pub mod inbox;
pub mod installed;
pub mod label_change;
pub mod label_column;
mod label_default;
mod label_following;
pub mod label_table;
pub mod learned;
pub mod maintenance;
pub mod model;
pub mod name_change;
pub mod policy;
pub mod quality;
pub mod relabel;
pub mod review;
pub mod source;

pub use connection::{
    DECISIONS_AT_ONCE, Reader, Writer, as_owner, read, read_now, signal_relation, write,
};
pub use label_change::hold_labels;
