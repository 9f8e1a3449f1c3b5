//! Bytes to text, whatever their label says.

mod johab;
mod label;
mod page;
mod shifted;
mod unicode;

use std::borrow::Cow;

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS, UTF_8, WINDOWS_1252};

use crate::lines::POLL_BYTES;
use crate::poll::Poll;
use label::Charset;
use shifted::Language;
use unicode::Form;

/// Decodes `bytes` to about `limit` bytes of text. Labels mean what browsers take them for
/// (WHATWG Encoding: `iso-8859-1` is windows-1252), then what mail programs and old systems
/// took them for; and they are not believed against the bytes:
///
/// - What is valid UTF-8 is UTF-8 under any label of a charset with one byte for a character,
///   and under others if it is not valid there: text in these is not valid UTF-8 by accident.
/// - What should be UTF-8 or ASCII and is not, is windows-1252, unless most of it is UTF-8:
///   then it is damaged. So is what has a label that names no charset at all.
/// - Zeros and byte order marks tell UTF-16 and UTF-32, whatever the label; and a text in one
///   of them by its label has the order of bytes that gives fewer different scripts.
/// - Escape sequences of East Asia count where one byte for a character should be; bytes of eight bits
///   where ISO-2022-JP should be are EUC-JP or Shift_JIS.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    label: Option<&str>,
    limit: usize,
    poll: Poll,
) -> Cow<'a, str> {
    if let Some(bytes) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return web(UTF_8, bytes, limit, poll);
    }
    let form = unicode::marked(bytes).or_else(|| Some((unicode::by_zeros(bytes)?, 0)));
    if let Some((form, mark)) = form.filter(|_| !unicode::has_ascii(bytes, poll)) {
        return in_form(form, &bytes[mark..], limit, poll);
    }
    let label = label.map(str::trim).filter(|label| !label.is_empty());
    match label.and_then(Charset::of).unwrap_or(Charset::Web(UTF_8)) {
        Charset::Web(encoding) => web(encoding, bytes, limit, poll),
        charset => match std::str::from_utf8(bytes) {
            Ok(utf8) if !utf8.is_ascii() => utf8.into(),
            _ => convert_other(charset, bytes, limit, poll),
        },
    }
}

/// Decodes a header field, which has no label: UTF-8 (RFC 6532) or escape sequences, else what
/// the body's label says, as old mail programs write them.
pub(crate) fn decode_field<'a>(bytes: &'a [u8], label_of_body: Option<&str>) -> Cow<'a, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if memchr::memchr2(b'\x1b', b'~', bytes).is_none() => text.into(),
        Ok(_) => {
            let body = label_of_body.and_then(Charset::of);
            let label = label_of_body.filter(|_| body.is_some_and(Charset::is_7_bit));
            decode(bytes, label, usize::MAX, &|| ())
        }
        Err(_) if is_mostly_utf8(bytes) => String::from_utf8_lossy(bytes),
        Err(_) => decode(bytes, label_of_body, usize::MAX, &|| ()),
    }
}

/// Whether texts under this label begin and end unshifted, so that two of them are not one.
pub(crate) fn has_shifts(label: &str) -> bool {
    Charset::of(label).is_some_and(Charset::has_shifts)
}

fn in_form<'a>(form: Form, bytes: &'a [u8], limit: usize, poll: Poll) -> Cow<'a, str> {
    match form {
        Form::Utf16(order) => convert(unicode::utf_16(order), whole_units(bytes), limit, poll),
        Form::Utf32(order) => unicode::utf_32(bytes, order, limit, poll).into(),
    }
}

/// Without half a character of UTF-16 at the end: line ends of mail get between.
fn whole_units(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() & !1]
}

/// Text in a charset that browsers know.
fn web<'a>(encoding: &'static Encoding, bytes: &'a [u8], limit: usize, poll: Poll) -> Cow<'a, str> {
    if !(encoding == UTF_8 || encoding.is_single_byte()) {
        let text = convert(encoding, bytes, limit, poll);
        return match std::str::from_utf8(bytes) {
            Ok(utf8) if text.contains(char::REPLACEMENT_CHARACTER) => utf8.into(),
            _ => text,
        };
    }
    match std::str::from_utf8(bytes) {
        Ok(_) if shifted::is_shifted(bytes) => {
            shifted::iso_2022(bytes, Language::Japanese, limit, poll).into()
        }
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

/// Text in a charset that browsers do not know, or not well enough; no UTF-8 but ASCII.
fn convert_other<'a>(charset: Charset, bytes: &'a [u8], limit: usize, poll: Poll) -> Cow<'a, str> {
    match charset {
        Charset::Web(encoding) => convert(encoding, bytes, limit, poll),
        Charset::Page(page) => match std::str::from_utf8(bytes) {
            Ok(ascii) => ascii.into(),
            Err(_) => page.decode(bytes, limit, poll).into(),
        },
        Charset::Shifted(Language::Japanese) if !bytes.is_ascii() && !bytes.contains(&b'\x1b') => {
            [EUC_JP, SHIFT_JIS]
                .into_iter()
                .map(|encoding| convert(encoding, bytes, limit, poll))
                .find(|text| !text.contains(char::REPLACEMENT_CHARACTER))
                .unwrap_or_else(|| shifted::iso_2022(bytes, Language::Japanese, limit, poll).into())
        }
        Charset::Shifted(language) => shifted::iso_2022(bytes, language, limit, poll).into(),
        Charset::Hz => shifted::hz(bytes, limit, poll).into(),
        Charset::Johab => johab::johab(bytes, limit, poll).into(),
        Charset::Utf7 => unicode::utf_7(bytes, b'+', limit, poll).into(),
        Charset::ImapUtf7 => unicode::utf_7(bytes, b'&', limit, poll).into(),
        Charset::Utf16(_) | Charset::Utf32(_)
            if bytes.is_ascii() && !bytes.contains(&0) || unicode::has_ascii(bytes, poll) =>
        {
            // Labelled before something converted it.
            web(UTF_8, bytes, limit, poll)
        }
        Charset::Utf16(order) => {
            let order = unicode::by_variety(bytes).unwrap_or(order);
            in_form(Form::Utf16(order), bytes, limit, poll)
        }
        Charset::Utf32(order) => in_form(Form::Utf32(order), bytes, limit, poll),
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

/// Decodes `bytes` to about `limit` bytes of text, whatever they seem to be.
pub(crate) fn convert<'a>(
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
    fn what_stands_before_zeros_is_text() {
        let start = "<p>The first line.</p>";
        for zeros in ["a\0".repeat(100), "\0a".repeat(100)] {
            let seen = text(format!("{start}{zeros}").as_bytes(), "utf-8");
            assert!(seen.starts_with(start), "{seen}");
            assert_eq!(text(zeros.as_bytes(), "utf-8"), "a".repeat(100));
        }
    }

    #[test]
    fn what_another_form_is_put_around_is_text() {
        let words = "Dear friends, buy watches and pills at half the price, today and all days. ";
        let words = words.repeat(3);
        let signs: &[&[u8]] = &[b"\0 ", b" \0", b"\0\0\0 ", b" \0\0\0"];
        let mut begins: Vec<Vec<u8>> = signs.iter().map(|sign| sign.repeat(3000)).collect();
        begins.extend([b"\xff\xfe".to_vec(), b"\xfe\xff".to_vec()]);
        begins.extend([b"\0\0\xfe\xff".to_vec(), b"\xff\xfe\0\0".to_vec()]);
        // Each is shown as text by programs that go by the label.
        begins.extend([b"\x1b$B".to_vec(), b"\x1b$B$3\n".to_vec()]);
        begins.extend([
            b"\x1b$)C\x0e".to_vec(),
            b"\x1b$(C0!\x1b(B a \x1b$B".to_vec(),
        ]);
        for begin in begins {
            for label in ["utf-8", "us-ascii", "iso-8859-1", "x-unknown", ""] {
                let text = text(&[&begin, words.as_bytes()].concat(), label);
                let name = begin[..begin.len().min(8)].escape_ascii();
                assert!(text.contains(&words), "{name} {label}: {text:.99}");
            }
        }
    }

    #[test]
    fn rows_of_one_character_are_no_ascii() {
        for row in [
            "\u{2550}".repeat(100),
            "\u{2026}".repeat(100),
            "\u{65e5}\u{672c}".repeat(100),
        ] {
            let utf16 = |text: &str| -> Vec<u8> {
                text.encode_utf16().flat_map(u16::to_le_bytes).collect()
            };
            let written = format!("\u{feff}Title\n{row}\nEnd");
            assert_eq!(text(&utf16(&written), "utf-8"), &written[3..]);
        }
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
