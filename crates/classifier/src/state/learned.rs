//! What is learned, as it grows.

use std::collections::HashMap;

use super::label_counts::{LabelCounts, LabelTexts};
use crate::counts::{CountTable, MAX_SUM, unit_weight};
use crate::error::{Error, Result};
use crate::features::Features;
use crate::labels::{MAX_LABELS, casefold_label, trimmed};
use crate::learner::Learner;
use crate::memory::probe;
use crate::poll::Poll;
use crate::step::Step;
use crate::training_sample::{Document, TrainingSample, priority};

/// Counts learned from labelled emails. Learning and merging are exact and order does not
/// matter: equal sets of emails give equal [`State::to_bytes`]. Un-learning is exact in the
/// counts; the sample may be short then: see [`State::training_sample_is_short_from`].
#[derive(Debug, Clone, Default)]
pub struct State {
    pub(super) labels: Vec<LabelCounts>,
    pub(super) by_casefolded: HashMap<String, u32>,
    /// Casefolded form of spellings already met: most rows repeat a known one.
    pub(super) by_spelling: HashMap<String, u32>,
    pub(super) counts: CountTable,
    pub(super) sample: TrainingSample,
    pub(super) skipped: u64,
    /// Casefolded forms and spellings, of which a free-text column has many.
    pub(super) texts: LabelTexts,
}

impl Learner for State {
    /// Learns one email. A label of white space only counts as missing: the email is
    /// skipped and counted as such.
    fn learn(&mut self, features: &Features, label: &str) -> Result<()> {
        let spelling = trimmed(label)?;
        if spelling.is_empty() {
            self.skip();
            return Ok(());
        }
        let class = match self.by_spelling.get(spelling) {
            Some(&class) => class,
            None => {
                let class = self.class_of(&casefold_label(spelling)?)?;
                self.by_spelling.insert(spelling.to_owned(), class);
                class
            }
        };
        let keys = features.keys();
        let label = &mut self.labels[class as usize];
        if label.documents == u64::from(u32::MAX) {
            return Err(Error::TooManyDocuments);
        }
        match label.spellings.get_mut(spelling) {
            Some(n) => *n += 1,
            None => {
                self.texts.add(spelling)?;
                label.spellings.insert(spelling.to_owned(), 1);
            }
        }
        label.documents += 1;
        label.tokens += keys.len() as u64;
        label.weight += unit_weight(keys.len()) * keys.len() as u64;
        self.counts.learn(keys, class)?;
        self.sample
            .offer(priority(features, &label.casefolded), class, keys, 1);
        Ok(())
    }

    /// Takes back one email. The counts are then as if it had never been there. The sample,
    /// if it was full, is one document short, and open to a later document that it had turned
    /// away before: see [`State::training_sample_is_short_from`].
    fn unlearn(&mut self, features: &Features, label: &str, poll: Poll) -> Result<()> {
        let spelling = trimmed(label)?;
        let not_learned = || Error::NotLearned {
            label: label.to_owned(),
        };
        self.counts.merge_pending(poll)?;
        let class = *self
            .by_casefolded
            .get(&casefold_label(spelling)?)
            .ok_or_else(not_learned)?;
        let known = &mut self.labels[class as usize];
        let spelled = known.spellings.get(spelling).copied().unwrap_or(0);
        let n = features.keys().len() as u64;
        let possible = match known.documents {
            0 => false,
            1 => known.tokens == n,
            _ => known.tokens >= n,
        };
        if spelled == 0 || !possible || !self.counts.unlearn(features.keys(), class) {
            return Err(not_learned());
        }
        if spelled == 1 {
            known.spellings.remove(spelling);
            self.texts.remove(spelling);
        } else {
            known.spellings.insert(spelling.to_owned(), spelled - 1);
        }
        known.documents -= 1;
        known.tokens -= n;
        known.weight -= unit_weight(n as usize) * n;
        self.sample.remove(priority(features, &known.casefolded));
        Ok(())
    }

    /// Adds a step. [`State::canonicalize`] forgets labels without emails, and what steps have
    /// added to them.
    fn step(&mut self, features: &Features, step: &Step, take_back: bool) -> Result<()> {
        for (casefolded, amount) in step.amounts(take_back) {
            if let Some(&class) = self.by_casefolded.get(casefolded) {
                self.counts.step(features.keys(), class, amount)?;
            }
        }
        Ok(())
    }
}

impl State {
    /// Counts a row without body or label.
    pub fn skip(&mut self) {
        self.skipped += 1;
    }

    /// Adds everything that `other` learned.
    ///
    /// # Errors
    /// [`Error::TooManyLabels`], [`Error::OutOfMemory`].
    pub fn merge(&mut self, other: &State, poll: Poll) -> Result<()> {
        let mut class_map = Vec::new();
        for label in &other.labels {
            let class = self.class_of(&label.casefolded)?;
            let known = &mut self.labels[class as usize];
            let spellings = label.spellings.keys();
            let mut new = spellings.filter(|s| !known.spellings.contains_key(*s));
            new.try_for_each(|s| self.texts.add(s))?;
            known.add(label)?;
            class_map.push(class);
        }
        self.counts.merge(&other.counts, &class_map, poll)?;
        probe((1 << 20) + 2 * other.sample.bytes())?;
        self.sample.merge(&other.sample, &class_map);
        self.skipped = (self.skipped + other.skipped).min(MAX_SUM - 1);
        Ok(())
    }

    /// Puts the state into its canonical form: labels without emails dropped, the others in
    /// the order of their casefolded form, counts sorted. Called before reading or storing.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn canonicalize(&mut self, poll: Poll) -> Result<()> {
        self.counts.merge_pending(poll)?;
        self.canonicalize_order(poll)
    }

    /// The part of [`State::canonicalize`] that is about labels.
    pub(super) fn canonicalize_order(&mut self, poll: Poll) -> Result<()> {
        let mut order: Vec<u32> = (0..self.labels.len() as u32)
            .filter(|&c| self.labels[c as usize].documents > 0)
            .collect();
        order.sort_unstable_by(|&a, &b| {
            let casefolded = |c: u32| &self.labels[c as usize].casefolded;
            casefolded(a).cmp(casefolded(b))
        });
        if order.len() == self.labels.len() && order.is_sorted() {
            return Ok(());
        }
        let mut class_map = vec![u32::MAX; self.labels.len()];
        for (new, &old) in order.iter().enumerate() {
            class_map[old as usize] = new as u32;
        }
        self.counts.renumber(&class_map, poll);
        self.sample.renumber(&class_map);
        self.labels = order
            .iter()
            .map(|&c| std::mem::take(&mut self.labels[c as usize]))
            .collect();
        self.index_labels();
        Ok(())
    }

    /// Labels in class order. Sorted by casefolded form once [`State::canonicalize`] ran.
    pub fn labels(&self) -> &[LabelCounts] {
        &self.labels
    }

    /// Emails learned.
    pub fn documents(&self) -> u64 {
        self.labels.iter().map(|l| l.documents).sum()
    }

    /// Whether no email is learned.
    pub fn is_empty(&self) -> bool {
        self.documents() == 0
    }

    /// Rows without body or label.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Memory in use, in bytes, without what is the same for every state.
    pub fn bytes(&self) -> usize {
        self.counts.bytes()
            + self.sample.bytes()
            + self.texts.memory()
            + self.labels.len() * size_of::<LabelCounts>()
    }

    /// The table of counts and steps.
    pub(crate) fn counts(&self) -> &CountTable {
        &self.counts
    }

    /// The table, to set residuals in it.
    pub(crate) fn counts_mut(&mut self) -> &mut CountTable {
        &mut self.counts
    }

    /// Kept documents in a random order.
    pub(crate) fn sample(&self) -> impl Iterator<Item = &Document> + Clone {
        self.sample.documents()
    }

    /// How many documents are kept.
    pub(crate) fn sampled(&self) -> usize {
        self.sample.len()
    }

    /// The class of a label, a new one if it has none.
    pub(super) fn class_of(&mut self, casefolded: &str) -> Result<u32> {
        if let Some(&class) = self.by_casefolded.get(casefolded) {
            return Ok(class);
        }
        if self.labels.len() == MAX_LABELS {
            return Err(Error::TooManyLabels { limit: MAX_LABELS });
        }
        self.texts.add(casefolded)?;
        let class = self.labels.len() as u32;
        self.labels.push(LabelCounts {
            casefolded: casefolded.to_owned(),
            ..LabelCounts::default()
        });
        self.by_casefolded.insert(casefolded.to_owned(), class);
        Ok(class)
    }

    /// Finds labels again by their texts.
    pub(super) fn index_labels(&mut self) {
        self.by_spelling.clear();
        self.texts = LabelTexts::default();
        for label in &self.labels {
            let texts = label.spellings.keys().chain([&label.casefolded]);
            self.texts.number += 1 + label.spellings.len();
            self.texts.bytes += texts.map(String::len).sum::<usize>();
        }
        self.by_casefolded = (0u32..)
            .zip(&self.labels)
            .map(|(class, label)| (label.casefolded.clone(), class))
            .collect();
    }
}
