//! A model and the decisions since it was packed.
//!
//! A decision changes the counts of the email's own features and the sums per class, and a
//! [`Fit`](crate::Fit) is frozen. So the rows of those features are weighed anew, by the
//! code that packs, and laid over the table of the model; the sums are integers. The
//! answers have the same bits as those of a model packed from all counts.
//!
//! Weighing costs logarithms for every class of a row, and decisions share most of their
//! rows: a decision only counts, and each row is weighed once after a batch of them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;
use std::rc::Rc;

use crate::artifact::{Kind, corrupt};
use crate::counts::{Cell, unit_weight, without};
use crate::error::{probe, reserve, reserve_exact};
use crate::labels::trimmed;
use crate::model::{FoundRow, ROWS_PER_POLL, Table, best, log_probabilities, ranked, touch};
use crate::naive_bayes::{CELLS_PER_POLL, ClassSums, ClassTerms, Totals, Weighing};
use crate::state::MAX_SUM;
use crate::{CellCounts, Error, Features, MAX_LABELS, Model, Poll, Result, Scored, fold_label};

/// A label with emails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLabel {
    /// Its identity: see [`fold_label`].
    pub folded: String,
    /// As shown to people.
    pub name: String,
}

/// A base model and an overlay of emails learned and un-learned since. The answers depend
/// on the set of decisions, not on their order, nor on which of them the base holds.
///
/// [`Live::settle`] has to follow a batch of decisions before the next question.
#[derive(Debug, Clone)]
pub struct Live {
    base: Rc<Model>,
    counts: Option<Rc<CellCounts>>,
    /// `None` while the answers are those of the base.
    overlay: Option<Box<Overlay>>,
}

/// Labels are numbered by slot: the base's classes, then labels that it does not have.
/// Slots stay while other labels come and go, so that rows need not change with them.
#[derive(Debug, Clone)]
struct Overlay {
    rows: HashMap<u64, Row, KeyHash>,
    /// Bytes of cells outside of `rows`.
    cell_bytes: usize,
    /// By slot. The base's where rows have a part in them.
    totals: Totals,
    change: Change,
    /// Whether anything was un-learned: rows that only grew are not those of the base.
    shrunk: bool,
    added: BTreeMap<String, Added>,
    settled: Settled,
}

/// A label that the base does not have.
#[derive(Debug, Clone)]
struct Added {
    slot: usize,
    spellings: BTreeMap<String, u64>,
}

/// What depends on sums over everything. Labels with emails, in class order.
#[derive(Debug, Clone)]
struct Settled {
    class_of_slot: Vec<u32>,
    labels: Vec<LiveLabel>,
    documents: Vec<u64>,
    terms: ClassTerms,
}

/// A slot without emails.
const NO_CLASS: u32 = u32::MAX;

/// What the rows of the overlay, instead of the base's, change in sums over all features.
/// Exact and signed, so that it is nothing again when they are, whatever the base claims.
#[derive(Debug, Clone, Default)]
struct Change {
    /// Rows to weigh: these have no part in the sums until then.
    dirty: Vec<u64>,
    /// By slot.
    weight_log_df: Vec<i128>,
    features: i64,
}

/// One feature's counts in one class and their score. Small: every feature of every email
/// learned has one in each session.
#[derive(Debug, Clone, Copy)]
struct LiveCell {
    weight_low: u32,
    weight_high: u16,
    slot: u16,
    documents: u32,
    score: f32,
}

/// The effective counts of a feature. Most new ones are in one class. While it is dirty,
/// cells may have no documents and scores are old.
#[derive(Debug, Clone)]
enum Row {
    One {
        gain: f32,
        dirty: bool,
        cells: [LiveCell; 1],
    },
    Other {
        gain: f32,
        dirty: bool,
        cells: Box<[LiveCell]>,
    },
}

/// Whether a document comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Learn,
    Unlearn,
}

/// What a decision does to each row of its email.
#[derive(Debug, Clone, Copy)]
struct Step {
    decision: Decision,
    slot: u16,
    weight: u64,
}

/// Keys are hashes already, but anybody can search for texts whose keys agree in some bits.
/// A secret keeps them from choosing the bucket.
#[derive(Debug, Clone)]
struct KeyHash {
    secret: [u64; 2],
}

struct KeyHasher {
    secret: [u64; 2],
    hash: u64,
}

impl Live {
    /// The base as it is.
    pub fn new(base: Rc<Model>) -> Self {
        Self {
            base,
            counts: None,
            overlay: None,
        }
    }

    /// The model below.
    pub fn base(&self) -> &Rc<Model> {
        &self.base
    }

    /// Whether the base's counts have to be set before anything is learned.
    pub fn needs_counts(&self) -> bool {
        self.counts.is_none() && self.base.has_cells()
    }

    /// The base's counts, if they are set.
    pub fn counts(&self) -> Option<&Rc<CellCounts>> {
        self.counts.as_ref()
    }

    /// Sets the base's counts; those of another model are ignored.
    pub fn set_counts(&mut self, counts: Rc<CellCounts>) {
        if counts.belong_to(&self.base) {
            self.counts = Some(counts);
        }
    }

    /// Learns one email. A label of white space only counts as missing.
    ///
    /// # Errors
    /// With nothing changed: [`Error::LabelTooLong`], [`Error::TooManyLabels`],
    /// [`Error::TooManyDocuments`], [`Error::OutOfMemory`]; [`Error::Corrupt`] if the base's
    /// counts are needed and not set.
    pub fn learn(&mut self, features: &Features, label: &str) -> Result<()> {
        if trimmed(label)?.is_empty() {
            return Ok(());
        }
        self.decide(features, label, Decision::Learn)
    }

    /// Takes back one email, learned here or by the base. A label that the base does not
    /// have must be spelled as it was when learned.
    ///
    /// # Errors
    /// As [`Live::learn`]; [`Error::NotLearned`] if the counts of the email's label or of
    /// its features rule it out.
    pub fn unlearn(&mut self, features: &Features, label: &str) -> Result<()> {
        self.decide(features, label, Decision::Unlearn)
    }

    fn decide(&mut self, features: &Features, label: &str, decision: Decision) -> Result<()> {
        let spelling = trimmed(label)?;
        let folded = fold_label(spelling)?;
        if self.needs_counts() {
            return Err(corrupt(Kind::Model, "its counts were not read"));
        }
        // A new overlay is not kept if it fails.
        let (base, counts) = (&*self.base, self.counts.as_deref());
        match &mut self.overlay {
            Some(overlay) => overlay.decide(base, counts, features, &folded, spelling, decision),
            None => {
                let mut overlay = Box::new(Overlay::new(base));
                overlay.decide(base, counts, features, &folded, spelling, decision)?;
                self.overlay = Some(overlay);
                Ok(())
            }
        }
    }

    /// Computes what depends on all decisions: once after a batch of them.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn settle(&mut self, poll: Poll) -> Result<()> {
        poll();
        let Some(overlay) = &mut self.overlay else {
            return Ok(());
        };
        overlay.weigh(&self.base, self.counts.as_deref(), poll)?;
        if overlay.is_nothing(&self.base) {
            self.overlay = None;
            return Ok(());
        }
        overlay.settled = overlay.settle(&self.base)?;
        poll();
        Ok(())
    }

    /// Labels that have emails, in class order.
    pub fn labels(&self) -> &[LiveLabel] {
        match &self.overlay {
            Some(overlay) => &overlay.settled.labels,
            None => self.base.labels(),
        }
    }

    /// The most probable label; of equals the first in label order. `None` without labels.
    pub fn classify(&self, features: &Features, poll: Poll) -> Option<Scored<'_>> {
        match &self.overlay {
            Some(_) => best(&self.log_probabilities(features, poll), self.labels()),
            None => self.base.classify(features, poll),
        }
    }

    /// All labels, most probable first, equals in label order.
    pub fn rank(&self, features: &Features, poll: Poll) -> Vec<Scored<'_>> {
        ranked(&self.log_probabilities(features, poll), self.labels())
    }

    /// Log-probabilities in class order. A message without a known feature gets the shares
    /// of the labels.
    pub fn log_probabilities(&self, features: &Features, poll: Poll) -> Vec<f64> {
        match &self.overlay {
            Some(overlay) => overlay.log_probabilities(&self.base, features, poll),
            None => self.base.log_probabilities(features, poll),
        }
    }

    /// Emails learned, the base's included.
    pub fn documents(&self) -> u64 {
        match &self.overlay {
            Some(overlay) => overlay.totals.documents.iter().sum(),
            None => self.base.meta().documents.iter().sum(),
        }
    }

    /// Bytes of the overlay alone; zero without one.
    pub fn memory(&self) -> usize {
        self.overlay.as_ref().map_or(0, |overlay| overlay.memory())
    }
}

impl Overlay {
    fn new(base: &Model) -> Self {
        Self {
            rows: HashMap::with_hasher(KeyHash::new()),
            cell_bytes: 0,
            totals: base.totals(),
            change: Change {
                weight_log_df: vec![0; base.labels().len()],
                ..Change::default()
            },
            shrunk: false,
            added: BTreeMap::new(),
            settled: Settled {
                class_of_slot: (0..base.labels().len() as u32).collect(),
                labels: base.labels().to_vec(),
                documents: base.meta().documents.clone(),
                terms: base.terms().clone(),
            },
        }
    }

    fn decide(
        &mut self,
        base: &Model,
        counts: Option<&CellCounts>,
        features: &Features,
        folded: &str,
        spelling: &str,
        decision: Decision,
    ) -> Result<()> {
        let not_learned = || Error::NotLearned {
            label: spelling.to_owned(),
        };
        let slot = match (self.slot_of(base, folded), decision) {
            (Some(slot), _) => slot,
            (None, Decision::Learn) => self.free_slot(base)?,
            (None, Decision::Unlearn) => return Err(not_learned()),
        };
        let n = features.keys().len();
        let weight = unit_weight(n);
        let documents = self.totals.documents.get(slot).copied().unwrap_or(0);
        let mut sums = self.totals.sums.get(slot).copied().unwrap_or_default();
        let (tokens, sum) = (n as u64, weight * n as u64);
        let documents = match decision {
            Decision::Learn => {
                sums.tokens += tokens;
                sums.weight += sum;
                if documents >= u32::MAX.into() || sums.tokens.max(sums.weight) >= MAX_SUM {
                    return Err(Error::TooManyDocuments);
                }
                documents + 1
            }
            Decision::Unlearn => {
                let take = |from: u64, n| from.checked_sub(n).ok_or_else(not_learned);
                sums.tokens = take(sums.tokens, tokens)?;
                sums.weight = take(sums.weight, sum)?;
                let spelled = |added: &Added| added.spellings.contains_key(spelling);
                let left = take(documents, 1)?;
                if left == 0 && sums.tokens > 0 || !self.added.get(folded).is_none_or(spelled) {
                    return Err(not_learned());
                }
                left
            }
        };
        let step = Step {
            decision,
            slot: slot as u16,
            weight,
        };
        let missing = self.missing_rows(base, counts, features.keys(), step, not_learned)?;
        self.rows
            .try_reserve(missing.len())
            .map_err(|_| Error::OutOfMemory {
                bytes: missing.len() * size_of::<(u64, Row)>(),
            })?;
        reserve(&mut self.change.dirty, n)?;

        // From here on nothing fails.
        self.shrunk |= decision == Decision::Unlearn;
        if slot == self.totals.documents.len() {
            self.totals.documents.push(0);
            self.totals.sums.push(ClassSums::default());
            self.change.weight_log_df.push(0);
        }
        self.totals.documents[slot] = documents;
        self.totals.sums[slot] = sums;
        let weighing = Weighing::of(&base.meta().fit);
        for &key in features.keys() {
            // Else it is among those that are missing.
            if let Some(row) = self.rows.get_mut(&key)
                && let Ok(at) = find(row.cells(), step.slot)
            {
                self.change.touch(&weighing, key, row);
                step.apply(row, at);
            }
        }
        for (key, mut row) in missing {
            self.change.touch(&weighing, key, &mut row);
            if let Ok(at) = find(row.cells(), step.slot) {
                step.apply(&mut row, at);
            }
            self.cell_bytes += row.cell_bytes();
            let old = self.rows.insert(key, row);
            self.cell_bytes -= old.map_or(0, |old| old.cell_bytes());
        }
        if slot >= base.labels().len() {
            self.spell(slot, folded, spelling, decision);
        }
        Ok(())
    }

    /// Counts the spelling of a label that the base does not have.
    fn spell(&mut self, slot: usize, folded: &str, spelling: &str, decision: Decision) {
        let added = self.added.entry(folded.to_owned()).or_insert(Added {
            slot,
            spellings: BTreeMap::new(),
        });
        let count = added.spellings.entry(spelling.to_owned()).or_default();
        *count = match decision {
            Decision::Learn => *count + 1,
            Decision::Unlearn => count.saturating_sub(1),
        };
        if *count == 0 {
            added.spellings.remove(spelling);
        }
        if self.totals.documents[slot] == 0 {
            self.added.remove(folded);
        }
    }

    /// Checks a step for each of these features. Returns the rows that it cannot change in
    /// place, unchanged but for a cell without documents: those that the overlay does not
    /// have, and those without a cell for the slot.
    fn missing_rows(
        &self,
        base: &Model,
        counts: Option<&CellCounts>,
        keys: &[u64],
        step: Step,
        not_learned: impl Fn() -> Error,
    ) -> Result<Vec<(u64, Row)>> {
        // Where the cell is, or would have to be.
        let place = |cells: &[LiveCell]| match (find(cells, step.slot), step.decision) {
            (Ok(at), Decision::Learn) if step.after(&cells[at]).is_none() => {
                Err(Error::TooManyDocuments)
            }
            (Ok(at), Decision::Unlearn) if step.after(&cells[at]).is_none() => Err(not_learned()),
            (Err(_), Decision::Unlearn) => Err(not_learned()),
            (place, _) => Ok(place),
        };
        let (mut out, mut unknown, mut cells) = (Vec::new(), Vec::new(), Vec::new());
        reserve(&mut out, keys.len())?;
        reserve(&mut unknown, keys.len())?;
        for &key in keys {
            let Some(row) = self.rows.get(&key) else {
                unknown.push(key);
                continue;
            };
            if let Err(at) = place(row.cells())? {
                cells.clear();
                reserve(&mut cells, row.cells().len() + 1)?;
                cells.extend_from_slice(row.cells());
                cells.insert(at, LiveCell::empty(step.slot));
                out.push((key, Row::new(&cells, row.gain(), row.is_dirty())?));
            }
        }
        let table = base.table()?;
        probe(unknown.len() * 2 * size_of::<FoundRow<u64>>())?;
        let found = table.find(&unknown, |key| key);
        touch_counts(counts, &found);
        let mut found = found.into_iter().peekable();
        for key in unknown {
            cells.clear();
            let mut gain = 0.0;
            if let Some(row) = found.next_if(|row| row.tag == key) {
                gain = row.gain as f32;
                reserve(&mut cells, row.cells.len() + 1)?;
                for cell in base_cells(&table, counts, row.cells) {
                    cells.push(cell?);
                }
            }
            if let Err(at) = place(&cells)? {
                reserve(&mut cells, 1)?;
                cells.insert(at, LiveCell::empty(step.slot));
            }
            out.push((key, Row::new(&cells, gain, false)?));
        }
        Ok(out)
    }

    /// Weighs the rows whose counts changed. Those that are the base's again go.
    fn weigh(&mut self, base: &Model, counts: Option<&CellCounts>, poll: Poll) -> Result<()> {
        let table = base.table()?;
        let weighing = Weighing::of(&base.meta().fit);
        probe(ROWS_PER_POLL * 2 * size_of::<FoundRow<u64>>())?;
        let (mut cells, mut deltas) = (Vec::new(), Vec::new());
        let mut weighed = 0;
        // A row leaves the list when it is done: errors and polls may end this at any time.
        while !self.change.dirty.is_empty() {
            poll();
            let from = self.change.dirty.len().saturating_sub(ROWS_PER_POLL);
            let dirty = &self.change.dirty[from..];
            let mut found = match self.shrunk {
                true => table.find(dirty, |key| key),
                false => Vec::new(),
            };
            touch_counts(counts, &found);
            let rows = dirty.iter().filter_map(|key| self.rows.get(key));
            touch(
                rows.filter_map(|row| row.cells().first())
                    .map(|cell| cell.documents as u8),
            );
            while let Some(&key) = self.change.dirty[from..].last() {
                let in_base = found.pop_if(|row| row.tag == key);
                if let Some(row) = self.rows.get_mut(&key) {
                    let before = row.cell_bytes();
                    let range = in_base.map_or(0..0, |row| row.cells);
                    let is_base = self.shrunk
                        && row
                            .counted()
                            .map(|cell| Some(cell.counts(key)))
                            .eq(base_cells(&table, counts, range)
                                .map(|cell| Some(cell.ok()?.counts(key))));
                    if !is_base {
                        row.weigh(key, &weighing, &mut cells, &mut deltas)?;
                    }
                    weighed += row.cells().len();
                    self.change.shift(&weighing, row.cells(), 1);
                    self.cell_bytes -= before;
                    match is_base {
                        true => drop(self.rows.remove(&key)),
                        false => self.cell_bytes += row.cell_bytes(),
                    }
                }
                self.change.dirty.pop();
                if weighed >= CELLS_PER_POLL {
                    weighed = 0;
                    poll();
                }
            }
        }
        self.change.dirty = Vec::new();
        Ok(())
    }

    fn slot_of(&self, base: &Model, folded: &str) -> Option<usize> {
        let in_base = base
            .labels()
            .binary_search_by(|label| label.folded.as_str().cmp(folded));
        in_base
            .ok()
            .or_else(|| self.added.get(folded).map(|added| added.slot))
    }

    /// The slot for a label that the base does not have: that of one which is gone, or the
    /// one after the last.
    fn free_slot(&self, base: &Model) -> Result<usize> {
        let documents = &self.totals.documents;
        let first = base.labels().len();
        let slot = (first..documents.len())
            .find(|&slot| documents[slot] == 0)
            .unwrap_or(documents.len());
        let labels = documents.iter().filter(|&&n| n > 0).count();
        if labels == MAX_LABELS || slot > u16::MAX.into() {
            return Err(Error::TooManyLabels { limit: MAX_LABELS });
        }
        Ok(slot)
    }

    /// Whether everything is as in the base.
    fn is_nothing(&self, base: &Model) -> bool {
        // Added labels have emails, and without rows there is no change of sums.
        let classes = base.labels().len();
        self.rows.is_empty()
            && self.added.is_empty()
            && self.totals.documents[..classes] == base.meta().documents
            && self.totals.sums[..classes] == *base.sums()
    }

    fn settle(&self, base: &Model) -> Result<Settled> {
        let slots = self.totals.documents.len();
        let texts = |label: &LiveLabel| label.folded.len() + label.name.len() + 128;
        let added = self.added.iter().map(|(folded, added)| {
            let name = added.name();
            (added.slot, folded.as_str(), name)
        });
        let known = base.labels().iter().enumerate();
        let mut order: Vec<(usize, &str, &str)> = known
            .map(|(slot, label)| (slot, label.folded.as_str(), label.name.as_str()))
            .chain(added)
            .filter(|&(slot, _, _)| self.totals.documents[slot] > 0)
            .collect();
        probe(base.labels().iter().map(texts).sum::<usize>() + slots * 128)?;
        order.sort_unstable_by_key(|&(_, folded, _)| folded);
        let mut class_of_slot = vec![NO_CLASS; slots];
        for (class, &(slot, _, _)) in (0..).zip(&order) {
            class_of_slot[slot] = class;
        }
        let in_order = |slot: usize| {
            let mut sums = self.totals.sums[slot];
            let change = self.change.weight_log_df[slot];
            sums.weight_log_df = sums.weight_log_df.saturating_add_signed(change);
            (self.totals.documents[slot], sums)
        };
        let (documents, sums) = order.iter().map(|&(slot, _, _)| in_order(slot)).unzip();
        let features = self.totals.features;
        let totals = Totals {
            features: features.saturating_add_signed(self.change.features),
            documents,
            sums,
        };
        let terms = Weighing::of(&base.meta().fit).class_terms(&totals);
        let label = |&(_, folded, name): &(usize, &str, &str)| LiveLabel {
            folded: folded.to_owned(),
            name: name.to_owned(),
        };
        Ok(Settled {
            class_of_slot,
            labels: order.iter().map(label).collect(),
            documents: totals.documents,
            terms,
        })
    }

    fn log_probabilities(&self, base: &Model, features: &Features, poll: Poll) -> Vec<f64> {
        let settled = &self.settled;
        let fit = &base.meta().fit;
        let mut sums = vec![0.0; settled.labels.len()];
        let (mut gains, mut squares, mut known) = (0.0, 0.0, 0);
        // Not reached otherwise: opening the base built it once.
        if let Ok(table) = base.table() {
            let touched: Vec<_> = features
                .keys()
                .iter()
                .map(|key| self.rows.get(key))
                .collect();
            let untouched: Vec<u64> = features
                .keys()
                .iter()
                .zip(&touched)
                .filter_map(|(&key, row)| row.is_none().then_some(key))
                .collect();
            let mut found = table.find(&untouched, |key| key).into_iter().peekable();
            let mut add = |slot: usize, score: f32| {
                let class = settled.class_of_slot.get(slot).copied().unwrap_or(NO_CLASS);
                if let Some(sum) = sums.get_mut(class as usize) {
                    *sum += f64::from(score);
                }
            };
            // In key order, as in a packed model: sums of rounded numbers depend on it.
            for (i, (&key, touched)) in features.keys().iter().zip(touched).enumerate() {
                if i % ROWS_PER_POLL == 0 {
                    poll();
                }
                let gain = match touched {
                    Some(row) => {
                        if row.cells().is_empty() {
                            continue;
                        }
                        row.cells()
                            .iter()
                            .for_each(|cell| add(cell.slot.into(), cell.score));
                        f64::from(row.gain())
                    }
                    None => {
                        let Some(row) = found.next_if(|row| row.tag == key) else {
                            continue;
                        };
                        table
                            .cells(row.cells)
                            .for_each(|(class, score)| add(class, score));
                        row.gain
                    }
                };
                known += 1;
                gains += gain;
                squares += gain * gain;
            }
        }
        settled.terms.scores(fit.form, &mut sums, gains, squares);
        log_probabilities(fit, sums, known, &settled.documents)
    }

    fn memory(&self) -> usize {
        let texts = |label: &LiveLabel| label.folded.len() + label.name.len() + 128;
        let spelled = |added: &Added| added.spellings.keys().map(|s| s.len() + 64).sum::<usize>();
        size_of::<Self>()
            + self.rows.capacity() * (size_of::<(u64, Row)>() + 1)
            + self.cell_bytes
            + self.change.dirty.capacity() * size_of::<u64>()
            + self.totals.documents.len() * (size_of::<ClassSums>() + 64)
            + self.settled.labels.iter().map(texts).sum::<usize>()
            + self
                .added
                .iter()
                .map(|(folded, added)| folded.len() + 64 + spelled(added))
                .sum::<usize>()
    }
}

/// The cells of a row of the base.
fn base_cells<'a>(
    table: &Table<'a>,
    counts: Option<&'a CellCounts>,
    at: Range<usize>,
) -> impl Iterator<Item = Result<LiveCell>> + 'a {
    at.clone()
        .zip(table.cells(at))
        .map(move |(at, (class, score))| {
            let counts = counts.and_then(|counts| counts.get(at));
            let (documents, weight) =
                counts.ok_or_else(|| corrupt(Kind::Model, "its state has other tables"))?;
            LiveCell::new(class as u16, documents, weight, score)
        })
}

/// See [`touch`].
fn touch_counts(counts: Option<&CellCounts>, rows: &[FoundRow<u64>]) {
    let first = |row: &FoundRow<u64>| counts?.get(row.cells.start);
    touch(
        rows.iter()
            .filter_map(first)
            .map(|(n, w)| n as u8 ^ w as u8),
    );
}

/// Where the cell of a slot is, or would be.
fn find(cells: &[LiveCell], slot: u16) -> std::result::Result<usize, usize> {
    cells.binary_search_by_key(&slot, |cell| cell.slot)
}

impl Step {
    /// A cell's documents and weight after it; `None` if it is not possible.
    fn after(self, cell: &LiveCell) -> Option<(u32, u64)> {
        let (documents, weight) = (cell.documents, cell.weight());
        match self.decision {
            Decision::Learn => Some((documents.checked_add(1)?, weight + self.weight)),
            Decision::Unlearn => without(documents, weight, self.weight),
        }
    }

    fn apply(self, row: &mut Row, at: usize) {
        let (_, _, cells) = row.parts();
        if let Some((documents, weight)) = self.after(&cells[at]) {
            cells[at].set(documents, weight);
        }
    }
}

impl Change {
    /// To be called before a row's counts change. There must be room for its key.
    fn touch(&mut self, weighing: &Weighing, key: u64, row: &mut Row) {
        let (_, dirty, cells) = row.parts();
        if !*dirty {
            *dirty = true;
            self.shift(weighing, cells, -1);
            self.dirty.push(key);
        }
    }

    /// Adds or takes a row's part of the sums.
    fn shift(&mut self, weighing: &Weighing, cells: &[LiveCell], sign: i64) {
        let documents = cells.iter().map(|c| u64::from(c.documents)).sum();
        let log_df = weighing.log_df_of(documents);
        for cell in cells {
            // 48 and 37 bits.
            let part = (u128::from(cell.weight()) * u128::from(log_df)) as i128;
            let sum = &mut self.weight_log_df[usize::from(cell.slot)];
            *sum += if sign < 0 { -part } else { part };
        }
        self.features += if documents > 0 { sign } else { 0 };
    }
}

impl KeyHash {
    fn new() -> Self {
        let random = RandomState::new();
        Self {
            secret: [random.hash_one(0), random.hash_one(1) | 1],
        }
    }
}

impl BuildHasher for KeyHash {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher {
            secret: self.secret,
            hash: 0,
        }
    }
}

impl Hasher for KeyHasher {
    fn write_u64(&mut self, key: u64) {
        let [add, multiply] = self.secret.map(u128::from);
        let product = (u128::from(self.hash ^ key) ^ add) * multiply;
        self.hash = product as u64 ^ (product >> 64) as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

impl Added {
    /// As [`LabelCounts::name`](crate::LabelCounts::name).
    fn name(&self) -> &str {
        self.spellings
            .iter()
            .max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)))
            .map_or("", |(name, _)| name)
    }
}

impl LiveCell {
    fn new(slot: u16, documents: u32, weight: u64, score: f32) -> Result<Self> {
        // No more than documents times one: 48 bits.
        Ok(Self {
            weight_low: weight as u32,
            weight_high: u16::try_from(weight >> 32).map_err(|_| Error::TooManyDocuments)?,
            slot,
            documents,
            score,
        })
    }

    fn empty(slot: u16) -> Self {
        Self {
            weight_low: 0,
            weight_high: 0,
            slot,
            documents: 0,
            score: 0.0,
        }
    }

    fn weight(&self) -> u64 {
        u64::from(self.weight_high) << 32 | u64::from(self.weight_low)
    }

    fn set(&mut self, documents: u32, weight: u64) {
        self.documents = documents;
        self.weight_low = weight as u32;
        self.weight_high = (weight >> 32) as u16;
    }

    fn counts(&self, key: u64) -> Cell {
        Cell {
            key,
            weight: self.weight(),
            documents: self.documents,
            class: self.slot.into(),
        }
    }
}

impl Row {
    fn new(row: &[LiveCell], gain: f32, dirty: bool) -> Result<Self> {
        Ok(match *row {
            [cell] => Self::One {
                gain,
                dirty,
                cells: [cell],
            },
            _ => {
                let mut cells = Vec::new();
                reserve_exact(&mut cells, row.len())?;
                cells.extend_from_slice(row);
                Self::Other {
                    gain,
                    dirty,
                    cells: cells.into_boxed_slice(),
                }
            }
        })
    }

    /// Computes gain and scores, after dropping what has no documents. The rest are buffers.
    fn weigh(
        &mut self,
        key: u64,
        weighing: &Weighing,
        counts: &mut Vec<Cell>,
        deltas: &mut Vec<(u32, f64)>,
    ) -> Result<()> {
        counts.clear();
        reserve(counts, self.cells().len())?;
        counts.extend(self.counted().map(|cell| cell.counts(key)));
        deltas.clear();
        reserve(deltas, counts.len())?;
        if counts.len() < self.cells().len() {
            let mut left = Vec::new();
            reserve(&mut left, counts.len())?;
            left.extend(self.counted().copied());
            *self = Self::new(&left, self.gain(), true)?;
        }
        let terms = weighing.terms(counts, deltas);
        let (gain, dirty, cells) = self.parts();
        *gain = terms.gain as f32;
        *dirty = false;
        for (cell, &(_, score)) in cells.iter_mut().zip(terms.deltas) {
            cell.score = score as f32;
        }
        Ok(())
    }

    fn gain(&self) -> f32 {
        match self {
            Self::One { gain, .. } | Self::Other { gain, .. } => *gain,
        }
    }

    fn is_dirty(&self) -> bool {
        match self {
            Self::One { dirty, .. } | Self::Other { dirty, .. } => *dirty,
        }
    }

    fn cells(&self) -> &[LiveCell] {
        match self {
            Self::One { cells, .. } => cells,
            Self::Other { cells, .. } => cells,
        }
    }

    /// Cells that a packed row would have.
    fn counted(&self) -> impl Iterator<Item = &LiveCell> {
        self.cells().iter().filter(|cell| cell.documents > 0)
    }

    /// Gain, whether it is dirty, and cells.
    fn parts(&mut self) -> (&mut f32, &mut bool, &mut [LiveCell]) {
        match self {
            Self::One { gain, dirty, cells } => (gain, dirty, cells),
            Self::Other { gain, dirty, cells } => (gain, dirty, cells),
        }
    }

    /// Bytes outside of the row.
    fn cell_bytes(&self) -> usize {
        match self {
            Self::One { .. } => 0,
            Self::Other { cells, .. } => size_of_val(&**cells) + 16,
        }
    }
}

/// A row takes what it has to.
const _: () = assert!(size_of::<Row>() == 24 && size_of::<LiveCell>() == 16);
