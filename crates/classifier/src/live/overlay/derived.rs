//! What is computed from an overlay once after a batch of changes.

use crate::labels::Label;
use crate::naive_bayes::ClassTerms;

/// What depends on sums over everything. Labels with emails, in class order.
#[derive(Debug, Clone)]
pub(in crate::live) struct Derived {
    pub(in crate::live) class_of_slot: Vec<u32>,
    pub(in crate::live) labels: Vec<Label>,
    pub(in crate::live) documents: Vec<u64>,
    pub(in crate::live) terms: ClassTerms,
}

/// A slot without emails.
pub(in crate::live) const NO_CLASS: u32 = u32::MAX;
