//! Unicode in other forms than UTF-8.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

use super::label::ByteOrder;
use crate::lines::POLL_BYTES;
use crate::poll::Poll;

/// Bytes in which the order of bytes is looked for.
const SAMPLE: usize = 4 << 10;
/// Bytes at the beginning of which one is zero.
const BEGINNING: usize = 8;
/// Characters that UTF-32 has at least where no label says so.
const FEWEST: usize = 2;
/// Bytes that are looked at together for text of one byte a character, and how many different
/// ones that has at each second position: a row of one character has one.
const WINDOW: usize = 64;
const VARIETY: usize = 6;
/// Zeros that UTF-16 has at least where no label says so.
const FEWEST_ZEROS: usize = 4;

/// How many bytes a character has, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Utf16(ByteOrder),
    Utf32(ByteOrder),
}

/// The form that a byte order mark tells, and how long that is.
pub(super) fn marked(bytes: &[u8]) -> Option<(Form, usize)> {
    Some(match bytes {
        [0, 0, 0xfe, 0xff, ..] => (Form::Utf32(ByteOrder::Big), 4),
        [0xff, 0xfe, 0, 0, ..] => (Form::Utf32(ByteOrder::Little), 4),
        [0xfe, 0xff, ..] => (Form::Utf16(ByteOrder::Big), 2),
        [0xff, 0xfe, ..] => (Form::Utf16(ByteOrder::Little), 2),
        _ => return None,
    })
}

/// The form that zeros tell: in European languages every second byte is zero, nearly, or three
/// of four in all. `None` if there are none, or here and there, or only behind a beginning that
/// mail programs show as it stands.
pub(super) fn by_zeros(bytes: &[u8]) -> Option<Form> {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    memchr::memchr(0, sample).filter(|&first| first < BEGINNING)?;
    if let Some(order) = utf_32_order(sample) {
        return Some(Form::Utf32(order));
    }
    let mut zeros = [0_usize; 2];
    for (at, _) in sample.iter().enumerate().filter(|(_, byte)| **byte == 0) {
        zeros[at % 2] += 1;
    }
    let half = sample.len() / 2;
    let [even, odd] = zeros;
    let is_high = |zeros: usize, others: usize| {
        zeros >= FEWEST_ZEROS && zeros > others * 8 && zeros * 4 >= half * 3
    };
    if is_high(even, odd) {
        Some(Form::Utf16(ByteOrder::Big))
    } else if is_high(odd, even) {
        Some(Form::Utf16(ByteOrder::Little))
    } else {
        None
    }
}

/// The order in which all of this is UTF-32: no character is beyond U+10FFFF.
fn utf_32_order(sample: &[u8]) -> Option<ByteOrder> {
    let (characters, _) = sample.as_chunks::<4>();
    let all = |high: usize, next: usize| characters.iter().all(|c| c[high] == 0 && c[next] <= 0x10);
    if characters.len() < FEWEST {
        None
    } else if all(0, 1) {
        Some(ByteOrder::Big)
    } else if all(3, 2) {
        Some(ByteOrder::Little)
    } else {
        None
    }
}

/// Whether there is text of one byte a character in it, which is then no text of another form,
/// whatever it begins with: mail programs that go by the label show that. Nearly all bytes of a
/// window are printable ASCII, and of several values at both its even and its odd positions.
pub(super) fn has_ascii(bytes: &[u8], poll: Poll) -> bool {
    let is_text = |b: &u8| matches!(b, b' '..=b'~');
    let varies = |window: &[u8], at: usize| {
        let mut seen = [false; 128];
        let every = window.iter().skip(at).step_by(2).filter(|b| is_text(b));
        every.for_each(|b| seen[usize::from(b & 0x7f)] = true);
        seen.iter().filter(|seen| **seen).count() >= VARIETY
    };
    bytes.chunks(POLL_BYTES).any(|piece| {
        poll();
        piece.chunks(WINDOW).any(|window| {
            8 * window.iter().filter(|b| is_text(b)).count() >= 7 * WINDOW
                && varies(window, 0)
                && varies(window, 1)
        })
    })
}

/// Which UTF-16 a text without zeros is, as those of East Asia are: the higher bytes of its
/// characters are fewer different ones. `None` if it is about as many.
pub(super) fn by_variety(bytes: &[u8]) -> Option<ByteOrder> {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let mut seen = [[false; 256]; 2];
    for (at, &byte) in sample.iter().enumerate() {
        seen[at % 2][usize::from(byte)] = true;
    }
    let [even, odd] = seen.map(|half| half.iter().filter(|seen| **seen).count());
    if even * 4 <= odd * 3 {
        Some(ByteOrder::Big)
    } else if odd * 4 <= even * 3 {
        Some(ByteOrder::Little)
    } else {
        None
    }
}

/// The encoding_rs name of a UTF-16.
pub(super) fn utf_16(order: ByteOrder) -> &'static Encoding {
    match order {
        ByteOrder::Big => UTF_16BE,
        ByteOrder::Little => UTF_16LE,
    }
}

/// Decodes UTF-32 to about `limit` bytes of text. Bytes that make no character at the end are
/// left out.
pub(super) fn utf_32(bytes: &[u8], order: ByteOrder, limit: usize, poll: Poll) -> String {
    let mut text = String::new();
    let (characters, _) = bytes.as_chunks::<4>();
    for piece in characters.chunks(POLL_BYTES) {
        poll();
        text.extend(piece.iter().map(|&bytes| {
            let number = match order {
                ByteOrder::Big => u32::from_be_bytes(bytes),
                ByteOrder::Little => u32::from_le_bytes(bytes),
            };
            char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
        }));
        if text.len() > limit {
            break;
        }
    }
    text
}

/// Decodes UTF-7 to about `limit` bytes of text. `shift` begins what is Base64: `+`, or `&` in
/// names of folders. Where it encodes no character, it stands for itself.
pub(super) fn utf_7(bytes: &[u8], shift: u8, limit: usize, poll: Poll) -> String {
    let mut text = String::new();
    let mut rest = bytes;
    while !rest.is_empty() && text.len() <= limit {
        poll();
        let piece = &rest[..rest.len().min(POLL_BYTES)];
        let plain = memchr::memchr(shift, piece).unwrap_or(piece.len());
        text.extend(piece[..plain].iter().map(|&byte| char::from(byte)));
        rest = &rest[plain..];
        if rest.first() != Some(&shift) {
            continue;
        }
        let letters = rest[1..]
            .iter()
            .take_while(|b| value(**b).is_some())
            .take(POLL_BYTES)
            .count();
        let (encoded, behind) = rest[1..].split_at(letters);
        let units = units(encoded);
        if units.is_empty() && (letters > 0 || behind.first() != Some(&b'-')) {
            text.push(char::from(shift));
            rest = &rest[1..];
            continue;
        }
        if units.is_empty() {
            text.push(char::from(shift));
        }
        let characters = char::decode_utf16(units);
        text.extend(characters.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        rest = behind.strip_prefix(b"-").unwrap_or(behind);
    }
    text
}

/// What a letter of Base64 stands for. Names of folders have `,` for `/`.
fn value(letter: u8) -> Option<u32> {
    Some(
        match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' | b',' => 63,
            _ => return None,
        }
        .into(),
    )
}

/// The whole 16-bit units in Base64.
fn units(encoded: &[u8]) -> Vec<u16> {
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut units = Vec::with_capacity(encoded.len() * 6 / 16);
    for value in encoded.iter().filter_map(|letter| value(*letter)) {
        bits = bits << 6 | value;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push((bits >> count) as u16);
            bits &= (1 << count) - 1;
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], shift: u8) -> String {
        utf_7(text, shift, 1 << 20, &|| ())
    }

    #[test]
    fn utf_7_of_mail_and_of_folders() {
        assert_eq!(read(b"+APw-ber +AOQ. +ZeVnLIqe-", b'+'), "über ä. 日本語");
        assert_eq!(read(b"a +- b, 1+1=2, c++", b'+'), "a + b, 1+1=2, c++");
        assert_eq!(
            read(b"Entw&APw-rfe &- &ZeVnLIqe-", b'&'),
            "Entwürfe & 日本語"
        );
        assert_eq!(read(b"+2D3eAA-", b'+'), "\u{1f600}");
    }

    #[test]
    fn zeros_tell_the_form() {
        let big = |text: &str| {
            text.encode_utf16()
                .flat_map(u16::to_be_bytes)
                .collect::<Vec<_>>()
        };
        let little = |text: &str| {
            text.encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<_>>()
        };
        assert_eq!(by_zeros(&big("Hello")), Some(Form::Utf16(ByteOrder::Big)));
        assert_eq!(by_zeros(&little("Привет, мир и все")), None);
        assert_eq!(
            by_zeros(&little("Grüße an alle")),
            Some(Form::Utf16(ByteOrder::Little))
        );
        let wide: Vec<_> = "日本語 text"
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect();
        assert_eq!(by_zeros(&wide), Some(Form::Utf32(ByteOrder::Little)));
        assert_eq!(by_zeros(b"plain"), None);
        assert_eq!(by_zeros(b"one\0two three"), None);
        assert_eq!(
            by_variety(&big("こんにちは、世界のみなさん")),
            Some(ByteOrder::Big)
        );
        assert_eq!(by_variety(&little("Приветмир")), Some(ByteOrder::Little));
    }

    #[test]
    fn utf_32_of_both_orders() {
        assert_eq!(
            utf_32(b"\0\x01\xf6\0\0\0", ByteOrder::Big, 9, &|| ()),
            "\u{1f600}"
        );
        assert_eq!(
            utf_32(b"a\0\0\0\0\0\0\x80", ByteOrder::Little, 9, &|| ()),
            "a\u{fffd}"
        );
    }
}
