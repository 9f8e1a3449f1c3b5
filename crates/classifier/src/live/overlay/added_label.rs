//! Labels that the base does not have.

use std::collections::BTreeMap;

/// A label that the base does not have.
#[derive(Debug, Clone)]
pub(crate) struct AddedLabel {
    pub(crate) slot: usize,
    pub(crate) spellings: BTreeMap<String, u64>,
}

impl AddedLabel {
    /// The spelling shown, chosen as [`LabelCounts::name`](crate::LabelCounts::name) does.
    pub(crate) fn name(&self) -> &str {
        self.spellings
            .iter()
            .max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)))
            .map_or("", |(name, _)| name)
    }
}
