//! The training sample of a state that has un-learned.

use super::learned::State;
use crate::error::{Error, Result};
use crate::features::Features;
use crate::labels::casefold_label;
use crate::training_sample::priority;

impl State {
    /// The lowest priority of documents that may belong into the sample and are not there,
    /// because un-learning has made room. Not stored: see [`State::extend_training_sample`].
    pub fn training_sample_is_short_from(&self) -> Option<u64> {
        self.sample.missing_from()
    }

    /// Offers documents to a sample that is short, those learned with this
    /// [`training_sample_priority`](crate::training_sample_priority) or a higher one, in this
    /// order; until it is full. Returns whether it is. What does not fill it has to be all that
    /// there are, or be followed by another call with those that come next.
    ///
    /// # Errors
    /// With the sample as short as before: [`Error::NotLearned`] for a label without emails,
    /// [`Error::LabelTooLong`].
    pub fn extend_training_sample(
        &mut self,
        documents: impl Iterator<Item = (Features, String)>,
    ) -> Result<bool> {
        let short_from = self.sample.missing_from();
        self.sample.reopen();
        let full = self.offer_all(documents);
        if let (Err(_), Some(cutoff)) = (&full, short_from) {
            self.sample.close_short(cutoff);
        }
        full
    }

    fn offer_all(&mut self, documents: impl Iterator<Item = (Features, String)>) -> Result<bool> {
        for (features, label) in documents {
            let casefolded = casefold_label(&label)?;
            let class = self.by_casefolded.get(&casefolded).copied();
            let class = class.filter(|&c| self.labels[c as usize].documents > 0);
            let class = class.ok_or(Error::NotLearned { label })?;
            let priority = priority(&features, &casefolded);
            self.sample.offer(priority, class, features.keys(), 1);
            if self.sample.cutoff().is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
