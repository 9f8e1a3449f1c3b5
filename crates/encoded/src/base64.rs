//! Base64 (RFC 4648): with a first line as uuencode has it, or bare, as mails have it that were
//! put into the text of another.

use crate::line::Within;
use crate::run::{Found, Step, run};
use crate::uuencode;

/// Lines without a first line that are no accident: so many of the same length.
const MIN_LINES: usize = 3;
/// Shortest of these lines, in letters: hashes are shorter, or not in three lines of one length.
pub(crate) const MIN_LETTERS: usize = 56;
/// A line that is so long is enough by itself.
const LONG_LINE: usize = 256;
/// Shortest word, in letters, that Base64 may be the rest of: of a web address or a signature
/// of DKIM that was broken into lines.
const MIN_WORD: usize = 40;
/// Shorter than the lines before, a last line is one for sure if it has so many letters.
const MIN_LAST: usize = 24;

/// A file that begins with `begin-base64 644 name`.
pub(crate) fn begun(line: &[u8], after: Within) -> Option<Found> {
    let name = uuencode::name(line.strip_prefix(b"begin-base64 ")?)?;
    run(after, name, step(None, |line| line == b"===="))
}

/// Base64 that begins with this line. `before` is the line before it.
pub(crate) fn unbegun(first: &[u8], end: usize, after: Within, before: &[u8]) -> Option<Found> {
    if first.len() < MIN_LETTERS || !is_base64(first) || goes_on(before) {
        return None;
    }
    let full = |line: &[u8]| line.len() == first.len() && is_base64(line);
    if first.len() < LONG_LINE && (!first.len().is_multiple_of(4) || first.ends_with(b"=")) {
        return None;
    }
    let mut kinds = Kinds::default();
    kinds.add(first);
    if first.len() < LONG_LINE {
        let mut lines = after;
        for _ in 1..MIN_LINES {
            let line = lines.text()?.text;
            if !full(line) || line.ends_with(b"=") {
                return None;
            }
            kinds.add(line);
        }
    }
    if !kinds.all() {
        return None;
    }
    let more = run(after, None, step(Some(first.len()), |line| line == b"===="));
    let bytes = bytes(first) + more.as_ref().map_or(0, |m| m.bytes);
    Some(Found {
        end: more.map_or(end, |m| m.end),
        name: None,
        bytes,
    })
}

/// Whether the word at the end of this line goes on in the next.
fn goes_on(line: &[u8]) -> bool {
    line.ends_with(b"=") || line.len() >= MIN_WORD && !line.iter().any(|b| b.is_ascii_whitespace())
}

/// Reads lines of one length, of which the last may be shorter.
pub(crate) fn step<'a>(
    length: Option<usize>,
    ends: impl Fn(&[u8]) -> bool,
) -> impl FnMut(&'a [u8]) -> Step {
    let (mut length, mut last) = (length, false);
    move |line| {
        if line.is_empty() {
            return Step::Perhaps(0);
        }
        if ends(line) {
            return Step::End;
        }
        if last || !is_base64(line) || length.is_some_and(|n| line.len() > n) {
            return Step::Stop;
        }
        let full = *length.get_or_insert(line.len());
        last = line.len() < full || line.ends_with(b"=");
        if last && !is_last(line) {
            Step::Perhaps(bytes(line))
        } else {
            Step::Data(bytes(line))
        }
    }
}

/// Whether a line that is shorter than those before is no word of the text behind.
fn is_last(line: &[u8]) -> bool {
    let is_odd = |b: &u8| !b.is_ascii_lowercase();
    line.len() >= MIN_LAST
        || line.ends_with(b"=")
        || line.len().is_multiple_of(4) && line[1..].iter().any(is_odd)
}

/// Written without branches, so that many bytes are looked at at once.
pub(crate) fn is_letter(b: u8) -> bool {
    (b | 0x20).wrapping_sub(b'a') < 26 || b.wrapping_sub(b'0') < 10 || b == b'+' || b == b'/'
}

/// Letters of Base64, and no others but padding at the end.
pub(crate) fn is_base64(line: &[u8]) -> bool {
    match line.iter().position(|&b| !is_letter(b)) {
        None => !line.is_empty(),
        Some(n) => n > 0 && matches!(&line[n..], b"=" | b"=="),
    }
}

fn bytes(line: &[u8]) -> u64 {
    let padding = line.iter().rev().take_while(|&&b| b == b'=').count();
    ((line.len() - padding) * 3 / 4) as u64
}

/// What Base64 of more than a few bytes has, and neither numbers in hexadecimal digits, nor
/// words, nor sequences of genes.
#[derive(Default)]
struct Kinds {
    digits: bool,
    capitals: bool,
    small: bool,
    beyond_hexadecimal: bool,
}

impl Kinds {
    fn add(&mut self, line: &[u8]) {
        for b in line {
            self.digits |= b.is_ascii_digit() || matches!(b, b'+' | b'/');
            self.capitals |= b.is_ascii_uppercase();
            self.small |= b.is_ascii_lowercase();
            self.beyond_hexadecimal |= b.is_ascii_alphabetic() && !b.is_ascii_hexdigit();
        }
    }

    fn all(&self) -> bool {
        self.digits && self.capitals && self.small && self.beyond_hexadecimal
    }
}
