//! Text of seven bits in which sequences choose what bytes mean: ISO/IEC 2022 as mail has it
//! (RFC 1468, 1554, 1557, 1922, and what Microsoft and others added), and HZ (RFC 1843).

use encoding_rs::{
    EUC_JP, EUC_KR, Encoding, GBK, ISO_2022_JP, ISO_8859_7, SHIFT_JIS, UTF_8, WINDOWS_1252,
};

use crate::lines::POLL_BYTES;
use crate::poll::Poll;

const ESC: u8 = 0x1b;
const SHIFT_OUT: u8 = 0x0e;
const SHIFT_IN: u8 = 0x0f;

/// What bytes mean until the text says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Chinese,
    Japanese,
    Korean,
}

/// A set of characters, and how encoding_rs decodes it: as bytes with the eighth bit set.
#[derive(Debug, Clone, Copy)]
struct Set {
    encoding: &'static Encoding,
    /// Bytes of a character.
    width: usize,
    /// What has to stand before each character.
    prefix: &'static [u8],
    eighth_bit: u8,
}

impl PartialEq for Set {
    /// Compared for every character: sets of one encoding have other prefixes, by their lengths.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.encoding, other.encoding) && self.prefix.len() == other.prefix.len()
    }
}

impl Set {
    const ASCII: Self = Self::new(UTF_8, 1, b"", 0);
    /// ASCII but for two characters: yen and overline.
    const ROMAN: Self = Self::new(ISO_2022_JP, 1, b"\x1b(J", 0);
    const LATIN: Self = Self::new(WINDOWS_1252, 1, b"", 0x80);
    const GREEK: Self = Self::new(ISO_8859_7, 1, b"", 0x80);
    const KATAKANA: Self = Self::new(SHIFT_JIS, 1, b"", 0x80);
    const JAPANESE: Self = Self::new(EUC_JP, 2, b"", 0x80);
    const MORE_JAPANESE: Self = Self::new(EUC_JP, 2, b"\x8f", 0x80);
    const CHINESE: Self = Self::new(GBK, 2, b"", 0x80);
    const KOREAN: Self = Self::new(EUC_KR, 2, b"", 0x80);

    const fn new(
        encoding: &'static Encoding,
        width: usize,
        prefix: &'static [u8],
        eighth_bit: u8,
    ) -> Self {
        Self {
            encoding,
            width,
            prefix,
            eighth_bit,
        }
    }
}

/// A text of several sets: what is decoded, and what is in one set behind that.
struct Text {
    decoded: String,
    run: Vec<u8>,
    set: Set,
}

impl Text {
    fn new() -> Self {
        Self {
            decoded: String::new(),
            run: Vec::new(),
            set: Set::ASCII,
        }
    }

    fn push(&mut self, set: Set, character: &[u8]) {
        if set != self.set || self.run.len() > POLL_BYTES {
            self.decode();
            self.set = set;
        }
        self.run.extend(set.prefix);
        self.run
            .extend(character.iter().map(|b| b | set.eighth_bit));
    }

    fn decode(&mut self) {
        if !self.run.is_empty() {
            let (text, _) = self.set.encoding.decode_without_bom_handling(&self.run);
            self.decoded += &text;
            self.run.clear();
        }
    }

    fn finish(mut self) -> String {
        self.decode();
        self.decoded
    }

    fn len(&self) -> usize {
        self.decoded.len() + self.run.len()
    }
}

/// Calls `poll` now and then while positions go on.
struct Progress<'a> {
    poll: Poll<'a>,
    next: usize,
}

impl Progress<'_> {
    fn at(&mut self, position: usize) {
        if position >= self.next {
            self.next = position + POLL_BYTES;
            (self.poll)();
        }
    }
}

/// Which set a sequence designates, as which of the four, and how long it is.
fn designation(text: &[u8]) -> Option<(usize, Set, usize)> {
    let set = match text.get(1..)? {
        [b'(', b'B', ..] => (0, Set::ASCII, 3),
        [b'(', b'J' | b'H', ..] => (0, Set::ROMAN, 3),
        [b'(', b'I', ..] => (0, Set::KATAKANA, 3),
        [b')', b'I', ..] => (1, Set::KATAKANA, 3),
        [b'$', b'@' | b'B', ..] => (0, Set::JAPANESE, 3),
        [b'$', b'A', ..] => (0, Set::CHINESE, 3),
        [b'$', b'(', b'@' | b'B' | b'O' | b'Q', ..] => (0, Set::JAPANESE, 4),
        [b'$', b'(', b'D', ..] => (0, Set::MORE_JAPANESE, 4),
        [b'$', b'(', b'A', ..] => (0, Set::CHINESE, 4),
        [b'$', b'(', b'C', ..] => (0, Set::KOREAN, 4),
        [b'$', b')', b'A' | b'E', ..] => (1, Set::CHINESE, 4),
        [b'$', b')', b'C', ..] => (1, Set::KOREAN, 4),
        [b'.', b'A', ..] => (2, Set::LATIN, 3),
        [b'.', b'F', ..] => (2, Set::GREEK, 3),
        // The revision of JIS X 0208 of 1990 announces itself.
        [b'&', b'@', ..] => (3, Set::ASCII, 3),
        _ => return None,
    };
    (text[0] == ESC).then_some(set)
}

/// Whether a sequence in it chooses a set of East Asia: nothing else has these by accident. But on
/// purpose: what stands in such a set has no spaces, or it is text that programs show which go
/// by another label.
pub(super) fn is_shifted(bytes: &[u8]) -> bool {
    let is_sign = |b: &u8| matches!(*b, ESC | SHIFT_OUT | SHIFT_IN);
    let (mut found, mut shifted) = (false, false);
    let mut wide = [false; 4];
    for at in memchr::memchr3_iter(ESC, SHIFT_OUT, SHIFT_IN, bytes) {
        let rest = &bytes[at..];
        let mut length = 1;
        match rest[0] {
            ESC => {
                if let Some((which, set, bytes)) = designation(rest) {
                    wide[which] = set.width == 2;
                    found |= set.width == 2;
                    length = bytes;
                }
            }
            shift => shifted = shift == SHIFT_OUT,
        }
        let mut inside = rest[length..].iter().take_while(|b| !is_sign(b));
        if wide[usize::from(shifted)] && inside.any(|b| *b == b' ') {
            return false;
        }
    }
    found
}

/// Decodes ISO-2022-JP, -KR, -CN and their kin to about `limit` bytes of text. Bytes of eight
/// bits are in the second set, as in the EUC of that language.
pub(super) fn iso_2022(bytes: &[u8], language: Language, limit: usize, poll: Poll) -> String {
    let second = match language {
        Language::Chinese => Set::CHINESE,
        Language::Japanese => Set::KATAKANA,
        Language::Korean => Set::KOREAN,
    };
    let mut sets = [Set::ASCII, second, Set::LATIN, Set::ASCII];
    let mut text = Text::new();
    let mut progress = Progress { poll, next: 0 };
    let (mut shifted, mut at) = (false, 0);
    while at < bytes.len() && text.len() <= limit {
        progress.at(at);
        let rest = &bytes[at..];
        let (set, skipped) = match rest[0] {
            ESC => {
                if let Some((which, set, length)) = designation(rest) {
                    sets[which] = set;
                    at += length;
                    continue;
                }
                match rest.get(1) {
                    Some(b'N') => (sets[2], 2),
                    Some(b'O') => (sets[3], 2),
                    _ => (Set::ASCII, 0),
                }
            }
            shift @ (SHIFT_OUT | SHIFT_IN) => {
                shifted = shift == SHIFT_OUT;
                at += 1;
                continue;
            }
            byte if shifted || byte >= 0x80 => (sets[1], 0),
            _ => (sets[0], 0),
        };
        at += skipped;
        let rest = &bytes[at..];
        shifted &= rest.first() != Some(&b'\n');
        let character = character(rest, set);
        text.push(
            if character.is_some() { set } else { Set::ASCII },
            character.unwrap_or(&rest[..rest.len().min(1)]),
        );
        at += character.map_or(1, <[u8]>::len);
    }
    text.finish()
}

/// The bytes of a character of this set, if `rest` begins with as many. White space and control
/// characters are in none.
fn character(rest: &[u8], set: Set) -> Option<&[u8]> {
    let character = rest.get(..set.width)?;
    let eighth = character[0] & 0x80;
    let fits = |&b: &u8| (0x21..=0x7e).contains(&(b & 0x7f)) && b & 0x80 == eighth;
    character.iter().all(fits).then_some(character)
}

/// Decodes HZ to about `limit` bytes of text. Bytes of eight bits are GBK.
pub(super) fn hz(bytes: &[u8], limit: usize, poll: Poll) -> String {
    let mut text = Text::new();
    let mut progress = Progress { poll, next: 0 };
    let (mut chinese, mut at) = (false, 0);
    while at < bytes.len() && text.len() <= limit {
        progress.at(at);
        let rest = &bytes[at..];
        let set = if chinese || rest[0] >= 0x80 {
            Set::CHINESE
        } else {
            Set::ASCII
        };
        let (length, shown) = match rest {
            [b'~', b'{', ..] => (2, None),
            [b'~', b'}', ..] => (2, None),
            [b'~', b'\n', ..] => (2, None),
            [b'~', b'\r', b'\n', ..] => (3, None),
            [b'~', b'~', ..] if !chinese => (2, Some((Set::ASCII, 1))),
            _ => match character(rest, set) {
                Some(character) => (character.len(), Some((set, character.len()))),
                None => (1, Some((Set::ASCII, 1))),
            },
        };
        chinese = match rest {
            [b'~', b'{', ..] => true,
            [b'~', b'}', ..] | [b'\n', ..] | [b'~', b'\n' | b'\r', ..] => false,
            _ => chinese,
        };
        if let Some((set, width)) = shown {
            text.push(set, &rest[..width]);
        }
        at += length;
    }
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn japanese(bytes: &[u8]) -> String {
        iso_2022(bytes, Language::Japanese, 1 << 20, &|| ())
    }

    #[test]
    fn japanese_of_all_kinds() {
        assert_eq!(japanese(b"a\x1b$B$3\x1b(Bb"), "aこb");
        assert_eq!(japanese(b"\x1b(I1\x1b(B"), "ｱ");
        assert_eq!(
            japanese(b"\x0e1\x0fa\xb1"),
            "ｱaｱ",
            "cp50222, and of eight bits"
        );
        assert_eq!(japanese(b"\x1b$(D0!\x1b(B"), "丂", "JIS X 0212");
        assert_eq!(
            japanese(b"\x1b$A0!\x1b$(C0!\x1b(B"),
            "啊가",
            "ISO-2022-JP-2"
        );
        assert_eq!(japanese(b"\x1b.A\x1bNi"), "é");
        assert_eq!(japanese(b"\x1b(J\\a\n\x1b(B\\"), "¥a\n\\");
        assert_eq!(japanese(b"\x1b$B-!\x1b(B"), "①", "Microsoft's");
        assert_eq!(japanese(b"\x1b&@\x1b$B$3\n$\n\x1b(B"), "こ\n$\n");
    }

    #[test]
    fn korean_and_chinese() {
        let korean = |bytes: &[u8]| iso_2022(bytes, Language::Korean, 1 << 20, &|| ());
        assert_eq!(korean(b"\x1b$)C\x0eGQ19>n\x0f a"), "한국어 a");
        assert_eq!(korean(b"\x0eGQ\nGQ"), "한\nGQ", "a line ends unshifted");
        assert_eq!(korean(b"\xc7\xd1"), "한");
        let chinese = |bytes: &[u8]| iso_2022(bytes, Language::Chinese, 1 << 20, &|| ());
        assert_eq!(chinese(b"\x1b$)A\x0eDc:C\x0f!"), "你好!");
    }

    #[test]
    fn chinese_between_tildes() {
        let read = |bytes: &[u8]| hz(bytes, 1 << 20, &|| ());
        assert_eq!(read(b"a ~{Dc:C~} b~~c"), "a 你好 b~c");
        assert_eq!(read(b"~{Dc\nDc~}d ~\ne"), "你\nDcd e");
        assert_eq!(read(b"\xc4\xe3~"), "你~");
    }

    #[test]
    fn what_is_not_closed_or_not_whole() {
        for bytes in [
            &b"\x1b"[..],
            b"\x1b$",
            b"\x1bN",
            b"\x1bO",
            b"\x1b$B$",
            b"\x0e",
            b"~",
            b"\x1b$B\x7f",
        ] {
            assert!(japanese(bytes).len() <= 3, "{bytes:?}");
            assert!(hz(bytes, 100, &|| ()).len() <= bytes.len(), "{bytes:?}");
        }
        assert!(is_shifted(b"text \x1b$B$3\x1b(B"));
        assert!(!is_shifted(b"\x1b[31m red \x1b(B"));
    }
}
