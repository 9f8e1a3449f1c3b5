//! The documents that a state keeps whole, to train the residual layer, to choose the score
//! form, for calibration and for metrics: those with the lowest content hashes. It is uniform
//! over the documents, bounded, and does not depend on order or on how states were split and
//! merged.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::Result;
use crate::features::{Features, content_hash};
use crate::labels::casefold_label;
use crate::poll::Poll;

/// Most documents kept.
pub(crate) const SAMPLE_DOCUMENTS: usize = 1 << 16;

/// Most features of kept documents together: 64 MB.
pub(crate) const SAMPLE_FEATURES: usize = 1 << 23;

/// Longer documents are left out of the sample (not of the counts), so that no one of them
/// takes the place of many.
pub(crate) const MAX_SAMPLED_FEATURES: usize = 16_384;

/// One kept document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    pub class: u32,
    pub keys: Box<[u64]>,
    /// How often it was learned.
    pub copies: u32,
}

/// Documents by priority, those below `cutoff`. Equal priorities are equal documents.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrainingSample {
    documents: BTreeMap<u64, Document>,
    /// Documents and features, copies counted.
    number: usize,
    features: usize,
    /// The lowest priority that there was no room for.
    cutoff: Option<u64>,
    /// A document was removed, so there may be room for some at or above the cutoff.
    short: bool,
}

/// Priority by which [`State`](crate::State) samples documents: the lowest are kept.
///
/// # Errors
/// [`Error::LabelTooLong`](crate::Error::LabelTooLong).
pub fn training_sample_priority(features: &Features, label: &str) -> Result<u64> {
    Ok(priority(features, &casefold_label(label)?))
}

/// Priority of a document under a label: depends on nothing else.
pub(crate) fn priority(features: &Features, casefolded_label: &str) -> u64 {
    priority_of(features.keys(), casefolded_label)
}

fn priority_of(keys: &[u64], casefolded_label: &str) -> u64 {
    xxh3_64_with_seed(casefolded_label.as_bytes(), content_hash(keys))
}

impl TrainingSample {
    /// A sample of stored documents in ascending priority; `None` if they are not what a sample
    /// would keep.
    pub(crate) fn from_sorted(
        documents: impl Iterator<Item = (u64, Document)>,
        cutoff: Option<u64>,
    ) -> Option<Self> {
        let mut sample = Self {
            cutoff,
            ..Self::default()
        };
        for (priority, document) in documents {
            let copies = document.copies as usize;
            let last = sample.documents.last_key_value();
            if copies == 0
                || document.keys.len() > MAX_SAMPLED_FEATURES
                || last.is_some_and(|(&last, _)| last >= priority)
                || cutoff.is_some_and(|cutoff| priority >= cutoff)
            {
                return None;
            }
            sample.number = sample.number.checked_add(copies)?;
            sample.features = (document.keys.len().checked_mul(copies)?)
                .checked_add(sample.features)
                .filter(|&n| n <= SAMPLE_FEATURES)?;
            sample.documents.insert(priority, document);
        }
        (sample.number <= SAMPLE_DOCUMENTS).then_some(sample)
    }

    /// Offers a document; it is copied only if it is kept.
    pub(crate) fn offer(&mut self, priority: u64, class: u32, keys: &[u64], copies: u32) {
        if keys.len() > MAX_SAMPLED_FEATURES || self.cutoff.is_some_and(|c| priority >= c) {
            return;
        }
        let document = self.documents.entry(priority).or_insert_with(|| Document {
            class,
            keys: keys.into(),
            copies: 0,
        });
        document.copies += copies;
        self.number += copies as usize;
        self.features += copies as usize * keys.len();
        self.trim();
    }

    fn trim(&mut self) {
        while self.number > SAMPLE_DOCUMENTS || self.features > SAMPLE_FEATURES {
            let Some((priority, document)) = self.documents.pop_last() else {
                return;
            };
            self.cutoff = Some(priority);
            self.forget(&document, document.copies);
        }
    }

    fn forget(&mut self, document: &Document, copies: u32) {
        self.number -= copies as usize;
        self.features -= copies as usize * document.keys.len();
    }

    /// Removes one copy of a document, if it is there.
    pub(crate) fn remove(&mut self, priority: u64) {
        let Some(mut document) = self.documents.remove(&priority) else {
            return;
        };
        self.forget(&document, 1);
        self.short |= self.cutoff.is_some();
        document.copies -= 1;
        if document.copies > 0 {
            self.documents.insert(priority, document);
        }
    }

    /// The lowest priority of a document that may belong into the sample and is not there.
    pub(crate) fn missing_from(&self) -> Option<u64> {
        self.cutoff.filter(|_| self.short)
    }

    /// Makes room known: documents at or above the cutoff may be offered.
    pub(crate) fn reopen(&mut self) {
        self.cutoff = None;
        self.short = false;
    }

    /// Undoes [`TrainingSample::reopen`] and what was offered since.
    pub(crate) fn close_short(&mut self, cutoff: u64) {
        self.close(cutoff);
        self.short = true;
    }

    /// Lowers the cutoff.
    fn close(&mut self, cutoff: u64) {
        self.cutoff = Some(cutoff);
        for (_, document) in self.documents.split_off(&cutoff) {
            self.forget(&document, document.copies);
        }
    }

    /// The lowest priority that the sample had no room for.
    pub(crate) fn cutoff(&self) -> Option<u64> {
        self.cutoff
    }

    /// Offers all documents of another sample, whose classes `class_map` renumbers.
    pub(crate) fn merge(&mut self, other: &TrainingSample, class_map: &[u32]) {
        if let Some(theirs) = other.cutoff {
            self.close(self.cutoff.map_or(theirs, |ours| ours.min(theirs)));
        }
        for (&priority, d) in &other.documents {
            self.offer(priority, class_map[d.class as usize], &d.keys, d.copies);
        }
        self.short |= other.short;
    }

    /// Renumbers the classes of all documents.
    pub(crate) fn renumber(&mut self, class_map: &[u32]) {
        for d in self.documents.values_mut() {
            d.class = class_map[d.class as usize];
        }
    }

    /// Gives all documents of one class another, whose label has this casefolded form.
    pub(crate) fn relabel(&mut self, from: u32, into: u32, casefolded: &str, poll: Poll) {
        let cutoff = self.cutoff;
        let (of_it, others): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.documents)
            .into_iter()
            .partition(|(_, document)| document.class == from);
        self.documents = others;
        for (_, mut document) in of_it {
            poll();
            document.class = into;
            let priority = priority_of(&document.keys, casefolded);
            // Which documents were turned away is not known: those that are there stay, as many
            // of each label as before.
            let priority = match cutoff {
                Some(cutoff) => ((u128::from(priority) * u128::from(cutoff)) >> 64) as u64,
                None => priority,
            };
            match self.documents.get_mut(&priority) {
                Some(same) => same.copies += document.copies,
                None => {
                    self.documents.insert(priority, document);
                }
            }
        }
    }

    /// Removes all documents, and makes known that there is room for all.
    pub(crate) fn empty(&mut self) {
        *self = Self {
            cutoff: Some(0),
            short: true,
            ..Self::default()
        };
    }

    /// Documents in ascending priority, which is a random order, each as often as it was
    /// learned.
    pub(crate) fn documents(&self) -> impl Iterator<Item = &Document> + Clone {
        let copies = |d| std::iter::repeat_n(d, Document::times(d));
        self.documents.values().flat_map(copies)
    }

    /// Each kept document once, with its priority.
    pub(crate) fn stored(&self) -> impl ExactSizeIterator<Item = (u64, &Document)> {
        self.documents.iter().map(|(&priority, d)| (priority, d))
    }

    /// Number of documents, copies counted.
    pub(crate) fn len(&self) -> usize {
        self.number
    }

    /// Memory in use, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.features * size_of::<u64>() + self.documents.len() * 2 * size_of::<(u64, Document)>()
    }
}

impl Document {
    fn times(&self) -> usize {
        self.copies as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(sample: &TrainingSample) -> Vec<(u64, u32)> {
        sample.stored().map(|(p, d)| (p, d.copies)).collect()
    }

    proptest! {
        /// What is kept is a prefix of all documents, and does not depend on the order or on
        /// how they were split.
        #[test]
        fn what_is_kept_depends_on_the_set_alone(
            documents in prop::collection::vec(0u64..900, 0..900),
            cut in any::<prop::sample::Index>(),
            copies in 1u32..2000,
        ) {
            let cut = cut.index(documents.len() + 1);
            let keys: Vec<u64> = (0..300).collect();
            let offer = |sample: &mut TrainingSample, priority: u64| {
                // Equal priorities are equal documents. Many copies of short ones fill the
                // sample, and long ones reach the other limit first.
                let length = keys.len() * (priority as usize % 3) / 2;
                sample.offer(priority, 0, &keys[..length], copies);
            };
            let collect = |of: &mut dyn Iterator<Item = u64>| {
                let mut sample = TrainingSample::default();
                of.for_each(|d| offer(&mut sample, d));
                sample
            };
            let whole = collect(&mut documents.iter().copied());
            let backwards = collect(&mut documents.iter().rev().copied());
            let mut parts = collect(&mut documents[..cut].iter().copied());
            parts.merge(&collect(&mut documents[cut..].iter().copied()), &[0]);
            prop_assert_eq!(kept(&whole), kept(&backwards));
            prop_assert_eq!(kept(&whole), kept(&parts));
            prop_assert_eq!(whole.cutoff(), parts.cutoff());
            prop_assert_eq!((whole.number, whole.features), (parts.number, parts.features));
            // As many as there is room for.
            let mut all = TrainingSample::default();
            let mut sorted = documents.clone();
            sorted.sort_unstable();
            for same in sorted.chunk_by(|a, b| a == b) {
                let before = kept(&all);
                same.iter().for_each(|&d| offer(&mut all, d));
                if all.cutoff().is_some() {
                    prop_assert_eq!(&before, &kept(&whole));
                    prop_assert_eq!(whole.cutoff(), Some(same[0]));
                    break;
                }
            }
            prop_assert_eq!(kept(&all), kept(&whole));
        }
    }

    #[test]
    fn a_document_that_was_removed_makes_room() {
        let mut sample = TrainingSample::default();
        for priority in 0..SAMPLE_DOCUMENTS as u64 + 2 {
            sample.offer(priority, 0, &[1], 1);
        }
        let cutoff = SAMPLE_DOCUMENTS as u64;
        assert_eq!(
            (sample.cutoff(), sample.missing_from()),
            (Some(cutoff), None)
        );
        sample.remove(5);
        assert_eq!(sample.missing_from(), Some(cutoff));
        sample.reopen();
        sample.offer(cutoff, 0, &[1], 1);
        sample.offer(cutoff + 1, 0, &[1], 1);
        assert_eq!(sample.cutoff(), Some(cutoff + 1));
        assert_eq!(sample.len(), SAMPLE_DOCUMENTS);
    }
}
