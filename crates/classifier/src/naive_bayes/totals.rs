//! Sums over all features, and the constants of the classes that are made of them.

use serde::{Deserialize, Serialize};

/// Sums over all features of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClassSums {
    /// Sum of n_kc.
    pub tokens: u64,
    /// Sum of w_kc, in 1 / 65536.
    pub weight: u64,
    /// Sum of w_kc ln(1 + min(df_k, N)), in 1 / 2^48.
    pub weight_log_df: u128,
}

/// What the constants of the classes depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub features: u64,
    /// Per class.
    pub documents: Vec<u64>,
    pub sums: Vec<ClassSums>,
}

/// Constants per class.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClassTerms {
    /// Log prior, zero where the form has none.
    pub prior: Vec<f64>,
    /// Score of a feature of gain one that was never seen in the class.
    pub base: Vec<f64>,
}
