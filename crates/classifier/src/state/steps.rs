//! The steps of the residual layer in a state, apart from its counts.

use super::label_counts::LabelCounts;
use super::learned::State;
use crate::counts::Cell;
use crate::error::Result;
use crate::features::Features;
use crate::memory::reserve;
use crate::poll::Poll;

impl State {
    /// The features of these that no email has.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn absent(&mut self, features: &Features, poll: Poll) -> Result<Features> {
        self.counts.merge_pending(poll)?;
        let is_absent = |key: &&u64| self.counts.row(**key).iter().all(|c| c.documents == 0);
        let mut keys = Vec::new();
        reserve(&mut keys, features.keys().len())?;
        keys.extend(features.keys().iter().filter(is_absent));
        Ok(Features::from_sorted(keys).unwrap_or_default())
    }

    /// Drops what steps have left of these features where no email has them any more.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn purge(&mut self, features: &Features, poll: Poll) -> Result<()> {
        self.counts.merge_pending(poll)?;
        self.counts.purge(features.keys());
        Ok(())
    }

    /// Takes all steps back.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn clear_steps(&mut self, poll: Poll) -> Result<()> {
        self.counts.merge_pending(poll)?;
        let clear = |row: &mut [Cell]| row.iter_mut().for_each(|cell| cell.residual = 0);
        self.counts.set_residuals(clear, poll);
        Ok(())
    }

    /// The steps alone, of labels that are otherwise said to have emails without a word.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory),
    /// [`Error::LabelsTooLong`](crate::Error::LabelsTooLong).
    pub fn steps_alone(&mut self, poll: Poll) -> Result<Self> {
        self.canonicalize(poll)?;
        let mut alone = Self::default();
        for label in &self.labels {
            let class = alone.class_of(&label.casefolded)? as usize;
            let bare = LabelCounts {
                tokens: 0,
                weight: 0,
                ..label.clone()
            };
            bare.spellings.keys().try_for_each(|s| alone.texts.add(s))?;
            alone.labels[class] = bare;
        }
        let class_map: Vec<u32> = (0..self.labels.len() as u32).collect();
        alone.counts.merge_steps(&self.counts, &class_map, poll)?;
        Ok(alone)
    }

    /// Adds the steps of another state, of those labels that have emails here.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn add_steps_of(&mut self, other: &State, poll: Poll) -> Result<()> {
        self.canonicalize(poll)?;
        let class_of = |label: &LabelCounts| self.by_casefolded.get(&label.casefolded).copied();
        let class_map: Vec<u32> = other
            .labels
            .iter()
            .map(|label| class_of(label).unwrap_or(u32::MAX))
            .collect();
        self.counts.merge_steps(&other.counts, &class_map, poll)
    }
}
