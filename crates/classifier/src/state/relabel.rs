//! Another name for a label, or one label for two: exact, as if the emails had been learned so.

use std::collections::BTreeMap;

use super::label_counts::LabelCounts;
use super::learned::State;
use crate::error::Result;
use crate::labels::{casefold_label, trimmed};
use crate::memory::probe;
use crate::poll::Poll;

impl State {
    /// Gives all emails of a label another one, in this spelling: that of a label which is there
    /// is added to. Counts, steps and spellings are then those of a state that learned the emails
    /// under the new label. So is the training sample as long as it holds all emails. One that had
    /// to turn emails away keeps those that it has, which is not what learning would have kept:
    /// see [`State::empty_training_sample`].
    ///
    /// # Errors
    /// With the state of no more use: [`Error::LabelTooLong`](crate::Error::LabelTooLong),
    /// [`Error::TooManyDocuments`](crate::Error::TooManyDocuments),
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn relabel(&mut self, from: &str, to: &str, poll: Poll) -> Result<()> {
        let (from, spelling) = (casefold_label(from)?, trimmed(to)?);
        let to = casefold_label(spelling)?;
        self.canonicalize(poll)?;
        let Some(&old) = self.by_casefolded.get(&from) else {
            return Ok(());
        };
        let documents = self.labels[old as usize].documents;
        let moved = LabelCounts {
            casefolded: to.clone(),
            spellings: BTreeMap::from([(spelling.to_owned(), documents)]),
            ..self.labels[old as usize].clone()
        };
        if from == to {
            self.labels[old as usize] = moved;
            self.index_labels();
            return Ok(());
        }
        let new = match self.by_casefolded.get(&to) {
            Some(&new) => {
                self.labels[new as usize].add(&moved)?;
                // Without emails it goes when the state is made canonical.
                self.labels[old as usize] = LabelCounts::default();
                new
            }
            None => {
                self.labels[old as usize] = moved;
                old
            }
        };
        self.counts.merge_classes(old, new, poll);
        probe((1 << 20) + 2 * self.sample.bytes())?;
        self.sample.relabel(old, new, &to, poll);
        self.index_labels();
        self.canonicalize_order(poll)
    }

    /// Whether the training sample has turned emails away.
    pub fn training_sample_is_full(&self) -> bool {
        self.sample.cutoff().is_some()
    }

    /// Empties the training sample, for who can fill it again from all emails that were learned:
    /// see [`State::extend_training_sample`].
    pub fn empty_training_sample(&mut self) {
        self.sample.empty();
    }
}
