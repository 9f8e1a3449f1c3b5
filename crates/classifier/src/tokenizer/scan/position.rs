//! Where a pass over a text is, and what it has found.

use crate::tokenizer::field::Field;
use crate::tokenizer::kinds::Kinds;
use crate::tokenizer::token::Found;

/// A word in the text (`from..to`) and among the casefolded words (`start..end`).
#[derive(Clone, Copy)]
pub(super) struct Word {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    /// One character of a script without spaces.
    pub(super) unit: bool,
}

/// One pass over a text.
pub(super) struct Scan<'a> {
    pub(super) text: &'a str,
    pub(super) kinds: Kinds,
    pub(super) words: &'a mut String,
    pub(super) others: &'a mut String,
    pub(super) found: &'a mut Vec<Found>,
    /// `Body`, the field that words of this line have as well, or that of a header line,
    /// whose words have no other.
    pub(super) zone: Field,
    pub(super) previous: Option<Word>,
    /// The words of a short text.
    pub(super) short: Option<Vec<Word>>,
    /// What stands before this position belongs to an address already.
    pub(super) address_end: usize,
}

impl<'a> Scan<'a> {
    /// A pass that begins at the front.
    pub(super) fn new(
        text: &'a str,
        kinds: Kinds,
        words: &'a mut String,
        others: &'a mut String,
        found: &'a mut Vec<Found>,
    ) -> Self {
        words.push(' ');
        Self {
            text,
            kinds,
            words,
            others,
            found,
            zone: Field::Body,
            previous: None,
            short: None,
            address_end: 0,
        }
    }

    /// Records a token: its text is `start..end` of its buffer, and was written `from..to`.
    pub(super) fn push(&mut self, start: usize, end: usize, from: usize, to: usize, field: Field) {
        self.found.push(Found::new(start, end, from, to, field));
    }
}

/// The end of the line that `at` is in.
pub(super) fn line_end(bytes: &[u8], at: usize) -> usize {
    let length = bytes[at..].iter().position(|&b| b == b'\n');
    length.map_or(bytes.len(), |n| at + n)
}
