//! Text to tokens to feature keys.
//!
//! A word is a run of 2 to 40 letters and digits, compared without regard to case, width
//! and the way accents are composed. Scripts that put no spaces between words give
//! characters instead. Every two neighbours also form a pair. Further kinds of tokens
//! ([`Kinds`]) say where a word stood, how it begins, or what is more than a word; each of
//! them earned its place in `make bench-features`.
//!
//! A text may begin with header lines, `From: `, `List-Id: `, `X-Mailer: `, `Attached: `, each
//! once and in any order, as `Message::text` of pg_triage_mail writes them.
//! What follows them is read as if they were not there.
//!
//! Each token counts once per message (SpamBayes, "background reading"; Metsis et al. 2006:
//! Boolean attributes win on email). A feature key is the 64-bit xxh3 hash of a token under
//! its field, seeded with the tokenizer's version: keys of different versions never meet.

mod address;
mod casefold;
mod field;
mod kinds;
mod scan;
#[cfg(test)]
mod tests;
mod token;

pub use field::Field;
pub use kinds::Kinds;
pub use token::{MAX_TEXT_BYTES, Token};

use crate::features::Features;
use scan::scan;
use token::Found;

pub use crate::features::TOKENIZER_VERSION;

/// Buffers larger than this are given back after a message.
const KEPT_BYTES: usize = 1 << 20;

/// Splits text into tokens. Keeps its buffers between messages.
#[derive(Default)]
pub struct Tokenizer {
    kinds: Kinds,
    /// Casefolded words with one space before and after each, so that a pair is one slice; with
    /// them the addresses of header lines.
    words: String,
    /// What does not stand in line with words: casefolded web addresses.
    others: String,
    found: Vec<Found>,
}

impl Tokenizer {
    /// A tokenizer that finds these kinds only.
    pub fn with_kinds(kinds: Kinds) -> Self {
        Self {
            kinds,
            ..Self::default()
        }
    }

    /// The tokens of `text` in reading order, repeats included, the letters of a short text
    /// at the end.
    ///
    /// The first line after header lines is the subject, unless it is empty, the only line
    /// that is not, or as long as a paragraph.
    pub fn tokens(&mut self, text: &str) -> impl Iterator<Item = Token<'_>> {
        self.found.clear();
        self.found.shrink_to(KEPT_BYTES / size_of::<Found>());
        for buffer in [&mut self.words, &mut self.others] {
            buffer.clear();
            buffer.shrink_to(KEPT_BYTES);
        }
        let text = &text[..text.floor_char_boundary(MAX_TEXT_BYTES)];
        scan(
            text,
            self.kinds,
            &mut self.words,
            &mut self.others,
            &mut self.found,
        );
        let (words, others) = (self.words.as_str(), self.others.as_str());
        self.found.iter().map(move |f| {
            let buffer = match f.field {
                Field::Host | Field::Url => others,
                _ => words,
            };
            Token {
                text: &buffer[f.start as usize..f.end as usize],
                field: f.field,
                written: f.from as usize..f.to as usize,
            }
        })
    }

    /// The most memory, in bytes, that tokens, features and a look-up of `text` take: five
    /// tokens for three bytes (two letters in a web address in a subject), and some hundred
    /// bytes for a token; a short text can have more, if NFKC makes long words of its
    /// characters.
    pub fn memory(text: &str) -> usize {
        208 * text.len().min(MAX_TEXT_BYTES) + 1024 * text.len().min(128)
    }

    /// The feature keys of `text`.
    pub fn features(&mut self, text: &str) -> Features {
        Features::of(self.tokens(text).map(|t| t.key()).collect())
    }
}
