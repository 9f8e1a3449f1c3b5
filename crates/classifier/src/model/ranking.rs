//! From log-probabilities to labels.

use crate::evaluation::argmax;
use crate::labels::Label;
use crate::math::exp;

/// One label with its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelProbability<'a> {
    /// Its position in [`ModelMeta::labels`](crate::ModelMeta::labels).
    pub class: usize,
    /// The label.
    pub label: &'a str,
    /// Its calibrated probability.
    pub probability: f64,
}

/// The most probable label; of equals the first. `None` without labels.
pub(crate) fn best<'a>(log_p: &[f64], labels: &'a [Label]) -> Option<LabelProbability<'a>> {
    scored(log_p, labels, argmax(log_p))
}

/// All labels, most probable first, equals in label order.
pub(crate) fn ranked<'a>(log_p: &[f64], labels: &'a [Label]) -> Vec<LabelProbability<'a>> {
    let mut order: Vec<usize> = (0..log_p.len()).collect();
    order.sort_by(|&a, &b| log_p[b].total_cmp(&log_p[a]));
    order
        .into_iter()
        .filter_map(|class| scored(log_p, labels, class))
        .collect()
}

/// `None` for a label that is hidden: its log-probability is minus infinity.
fn scored<'a>(log_p: &[f64], labels: &'a [Label], class: usize) -> Option<LabelProbability<'a>> {
    let log_p = *log_p.get(class)?;
    (log_p > f64::NEG_INFINITY).then_some(LabelProbability {
        class,
        label: &labels.get(class)?.name,
        probability: exp(log_p),
    })
}
