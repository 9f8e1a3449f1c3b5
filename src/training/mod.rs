//! From decisions and history to model versions.

mod aggregates;
pub mod challenger;
mod erasure;
mod import;
mod label_errors;
mod preview;
mod retrain;
mod versions;
