//! A document's scores, as calibration needs them.

/// Scores of one document by what had not seen it.
#[derive(Clone)]
pub(crate) struct Judged {
    pub scores: Vec<f64>,
    /// Number of the document's features.
    pub features: usize,
    pub class: usize,
}

impl Judged {
    /// The most bytes that so many of them take, and what is made of them to calibrate; with room
    /// for one document's features.
    pub(crate) fn memory(documents: usize, classes: usize) -> usize {
        (1 << 20) + documents * (16 * classes + 256)
    }

    /// The best score.
    pub(super) fn max(&self) -> f64 {
        self.scores
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// Distance between the best and the mean score.
    pub(super) fn spread(&self) -> f64 {
        self.max() - self.scores.iter().sum::<f64>() / self.scores.len() as f64
    }
}
