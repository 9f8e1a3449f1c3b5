//! Armour: what stands between `-----BEGIN X-----` and `-----END X-----` (RFC 7468, and RFC
//! 9580 section 6.2 of PGP). Of a signed text only the lines that frame it go.

use crate::base64;
use crate::line::Within;
use crate::run::{Found, Step, run};

/// What begins a text that is signed (RFC 9580 section 7).
const SIGNED: &[u8] = b"PGP SIGNED MESSAGE";
const SIGNED_FIELDS: [&[u8]; 5] = [
    b"Hash",
    b"Charset",
    b"Version",
    b"Comment",
    b"NotDashEscaped",
];
/// Lines before the data: `Version: 1`.
const MAX_FIELDS: usize = 8;
/// Bytes of all of them: more is text that a reader sees.
const MAX_FIELD_BYTES: usize = 256;
/// Longest name of such a line.
const MAX_NAME: usize = 40;
/// Shortest first line of data: a word is shorter.
const MIN_FIRST: usize = 20;

/// Armour that begins with this line.
pub(crate) fn begun(line: &[u8], after: Within) -> Option<Found> {
    let label = label(line, b"BEGIN ")?;
    if label == SIGNED {
        return signed(after);
    }
    let mut data = after;
    let mut room = MAX_FIELD_BYTES;
    for _ in 0..MAX_FIELDS {
        let mut ahead = data;
        let Some(line) = ahead.text().filter(|line| is_field(line.text)) else {
            break;
        };
        room = room.checked_sub(line.text.len())?;
        data = ahead;
    }
    let first = { data }.text()?.text;
    if first.len() < MIN_FIRST || !base64::is_base64(first) {
        return None;
    }
    let end = |line: &[u8]| self::label(line, b"END ") == Some(label);
    let mut step = base64::step(None, end);
    run(data, None, move |line| match line {
        // A checksum.
        [b'=', sum @ ..] if sum.len() == 4 && base64::is_base64(sum) => Step::Data(0),
        _ => step(line),
    })
}

/// The lines before a text that is signed, up to the first blank one.
fn signed(after: Within) -> Option<Found> {
    let is_field = |line: &[u8]| {
        let value = SIGNED_FIELDS.iter().find_map(|n| line.strip_prefix(*n));
        value.is_some_and(|value| value.starts_with(b":"))
    };
    let mut end = None;
    let mut room = MAX_FIELD_BYTES;
    for line in after.take(MAX_FIELDS) {
        let Some(left) = room.checked_sub(line.text.len()) else {
            break;
        };
        room = left;
        if line.text.is_empty() || is_field(line.text) {
            end = Some(line.end);
        }
        if !is_field(line.text) {
            break;
        }
    }
    Some(Found {
        end: end?,
        name: None,
        bytes: 0,
    })
}

/// What is begun or ended: `PGP SIGNATURE`. A line of dashes in a signed text has a dash more.
fn label<'a>(line: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let mut line = line;
    while let Some(escaped) = line.strip_prefix(b"- ") {
        line = escaped;
    }
    let dashes = line.iter().take_while(|&&b| b == b'-').count();
    let text = line[dashes..].trim_ascii_start().strip_prefix(word)?;
    let text = text.strip_suffix(b"----")?;
    let end = text.iter().rposition(|&b| b != b'-')?;
    let text = text[..=end].trim_ascii_end();
    let possible = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b" /,.-".contains(b);
    (dashes >= 4 && !text.is_empty() && text.iter().all(possible)).then_some(text)
}

/// `Version: GnuPG v2`.
fn is_field(line: &[u8]) -> bool {
    let possible = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
    let name = line.iter().position(|b| !possible(b));
    name.is_some_and(|n| (1..=MAX_NAME).contains(&n) && line[n] == b':')
}
