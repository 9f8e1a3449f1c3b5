//! Johab (KS X 1001 annex 3): syllables of Korean as the numbers of their letters.

use encoding_rs::EUC_KR;

use crate::lines::POLL_BYTES;
use crate::poll::Poll;

/// Consonants before a vowel, and behind one, that stand alone.
const INITIALS: &str = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";
const FINALS: &str = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ";
const FIRST_SYLLABLE: u32 = 0xac00;
const FIRST_VOWEL: u32 = 0x314f;

/// Decodes `bytes` to about `limit` bytes of text.
pub(super) fn johab(bytes: &[u8], limit: usize, poll: Poll) -> String {
    let mut text = String::new();
    let (mut at, mut polled) = (0, 0);
    while at < bytes.len() && text.len() <= limit {
        if at >= polled {
            polled = at + POLL_BYTES;
            poll();
        }
        let (first, second) = (bytes[at], bytes.get(at + 1).copied().unwrap_or(0));
        at += if first < 0x80 || second < 0x31 { 1 } else { 2 };
        if first < 0x80 {
            text.push(char::from(first));
        } else if second < 0x31 {
            text.push(char::REPLACEMENT_CHARACTER);
        } else if first < 0xd8 {
            text.push(hangul(first, second).unwrap_or(char::REPLACEMENT_CHARACTER));
        } else {
            text += &EUC_KR.decode_without_bom_handling(&other(first, second)).0;
        }
    }
    text
}

/// Numbers of five bits each: initial, vowel, final; one of each means none.
fn hangul(first: u8, second: u8) -> Option<char> {
    let code = u32::from(first) << 8 | u32::from(second);
    let initial = match code >> 10 & 31 {
        1 => None,
        n @ 2..=20 => Some(n - 2),
        _ => return None,
    };
    let vowel = match code >> 5 & 31 {
        2 => None,
        n @ 3..=7 => Some(n - 3),
        n @ 10..=15 => Some(n - 5),
        n @ 18..=23 => Some(n - 7),
        n @ 26..=29 => Some(n - 9),
        _ => return None,
    };
    let last = match code & 31 {
        n @ 1..=17 => n - 1,
        n @ 19..=29 => n - 2,
        _ => return None,
    };
    match (initial, vowel, last) {
        (Some(initial), Some(vowel), last) => {
            char::from_u32(FIRST_SYLLABLE + (initial * 21 + vowel) * 28 + last)
        }
        (Some(initial), None, 0) => INITIALS.chars().nth(initial as usize),
        (None, Some(vowel), 0) => char::from_u32(FIRST_VOWEL + vowel),
        (None, None, last @ 1..) => FINALS.chars().nth(last as usize - 1),
        _ => None,
    }
}

/// Signs and Chinese characters, two rows of EUC-KR for a first byte.
fn other(first: u8, second: u8) -> [u8; 2] {
    let row = if first < 0xe0 {
        2 * (u16::from(first) - 0xd9_u16.min(first.into()))
    } else {
        2 * u16::from(first) - 0x197
    };
    let cell = u16::from(second) - if second < 0x91 { 0x31 } else { 0x43 };
    let low = |n: u16| (n % 0x100) as u8;
    [low(0xa1 + row + cell / 0x5e), low(0xa1 + cell % 0x5e)]
}

#[cfg(test)]
mod tests {
    use super::johab;

    #[test]
    fn syllables_letters_and_signs() {
        let read = |bytes: &[u8]| johab(bytes, 1 << 20, &|| ());
        assert_eq!(read(b"\xd0\x65\x8a\x82\xb4\xe1 a"), "한국어 a");
        assert_eq!(read(b"\x88\x41\x84\x61"), "ㄱㅏ");
        assert_eq!(read(b"\xd0\n\xff"), "\u{fffd}\n\u{fffd}");
    }
}
