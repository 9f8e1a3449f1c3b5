//! What the classifier knows of one message: the keys of its features.

use xxhash_rust::xxh3::Xxh3;

/// Changes whenever the same text would give other features; part of every key's seed and
/// of every stored state and model.
pub const TOKENIZER_VERSION: u64 = 2;

/// The distinct feature keys of one message in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features(Vec<u64>);

impl Features {
    /// Features from keys in any order, repeats included.
    pub(crate) fn of(mut keys: Vec<u64>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        Self(keys)
    }

    /// Features from stored keys.
    ///
    /// # Errors
    /// Returns the keys back if they are not strictly ascending.
    pub fn from_sorted(keys: Vec<u64>) -> Result<Self, Vec<u64>> {
        if keys.is_sorted_by(|a, b| a < b) {
            Ok(Self(keys))
        } else {
            Err(keys)
        }
    }

    /// The keys.
    pub fn keys(&self) -> &[u64] {
        &self.0
    }

    /// A hash of the whole message as the classifier sees it.
    pub fn content_hash(&self) -> u64 {
        content_hash(&self.0)
    }
}

/// [`Features::content_hash`] of these keys.
pub(crate) fn content_hash(keys: &[u64]) -> u64 {
    let mut hasher = Xxh3::with_seed(TOKENIZER_VERSION);
    for key in keys {
        hasher.update(&key.to_le_bytes());
    }
    hasher.digest()
}
