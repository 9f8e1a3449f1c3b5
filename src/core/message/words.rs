//! Encoded words (RFC 2047): text of any charset in a header.

use std::borrow::Cow;

use super::{charset, transfer};

/// Longest name of a charset.
const MAX_CHARSET_BYTES: usize = 60;
/// Longest encoded word. RFC 2047 allows 75 bytes; programs write any length.
const MAX_WORD_BYTES: usize = 2 << 10;

/// An encoded word.
pub(super) struct Word<'a> {
    charset: &'a str,
    encoding: u8,
    text: &'a str,
    /// Where what follows begins.
    pub end: usize,
}

/// The encoded word that `text` begins with. Spaces in it are wrong, and met.
pub(super) fn encoded_word(text: &str) -> Option<Word<'_>> {
    let text = &text[..text.floor_char_boundary(MAX_WORD_BYTES)];
    let rest = text.strip_prefix("=?")?;
    let (charset, rest) = rest.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let &[encoding] = encoding.as_bytes() else {
        return None;
    };
    if charset.len() > MAX_CHARSET_BYTES || charset.contains(char::is_whitespace) {
        return None;
    }
    let length = rest.find("?=")?;
    Some(Word {
        // A language may follow (RFC 2231 section 5).
        charset: charset.split('*').next().unwrap_or(charset),
        encoding,
        text: &rest[..length],
        end: text.len() - rest.len() + length + 2,
    })
}

/// Decodes the encoded words of a value. White space between two of them is none, and
/// characters may begin in one and end in the next, as some programs write them.
pub(super) fn decode(value: &str) -> Cow<'_, str> {
    if !value.contains("=?") {
        return value.into();
    }
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) = rest.find("=?") {
        out += &rest[..start];
        rest = &rest[start..];
        let (text, end) = run(rest).unwrap_or_else(|| ("=?".to_owned(), 2));
        out += &text;
        rest = &rest[end..];
    }
    out += rest;
    out.into()
}

/// Bytes of words in one charset.
struct Bytes<'a> {
    charset: &'a str,
    bytes: Vec<u8>,
}

impl Bytes<'_> {
    fn text(&self) -> Cow<'_, str> {
        charset::decode(&self.bytes, Some(self.charset), usize::MAX, &|| ())
    }

    /// Words in charsets with shifts begin and end unshifted (RFC 1468).
    fn continues_in(&self, charset: &str) -> bool {
        let shifts = |c: &str| {
            c.get(..8)
                .is_some_and(|c| c.eq_ignore_ascii_case("iso-2022"))
        };
        self.charset.eq_ignore_ascii_case(charset) && !shifts(charset)
    }
}

/// Decodes the encoded words that `text` begins with, and returns where they end.
fn run(text: &str) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut end = 0;
    let mut open: Option<Bytes> = None;
    loop {
        let gap = text[end..].len() - text[end..].trim_start().len();
        let next = encoded_word(&text[end + gap..])
            .and_then(|word| Some((transfer::word(word.encoding, word.text.as_bytes())?, word)));
        let Some((bytes, word)) = next else {
            break;
        };
        end += gap + word.end;
        match &mut open {
            Some(before) if before.continues_in(word.charset) => before.bytes.extend(bytes),
            _ => {
                let charset = word.charset;
                if let Some(before) = open.replace(Bytes { charset, bytes }) {
                    out += &before.text();
                }
            }
        }
    }
    out += &open?.text();
    Some((out, end))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn both_encodings() {
        assert_eq!(
            decode("Re: =?utf-8?Q?Gr=C3=BC=C3=9Fe_an?= all"),
            "Re: Grüße an all"
        );
        assert_eq!(decode("=?ISO-8859-1*de?b?R3L832U=?="), "Grüße");
        assert_eq!(decode("no words"), "no words");
    }

    #[test]
    fn neighbours_are_one_text() {
        assert_eq!(
            decode("=?utf-8?q?Gr=C3?= \t=?UTF-8?q?=BC=C3=9Fe?="),
            "Grüße"
        );
        assert_eq!(decode("=?utf-8?q?a?= =?iso-8859-1?q?=FC?= b"), "aü b");
        assert_eq!(
            decode("=?iso-2022-jp?B?GyRCJDMbKEI=?= =?iso-2022-jp?B?GyRCJDMbKEI=?="),
            "ここ"
        );
    }

    #[test]
    fn what_is_no_word_stays() {
        for text in [
            "=?",
            "=?utf-8?q?open",
            "=?utf-8?x?a?=",
            "=?a b?q?c?=",
            "a =? b",
            "=?==?=",
        ] {
            assert_eq!(decode(text), text);
        }
        assert_eq!(decode("=?utf-8?q?two words?="), "two words");
    }
}
