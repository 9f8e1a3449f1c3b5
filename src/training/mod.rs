//! From decisions and history to model versions.

pub mod aggregates;
pub mod challenger;
mod label_errors;
mod learn;
mod preview;
pub mod retrain;
pub mod versions;
