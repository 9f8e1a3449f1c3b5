//! The mergeable half of training: exact counts, label spellings and a document sample.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::artifact::{Header, Kind, META_LIMIT, Writer, at_most, corrupt, items};
use crate::counts::{Cell, CountTable, WEIGHT_ONE, unit_weight};
use crate::error::reserve;
use crate::labels::{is_label, trimmed};
use crate::residual::Step;
use crate::sample::{Document, MAX_SAMPLED_FEATURES, SAMPLE_DOCUMENTS, Sample, priority};
use crate::tokenizer::TOKENIZER_VERSION;
use crate::{Error, Features, Fit, MAX_LABELS, Metrics, Model, Poll, Result, fold_label};

pub(crate) mod section {
    pub const META: u32 = 1;
    pub const CELL_KEYS: u32 = 2;
    pub const CELL_CLASSES: u32 = 3;
    pub const CELL_DOCUMENTS: u32 = 4;
    pub const CELL_WEIGHTS: u32 = 5;
    pub const SAMPLE_KEYS: u32 = 6;
    pub const CELL_RESIDUALS: u32 = 7;
}

/// What is known of one label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelCounts {
    /// Identity: see [`fold_label`].
    pub folded: String,
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

    /// Whether the texts are what [`State::learn`] would have stored.
    fn texts_are_canonical(&self, poll: Poll) -> bool {
        self.spellings.keys().enumerate().all(|(i, spelling)| {
            if i % SPELLINGS_PER_POLL == 0 {
                poll();
            }
            is_label(spelling) && fold_label(spelling).is_ok_and(|folded| folded == self.folded)
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Meta {
    tokenizer_version: u64,
    skipped: u64,
    #[serde(deserialize_with = "at_most::<_, _, MAX_LABELS>")]
    labels: Vec<LabelCounts>,
    /// Each sampled document.
    #[serde(deserialize_with = "at_most::<_, _, SAMPLE_DOCUMENTS>")]
    sample: Vec<Sampled>,
    /// The lowest priority that the sample had no room for.
    sample_cutoff: Option<u64>,
}

/// A sampled document without its keys.
#[derive(Serialize, Deserialize)]
struct Sampled {
    priority: u64,
    class: u32,
    keys: u32,
    copies: u32,
}

/// Each is folded.
const SPELLINGS_PER_POLL: usize = 4096;

/// Bound of sums, far from where 64 bits overflow.
pub(crate) const MAX_SUM: u64 = 1 << 60;

/// Counts learned from labelled emails. Learning and merging are exact and order does not
/// matter: equal sets of emails give equal [`State::to_bytes`]. Un-learning is exact in the
/// counts; see [`State::unlearn`] for the sample.
#[derive(Debug, Clone, Default)]
pub struct State {
    labels: Vec<LabelCounts>,
    by_folded: HashMap<String, u32>,
    /// Folded form of spellings already met: most rows repeat a known one.
    by_spelling: HashMap<String, u32>,
    counts: CountTable,
    sample: Sample,
    skipped: u64,
    /// Folded forms and spellings, of which a free-text column has many.
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

impl State {
    /// Learns one email. A label of white space only counts as missing: the email is
    /// skipped and counted as such.
    ///
    /// # Errors
    /// [`Error::LabelTooLong`], [`Error::TooManyLabels`], [`Error::OutOfMemory`].
    pub fn learn(&mut self, features: &Features, label: &str) -> Result<()> {
        let spelling = trimmed(label)?;
        if spelling.is_empty() {
            self.skip();
            return Ok(());
        }
        let class = match self.by_spelling.get(spelling) {
            Some(&class) => class,
            None => {
                let class = self.class_of(&fold_label(spelling)?)?;
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
            .offer(priority(features, &label.folded), class, keys, 1);
        Ok(())
    }

    /// Takes back one email that was learned under exactly this spelling of the label. The
    /// counts are then as if it had never been there. The sample, if it was full, is one
    /// document short, and open to a later document that it had turned away before: see
    /// [`State::sample_is_short_from`].
    ///
    /// The caller has to know what was learned: counts cannot tell one email from two that
    /// together have its features.
    ///
    /// # Errors
    /// [`Error::NotLearned`], with nothing changed, if the counts of the email's label or of
    /// its features rule it out.
    pub fn unlearn(&mut self, features: &Features, label: &str, poll: Poll) -> Result<()> {
        let spelling = trimmed(label)?;
        let not_learned = || Error::NotLearned {
            label: label.to_owned(),
        };
        self.counts.settle(poll)?;
        let class = *self
            .by_folded
            .get(&fold_label(spelling)?)
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
        self.sample.remove(priority(features, &known.folded));
        Ok(())
    }

    /// Adds a step of the residual layer to the features of an email, or takes it back.
    /// Unknown labels are passed over: learn first. [`State::settle`] forgets those without
    /// emails, and what steps have added to them.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn step(&mut self, features: &Features, step: &Step, take_back: bool) -> Result<()> {
        for (folded, amount) in step.amounts(take_back) {
            if let Some(&class) = self.by_folded.get(folded) {
                self.counts.step(features.keys(), class, amount)?;
            }
        }
        Ok(())
    }

    /// Drops what steps have left of these features where no email has them any more.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn purge(&mut self, features: &Features, poll: Poll) -> Result<()> {
        self.counts.settle(poll)?;
        self.counts.purge(features.keys());
        Ok(())
    }

    /// Takes all steps back.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn clear_steps(&mut self, poll: Poll) -> Result<()> {
        self.counts.settle(poll)?;
        let clear = |row: &mut [Cell]| row.iter_mut().for_each(|cell| cell.residual = 0);
        self.counts.set_residuals(clear, poll);
        Ok(())
    }

    /// The lowest priority of documents that may belong into the sample and are not there,
    /// because un-learning has made room. Not stored: see [`State::extend_sample`].
    pub fn sample_is_short_from(&self) -> Option<u64> {
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
    pub fn extend_sample(
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
            let folded = fold_label(&label)?;
            let class = self.by_folded.get(&folded).copied();
            let class = class.filter(|&c| self.labels[c as usize].documents > 0);
            let class = class.ok_or(Error::NotLearned { label })?;
            let priority = priority(&features, &folded);
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
            let class = self.class_of(&label.folded)?;
            let known = &mut self.labels[class as usize];
            let spellings = label.spellings.keys();
            let mut new = spellings.filter(|s| !known.spellings.contains_key(*s));
            new.try_for_each(|s| self.texts.add(s))?;
            known.add(label)?;
            class_map.push(class);
        }
        self.counts.merge(&other.counts, &class_map, poll)?;
        self.sample.merge(&other.sample, &class_map);
        self.skipped = (self.skipped + other.skipped).min(MAX_SUM - 1);
        Ok(())
    }

    /// Puts the state into its canonical form: labels without emails dropped, the others in
    /// the order of their folded form, counts sorted. Called before reading or storing.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn settle(&mut self, poll: Poll) -> Result<()> {
        self.counts.settle(poll)?;
        let mut order: Vec<u32> = (0..self.labels.len() as u32)
            .filter(|&c| self.labels[c as usize].documents > 0)
            .collect();
        order.sort_unstable_by(|&a, &b| {
            let folded = |c: u32| &self.labels[c as usize].folded;
            folded(a).cmp(folded(b))
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
        self.settle(poll)?;
        Model::pack(self, fit, metrics, poll)
    }

    /// Labels in class order. Sorted by folded form once [`State::settle`] ran.
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

    /// The artifact of this state: equal for equal sets of emails.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn to_bytes(&mut self, poll: Poll) -> Result<Vec<u8>> {
        self.settle(poll)?;
        let n = self.counts.len();
        let (mut keys, mut classes, mut documents, mut weights) = (vec![], vec![], vec![], vec![]);
        // Counts alone have none.
        let mut residuals = vec![];
        if self
            .counts
            .groups()
            .flatten()
            .any(|cell| cell.residual != 0)
        {
            reserve(&mut residuals, n * 4)?;
        }
        let has_residuals = residuals.capacity() > 0;
        reserve(&mut keys, n * 8)?;
        reserve(&mut classes, n * 2)?;
        reserve(&mut documents, n * 4)?;
        reserve(&mut weights, n * 8)?;
        for group in self.counts.groups() {
            for cell in group {
                keys.extend_from_slice(&cell.key.to_le_bytes());
                classes.extend_from_slice(&(cell.class as u16).to_le_bytes());
                documents.extend_from_slice(&cell.documents.to_le_bytes());
                weights.extend_from_slice(&cell.weight.to_le_bytes());
                if has_residuals {
                    residuals.extend_from_slice(&cell.residual.to_le_bytes());
                }
            }
            poll();
        }
        let mut sample_keys = Vec::new();
        reserve(&mut sample_keys, self.sample.bytes())?;
        for (_, document) in self.sample.stored() {
            for key in &document.keys {
                sample_keys.extend_from_slice(&key.to_le_bytes());
            }
            poll();
        }
        // Lent, not copied: they can be large.
        let meta = Meta {
            tokenizer_version: TOKENIZER_VERSION,
            skipped: self.skipped,
            labels: std::mem::take(&mut self.labels),
            sample: self.sample.stored().map(Sampled::of).collect(),
            sample_cutoff: self.sample.cutoff(),
        };
        let mut out = Writer::new(Kind::State);
        let encoded = out.meta(section::META, &meta);
        self.labels = meta.labels;
        encoded?;
        out.section(section::CELL_KEYS, keys);
        out.section(section::CELL_CLASSES, classes);
        out.section(section::CELL_DOCUMENTS, documents);
        out.section(section::CELL_WEIGHTS, weights);
        out.section(section::SAMPLE_KEYS, sample_keys);
        out.section(section::CELL_RESIDUALS, residuals);
        out.finish(poll)
    }

    /// Reads and verifies a state.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::UnsupportedVersion`], [`Error::TokenizerVersion`],
    /// [`Error::OutOfMemory`].
    pub fn from_bytes(bytes: &[u8], poll: Poll) -> Result<Self> {
        let kind = Kind::State;
        let header = Header::read_complete(bytes, kind, poll)?;
        let meta: Meta = header.meta(bytes, section::META)?;
        check_tokenizer(kind, meta.tokenizer_version)?;
        let part = |id| header.range(id).map(|range| &bytes[range]);
        let keys = items::<8>(part(section::CELL_KEYS)?, kind)?;
        let classes = items::<2>(part(section::CELL_CLASSES)?, kind)?;
        let documents = items::<4>(part(section::CELL_DOCUMENTS)?, kind)?;
        let weights = items::<8>(part(section::CELL_WEIGHTS)?, kind)?;
        let residuals = items::<4>(part(section::CELL_RESIDUALS)?, kind)?;
        if [classes.len(), documents.len(), weights.len()] != [keys.len(); 3]
            || !residuals.is_empty() && residuals.len() != keys.len()
        {
            return Err(corrupt(kind, "its tables differ in length"));
        }
        let residual = |at: usize| residuals.get(at).map_or(0, |&r| i32::from_le_bytes(r));
        let cells = keys
            .iter()
            .zip(classes)
            .zip(documents)
            .zip(weights)
            .enumerate()
            .map(|(at, (((&key, &class), &documents), &weight))| Cell {
                key: u64::from_le_bytes(key),
                weight: u64::from_le_bytes(weight),
                documents: u32::from_le_bytes(documents),
                class: u16::from_le_bytes(class).into(),
                residual: residual(at),
            });
        let counts = CountTable::from_sorted(cells, poll)?
            .ok_or_else(|| corrupt(kind, "its counts are not in order"))?;
        let sample = read_sample(&meta, items::<8>(part(section::SAMPLE_KEYS)?, kind)?, poll)
            .ok_or_else(|| corrupt(kind, "its sample is not in order"))?;
        if meta.skipped >= MAX_SUM || !labels_agree(&meta.labels, &counts, poll) {
            return Err(corrupt(kind, "its counts do not add up"));
        }
        let mut state = Self {
            labels: meta.labels,
            counts,
            sample,
            skipped: meta.skipped,
            ..Self::default()
        };
        state.index_labels();
        Ok(state)
    }

    fn class_of(&mut self, folded: &str) -> Result<u32> {
        if let Some(&class) = self.by_folded.get(folded) {
            return Ok(class);
        }
        if self.labels.len() == MAX_LABELS {
            return Err(Error::TooManyLabels { limit: MAX_LABELS });
        }
        self.texts.add(folded)?;
        let class = self.labels.len() as u32;
        self.labels.push(LabelCounts {
            folded: folded.to_owned(),
            ..LabelCounts::default()
        });
        self.by_folded.insert(folded.to_owned(), class);
        Ok(class)
    }

    fn index_labels(&mut self) {
        self.by_spelling.clear();
        self.texts = LabelTexts::default();
        for label in &self.labels {
            let texts = label.spellings.keys().chain([&label.folded]);
            self.texts.number += 1 + label.spellings.len();
            self.texts.bytes += texts.map(String::len).sum::<usize>();
        }
        self.by_folded = (0u32..)
            .zip(&self.labels)
            .map(|(class, label)| (label.folded.clone(), class))
            .collect();
    }
}

/// Refuses features of another tokenizer.
pub(crate) fn check_tokenizer(kind: Kind, found: u64) -> Result<()> {
    if found == TOKENIZER_VERSION {
        return Ok(());
    }
    Err(Error::TokenizerVersion {
        kind: kind.name(),
        found,
        supported: TOKENIZER_VERSION,
    })
}

impl Sampled {
    fn of((priority, document): (u64, &Document)) -> Self {
        Self {
            priority,
            class: document.class,
            keys: document.keys.len() as u32,
            copies: document.copies,
        }
    }
}

fn read_sample(meta: &Meta, mut keys: &[[u8; 8]], poll: Poll) -> Option<Sample> {
    let mut documents = Vec::new();
    for sampled in &meta.sample {
        let length = sampled.keys as usize;
        if length > MAX_SAMPLED_FEATURES || sampled.class as usize >= meta.labels.len() {
            return None;
        }
        let (own, rest) = keys.split_at_checked(length)?;
        keys = rest;
        let own: Vec<u64> = own.iter().map(|&k| u64::from_le_bytes(k)).collect();
        let features = Features::from_sorted(own).ok()?;
        let document = Document {
            class: sampled.class,
            keys: features.keys().into(),
            copies: sampled.copies,
        };
        documents.push((sampled.priority, document));
        poll();
    }
    let sample = Sample::from_sorted(documents.into_iter(), meta.sample_cutoff)?;
    keys.is_empty().then_some(sample)
}

/// Whether labels are canonical and their totals are the sums of the cells.
fn labels_agree(labels: &[LabelCounts], counts: &CountTable, poll: Poll) -> bool {
    let mut sums = vec![(0u64, 0u64); labels.len()];
    let polled = counts.groups().inspect(|_| poll());
    for cell in polled.flatten() {
        let (Some((tokens, weight)), Some(label)) = (
            sums.get_mut(cell.class as usize),
            labels.get(cell.class as usize),
        ) else {
            return false;
        };
        let documents = u64::from(cell.documents);
        if documents > label.documents || cell.weight > documents * WEIGHT_ONE as u64 {
            return false;
        }
        *tokens = tokens.saturating_add(cell.documents.into());
        *weight = weight.saturating_add(cell.weight);
    }
    labels.len() <= MAX_LABELS
        && labels.is_sorted_by(|a, b| a.folded < b.folded)
        && labels.iter().zip(&sums).all(|(label, &(tokens, weight))| {
            let spelled = label
                .spellings
                .values()
                .try_fold(0u64, |a, &n| a.checked_add(n));
            label.documents > 0
                && label.in_range()
                && label.texts_are_canonical(poll)
                && spelled == Some(label.documents)
                && (label.tokens, label.weight) == (tokens, weight)
        })
}
