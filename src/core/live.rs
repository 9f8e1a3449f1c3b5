//! A model and the decisions since it was packed.
//!
//! A decision changes the counts of the email's own features and the sums per class, and a
//! [`Fit`](crate::Fit) is frozen. So the rows of those features are weighed anew, by the
//! code that packs, and laid over the table of the model; the sums are integers. The
//! answers have the same bits as those of a model packed from all counts.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::artifact::{Kind, corrupt};
use crate::counts::{Cell, unit_weight, without};
use crate::error::{probe, reserve};
use crate::labels::trimmed;
use crate::model::{ROWS_PER_POLL, best, log_probabilities, ranked};
use crate::naive_bayes::{ClassSums, ClassTerms, Totals, Weighing};
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
    rows: HashMap<u64, Row>,
    /// Bytes of cells outside of `rows`.
    cell_bytes: usize,
    /// By slot.
    totals: Totals,
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

/// The effective counts of a feature. Most new ones are in one class.
#[derive(Debug, Clone)]
enum Row {
    One { gain: f32, cells: [LiveCell; 1] },
    Other { gain: f32, cells: Box<[LiveCell]> },
}

/// Whether a document comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Learn,
    Unlearn,
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
            rows: HashMap::new(),
            cell_bytes: 0,
            totals: base.totals(),
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
        let change = self.rows_after(base, counts, features.keys(), |key, row| match decision {
            Decision::Learn => add(row, key, slot, weight),
            Decision::Unlearn => take(row, slot, weight).ok_or_else(not_learned),
        })?;
        self.rows
            .try_reserve(change.rows.len())
            .map_err(|_| Error::OutOfMemory {
                bytes: change.rows.len() * size_of::<(u64, Row)>(),
            })?;

        // From here on nothing fails.
        for (key, row) in change.rows {
            let (bytes, old) = match row {
                Some(row) => (row.cell_bytes(), self.rows.insert(key, row)),
                None => (0, self.rows.remove(&key)),
            };
            self.cell_bytes += bytes;
            self.cell_bytes -= old.map_or(0, |old| old.cell_bytes());
        }
        if slot == self.totals.documents.len() {
            self.totals.documents.push(0);
            self.totals.sums.push(ClassSums::default());
            self.settled.class_of_slot.push(NO_CLASS);
        }
        self.totals.documents[slot] = documents;
        self.totals.sums[slot].tokens = sums.tokens;
        self.totals.sums[slot].weight = sums.weight;
        for (sums, change) in self.totals.sums.iter_mut().zip(change.weight_log_df) {
            sums.weight_log_df = sums.weight_log_df.saturating_add_signed(change);
        }
        self.totals.features = self.totals.features.saturating_add_signed(change.features);
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

    /// The rows of these features after `change`, and what that does to the sums. A row
    /// that is the base's again is `None`.
    fn rows_after(
        &self,
        base: &Model,
        counts: Option<&CellCounts>,
        keys: &[u64],
        change: impl Fn(u64, &mut Vec<Cell>) -> Result<()>,
    ) -> Result<Change> {
        let table = base.table()?;
        let found = table.find(keys, |key| key);
        let cells: usize = found.iter().map(|row| row.cells.len() + 1).sum();
        probe((keys.len() + cells) * (size_of::<LiveCell>() + size_of::<(u64, Row)>()))?;
        let mut found = found.into_iter().peekable();
        let weighing = Weighing::of(&base.meta().fit);
        let mut out = Change {
            rows: Vec::new(),
            // One more for a new slot.
            weight_log_df: vec![0; self.totals.sums.len() + 1],
            features: 0,
        };
        reserve(&mut out.rows, keys.len())?;
        let (mut in_base, mut row, mut deltas) = (Vec::new(), Vec::new(), Vec::new());
        for &key in keys {
            in_base.clear();
            if let Some(found) = found.next_if(|row| row.tag == key) {
                for (at, (class, _)) in found.cells.clone().zip(table.cells(found.cells)) {
                    let counts = counts.and_then(|counts| counts.get(at));
                    let (documents, weight) =
                        counts.ok_or_else(|| corrupt(Kind::Model, "its state has other tables"))?;
                    in_base.push(Cell {
                        key,
                        weight,
                        documents,
                        class: class as u32,
                    });
                }
            }
            row.clear();
            match self.rows.get(&key) {
                Some(touched) => row.extend(touched.cells().iter().map(|c| c.counts(key))),
                None => row.extend_from_slice(&in_base),
            }
            out.shift(&weighing, &row, -1);
            change(key, &mut row)?;
            out.shift(&weighing, &row, 1);
            let after = if row == in_base {
                None
            } else {
                let terms = weighing.terms(&row, &mut deltas);
                Some(Row::new(&row, terms.gain as f32, terms.deltas)?)
            };
            out.rows.push((key, after));
        }
        Ok(out)
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
        // Added labels have emails.
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
        let in_order = |slot: usize| (self.totals.documents[slot], self.totals.sums[slot]);
        let (documents, sums) = order.iter().map(|&(slot, _, _)| in_order(slot)).unzip();
        let totals = Totals {
            features: self.totals.features,
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
            + self.totals.documents.len() * (size_of::<ClassSums>() + 64)
            + self.settled.labels.iter().map(texts).sum::<usize>()
            + self
                .added
                .iter()
                .map(|(folded, added)| folded.len() + 64 + spelled(added))
                .sum::<usize>()
    }
}

/// What a decision does to rows and sums.
struct Change {
    rows: Vec<(u64, Option<Row>)>,
    /// By slot.
    weight_log_df: Vec<i128>,
    features: i64,
}

impl Change {
    /// Adds or takes a row's part of the sums.
    fn shift(&mut self, weighing: &Weighing, row: &[Cell], sign: i64) {
        let log_df = i128::from(weighing.log_df(row));
        for cell in row {
            self.weight_log_df[cell.class as usize] +=
                i128::from(sign) * i128::from(cell.weight) * log_df;
        }
        self.features += if row.is_empty() { 0 } else { sign };
    }
}

/// Adds a document to a row of effective counts.
fn add(row: &mut Vec<Cell>, key: u64, slot: usize, weight: u64) -> Result<()> {
    let class = slot as u32;
    match row.iter_mut().find(|cell| cell.class == class) {
        Some(cell) => {
            let documents = cell.documents.checked_add(1);
            cell.documents = documents.ok_or(Error::TooManyDocuments)?;
            cell.weight += weight;
        }
        None => {
            let at = row.partition_point(|cell| cell.class < class);
            let documents = 1;
            let cell = Cell {
                key,
                weight,
                documents,
                class,
            };
            row.insert(at, cell);
        }
    }
    Ok(())
}

/// Takes a document from a row of effective counts, if it can be in there.
fn take(row: &mut Vec<Cell>, slot: usize, weight: u64) -> Option<()> {
    let at = row.iter().position(|cell| cell.class as usize == slot)?;
    let cell = &mut row[at];
    (cell.documents, cell.weight) = without(cell.documents, cell.weight, weight)?;
    if cell.documents == 0 {
        row.remove(at);
    }
    Some(())
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
    fn new(cell: &Cell, score: f64) -> Result<Self> {
        // No more than documents times one: 48 bits.
        Ok(Self {
            weight_low: cell.weight as u32,
            weight_high: u16::try_from(cell.weight >> 32).map_err(|_| Error::TooManyDocuments)?,
            slot: cell.class as u16,
            documents: cell.documents,
            score: score as f32,
        })
    }

    fn counts(&self, key: u64) -> Cell {
        Cell {
            key,
            weight: u64::from(self.weight_high) << 32 | u64::from(self.weight_low),
            documents: self.documents,
            class: self.slot.into(),
        }
    }
}

impl Row {
    fn new(row: &[Cell], gain: f32, scores: &[(u32, f64)]) -> Result<Self> {
        let cells = row.iter().zip(scores);
        let mut cells = cells.map(|(cell, &(_, score))| LiveCell::new(cell, score));
        Ok(match (row.len(), cells.next()) {
            (1, Some(cell)) => Self::One {
                gain,
                cells: [cell?],
            },
            (_, first) => Self::Other {
                gain,
                cells: first.into_iter().chain(cells).collect::<Result<_>>()?,
            },
        })
    }

    fn gain(&self) -> f32 {
        match self {
            Self::One { gain, .. } | Self::Other { gain, .. } => *gain,
        }
    }

    fn cells(&self) -> &[LiveCell] {
        match self {
            Self::One { cells, .. } => cells,
            Self::Other { cells, .. } => cells,
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
