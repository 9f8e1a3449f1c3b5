//! What a model says about itself.

use serde::{Deserialize, Serialize};

use crate::artifact::at_most;
use crate::evaluation::Metrics;
use crate::fit::Fit;
use crate::labels::MAX_LABELS;
use crate::naive_bayes::ClassSums;

/// Everything about a model that is not a big table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelMeta {
    pub(super) tokenizer_version: u64,
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
    pub(super) features: u64,
    /// MessageSums over all features, per class.
    #[serde(deserialize_with = "at_most::<_, _, MAX_LABELS>")]
    pub(super) sums: Vec<ClassSums>,
}
