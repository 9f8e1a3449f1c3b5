//! uuencode (POSIX.1): lines of printable characters without small letters, of which the first
//! says how many bytes they are.

use crate::line::{Within, is_words};
use crate::run::{Found, Step, run};

/// Bytes and letters of a full line.
const FULL_BYTES: usize = 45;
pub(crate) const FULL_LETTERS: usize = 1 + FULL_BYTES / 3 * 4;
/// Full lines without a `begin` that are no accident: the middle of a file that was cut.
const MIN_UNBEGUN: usize = 4;
/// One of so many letters in them is neither letter nor digit: text in capitals has fewer.
const SIGNS: usize = 8;

/// A file that begins with `begin 644 name`.
pub(crate) fn begun(line: &[u8], after: Within) -> Option<Found> {
    let name = name(line.strip_prefix(b"begin ")?)?;
    run(after, name, step())
}

/// The name behind a file mode, if there is one; `None` if this is no file mode.
pub(crate) fn name(rest: &[u8]) -> Option<Option<String>> {
    let digits = rest.iter().take_while(|b| matches!(b, b'0'..=b'7')).count();
    let rest = &rest[digits..];
    let name = rest.trim_ascii();
    let is_mode = (3..=5).contains(&digits) && (rest.is_empty() || rest.starts_with(b" "));
    let text = || String::from_utf8_lossy(name).into_owned();
    is_mode.then(|| (!name.is_empty()).then(text))
}

/// A file of which the beginning is not there.
pub(crate) fn unbegun(first: &[u8], end: usize, after: Within) -> Option<Found> {
    let is_full = |line: &[u8]| {
        // With a checksum there is a letter more.
        (FULL_LETTERS..=FULL_LETTERS + 1).contains(&line.len())
            && length(line, true) == Some(FULL_BYTES)
    };
    let mut signs = count_signs(first);
    if !is_full(first) {
        return None;
    }
    let mut ahead = after;
    for _ in 1..MIN_UNBEGUN {
        let line = ahead.text()?.text;
        if !is_full(line) {
            return None;
        }
        signs += count_signs(line);
    }
    if SIGNS * signs < MIN_UNBEGUN * FULL_LETTERS {
        return None;
    }
    let mut found = run(after, None, step())?;
    found.bytes += FULL_BYTES as u64;
    found.end = found.end.max(end);
    Some(found)
}

fn step<'a>() -> impl FnMut(&'a [u8]) -> Step {
    let mut follows_full = false;
    move |line| match line {
        b"end" => Step::End,
        // No bytes: before the end. Blanks for zeros are gone, where lines are trimmed.
        b"" | b"`" | b"~" => Step::Perhaps(0),
        // In capitals.
        _ if std::str::from_utf8(line).is_ok_and(is_words) => Step::Stop,
        _ => {
            let whole = length(line, true);
            let Some(bytes) = whole.or_else(|| length(line, false)) else {
                return Step::Stop;
            };
            let full = std::mem::replace(&mut follows_full, bytes == FULL_BYTES);
            match whole {
                Some(_) => Step::Data(bytes as u64),
                None if full && follows_full => Step::Data(bytes as u64),
                None if full || follows_full => Step::Perhaps(bytes as u64),
                None => Step::Stop,
            }
        }
    }
}

fn count_signs(line: &[u8]) -> usize {
    let is_sign = |b: &&u8| b.is_ascii_punctuation();
    line.iter().filter(is_sign).count()
}

pub(crate) fn is_letter(b: u8) -> bool {
    (b' '..=b'`').contains(&b)
}

/// Bytes of a line; `None` if it is none. At least half of its letters are there if `whole`,
/// for zeros may be written as blanks, which get lost.
fn length(line: &[u8], whole: bool) -> Option<usize> {
    let (first, letters) = line.split_first()?;
    if !(b'!'..=b'_').contains(first) {
        return None;
    }
    let bytes = usize::from(first - b' ');
    let all = bytes.div_ceil(3) * 4;
    let enough = 2 * letters.len() >= all || !whole;
    (enough && letters.len() <= all + 2 && letters.iter().all(|&b| is_letter(b))).then_some(bytes)
}
