//! Labels that the base does not have.

use std::collections::BTreeMap;

/// A label that the base does not have.
#[derive(Debug, Clone)]
pub(in crate::live) struct AddedLabel {
    pub(in crate::live) slot: usize,
    pub(in crate::live) spellings: BTreeMap<String, u64>,
}

impl AddedLabel {
    /// The spelling shown, chosen as [`LabelCounts::name`](crate::LabelCounts::name) does.
    pub(in crate::live) fn name(&self) -> &str {
        self.spellings
            .iter()
            .max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)))
            .map_or("", |(name, _)| name)
    }
}
