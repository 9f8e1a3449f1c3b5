//! One cell of the table: what is counted of one feature in one class.

/// One in fixed point: a document with n features gives each of them
/// `round(WEIGHT_ONE / sqrt(n))`.
pub(crate) const WEIGHT_ONE: f64 = 65536.0;

/// One in fixed-point residuals.
pub(crate) const RESIDUAL_ONE: f64 = (1u32 << 20) as f64;

/// Bound of sums, far from where 64 bits overflow.
pub(crate) const MAX_SUM: u64 = 1 << 60;

/// Counts of one feature in one class. Present only while one of them is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub key: u64,
    /// Sum of the documents' weights, in 1 / [`WEIGHT_ONE`].
    pub weight: u64,
    pub documents: u32,
    pub class: u32,
    /// Sum of steps, in 1 / [`RESIDUAL_ONE`], modulo 2^32.
    pub residual: i32,
}

impl Cell {
    /// Whether there is nothing to keep.
    pub(crate) fn is_nothing(&self) -> bool {
        self.documents == 0 && self.residual == 0
    }

    /// What cells are sorted by.
    pub(super) fn order(&self) -> (u64, u32) {
        (self.key, self.class)
    }
}

/// Weight of each feature of a document with `features` features: its share of a vector
/// of length one.
pub(crate) fn unit_weight(features: usize) -> u64 {
    if features == 0 {
        return 0;
    }
    // Correctly rounded operations only: the same on every machine.
    (WEIGHT_ONE / (features as f64).sqrt()).round().max(1.0) as u64
}

/// The counts without one document of this weight; `None` if it cannot be among them. What
/// is left is again what documents could have added up to.
pub(crate) fn without(documents: u32, weight: u64, one: u64) -> Option<(u32, u64)> {
    let documents = documents.checked_sub(1)?;
    let weight = weight.checked_sub(one)?;
    let most = u64::from(documents) * WEIGHT_ONE as u64;
    (u64::from(documents)..=most)
        .contains(&weight)
        .then_some((documents, weight))
}

/// Adds the counts of `other`, which is about the same feature and class.
pub(super) fn add(into: &mut Cell, other: &Cell) {
    into.documents = into.documents.saturating_add(other.documents);
    into.weight = into.weight.saturating_add(other.weight);
    into.residual = into.residual.wrapping_add(other.residual);
}

/// Documents that have the feature, whatever their class.
pub(crate) fn document_frequency(row: &[Cell]) -> u64 {
    row.iter().map(|c| u64::from(c.documents)).sum()
}

/// Weight of all cells of a feature.
pub(crate) fn weight_of(row: &[Cell]) -> u64 {
    row.iter().map(|c| c.weight).sum()
}
