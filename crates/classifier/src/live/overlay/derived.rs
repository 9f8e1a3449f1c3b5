//! What is computed from an overlay once after a batch of changes.

use crate::labels::Label;
use crate::naive_bayes::ClassTerms;

/// What depends on sums over everything. Labels with emails, in class order.
#[derive(Debug, Clone)]
pub(crate) struct Derived {
    pub(crate) class_of_slot: Vec<u32>,
    pub(crate) labels: Vec<Label>,
    pub(crate) documents: Vec<u64>,
    pub(crate) terms: ClassTerms,
}

/// A slot without emails.
pub(crate) const NO_CLASS: u32 = u32::MAX;
