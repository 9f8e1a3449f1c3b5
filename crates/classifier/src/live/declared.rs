//! Labels that a classifier has and no email has yet.
//!
//! An email may be about one of them, the more so the fewer emails were learned. How much is
//! Laplace's rule of succession: as if each label had one email more than it has, of which
//! nothing is known. So after n emails, with k labels in all, each label without emails has
//! the probability 1 / (n + k), and those that have some share the rest as they answer.
//!
//! That depends on the numbers of emails and of labels alone: not on who counted the emails, so
//! neither compaction nor a new version changes it. A label without emails is never the most
//! probable one: of m labels that have some, the best gets at least (n + m) / m times as much.

use std::rc::Rc;

use crate::error::Result;
use crate::labels::Label;
use crate::memory::reserve;
use crate::model::LabelProbability;

/// The labels of a classifier, of which some may have no email. Clones share the texts.
#[derive(Debug, Clone, Default)]
pub(super) struct Declared {
    /// All of them, in order of their casefolded form.
    all: Rc<Vec<Label>>,
    /// Which of them have no emails.
    without_emails: Vec<usize>,
}

/// How probability is shared out between labels with and without emails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shares {
    /// Of the labels with emails together.
    pub(super) known: f64,
    /// Of each label without emails.
    pub(super) each: f64,
}

impl Declared {
    /// These labels, given those that have emails; both in order of their casefolded form.
    pub(super) fn new(all: Rc<Vec<Label>>, known: &[Label]) -> Result<Self> {
        let mut declared = Self {
            all,
            without_emails: Vec::new(),
        };
        declared.compare(known)?;
        Ok(declared)
    }

    /// Finds out anew which of them have no emails.
    pub(super) fn compare(&mut self, known: &[Label]) -> Result<()> {
        let has_emails = |label: &Label| {
            let of_known = known.binary_search_by(|k| k.casefolded.cmp(&label.casefolded));
            of_known.is_ok()
        };
        self.without_emails.clear();
        reserve(&mut self.without_emails, self.all.len())?;
        let labels = self.all.iter().enumerate();
        self.without_emails
            .extend(labels.filter_map(|(at, label)| (!has_emails(label)).then_some(at)));
        Ok(())
    }

    /// Labels without emails, in order of their casefolded form.
    pub(super) fn without_emails(&self) -> impl Iterator<Item = &Label> {
        self.without_emails.iter().map(|&at| &self.all[at])
    }

    /// How an answer about so many labels is shared out after so many emails.
    pub(super) fn shares(&self, emails: u64, known: usize) -> Shares {
        let without = self.without_emails.len();
        if without == 0 {
            return Shares {
                known: 1.0,
                each: 0.0,
            };
        }
        let all = emails as f64 + (known + without) as f64;
        Shares {
            known: (emails as f64 + known as f64) / all,
            each: 1.0 / all,
        }
    }

    /// Adds the labels without emails to the ranking of the others; nothing to an empty one,
    /// which says that nothing is known. Their classes follow so many others.
    pub(super) fn join<'a>(
        &'a self,
        ranked: &mut Vec<LabelProbability<'a>>,
        emails: u64,
        classes: usize,
    ) {
        let known = ranked.len();
        if known == 0 || self.without_emails.is_empty() {
            return;
        }
        let shares = self.shares(emails, known);
        for of_known in ranked.iter_mut() {
            of_known.probability *= shares.known;
        }
        let without = self.without_emails().zip(classes..);
        ranked.extend(without.map(|(label, class)| LabelProbability {
            class,
            label: &label.name,
            probability: shares.each,
        }));
        // Stable: those with emails come first, and equals stay in label order.
        ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    }
}
