//! One pass over a text: header lines, then lines, in them runs of letters and digits, and
//! what is more than words. In order of layers: [`position`], [`web_address`], [`words`],
//! [`header`].

mod header;
mod position;
mod web_address;
mod words;

use std::iter;
use std::ops::Range;

use pg_triage_encoded::blocks;

use super::field::Field;
use super::kinds::Kinds;
use super::token::Found;
use position::{Scan, line_end};

/// A first line that is longer is no subject but a paragraph: its words need not count twice.
const MAX_SUBJECT_BYTES: usize = 256;

/// Finds the tokens of a text: `words` and `others` take their texts, `found` where they are.
pub(super) fn scan(
    text: &str,
    kinds: Kinds,
    words: &mut String,
    others: &mut String,
    found: &mut Vec<Found>,
) {
    Scan::new(text, kinds, words, others, found).run();
}

impl Scan<'_> {
    fn run(mut self) {
        let mut begin = self.header_lines();
        let bytes = self.text.as_bytes();
        let encoded: Vec<_> = blocks(self.text, &|| ()).map(|b| b.range).collect();
        let one_line = is_one_line(bytes, begin, &encoded);
        let mut encoded = encoded.into_iter().peekable();
        if one_line && self.kinds.has(Kinds::LETTERS) {
            self.short = Some(Vec::new());
        }
        let mut at = begin;
        while at < bytes.len() {
            // What is encoded is read as if it were not there.
            if let Some(block) = encoded.next_if(|block| block.start <= at) {
                begin = if at == begin { block.end } else { begin };
                at = block.end.max(at);
                continue;
            }
            let end = line_end(bytes, at);
            let line = &bytes[at..end];
            let zone = if at == begin && !one_line && end - begin <= MAX_SUBJECT_BYTES {
                Field::Subject
            } else if is_quoted(line) || self.introduces_quote(line, end) {
                Field::Quote
            } else {
                Field::Body
            };
            if zone != self.zone {
                self.zone = zone;
                self.previous = None;
            }
            self.line(at, end);
            at = end + 1;
        }
        self.letters();
    }

    /// `On Monday, Ann wrote:` in any language: a colon, and the next line is quoted.
    fn introduces_quote(&self, line: &[u8], end: usize) -> bool {
        line.trim_ascii_end().ends_with(b":")
            && is_quoted(self.text.as_bytes()[end..].trim_ascii_start())
    }
}

/// Whether all text from `begin` on stands in one line, encoded blocks left out.
fn is_one_line(text: &[u8], begin: usize, encoded: &[Range<usize>]) -> bool {
    let starts = iter::once(begin).chain(encoded.iter().map(|block| block.end));
    let ends = encoded.iter().map(|block| block.start).chain([text.len()]);
    let mut texts = starts
        .zip(ends)
        .map(|(start, end)| text[start.min(end)..end].trim_ascii())
        .filter(|text| !text.is_empty());
    texts.next().is_none_or(|text| !text.contains(&b'\n')) && texts.next().is_none()
}

/// `> text`, `JD> text`, `| text`.
fn is_quoted(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let letters = |b: &&u8| b.is_ascii_alphabetic();
    let initials = line.iter().take(4).take_while(letters).count();
    line.get(initials) == Some(&b'>') || line.starts_with(b"| ")
}
