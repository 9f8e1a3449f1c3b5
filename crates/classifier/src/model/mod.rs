//! A fitted, immutable model: one packed table for serving, and the state it came from.
//!
//! The serving sections come first in the artifact, so a session reads and verifies only
//! the front; they are little-endian arrays used in place, so one read-only copy can be
//! shared:
//!
//! ```text
//! DIRECTORY  u32  first row of each key prefix (top bits of the key), and one end
//! ROWS       16   feature key u64, ascending; first cell u32; weight of the feature in
//!                 the message vector f32, zero for one that no email has any more. One more
//!                 row at the end closes the last one.
//! CELLS       6   class u16; score f32, relative to a class without the feature
//! STATE           the whole state artifact
//! ```
//!
//! A lookup is bound by cache misses, so what is read together lies together.

mod cell_counts;
mod meta;
mod pack;
mod ranking;
mod section;
mod table;

pub(crate) use cell_counts::CellCount;
pub use cell_counts::CellCounts;
pub use meta::ModelMeta;
pub use ranking::LabelProbability;
pub(crate) use ranking::{best, ranked};
pub(crate) use table::{FoundRow, ROWS_PER_POLL, Table};

use crate::artifact::{Header, Kind, corrupt, items};
use crate::error::Result;
use crate::evaluation::Metrics;
use crate::features::Features;
use crate::fit::Fit;
use crate::labels::{Label, casefold_label, is_label};
use crate::memory::probe;
use crate::naive_bayes::{ClassSums, ClassTerms, MessageSums, Scores, Totals};
use crate::poll::{Poll, never_cancelled};
use crate::state::{State, check_tokenizer};
use table::{cell_class, cell_score};

/// A model that is ready to classify. Holds the artifact, or its front, and nothing else
/// of size.
#[derive(Debug, Clone)]
pub struct Model {
    header: Header,
    meta: ModelMeta,
    bytes: Vec<u8>,
    directory_bits: u32,
    labels: Vec<Label>,
    terms: ClassTerms,
}

impl Model {
    /// A model that has learned nothing.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory);
    /// [`Error::Corrupt`](crate::Error::Corrupt) if the fit is out of range.
    pub fn empty(fit: Fit) -> Result<Self> {
        let poll = &never_cancelled;
        let bytes = State::default().pack(&fit, Metrics::default(), poll)?;
        Self::from_bytes(bytes, poll)
    }

    /// Reads and verifies a complete artifact, its state included.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt),
    /// [`Error::UnsupportedVersion`](crate::Error::UnsupportedVersion),
    /// [`Error::TokenizerVersion`](crate::Error::TokenizerVersion).
    pub fn from_bytes(bytes: Vec<u8>, poll: Poll) -> Result<Self> {
        let header = Header::read_complete(&bytes, Kind::Model, poll)?;
        State::from_bytes(&bytes[header.range(section::STATE)?], poll)?;
        Self::open(header, bytes, poll)
    }

    /// The state that the model of a complete artifact was packed from, verified.
    ///
    /// # Errors
    /// Those of [`Model::from_bytes`].
    pub fn state(bytes: &[u8], poll: Poll) -> Result<State> {
        let header = Header::read_complete(bytes, Kind::Model, poll)?;
        State::from_bytes(&bytes[header.range(section::STATE)?], poll)
    }

    /// How many bytes from the front of the artifact are enough to classify with.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt).
    pub fn serving_bytes(header: &Header) -> Result<usize> {
        header.start_of(section::STATE)
    }

    /// Opens the front of an artifact: at least [`Model::serving_bytes`], exactly that much
    /// is kept. Verifies what it keeps.
    ///
    /// # Errors
    /// Those of [`Model::from_bytes`].
    pub fn from_front(mut bytes: Vec<u8>, poll: Poll) -> Result<Self> {
        let header = Header::read(&bytes, Kind::Model)?;
        let end = Self::serving_bytes(&header)?;
        if bytes.len() < end {
            return Err(corrupt(Kind::Model, "it is truncated"));
        }
        bytes.truncate(end);
        header.verify(&bytes, poll)?;
        Self::open(header, bytes, poll)
    }

    fn open(header: Header, bytes: Vec<u8>, poll: Poll) -> Result<Self> {
        let end = Self::serving_bytes(&header)?;
        for id in [
            section::META,
            section::DIRECTORY,
            section::ROWS,
            section::CELLS,
        ] {
            if header.range(id)?.end > end {
                return Err(corrupt(Kind::Model, "its state is not at the end"));
            }
        }
        let meta: ModelMeta = header.meta(&bytes, section::META)?;
        check_tokenizer(Kind::Model, meta.tokenizer_version)?;
        let mut model = Self {
            header,
            meta,
            bytes,
            directory_bits: 0,
            labels: Vec::new(),
            terms: ClassTerms::default(),
        };
        model.directory_bits = model.table()?.check(&model.meta, poll)?;
        model.labels = labels_in_order(&model.meta.labels)?;
        model.terms = model.meta.fit.weighing().class_terms(&model.totals());
        Ok(model)
    }

    /// The verified header of the artifact: where things are in it.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the model says about itself.
    pub fn meta(&self) -> &ModelMeta {
        &self.meta
    }

    /// A hash over all content: equal identities mean equal models.
    pub fn identity(&self) -> u128 {
        self.header.identity()
    }

    /// Length of the whole artifact in bytes, also where only its front is held.
    pub fn total_bytes(&self) -> usize {
        self.header.total_bytes()
    }

    /// The bytes held.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Uncalibrated scores of all classes.
    pub fn scores(&self, features: &Features, poll: Poll) -> Scores {
        let mut scores = vec![0.0; self.meta.labels.len()];
        let mut sums = MessageSums {
            features: features.keys().len(),
            ..MessageSums::default()
        };
        // Opening the model built the table once.
        if let Ok(table) = self.table() {
            // Bound by cache misses. Each step only loads what the one before found, for all
            // features at once, so the processor waits for many of them at the same time.
            for (i, row) in table.find(features.keys(), |_| ()).iter().enumerate() {
                if i % ROWS_PER_POLL == 0 {
                    poll();
                }
                if !sums.add(row.gain) {
                    continue;
                }
                for cell in &table.cells[row.cells.clone()] {
                    scores[cell_class(cell)] += f64::from(cell_score(cell));
                }
            }
        }
        self.terms.scores(&self.meta.fit.weighing(), scores, sums)
    }

    /// Log-probabilities in class order. A message without a known feature gets the shares
    /// of the labels in training.
    pub fn log_probabilities(&self, features: &Features, poll: Poll) -> Vec<f64> {
        let scores = self.scores(features, poll);
        self.meta
            .fit
            .log_probabilities(scores, features, &self.meta.documents)
    }

    /// The most probable label; of equals the first in label order. `None` without labels.
    pub fn classify(&self, features: &Features, poll: Poll) -> Option<LabelProbability<'_>> {
        best(&self.log_probabilities(features, poll), &self.labels)
    }

    /// All labels, most probable first, equals in label order.
    pub fn rank(&self, features: &Features, poll: Poll) -> Vec<LabelProbability<'_>> {
        ranked(&self.log_probabilities(features, poll), &self.labels)
    }

    /// Labels in class order, which is the order of their casefolded form.
    pub(crate) fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Sums over all features, as the constants of the classes need them.
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            features: self.meta.features,
            documents: self.meta.documents.clone(),
            sums: self.meta.sums.clone(),
        }
    }

    /// Whether any feature has a cell, so that there are counts to read.
    pub(crate) fn has_cells(&self) -> bool {
        self.header
            .range(section::CELLS)
            .is_ok_and(|cells| !cells.is_empty())
    }

    /// Sums over all features, per class.
    pub(crate) fn sums(&self) -> &[ClassSums] {
        &self.meta.sums
    }

    /// Constants of the classes.
    pub(crate) fn terms(&self) -> &ClassTerms {
        &self.terms
    }

    /// The packed table, in place.
    pub(crate) fn table(&self) -> Result<Table<'_>> {
        let part = |id| self.header.range(id).map(|range| &self.bytes[range]);
        let kind = Kind::Model;
        Ok(Table {
            directory: items(part(section::DIRECTORY)?, kind)?,
            rows: items(part(section::ROWS)?, kind)?,
            cells: items(part(section::CELLS)?, kind)?,
            directory_bits: self.directory_bits,
        })
    }
}

/// Labels with their casefolded form, by which they have to be sorted.
fn labels_in_order(names: &[String]) -> Result<Vec<Label>> {
    // A character can casefold to eleven times its bytes.
    probe(names.iter().map(|n| 12 * n.len() + 128).sum())?;
    let mut labels: Vec<Label> = Vec::new();
    for name in names {
        let casefolded = casefold_label(name).unwrap_or_default();
        let next = labels
            .last()
            .is_none_or(|last| last.casefolded < casefolded);
        if !is_label(name) || casefolded.is_empty() || !next {
            return Err(corrupt(Kind::Model, "its labels are not in order"));
        }
        labels.push(Label {
            casefolded,
            name: name.clone(),
        });
    }
    Ok(labels)
}
