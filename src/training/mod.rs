//! From decisions and history to model versions.

mod aggregates;
mod classifiers;
mod erasure;
mod import;
mod label_errors;
mod labels;
pub mod prepared;
mod preview;
mod retrain;
mod versions;
