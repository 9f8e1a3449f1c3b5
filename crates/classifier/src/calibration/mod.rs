//! Scores to probabilities that mean what they say.

mod curve;
mod fitting;
mod judged;

pub use curve::Calibration;
pub(crate) use judged::Judged;
