//! What decisions have changed: rows of features, sums per label. Laid over a base, it gives
//! the answers of a model packed from all counts.

mod added_label;
mod answer;
mod base_rows;
mod change;
mod contents;
mod derived;
mod sum_change;
mod weigh;

pub(super) use contents::Overlay;
