//! What is known of labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::artifact::META_LIMIT;
use crate::counts::MAX_SUM;
use crate::error::{Error, Result};
use crate::labels::{casefold_label, is_label};
use crate::poll::Poll;

/// Spellings to look at between two polls: each is casefolded.
const SPELLINGS_PER_POLL: usize = 4096;

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
    pub(super) fn add(&mut self, other: &LabelCounts) -> Result<()> {
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
    pub(super) fn in_range(&self) -> bool {
        self.documents <= u32::MAX.into() && self.tokens < MAX_SUM && self.weight < MAX_SUM
    }

    /// Whether the texts are what [`State`](crate::State) would have stored.
    pub(super) fn texts_are_canonical(&self, poll: Poll) -> bool {
        self.spellings.keys().enumerate().all(|(i, spelling)| {
            if i % SPELLINGS_PER_POLL == 0 {
                poll();
            }
            is_label(spelling)
                && casefold_label(spelling).is_ok_and(|casefolded| casefolded == self.casefolded)
        })
    }
}

/// Number and size of the label texts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LabelTexts {
    pub(super) number: usize,
    pub(super) bytes: usize,
}

impl LabelTexts {
    /// Refuses what an artifact's metadata could not hold.
    pub(super) fn add(&mut self, text: &str) -> Result<()> {
        if self.bytes + text.len() > META_LIMIT {
            return Err(Error::LabelsTooLong { limit: META_LIMIT });
        }
        self.number += 1;
        self.bytes += text.len();
        Ok(())
    }

    /// Counts a text out that is gone.
    pub(super) fn remove(&mut self, text: &str) {
        self.number -= 1;
        self.bytes -= text.len();
    }

    /// Each text is kept twice: with its counts, and in a map that finds it.
    pub(super) fn memory(&self) -> usize {
        2 * (self.bytes + 64 * self.number)
    }
}
