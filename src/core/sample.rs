//! The documents that a state keeps whole, for choosing the score form, for calibration
//! and for metrics: a bottom-k sample by content hash. It is uniform over the documents,
//! bounded, and does not depend on order or on how states were split and merged.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{Features, Result, fold_label};

/// Documents kept.
pub const SAMPLE_DOCUMENTS: usize = 2000;

/// Longer documents are left out of the sample (not of the counts), which bounds its size.
pub(crate) const MAX_SAMPLED_FEATURES: usize = 16_384;

/// One kept document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// Hash of content and label; the smallest ones are kept.
    pub priority: u64,
    pub class: u32,
    pub keys: Box<[u64]>,
}

/// Sorted by priority. Equal priorities are equal documents.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    documents: Vec<Document>,
    key_bytes: usize,
    /// A document was removed while others were turned away, or could have been.
    short: bool,
}

/// Priority by which [`State`](crate::State) samples documents: the lowest are kept.
///
/// # Errors
/// [`Error::LabelTooLong`](crate::Error::LabelTooLong).
pub fn sample_priority(features: &Features, label: &str) -> Result<u64> {
    Ok(priority(features, &fold_label(label)?))
}

/// Priority of a document under a label: depends on nothing else.
pub(crate) fn priority(features: &Features, folded_label: &str) -> u64 {
    xxh3_64_with_seed(folded_label.as_bytes(), features.content_hash())
}

impl Sample {
    /// Offers a document; it is copied only if it is kept.
    pub(crate) fn offer(&mut self, priority: u64, class: u32, keys: &[u64]) {
        let full = self.documents.len() == SAMPLE_DOCUMENTS;
        if keys.len() > MAX_SAMPLED_FEATURES
            || full
                && self
                    .documents
                    .last()
                    .is_some_and(|last| last.priority <= priority)
        {
            return;
        }
        if full {
            self.drop_at(SAMPLE_DOCUMENTS - 1);
        }
        let at = self.documents.partition_point(|d| d.priority <= priority);
        self.key_bytes += size_of_val(keys);
        self.documents.insert(
            at,
            Document {
                priority,
                class,
                keys: keys.into(),
            },
        );
    }

    /// Removes one copy of a document, if it is there.
    pub(crate) fn remove(&mut self, priority: u64) {
        let at = self.documents.partition_point(|d| d.priority < priority);
        if self
            .documents
            .get(at)
            .is_some_and(|d| d.priority == priority)
        {
            self.short |= self.documents.len() == SAMPLE_DOCUMENTS;
            self.drop_at(at);
        }
    }

    /// Whether a document may be missing that was turned away while there was no room.
    pub(crate) fn is_short(&self) -> bool {
        self.short
    }

    pub(crate) fn merge(&mut self, other: &Sample, class_map: &[u32]) {
        for d in &other.documents {
            self.offer(d.priority, class_map[d.class as usize], &d.keys);
        }
        self.short |= other.short;
    }

    pub(crate) fn renumber(&mut self, class_map: &[u32]) {
        for d in &mut self.documents {
            d.class = class_map[d.class as usize];
        }
    }

    /// Documents in ascending priority: a random order.
    pub(crate) fn documents(&self) -> &[Document] {
        &self.documents
    }

    pub(crate) fn bytes(&self) -> usize {
        self.key_bytes + self.documents.capacity() * size_of::<Document>()
    }

    fn drop_at(&mut self, at: usize) {
        self.key_bytes -= size_of_val(&*self.documents.remove(at).keys);
    }
}
