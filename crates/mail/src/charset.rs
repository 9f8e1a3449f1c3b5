//! Bytes to text, whatever their label says.

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

use crate::guard::guarded;
use crate::lines::POLL_BYTES;
use crate::poll::Poll;

/// Decodes `bytes` to about `limit` bytes of text. Labels mean what browsers take them for
/// (WHATWG Encoding: `iso-8859-1` is windows-1252); and they are not believed against the
/// bytes:
///
/// - What is valid UTF-8 is UTF-8 under any label of a charset with one byte for a character,
///   and under others if it is not valid there: text in these is not valid UTF-8 by accident.
/// - What should be UTF-8 or ASCII and is not, is windows-1252, unless most of it is UTF-8:
///   then it is damaged.
/// - UTF-16 without a byte order mark has its zeros where ASCII is, or is no UTF-16.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    label: Option<&str>,
    limit: usize,
    poll: Poll,
) -> Cow<'a, str> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return convert(encoding, &bytes[mark..], limit, poll);
    }
    let encoding = match label.map(str::trim).filter(|l| !l.is_empty()) {
        None => UTF_8,
        Some(label) => match Encoding::for_label(label.as_bytes()) {
            Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => {
                byte_order(bytes, label).unwrap_or(UTF_8)
            }
            Some(encoding) if encoding != REPLACEMENT => encoding,
            _ => match convert_unusual(bytes, label, limit, poll) {
                Some(text) => return text,
                None => UTF_8,
            },
        },
    };
    if !(encoding == UTF_8 || encoding.is_single_byte()) {
        let text = convert(encoding, bytes, limit, poll);
        return match std::str::from_utf8(bytes) {
            Ok(utf8) if text.contains(char::REPLACEMENT_CHARACTER) => utf8.into(),
            _ => text,
        };
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        // Cut within a character, by a limit.
        Err(e) if e.error_len().is_none() && e.valid_up_to() > 0 && encoding == UTF_8 => {
            convert(UTF_8, &bytes[..e.valid_up_to()], limit, poll)
        }
        Err(_) if encoding == UTF_8 && is_mostly_utf8(bytes) => convert(UTF_8, bytes, limit, poll),
        Err(_) if encoding == UTF_8 => convert(WINDOWS_1252, bytes, limit, poll),
        Err(_) => convert(encoding, bytes, limit, poll),
    }
}

/// Whether there are more characters of several bytes than bytes that belong to none.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut characters, mut errors) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        characters += chunk.valid().bytes().filter(|&b| b >= 0xc0).count();
        errors += chunk.invalid().len();
    }
    characters > errors
}

/// Which UTF-16 it is: in most texts more characters are below U+0100 than are multiples of
/// it. `None` if no byte is zero: such text is labelled before something converted it.
fn byte_order(bytes: &[u8], label: &str) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(1 << 12)];
    let zeros = |odd: usize| {
        sample
            .iter()
            .skip(odd)
            .step_by(2)
            .filter(|&&b| b == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    match even.cmp(&odd) {
        std::cmp::Ordering::Greater => Some(UTF_16BE),
        std::cmp::Ordering::Less => Some(UTF_16LE),
        _ if sample.is_ascii() => None,
        _ => Encoding::for_label(label.as_bytes()),
    }
}

fn convert<'a>(
    encoding: &'static Encoding,
    bytes: &'a [u8],
    limit: usize,
    poll: Poll,
) -> Cow<'a, str> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::new();
    let chunks = bytes.len().div_ceil(POLL_BYTES);
    for (i, chunk) in bytes.chunks(POLL_BYTES).enumerate() {
        poll();
        text.reserve(decoder.max_utf8_buffer_length(chunk.len()).unwrap_or(0));
        let _ = decoder.decode_to_string(chunk, &mut text, i + 1 == chunks);
        if text.len() > limit {
            break;
        }
    }
    Cow::Owned(text)
}

/// Charsets that browsers do not know: UTF-7, and those of old systems.
fn convert_unusual<'a>(
    bytes: &[u8],
    label: &str,
    limit: usize,
    poll: Poll,
) -> Option<Cow<'a, str>> {
    let decoder = charset_decoder(label.as_bytes())?;
    let mut text = String::new();
    let mut rest = bytes;
    while !rest.is_empty() && text.len() <= limit {
        poll();
        // At a line break, where shifts end.
        let piece = &rest[..rest.len().min(POLL_BYTES)];
        let cut = match memchr::memrchr(b'\n', piece) {
            Some(n) if piece.len() < rest.len() => n + 1,
            _ => piece.len(),
        };
        let (piece, behind) = rest.split_at(cut);
        text += &guarded(|| decoder(piece))?;
        rest = behind;
    }
    Some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], label: &str) -> String {
        decode(bytes, Some(label), 1 << 20, &|| ()).into_owned()
    }

    #[test]
    fn labels_mean_what_they_mean_in_mail() {
        assert_eq!(text(b"\x80 5", "ISO-8859-1"), "€ 5");
        assert_eq!(text(b"\xdf", "us-ascii"), "ß");
        assert_eq!(text(b"\xe1\xe9", "iso-8859-2"), "áé");
        assert_eq!(text(b"\xd0\xd2\xc9", "koi8-r"), "при");
        assert_eq!(text(b"\x1b$B$3\x1b(B", "iso-2022-jp"), "こ");
        assert_eq!(text(b"\x81", "cp850"), "ü");
        assert_eq!(text(b"+APw-ber", "utf-7"), "über");
    }

    #[test]
    fn labels_that_lie() {
        assert_eq!(text("Grüße".as_bytes(), "iso-8859-1"), "Grüße");
        assert_eq!(text("Grüße".as_bytes(), "us-ascii"), "Grüße");
        assert_eq!(text("Grüße".as_bytes(), "x-unknown"), "Grüße");
        assert_eq!(text("Grüße".as_bytes(), "koi8-r"), "Grüße");
        assert_eq!(text("你好吗".as_bytes(), "gb2312"), "你好吗");
        assert_eq!(text(b"Gr\xfc\xdfe", "utf-8"), "Grüße");
        assert_eq!(text(b"Gr\xfc\xdfe", "x-unknown"), "Grüße");
        assert_eq!(text(b"\xc3\xbc\xc3\xbc\xff", "utf-8"), "üü\u{fffd}");
        assert_eq!(text(b"plain", "utf-16"), "plain");
    }

    #[test]
    fn utf_16_with_and_without_a_mark() {
        assert_eq!(text(b"\xff\xfea\0", "utf-16"), "a");
        assert_eq!(text(b"\0a\0b", "utf-16"), "ab");
        assert_eq!(text(b"a\0b\0", "utf-16"), "ab");
        assert_eq!(text(b"a\0b\0", "utf-16be"), "ab");
    }

    #[test]
    fn a_text_cut_within_a_character() {
        assert_eq!(text(b"a\xc3", "utf-8"), "a");
    }
}
