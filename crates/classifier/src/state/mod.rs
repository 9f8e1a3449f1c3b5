//! The mergeable half of training: exact counts, label spellings and the training sample.

mod label_counts;
mod learned;
mod relabel;
mod sampled;
mod steps;
mod stored;

pub use label_counts::LabelCounts;
pub use learned::State;
pub(crate) use stored::{check_tokenizer, section};
