//! Transfer encodings (RFC 2045 section 6), as lenient as mail programs are: mail-parser's
//! decoders give up at the first wrong character.

use std::borrow::Cow;

use crate::lines::{Lines, POLL_BYTES};
use crate::poll::Poll;

/// How a part's bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    /// 7bit, 8bit, binary, and what is unknown.
    #[default]
    Identity,
    /// Bytes that stood in something that is decoded: none is a line break.
    Decoded,
    Base64,
    QuotedPrintable,
    /// x-uuencode: older than MIME, never standardised.
    Uuencode,
}

/// Letters of Base64 (RFC 4648 section 4) by their value.
const BASE64: [u8; 256] = {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [NONE; 256];
    let mut i = 0;
    while i < letters.len() {
        table[letters[i] as usize] = i as u8;
        i += 1;
    }
    table
};
const NONE: u8 = 0xff;

impl Encoding {
    /// From the value of Content-Transfer-Encoding.
    pub(crate) fn of(value: &[u8]) -> Self {
        let name = value.trim_ascii();
        let end = name
            .iter()
            .position(|b| b.is_ascii_whitespace() || matches!(b, b';' | b'('));
        let name = &name[..end.unwrap_or(name.len())];
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        if is(b"base64") {
            Self::Base64
        } else if is(b"quoted-printable") {
            Self::QuotedPrintable
        } else if is(b"x-uuencode") || is(b"x-uue") || is(b"uuencode") {
            Self::Uuencode
        } else {
            Self::Identity
        }
    }

    /// The bytes that are written as `bytes`; more than `limit` of them if there are so many,
    /// by two polls' pieces at most, so that whoever cuts them there knows that there is more.
    pub(crate) fn decode<'a>(self, bytes: &'a [u8], limit: usize, poll: Poll) -> Cow<'a, [u8]> {
        match self {
            Self::Identity | Self::Decoded => Cow::Borrowed(bytes),
            Self::Base64 => {
                let (encoded, behind) = bytes.split_at(base64_bytes(bytes, limit, poll));
                if !looks_like_base64(encoded) {
                    return Cow::Borrowed(bytes);
                }
                let mut out = base64(encoded, limit, poll);
                if !behind.is_empty() {
                    out.extend_from_slice(b"\n\n");
                    let room = limit.saturating_add(1).saturating_sub(out.len());
                    out.extend_from_slice(&behind[..behind.len().min(room)]);
                }
                Cow::Owned(out)
            }
            Self::QuotedPrintable => Cow::Owned(quoted_printable(bytes, limit, poll)),
            Self::Uuencode => Cow::Owned(uuencode(bytes, limit, poll)),
        }
    }

    /// How many bytes are written as `bytes`: line breaks that are not encoded count one.
    pub(crate) fn decoded_bytes(self, bytes: &[u8], poll: Poll) -> u64 {
        let mut size = 0_u64;
        match self {
            Self::Decoded => size = bytes.len() as u64,
            Self::Identity => {
                for chunk in bytes.chunks(POLL_BYTES) {
                    poll();
                    size += (chunk.len() - memchr::memchr_iter(b'\r', chunk).count()) as u64;
                }
            }
            Self::Base64 => {
                let mut letters = 0_u64;
                for chunk in bytes.chunks(POLL_BYTES) {
                    poll();
                    let end = memchr::memchr(b'=', chunk);
                    let chunk = &chunk[..end.unwrap_or(chunk.len())];
                    letters += base64_letters(chunk);
                    if end.is_some() {
                        break;
                    }
                }
                size = letters * 3 / 4;
            }
            Self::QuotedPrintable => {
                for line in Lines::new(bytes, 0).polled(poll) {
                    let text = line.text(bytes).trim_ascii_end();
                    let escapes = text
                        .windows(3)
                        .filter(|w| w[0] == b'=' && hex(w[1], w[2]).is_some())
                        .count();
                    let soft = text.last() == Some(&b'=');
                    let breaks = ends_in_break(bytes, line.next) && !soft;
                    size +=
                        (text.len() - 2 * escapes - usize::from(soft) + usize::from(breaks)) as u64;
                }
            }
            Self::Uuencode => {
                for line in Lines::new(bytes, 0).polled(poll) {
                    size += uu_length(line.text(bytes)) as u64;
                }
            }
        }
        size
    }
}

/// How many letters of Base64 there are. Counted in bytes, so that many are looked at at once:
/// this is where a large attachment costs time.
fn base64_letters(bytes: &[u8]) -> u64 {
    let is_letter = |b: u8| {
        (b | 0x20).wrapping_sub(b'a') < 26 || b.wrapping_sub(b'0') < 10 || b == b'+' || b == b'/'
    };
    let count = |few: &[u8]| {
        few.iter()
            .fold(0_u8, |n, &b| n.wrapping_add(u8::from(is_letter(b))))
    };
    bytes.chunks(255).map(|few| u64::from(count(few))).sum()
}

fn ends_in_break(bytes: &[u8], next: usize) -> bool {
    next > 0 && bytes[next - 1] == b'\n'
}

/// Whether the beginning is no plain text under a wrong label: that has spaces and dots. A few
/// wrong characters are damage.
fn looks_like_base64(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(1 << 10)];
    let letters = sample
        .iter()
        .filter(|&&b| BASE64[b as usize] != NONE || b == b'=');
    let breaks = sample.iter().filter(|b| matches!(b, b'\r' | b'\n'));
    let foreign = sample.len() - letters.count() - breaks.count();
    foreign <= 2.max(sample.len() / 20)
}

/// More than words have that somebody writes.
const LETTERS_IN_A_ROW: usize = 20;

/// How many bytes are Base64, as far as `limit` bytes of text reach: mailing lists add a footer
/// to a text whatever its encoding is.
fn base64_bytes(bytes: &[u8], limit: usize, poll: Poll) -> usize {
    let end = bytes.len().min(limit.saturating_mul(2));
    if memchr::memchr3(b' ', b'_', b'-', &bytes[..end]).is_none() {
        return bytes.len();
    }
    let mut encoded = false;
    for line in Lines::new(&bytes[..end], 0).polled(poll) {
        let text = line.text(bytes).trim_ascii();
        if memchr::memchr3(b' ', b'_', b'-', text).is_none() {
            encoded |= text.len() >= LETTERS_IN_A_ROW;
            continue;
        }
        let is_foreign = |b: &&u8| BASE64[**b as usize] == NONE && **b != b'=';
        if encoded && 4 * text.iter().filter(is_foreign).count() > text.len() {
            return line.start;
        }
    }
    bytes.len()
}

/// Other characters are skipped (RFC 2045 section 6.8); padding ends it.
fn base64(bytes: &[u8], limit: usize, poll: Poll) -> Vec<u8> {
    let mut out = Vec::with_capacity((bytes.len() / 4 * 3).min(limit));
    let (mut group, mut letters) = (0_u32, 0_u32);
    for chunk in bytes.chunks(POLL_BYTES) {
        poll();
        if out.len() > limit {
            return out;
        }
        for &b in chunk {
            let value = BASE64[b as usize];
            if value != NONE {
                group = group << 6 | u32::from(value);
                letters += 1;
                if letters == 4 {
                    out.extend_from_slice(&group.to_be_bytes()[1..]);
                    (group, letters) = (0, 0);
                }
            } else if b == b'=' {
                return base64_end(out, group, letters);
            }
        }
    }
    base64_end(out, group, letters)
}

/// A last group of two or three letters has one or two bytes.
fn base64_end(mut out: Vec<u8>, group: u32, letters: u32) -> Vec<u8> {
    if letters >= 2 {
        let whole = (group << (6 * (4 - letters))).to_be_bytes();
        out.extend_from_slice(&whole[1..letters as usize]);
    }
    out
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| (b as char).to_digit(16);
    Some((digit(high)? << 4 | digit(low)?) as u8)
}

/// A `=` that begins no escape stays; white space at the end of lines is no text (RFC 2045
/// section 6.7).
fn quoted_printable(bytes: &[u8], limit: usize, poll: Poll) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().min(limit));
    for line in Lines::new(bytes, 0).polled(poll) {
        if out.len() > limit {
            break;
        }
        let mut text = line.text(bytes);
        if ends_in_break(bytes, line.next) {
            text = text.trim_ascii_end();
        }
        // Three bytes give at least one.
        let room = (limit - out.len()).saturating_mul(3).saturating_add(3);
        text = &text[..text.len().min(room)];
        let soft = text.last() == Some(&b'=');
        let text = &text[..text.len() - usize::from(soft)];
        unescape(text, b'=', &mut out, poll);
        if !soft && ends_in_break(bytes, line.next) {
            out.push(b'\n');
        }
    }
    out
}

/// Appends `text` with its two-digit escapes undone.
pub(crate) fn unescape(text: &[u8], sign: u8, out: &mut Vec<u8>, poll: Poll) {
    let mut rest = text;
    let mut polled = text.len();
    while let Some(n) = memchr::memchr(sign, rest) {
        if polled - rest.len() >= POLL_BYTES {
            polled = rest.len();
            poll();
        }
        out.extend_from_slice(&rest[..n]);
        match rest
            .get(n + 1)
            .zip(rest.get(n + 2))
            .and_then(|(&a, &b)| hex(a, b))
        {
            Some(byte) => {
                out.push(byte);
                rest = &rest[n + 3..];
            }
            None => {
                out.push(sign);
                rest = &rest[n + 1..];
            }
        }
    }
    out.extend_from_slice(rest);
}

/// Groups of four letters in a line of uuencoded text.
const MAX_UU_GROUPS: usize = 15;

/// Bytes that a line of uuencoded text has: its first letter says it; `begin` and `end` have
/// none.
fn uu_length(line: &[u8]) -> usize {
    match line.first() {
        Some(&n @ b'!'..=b'M') if line.len() > usize::from(n - b' ') => usize::from(n - b' '),
        _ => 0,
    }
}

fn uuencode(bytes: &[u8], limit: usize, poll: Poll) -> Vec<u8> {
    let mut out = Vec::new();
    for line in Lines::new(bytes, 0).polled(poll) {
        if out.len() > limit {
            break;
        }
        let text = line.text(bytes);
        let end = out.len() + uu_length(text);
        for group in text[1.min(text.len())..].chunks(4).take(MAX_UU_GROUPS) {
            let value = group.iter().fold(0_u32, |v, b| {
                v << 6 | u32::from(b.wrapping_sub(b' ') & 0x3f)
            });
            let value = value << (6 * (4 - group.len()));
            let room = (end - out.len()).min(3);
            out.extend_from_slice(&value.to_be_bytes()[1..=room]);
        }
    }
    out
}

/// Decodes the text of an encoded word (RFC 2047 section 4) or `None` if there is no such
/// encoding.
pub(crate) fn word(encoding: u8, text: &[u8]) -> Option<Vec<u8>> {
    match encoding {
        b'b' | b'B' => Some(base64(text, usize::MAX, &|| ())),
        b'q' | b'Q' => {
            let spaced: Vec<u8> = text
                .iter()
                .map(|&b| if b == b'_' { b' ' } else { b })
                .collect();
            let mut out = Vec::with_capacity(spaced.len());
            unescape(&spaced, b'=', &mut out, &|| ());
            Some(out)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decoded bytes, which have to be as many as was foretold.
    fn decoded(encoding: Encoding, bytes: &[u8]) -> String {
        let out = encoding.decode(bytes, usize::MAX, &|| ());
        assert_eq!(encoding.decoded_bytes(bytes, &|| ()), out.len() as u64);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn base64_with_and_without_padding() {
        for written in ["SGVsbG8h", "SGVs\r\nbG8h\r\n", "SGVsbG8h\n=\nrest"] {
            assert_eq!(decoded(Encoding::Base64, written.as_bytes()), "Hello!");
        }
        assert_eq!(decoded(Encoding::Base64, b"SGVsbG8="), "Hello");
        assert_eq!(decoded(Encoding::Base64, b"SGVsbG8"), "Hello");
        assert_eq!(decoded(Encoding::Base64, b"SGVsbA=="), "Hell");
        assert_eq!(decoded(Encoding::Base64, b"S"), "");
        let damaged = format!("{}*{}", "SGVs".repeat(10), "bG8h".repeat(10));
        assert!(
            decoded(Encoding::Base64, damaged.as_bytes())
                .ends_with("Hello!lo!lo!lo!lo!lo!lo!lo!lo!lo!")
        );
    }

    #[test]
    fn plain_text_under_a_wrong_label_stays() {
        let text = "This was never encoded, whatever the header says.";
        let out = Encoding::Base64.decode(text.as_bytes(), usize::MAX, &|| ());
        assert_eq!(&*out, text.as_bytes());
    }

    #[test]
    fn quoted_printable_and_its_errors() {
        let quoted = |s: &str| decoded(Encoding::QuotedPrintable, s.as_bytes());
        assert_eq!(quoted("a=3Db=c3=bc"), "a=bü");
        assert_eq!(quoted("one =\r\nline  \r\nnext"), "one line\nnext");
        assert_eq!(quoted("soft= \nbreak"), "softbreak");
        assert_eq!(quoted("50 = 50 =XX ="), "50 = 50 =XX ");
    }

    #[test]
    fn uuencoded_text() {
        let written = b"begin 644 a.txt\n&2&5L;&\\A\n`\nend\n";
        assert_eq!(decoded(Encoding::Uuencode, written), "Hello!");
    }

    #[test]
    fn names_of_encodings() {
        assert_eq!(Encoding::of(b" BASE64 \r\n"), Encoding::Base64);
        assert_eq!(
            Encoding::of(b"quoted-printable(why)"),
            Encoding::QuotedPrintable
        );
        assert_eq!(Encoding::of(b"8bit"), Encoding::Identity);
    }
}
