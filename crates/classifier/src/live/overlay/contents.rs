//! What an overlay holds.

use std::collections::{BTreeMap, HashMap};

use super::added_label::AddedLabel;
use super::derived::Derived;
use super::sum_change::SumChange;
use crate::error::{Error, Result};
use crate::labels::{Label, MAX_LABELS};
use crate::live::key_hash::KeyHash;
use crate::live::row::Row;
use crate::model::Model;
use crate::naive_bayes::{ClassSums, Totals};

/// Labels are numbered by slot: the base's classes, then labels that it does not have.
/// Slots stay while other labels come and go, so that rows need not change with them.
#[derive(Debug, Clone)]
pub(crate) struct Overlay {
    pub(crate) rows: HashMap<u64, Row, KeyHash>,
    /// Bytes of cells outside of `rows`.
    pub(crate) cell_bytes: usize,
    /// By slot. The base's where rows have a part in them.
    pub(crate) totals: Totals,
    pub(crate) change: SumChange,
    /// Whether anything was un-learned: rows that only grew are not those of the base.
    pub(crate) shrunk: bool,
    pub(crate) added: BTreeMap<String, AddedLabel>,
    pub(crate) derived: Derived,
}

impl Overlay {
    /// An overlay that changes nothing.
    pub(crate) fn new(base: &Model) -> Self {
        Self {
            rows: HashMap::with_hasher(KeyHash::new()),
            cell_bytes: 0,
            totals: base.totals(),
            change: SumChange {
                weight_log_df: vec![0; base.labels().len()],
                ..SumChange::default()
            },
            shrunk: false,
            added: BTreeMap::new(),
            derived: Derived {
                class_of_slot: (0..base.labels().len() as u32).collect(),
                labels: base.labels().to_vec(),
                documents: base.meta().documents.clone(),
                terms: base.terms().clone(),
            },
        }
    }

    /// The slot of a label, if the base or the overlay knows it.
    pub(crate) fn slot_of(&self, base: &Model, casefolded: &str) -> Option<usize> {
        let in_base = base
            .labels()
            .binary_search_by(|label| label.casefolded.as_str().cmp(casefolded));
        in_base
            .ok()
            .or_else(|| self.added.get(casefolded).map(|added| added.slot))
    }

    /// The slot for a label that neither the base nor the overlay has. That of one whose
    /// emails are gone stays its own: rows may have steps of it.
    pub(crate) fn free_slot(&self) -> Result<usize> {
        let documents = &self.totals.documents;
        let labels = documents.iter().filter(|&&n| n > 0).count();
        if labels == MAX_LABELS || documents.len() > u16::MAX.into() {
            return Err(Error::TooManyLabels { limit: MAX_LABELS });
        }
        Ok(documents.len())
    }

    /// Whether everything is as in the base.
    pub(crate) fn is_nothing(&self, base: &Model) -> bool {
        // Without rows there is no change of sums.
        let classes = base.labels().len();
        self.rows.is_empty()
            && self.totals.documents[classes..].iter().all(|&n| n == 0)
            && self.totals.documents[..classes] == base.meta().documents
            && self.totals.sums[..classes] == *base.sums()
    }

    /// Bytes in use, those on the heap included.
    pub(crate) fn memory(&self) -> usize {
        let texts = |label: &Label| label.casefolded.len() + label.name.len() + 128;
        let spelled =
            |added: &AddedLabel| added.spellings.keys().map(|s| s.len() + 64).sum::<usize>();
        size_of::<Self>()
            + self.rows.capacity() * (size_of::<(u64, Row)>() + 1)
            + self.cell_bytes
            + self.change.dirty.capacity() * size_of::<u64>()
            + self.totals.documents.len() * (size_of::<ClassSums>() + 64)
            + self.derived.labels.iter().map(texts).sum::<usize>()
            + self
                .added
                .iter()
                .map(|(casefolded, added)| casefolded.len() + 64 + spelled(added))
                .sum::<usize>()
    }
}
