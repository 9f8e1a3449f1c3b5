//! A state as an artifact.

use serde::{Deserialize, Serialize};

use super::label_counts::LabelCounts;
use super::learned::State;
use crate::artifact::{Header, Kind, Writer, at_most, corrupt, items};
use crate::counts::{Cell, CountTable, MAX_SUM, WEIGHT_ONE};
use crate::error::{Error, Result};
use crate::features::{Features, TOKENIZER_VERSION};
use crate::labels::MAX_LABELS;
use crate::memory::{probe, reserve};
use crate::poll::Poll;
use crate::training_sample::{Document, MAX_SAMPLED_FEATURES, SAMPLE_DOCUMENTS, TrainingSample};

pub(crate) mod section {
    pub const META: u32 = 1;
    pub const CELL_KEYS: u32 = 2;
    pub const CELL_CLASSES: u32 = 3;
    pub const CELL_DOCUMENTS: u32 = 4;
    pub const CELL_WEIGHTS: u32 = 5;
    pub const SAMPLE_KEYS: u32 = 6;
    pub const CELL_RESIDUALS: u32 = 7;
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

impl State {
    /// The artifact of this state: equal for equal sets of emails.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn to_bytes(&mut self, poll: Poll) -> Result<Vec<u8>> {
        self.canonicalize(poll)?;
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
        // Many small pieces: keys of each document, and nodes of a map.
        probe((1 << 20) + 256 * meta.sample.len() + part(section::SAMPLE_KEYS)?.len())?;
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

fn read_sample(meta: &Meta, mut keys: &[[u8; 8]], poll: Poll) -> Option<TrainingSample> {
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
    let sample = TrainingSample::from_sorted(documents.into_iter(), meta.sample_cutoff)?;
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
        && labels.is_sorted_by(|a, b| a.casefolded < b.casefolded)
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
