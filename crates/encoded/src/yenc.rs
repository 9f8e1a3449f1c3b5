//! yEnc 1.3: bytes nearly as they are. Whatever charset they were read in, they are no words.

use crate::line::{Within, is_words};
use crate::run::{Found, Step, run};

/// One character of so many is neither letter, digit, blank nor what sentences have; in text
/// there are fewer.
const SIGNS: usize = 8;

/// A file that begins with `=ybegin line=128 size=99 name=x`.
pub(crate) fn begun(line: &[u8], after: Within) -> Option<Found> {
    let fields = line.strip_prefix(b"=ybegin ")?;
    number(fields, b"line=")?;
    let mut size = number(fields, b"size=")?;
    let name = memchr::memmem::find(fields, b" name=")
        .map(|at| fields[at..].strip_prefix(b" name=").unwrap_or_default())
        .map(|name| String::from_utf8_lossy(name).into_owned());
    let mut found = run(after, name, |line| {
        if let Some(fields) = line.strip_prefix(b"=ypart ") {
            let part = number(fields, b"end=").zip(number(fields, b"begin="));
            size = part.map_or(size, |(end, begin)| (end + 1).saturating_sub(begin));
            return Step::Perhaps(0);
        }
        if line.starts_with(b"=yend ") || line == b"=yend" {
            return Step::End;
        }
        let line = String::from_utf8_lossy(line);
        if is_words(&line) {
            return Step::Stop;
        }
        let characters = line.chars().count();
        let escapes = line.chars().filter(|&c| c == '=').count();
        let bytes = (characters - escapes) as u64;
        if SIGNS * line.chars().filter(|&c| is_sign(c)).count() >= characters.max(1) {
            Step::Data(bytes)
        } else {
            Step::Perhaps(bytes)
        }
    })?;
    // Control characters are no text, and gone: they are one of eight bytes.
    if size <= found.bytes + found.bytes / 4 {
        found.bytes = size;
    }
    Some(found)
}

fn is_sign(c: char) -> bool {
    !c.is_alphanumeric() && !c.is_whitespace() && !".,;:!?'\"()-".contains(c)
}

/// The number of a field.
fn number(fields: &[u8], name: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(fields, name)?;
    let digits = &fields[at + name.len()..];
    let end = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}
