//! A model and the decisions since it was packed.
//!
//! A decision changes the counts of the email's own features and the sums per class, and a
//! [`Fit`](crate::Fit) is frozen. So the rows of those features are weighed anew, by the
//! code that packs, and laid over the table of the model; the sums are integers. The
//! answers have the same bits as those of a model packed from all counts.
//!
//! Weighing costs logarithms for every class of a row, and decisions share most of their
//! rows: a decision only counts, and each row is weighed once after a batch of them.

use std::rc::Rc;

use crate::artifact::{Kind, corrupt};
use crate::error::Result;
use crate::features::Features;
use crate::labels::{Label, casefold_label, trimmed};
use crate::learner::Learner;
use crate::math::log_sum_exp;
use crate::model::{CellCounts, LabelProbability, Model, best, ranked};
use crate::naive_bayes::Scores;
use crate::poll::Poll;
use crate::step::Step;
use declared::Declared;
use document_change::Direction;
use explain::Scored;
use overlay::Overlay;

mod declared;
mod document_change;
mod explain;
mod key_hash;
mod overlay;
mod row;

pub use explain::Explanation;

/// What a model makes of an email.
#[derive(Debug, Clone)]
pub struct Ranking<'a> {
    /// All labels, most probable first, equals in label order.
    pub ranked: Vec<LabelProbability<'a>>,
    /// The share of its features that no email before had; nothing of an empty one.
    pub unknown_share: f64,
}

/// A base model and an overlay of emails learned and un-learned since. The answers depend
/// on the set of decisions, not on their order, nor on which of them the base holds.
///
/// [`Live::refresh`] has to follow a batch of decisions before the next question.
#[derive(Debug, Clone)]
pub struct Live {
    base: Rc<Model>,
    counts: Option<Rc<CellCounts>>,
    /// `None` while the answers are those of the base.
    overlay: Option<Box<Overlay>>,
    declared: Declared,
    /// Casefolded labels that are learned and not answered.
    hidden: Vec<String>,
}

/// Every method changes nothing if it fails, and fails with [`crate::Error::Corrupt`] if the
/// base's counts are needed and not set.
impl Learner for Live {
    /// Learns one email. A label of white space only counts as missing.
    fn learn(&mut self, features: &Features, label: &str) -> Result<()> {
        if trimmed(label)?.is_empty() {
            return Ok(());
        }
        self.change_document(features, label, Direction::Learn)
    }

    /// Takes back one email, learned here or by the base. A label that the base does not
    /// have must be spelled as it was when learned.
    fn unlearn(&mut self, features: &Features, label: &str, _poll: Poll) -> Result<()> {
        self.change_document(features, label, Direction::Unlearn)
    }

    /// Adds a step, or takes it back. Labels that neither the base nor the overlay knows are
    /// passed over.
    fn step(&mut self, features: &Features, step: &Step, take_back: bool) -> Result<()> {
        if self.needs_counts() {
            return Err(corrupt(Kind::Model, "its counts were not read"));
        }
        let (base, counts) = (&*self.base, self.counts.as_deref());
        let mut new = None;
        let overlay = match &mut self.overlay {
            Some(overlay) => overlay,
            None => new.insert(Box::new(Overlay::new(base))),
        };
        overlay.step(base, counts, features, step, take_back)?;
        if new.is_some() {
            self.overlay = new;
        }
        Ok(())
    }
}

impl Live {
    /// The base as it is.
    pub fn new(base: Rc<Model>) -> Self {
        Self {
            base,
            counts: None,
            overlay: None,
            declared: Declared::default(),
            hidden: Vec::new(),
        }
    }

    /// Sets the labels that the classifier has, in order of their casefolded form (see
    /// [`casefold_label`]): those without emails get some probability, too.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn declare(&mut self, labels: Rc<Vec<Label>>) -> Result<()> {
        self.declared = Declared::new(labels, self.labels())?;
        Ok(())
    }

    /// Declared labels without emails; their classes follow those of [`Live::labels`].
    pub fn labels_without_emails(&self) -> impl Iterator<Item = &Label> {
        self.declared.without_emails()
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
        if counts.belong_to(self.base.identity()) {
            self.counts = Some(counts);
        }
    }

    /// The step with which the residual layer learns that an email has this label.
    ///
    /// # Errors
    /// [`crate::Error::LabelTooLong`].
    pub fn step_towards(&self, features: &Features, label: &str, poll: Poll) -> Result<Step> {
        let casefolded = casefold_label(label)?;
        let scores = self.scores(features, poll);
        let fit = &self.base.meta().fit;
        Ok(fit.step(scores, features, &casefolded, self.labels()))
    }

    fn change_document(
        &mut self,
        features: &Features,
        label: &str,
        direction: Direction,
    ) -> Result<()> {
        let spelling = trimmed(label)?;
        let casefolded = casefold_label(spelling)?;
        if self.needs_counts() {
            return Err(corrupt(Kind::Model, "its counts were not read"));
        }
        // A new overlay is not kept if it fails.
        let (base, counts) = (&*self.base, self.counts.as_deref());
        match &mut self.overlay {
            Some(overlay) => {
                overlay.change_document(base, counts, features, &casefolded, spelling, direction)
            }
            None => {
                let mut overlay = Box::new(Overlay::new(base));
                overlay.change_document(
                    base,
                    counts,
                    features,
                    &casefolded,
                    spelling,
                    direction,
                )?;
                self.overlay = Some(overlay);
                Ok(())
            }
        }
    }

    /// Computes what depends on all decisions: once after a batch of them.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn refresh(&mut self, poll: Poll) -> Result<()> {
        poll();
        let Some(overlay) = &mut self.overlay else {
            return Ok(());
        };
        overlay.weigh(&self.base, self.counts.as_deref(), poll)?;
        let known = if overlay.is_nothing(&self.base) {
            self.overlay = None;
            self.base.labels()
        } else {
            overlay.derived = overlay.derive(&self.base)?;
            &overlay.derived.labels
        };
        self.declared.compare(known)?;
        poll();
        Ok(())
    }

    /// Labels that have emails, in class order.
    pub fn labels(&self) -> &[Label] {
        match &self.overlay {
            Some(overlay) => &overlay.derived.labels,
            None => self.base.labels(),
        }
    }

    /// Answers none of these labels from now on, given in casefolded form, each once: the others
    /// share their probability. They are learned like all others.
    pub fn hide(&mut self, labels: Vec<String>) {
        self.hidden = labels;
    }

    /// The most probable label; of equals the first in label order. `None` without labels.
    pub fn classify(&self, features: &Features, poll: Poll) -> Option<LabelProbability<'_>> {
        let best = match &self.overlay {
            None if self.hidden.is_empty() => self.base.classify(features, poll),
            _ => best(&self.log_probabilities(features, poll), self.labels()),
        };
        // A label without emails is never the best one.
        let shares = self.declared.shares(self.documents(), self.shown());
        best.map(|best| LabelProbability {
            probability: best.probability * shares.known,
            ..best
        })
    }

    /// All labels, most probable first, equals in label order, those without emails last.
    /// Nothing before there is an email.
    pub fn rank(&self, features: &Features, poll: Poll) -> Vec<LabelProbability<'_>> {
        self.with_declared(&self.log_probabilities(features, poll))
    }

    fn with_declared(&self, log_p: &[f64]) -> Vec<LabelProbability<'_>> {
        let mut ranked = ranked(log_p, self.labels());
        self.declared
            .join(&mut ranked, self.documents(), self.labels().len());
        ranked
    }

    /// How many labels with emails are answered.
    fn shown(&self) -> usize {
        self.labels().len() - self.hidden_classes().count()
    }

    /// Classes of the labels that are not answered.
    fn hidden_classes(&self) -> impl Iterator<Item = usize> {
        let class = |hidden: &String| {
            self.labels()
                .binary_search_by(|label| label.casefolded.cmp(hidden))
        };
        self.hidden
            .iter()
            .filter_map(move |hidden| class(hidden).ok())
    }

    /// All labels, most probable first, and how much of the email is new: scoring has looked
    /// the features up anyway.
    pub fn predict(&self, features: &Features, poll: Poll) -> Ranking<'_> {
        let scores = self.scores(features, poll);
        let n = features.keys().len();
        let unknown = n.saturating_sub(scores.known);
        Ranking {
            ranked: self.with_declared(&self.calibrated(scores, features, None)),
            unknown_share: unknown as f64 / n.max(1) as f64,
        }
    }

    /// Log-probabilities of the labels that have emails, among themselves, in class order. A
    /// message without a known feature gets the shares of the labels.
    pub fn log_probabilities(&self, features: &Features, poll: Poll) -> Vec<f64> {
        self.calibrated(self.scores(features, poll), features, None)
    }

    /// Log-probabilities; those of hidden labels, but for the class that is asked about, are
    /// minus infinity.
    fn calibrated(&self, scores: Scores, features: &Features, asked: Option<usize>) -> Vec<f64> {
        let documents = match &self.overlay {
            Some(overlay) => &overlay.derived.documents,
            None => &self.base.meta().documents,
        };
        let fit = &self.base.meta().fit;
        let mut log_p = fit.log_probabilities(scores, features, documents);
        if self.hidden.is_empty() {
            return log_p;
        }
        for class in self.hidden_classes().filter(|&class| asked != Some(class)) {
            if let Some(p) = log_p.get_mut(class) {
                *p = f64::NEG_INFINITY;
            }
        }
        let rest = log_sum_exp(log_p.iter().copied());
        if rest.is_finite() {
            log_p.iter_mut().for_each(|p| *p -= rest);
        }
        log_p
    }

    fn scores(&self, features: &Features, poll: Poll) -> Scores {
        match &self.overlay {
            Some(overlay) => overlay.scores(&self.base, features, poll),
            None => self.base.scores(features, poll),
        }
    }

    /// Emails learned, the base's included.
    pub fn documents(&self) -> u64 {
        match &self.overlay {
            Some(overlay) => overlay.totals.documents.iter().sum(),
            None => self.base.meta().documents.iter().sum(),
        }
    }

    /// Explains a label that has emails, or the most probable one, against another of these.
    /// `None` if there is no such label or no other.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn explain(
        &self,
        features: &Features,
        class: Option<usize>,
        poll: Poll,
    ) -> Result<Option<Explanation>> {
        let scores = self.scores(features, poll);
        let scored = Scored {
            known: scores.known,
            scale: scores.scale,
            log_p: self.calibrated(scores, features, class),
        };
        let overlay = self.overlay.as_deref();
        explain::explanation(&self.base, overlay, features, scored, class, poll)
    }

    /// Bytes of the overlay alone; zero without one.
    pub fn memory(&self) -> usize {
        self.overlay.as_ref().map_or(0, |overlay| overlay.memory())
    }
}
