//! A token, and its feature key.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::field::Field;
use crate::features::TOKENIZER_VERSION;

/// Text beyond this many bytes, as given or as casefolded, is not read: the cost of one message
/// stays bounded.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// Shortest word, in characters.
pub(super) const MIN_TOKEN_CHARS: usize = 2;
/// Longest word, in characters.
pub(super) const MAX_TOKEN_CHARS: usize = 40;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'a> {
    /// Casefolded text. The two words of a pair are separated by one space; a space in letters
    /// is where a word begins or ends.
    pub text: &'a str,
    /// What it says.
    pub field: Field,
    /// Where it stands in the text as given, in bytes; of letters the word that they are
    /// from.
    pub written: Range<usize>,
}

impl Token<'_> {
    /// The token's feature key.
    pub fn key(&self) -> u64 {
        xxh3_64_with_seed(
            self.text.as_bytes(),
            TOKENIZER_VERSION << 8 | self.field as u64,
        )
    }
}

/// A token while the buffers grow. [`MAX_TEXT_BYTES`] fits into `u32` many times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Start and end of its text, in the buffer of its field.
    pub start: u32,
    pub end: u32,
    /// Start and end in the text as given.
    pub from: u32,
    pub to: u32,
    pub field: Field,
}

impl Found {
    /// A token whose text is `start..end` of its buffer, and was written `from..to`.
    pub(super) fn new(start: usize, end: usize, from: usize, to: usize, field: Field) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
            from: from as u32,
            to: to as u32,
            field,
        }
    }
}
