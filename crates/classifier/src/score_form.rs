//! The score forms that training chooses from.

use serde::{Deserialize, Serialize};

/// How counts become scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScoreForm {
    /// Multinomial over presence.
    MultinomialBoolean,
    /// Multinomial over unit-length tf-idf.
    MultinomialTfIdf,
    /// Complement naive Bayes over unit-length tf-idf.
    ComplementTfIdf,
}

impl ScoreForm {
    /// All forms; the first of equals is preferred.
    pub const ALL: [Self; 3] = [
        Self::MultinomialBoolean,
        Self::MultinomialTfIdf,
        Self::ComplementTfIdf,
    ];

    /// Name shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::MultinomialBoolean => "multinomial, boolean",
            Self::MultinomialTfIdf => "multinomial, tf-idf",
            Self::ComplementTfIdf => "complement, tf-idf",
        }
    }

    /// Additive smoothing per (feature, class).
    pub fn alpha(self) -> f64 {
        match self {
            Self::MultinomialBoolean => 0.05,
            Self::MultinomialTfIdf => 0.1,
            Self::ComplementTfIdf => 1.0,
        }
    }

    /// Whether message vectors are scaled to length one.
    pub fn unit_length(self) -> bool {
        self != Self::MultinomialBoolean
    }

    /// Whether frequent labels are more probable for being frequent.
    pub(crate) fn prior_counts(self) -> bool {
        self != Self::ComplementTfIdf
    }
}
