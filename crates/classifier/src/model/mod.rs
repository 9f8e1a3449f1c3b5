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

use crate::artifact::{BYTES_PER_POLL, Header, Kind, Writer, at_most, corrupt, items};
use crate::counts::{Cell, document_frequency, weight_of};
use crate::error::{Error, Result};
use crate::evaluation::{Metrics, argmax};
use crate::features::{Features, TOKENIZER_VERSION};
use crate::fit::Fit;
use crate::labels::{Label, MAX_LABELS, casefold_label, is_label};
use crate::math::exp;
use crate::memory::{probe, reserve, touch};
use crate::naive_bayes::{ClassSums, ClassTerms, MessageSums, NaiveBayes, Scores, Totals};
use crate::poll::{Poll, never_cancelled};
use crate::state::{State, check_tokenizer};
use crate::tokenizer::Tokenizer;
use crate::train::Messages;
use std::ops::Range;

use ndarray::Array1;
use serde::{Deserialize, Serialize};

mod cell_counts;

pub(crate) use cell_counts::CellCount;
pub use cell_counts::CellCounts;

mod section {
    pub const META: u32 = 1;
    pub const DIRECTORY: u32 = 2;
    pub const ROWS: u32 = 3;
    pub const CELLS: u32 = 4;
    pub const STATE: u32 = 5;
}

/// Rows per directory entry that the packer aims for.
const ROWS_PER_PREFIX: usize = 4;

/// A row has at most one cell per label.
pub(crate) const ROWS_PER_POLL: usize = 512;
const CELLS_PER_POLL: usize = 1 << 20;
const PREFIXES_PER_POLL: usize = 1 << 20;

/// Everything about a model that is not a big table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelMeta {
    tokenizer_version: u64,
    /// Labels in class order, as shown to people.
    #[serde(deserialize_with = "at_most::<_, _, MAX_LABELS>")]
    pub labels: Vec<String>,
    /// Emails learned per label.
    #[serde(deserialize_with = "at_most::<_, _, MAX_LABELS>")]
    pub documents: Vec<u64>,
    /// Rows without body or label.
    pub skipped: u64,
    /// How counts become probabilities.
    pub fit: Fit,
    /// How good it is.
    pub metrics: Metrics,
    /// Features that some email has.
    features: u64,
    /// MessageSums over all features, per class.
    #[serde(deserialize_with = "at_most::<_, _, MAX_LABELS>")]
    sums: Vec<ClassSums>,
}

/// One label with its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelProbability<'a> {
    /// Its position in [`ModelMeta::labels`].
    pub class: usize,
    /// The label.
    pub label: &'a str,
    /// Its calibrated probability.
    pub probability: f64,
}

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
    /// [`Error::OutOfMemory`]; [`Error::Corrupt`] if the fit is out of range.
    pub fn empty(fit: Fit) -> Result<Self> {
        let poll = &never_cancelled;
        let bytes = State::default().pack(&fit, Metrics::default(), poll)?;
        Self::from_bytes(bytes, poll)
    }

    /// Packs the weights of a canonical state. Returns the artifact.
    pub(crate) fn pack(
        state: &mut State,
        fit: &Fit,
        metrics: Metrics,
        poll: Poll,
    ) -> Result<Vec<u8>> {
        let weighing = fit.weighing();
        let totals = NaiveBayes::weighed(state, weighing, poll).totals().clone();
        let (mut rows, mut cells) = (Vec::new(), Vec::new());
        let distinct = |group: &[Cell]| group.chunk_by(|a, b| a.key == b.key).count();
        let number: usize = state.counts().groups().map(distinct).sum();
        reserve(&mut rows, (number + 1) * ROW_BYTES)?;
        reserve(&mut cells, state.counts().len() * CELL_BYTES)?;
        let mut packed = 0u32;
        for group in state.counts().groups() {
            for row in group.chunk_by(|a, b| a.key == b.key) {
                let terms = weighing.row(document_frequency(row), weight_of(row));
                rows.extend_from_slice(&row_bytes(row[0].key, packed, terms.gain as f32));
                for cell in row {
                    let score = terms.score(cell.documents, cell.weight, cell.residual);
                    cells.extend_from_slice(&(cell.class as u16).to_le_bytes());
                    cells.extend_from_slice(&(score as f32).to_le_bytes());
                }
                packed = packed
                    .checked_add(row.len() as u32)
                    .ok_or(Error::OutOfMemory { bytes: usize::MAX })?;
            }
            poll();
        }
        rows.extend_from_slice(&row_bytes(u64::MAX, packed, 0.0));
        let labels = state.labels();
        let meta = ModelMeta {
            tokenizer_version: TOKENIZER_VERSION,
            labels: labels.iter().map(|l| l.name().to_owned()).collect(),
            documents: totals.documents,
            skipped: state.skipped(),
            fit: *fit,
            metrics,
            features: totals.features,
            sums: totals.sums,
        };
        let mut out = Writer::new(Kind::Model);
        out.meta(section::META, &meta)?;
        out.section(section::DIRECTORY, directory(&rows, poll)?);
        out.section(section::ROWS, rows);
        out.section(section::CELLS, cells);
        out.section(section::STATE, state.to_bytes(poll)?);
        out.finish(poll)
    }

    /// Reads and verifies a complete artifact, its state included.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::UnsupportedVersion`], [`Error::TokenizerVersion`].
    pub fn from_bytes(bytes: Vec<u8>, poll: Poll) -> Result<Self> {
        let header = Header::read_complete(&bytes, Kind::Model, poll)?;
        State::from_bytes(&bytes[header.range(section::STATE)?], poll)?;
        Self::open(header, bytes, poll)
    }

    /// The state that the model of a complete artifact was packed from, verified.
    ///
    /// # Errors
    /// As [`Model::from_bytes`].
    pub fn state(bytes: &[u8], poll: Poll) -> Result<State> {
        let header = Header::read_complete(bytes, Kind::Model, poll)?;
        State::from_bytes(&bytes[header.range(section::STATE)?], poll)
    }

    /// How many bytes from the front of the artifact are enough to classify with.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn serving_bytes(header: &Header) -> Result<usize> {
        header.start_of(section::STATE)
    }

    /// Opens the front of an artifact: at least [`Model::serving_bytes`], exactly that much
    /// is kept. Verifies what it keeps.
    ///
    /// # Errors
    /// As [`Model::from_bytes`].
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

    /// Where things are in the artifact.
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

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            features: self.meta.features,
            documents: self.meta.documents.clone(),
            sums: self.meta.sums.clone(),
        }
    }

    pub(crate) fn has_cells(&self) -> bool {
        self.header
            .range(section::CELLS)
            .is_ok_and(|cells| !cells.is_empty())
    }

    pub(crate) fn sums(&self) -> &[ClassSums] {
        &self.meta.sums
    }

    pub(crate) fn terms(&self) -> &ClassTerms {
        &self.terms
    }

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

pub(crate) fn best<'a>(log_p: &[f64], labels: &'a [Label]) -> Option<LabelProbability<'a>> {
    scored(log_p, labels, argmax(log_p))
}

pub(crate) fn ranked<'a>(log_p: &[f64], labels: &'a [Label]) -> Vec<LabelProbability<'a>> {
    let mut order: Vec<usize> = (0..log_p.len()).collect();
    order.sort_by(|&a, &b| log_p[b].total_cmp(&log_p[a]));
    order
        .into_iter()
        .filter_map(|class| scored(log_p, labels, class))
        .collect()
}

fn scored<'a>(log_p: &[f64], labels: &'a [Label], class: usize) -> Option<LabelProbability<'a>> {
    Some(LabelProbability {
        class,
        label: &labels.get(class)?.name,
        probability: exp(*log_p.get(class)?),
    })
}

impl linfa::traits::Predict<&Messages, Array1<String>> for Model {
    fn predict(&self, messages: &Messages) -> Array1<String> {
        let mut tokenizer = Tokenizer::default();
        let label = |text: &String| {
            let features = tokenizer.features(text);
            let best = self.classify(&features, &never_cancelled);
            best.map_or_else(String::new, |best| best.label.to_owned())
        };
        messages.0.iter().map(label).collect()
    }
}

/// Beyond any weight or score that counts can give.
const MAX_SCORE: f64 = 1e6;

const ROW_BYTES: usize = 16;
const CELL_BYTES: usize = 6;

type Row = [u8; ROW_BYTES];
type PackedCell = [u8; CELL_BYTES];

fn row_bytes(key: u64, first_cell: u32, gain: f32) -> Row {
    let mut row = [0; ROW_BYTES];
    row[..8].copy_from_slice(&key.to_le_bytes());
    row[8..12].copy_from_slice(&first_cell.to_le_bytes());
    row[12..].copy_from_slice(&gain.to_le_bytes());
    row
}

fn row_key(r: &Row) -> u64 {
    u64::from_le_bytes([r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]])
}

fn row_first_cell(r: &Row) -> usize {
    u32::from_le_bytes([r[8], r[9], r[10], r[11]]) as usize
}

fn row_gain(r: &Row) -> f32 {
    f32::from_le_bytes([r[12], r[13], r[14], r[15]])
}

fn cell_class(c: &PackedCell) -> usize {
    u16::from_le_bytes([c[0], c[1]]) as usize
}

fn cell_score(c: &PackedCell) -> f32 {
    f32::from_le_bytes([c[2], c[3], c[4], c[5]])
}

/// A feature's weight in the message vector and where its cells are.
pub(crate) struct FoundRow<T> {
    pub gain: f64,
    pub cells: Range<usize>,
    /// What the caller knows it by.
    pub tag: T,
}

/// The serving sections, in place.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    directory: &'a [[u8; 4]],
    rows: &'a [Row],
    cells: &'a [PackedCell],
    directory_bits: u32,
}

impl<'a> Table<'a> {
    /// Classes and scores of a row's cells.
    pub(crate) fn cells(&self, at: Range<usize>) -> impl Iterator<Item = (usize, f32)> + 'a {
        let cell = |cell| (cell_class(cell), cell_score(cell));
        self.cells[at].iter().map(cell)
    }

    /// The rows of those keys that have one, tagged by key.
    pub(crate) fn find<T>(&self, keys: &[u64], tag: impl Fn(u64) -> T) -> Vec<FoundRow<T>> {
        let directory_bits = self.directory_bits;
        let place = |at: usize| u32::from_le_bytes(self.directory[at]) as usize;
        let spans: Vec<_> = keys
            .iter()
            .map(|&key| {
                let prefix = prefix(key, directory_bits);
                place(prefix)..place(prefix + 1)
            })
            .collect();
        touch(spans.iter().map(|span| self.rows[span.start][0]));
        let found: Vec<_> = keys
            .iter()
            .zip(spans)
            .filter_map(|(&key, span)| {
                let rows = &self.rows[span.clone()];
                // A handful of rows, so walking them beats searching, unless a model was
                // packed by somebody else.
                let at = if rows.len() <= 4 * ROWS_PER_PREFIX {
                    rows.iter().position(|r| row_key(r) == key)?
                } else {
                    rows.binary_search_by_key(&key, row_key).ok()?
                };
                let at = span.start + at;
                Some(FoundRow {
                    gain: row_gain(&self.rows[at]).into(),
                    cells: row_first_cell(&self.rows[at])..row_first_cell(&self.rows[at + 1]),
                    tag: tag(key),
                })
            })
            .collect();
        touch(
            found
                .iter()
                .filter_map(|row| self.cells.get(row.cells.start))
                .map(|cell| cell[0]),
        );
        found
    }

    /// Checks everything that [`Model::scores`] relies on; returns the directory's bits.
    fn check(&self, meta: &ModelMeta, poll: Poll) -> Result<u32> {
        let classes = meta.labels.len();
        // Real ones are logarithms of counts; NaN is in no range.
        let sane = |x: &[f64]| x.iter().all(|v| v.abs() <= MAX_SCORE);
        let place = |v: &[u8; 4]| u32::from_le_bytes(*v) as usize;
        let prefixes = self.directory.len().saturating_sub(1);
        let weighing = meta.fit.weighing();
        let sound = [meta.documents.len(), meta.sums.len()] == [classes; 2]
            && (meta.features as usize) < self.rows.len().max(1)
            && meta.fit.in_range()
            && meta
                .documents
                .iter()
                .all(|&n| n > 0 && n <= u32::MAX.into())
            && meta.sums.iter().all(|sums| weighing.in_range(sums))
            && prefixes.is_power_of_two()
            && self.directory.is_sorted_by_key(place)
            && self.directory.first().is_some_and(|v| place(v) == 0)
            && self
                .directory
                .last()
                .is_some_and(|v| place(v) + 1 == self.rows.len())
            && self.rows.first().is_some_and(|r| row_first_cell(r) == 0)
            && self
                .rows
                .last()
                .is_some_and(|r| row_first_cell(r) == self.cells.len())
            && parts(self.rows, poll).all(|rows| {
                rows.is_sorted_by_key(row_key) && rows.iter().all(|r| sane(&[row_gain(r).into()]))
            })
            && parts(self.rows, poll).all(|rows| {
                rows.is_sorted_by(|a, b| {
                    let (a, b) = (row_first_cell(a), row_first_cell(b));
                    a <= b && b - a <= classes
                })
            })
            && parts(self.cells, poll).all(|cells| {
                let sound = |c| cell_class(c) < classes && sane(&[cell_score(c).into()]);
                cells.iter().all(sound)
            });
        if !sound {
            return Err(corrupt(Kind::Model, "its tables contradict each other"));
        }
        Ok(prefixes.trailing_zeros())
    }
}

/// Pieces to look at between two polls. Each begins with the last item of the one before,
/// so that the order of neighbours can be judged.
fn parts<'a, const N: usize>(
    items: &'a [[u8; N]],
    poll: Poll,
) -> impl Iterator<Item = &'a [[u8; N]]> {
    let step = BYTES_PER_POLL / N;
    (0..items.len()).step_by(step).map(move |start| {
        poll();
        &items[start..items.len().min(start + step + 1)]
    })
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

fn prefix(key: u64, bits: u32) -> usize {
    // A shift by 64 is not defined, and no bits means one prefix.
    key.checked_shr(64 - bits).unwrap_or(0) as usize
}

/// First row of each prefix; `rows` ends with the closing row.
fn directory(rows: &[u8], poll: Poll) -> Result<Vec<u8>> {
    let (rows, _) = rows.as_chunks::<ROW_BYTES>();
    let rows = &rows[..rows.len() - 1];
    let bits = (rows.len() / ROWS_PER_PREFIX)
        .max(1)
        .next_power_of_two()
        .trailing_zeros();
    let mut out = Vec::new();
    reserve(&mut out, ((1 << bits) + 1) * 4)?;
    let mut row = 0;
    for p in 0..1usize << bits {
        if p % PREFIXES_PER_POLL == 0 {
            poll();
        }
        while row < rows.len() && prefix(row_key(&rows[row]), bits) < p {
            row += 1;
        }
        out.extend_from_slice(&(row as u32).to_le_bytes());
    }
    out.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    Ok(out)
}
