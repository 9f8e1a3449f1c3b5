//! The mergeable half of training: exact counts, label spellings and a document sample.

use crate::artifact::META_LIMIT;
use crate::counts::{Cell, CountTable, MAX_SUM, unit_weight};
use crate::error::{Error, Result};
use crate::evaluation::Metrics;
use crate::features::Features;
use crate::fit::Fit;
use crate::labels::{MAX_LABELS, casefold_label, is_label, trimmed};
use crate::learner::Learner;
use crate::memory::{probe, reserve};
use crate::model::Model;
use crate::poll::Poll;
use crate::step::Step;
use crate::training_sample::{Document, TrainingSample, priority};
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

mod stored;

pub(crate) use stored::{check_tokenizer, section};

/// What is known of one label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelCounts {
    /// Identity: see [`casefold_label`].
    pub casefolded: String,
    /// Emails per spelling.
    pub spellings: BTreeMap<String, u64>,
    /// Emails with this label.
    pub documents: u64,
    /// Sum of their distinct features.
    pub tokens: u64,
    /// Sum of their unit-length weights in fixed point.
    pub(crate) weight: u64,
}

impl LabelCounts {
    /// The spelling shown: the most frequent one, the smallest of equals.
    pub fn name(&self) -> &str {
        self.spellings
            .iter()
            .max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)))
            .map_or("", |(name, _)| name)
    }

    /// Adds counts. Both sides are below [`MAX_SUM`], so nothing overflows before the check.
    fn add(&mut self, other: &LabelCounts) -> Result<()> {
        for (spelling, n) in &other.spellings {
            *self.spellings.entry(spelling.clone()).or_default() += n;
        }
        self.documents += other.documents;
        self.tokens += other.tokens;
        self.weight += other.weight;
        if self.in_range() {
            Ok(())
        } else {
            Err(Error::TooManyDocuments)
        }
    }

    /// A cell counts documents in 32 bits.
    fn in_range(&self) -> bool {
        self.documents <= u32::MAX.into() && self.tokens < MAX_SUM && self.weight < MAX_SUM
    }

    /// Whether the texts are what [`State`] would have stored.
    fn texts_are_canonical(&self, poll: Poll) -> bool {
        self.spellings.keys().enumerate().all(|(i, spelling)| {
            if i % SPELLINGS_PER_POLL == 0 {
                poll();
            }
            is_label(spelling)
                && casefold_label(spelling).is_ok_and(|casefolded| casefolded == self.casefolded)
        })
    }
}

/// Each is casefolded.
const SPELLINGS_PER_POLL: usize = 4096;

/// Counts learned from labelled emails. Learning and merging are exact and order does not
/// matter: equal sets of emails give equal [`State::to_bytes`]. Un-learning is exact in the
/// counts; the sample may be short then: see [`State::training_sample_is_short_from`].
#[derive(Debug, Clone, Default)]
pub struct State {
    labels: Vec<LabelCounts>,
    by_casefolded: HashMap<String, u32>,
    /// Casefolded form of spellings already met: most rows repeat a known one.
    by_spelling: HashMap<String, u32>,
    counts: CountTable,
    sample: TrainingSample,
    skipped: u64,
    /// Casefolded forms and spellings, of which a free-text column has many.
    texts: LabelTexts,
}

/// Number and size of the label texts.
#[derive(Debug, Clone, Copy, Default)]
struct LabelTexts {
    number: usize,
    bytes: usize,
}

impl LabelTexts {
    /// Refuses what an artifact's metadata could not hold.
    fn add(&mut self, text: &str) -> Result<()> {
        if self.bytes + text.len() > META_LIMIT {
            return Err(Error::LabelsTooLong { limit: META_LIMIT });
        }
        self.number += 1;
        self.bytes += text.len();
        Ok(())
    }

    fn remove(&mut self, text: &str) {
        self.number -= 1;
        self.bytes -= text.len();
    }

    /// Each text is kept twice: with its counts, and in a map that finds it.
    fn memory(&self) -> usize {
        2 * (self.bytes + 64 * self.number)
    }
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
        if label.documents == u32::MAX.into() {
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
    /// Those of these features that no email has.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
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
    /// [`Error::OutOfMemory`].
    pub fn purge(&mut self, features: &Features, poll: Poll) -> Result<()> {
        self.counts.merge_pending(poll)?;
        self.counts.purge(features.keys());
        Ok(())
    }

    /// Takes all steps back.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn clear_steps(&mut self, poll: Poll) -> Result<()> {
        self.counts.merge_pending(poll)?;
        let clear = |row: &mut [Cell]| row.iter_mut().for_each(|cell| cell.residual = 0);
        self.counts.set_residuals(clear, poll);
        Ok(())
    }

    /// The steps alone, of labels that are otherwise said to have emails without a word.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::LabelsTooLong`].
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
    /// [`Error::OutOfMemory`].
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

    /// The lowest priority of documents that may belong into the sample and are not there,
    /// because un-learning has made room. Not stored: see [`State::extend_training_sample`].
    pub fn training_sample_is_short_from(&self) -> Option<u64> {
        self.sample.missing_from()
    }

    /// Offers documents to a sample that is short, those learned with this
    /// [`sample_priority`](crate::sample_priority) or a higher one, in this order; until it
    /// is full. Returns whether it is. What does not fill it has to be all that there are, or
    /// be followed by another call with those that come next.
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

    /// Packs a model from these counts under a fit that is known: no choice of a form, no
    /// calibration. Returns its artifact; of an empty state that of the empty model.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::LabelsTooLong`].
    pub fn pack(&mut self, fit: &Fit, metrics: Metrics, poll: Poll) -> Result<Vec<u8>> {
        self.canonicalize(poll)?;
        Model::pack(self, fit, metrics, poll)
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

    pub(crate) fn counts(&self) -> &CountTable {
        &self.counts
    }

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

    fn class_of(&mut self, casefolded: &str) -> Result<u32> {
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

    fn index_labels(&mut self) {
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
