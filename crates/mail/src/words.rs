//! Encoded words (RFC 2047): text of any charset in a header.

use std::borrow::Cow;

use crate::{charset, transfer};

/// Longest name of a charset.
const MAX_CHARSET_BYTES: usize = 60;
/// Longest encoded word. RFC 2047 allows 75 bytes; programs write any length.
const MAX_WORD_BYTES: usize = 2 << 10;

/// An encoded word.
pub(crate) struct Word<'a> {
    charset: &'a str,
    encoding: u8,
    text: &'a str,
    /// Where what follows begins.
    pub end: usize,
}

/// Finds the encoded words of a value, which is read once from its beginning to its end.
pub(crate) struct Words<'a> {
    value: &'a str,
    /// Where the `?=` is that was looked for last, or the end of the value: it is the next one
    /// for everything before it, and need not be looked for again.
    closing: usize,
}

impl<'a> Words<'a> {
    /// Encoded words of this value.
    pub(crate) fn new(value: &'a str) -> Self {
        Self { value, closing: 0 }
    }

    /// The encoded word that `rest`, which is the rest of the value, begins with. Spaces in it
    /// are wrong, and met.
    pub(crate) fn first(&mut self, rest: &'a str) -> Option<Word<'a>> {
        let behind = rest.strip_prefix("=?")?;
        let start = &behind[..behind.floor_char_boundary(MAX_CHARSET_BYTES + 1)];
        let charset = &start[..start.find('?')?];
        let encoding = *behind.as_bytes().get(charset.len() + 1)?;
        let text = behind[charset.len() + 1..].get(1..)?.strip_prefix('?')?;
        if charset.contains(char::is_whitespace) || encoding == b'?' {
            return None;
        }
        let length = self.closing(self.value.len() - text.len())?;
        let end = rest.len() - text.len() + length + "?=".len();
        (end <= MAX_WORD_BYTES).then(|| Word {
            // A language may follow (RFC 2231 section 5).
            charset: charset.split('*').next().unwrap_or(charset),
            encoding,
            text: &text[..length],
            end,
        })
    }

    /// How far from this position the next `?=` is.
    fn closing(&mut self, from: usize) -> Option<usize> {
        if self.closing < from {
            let found = memchr::memmem::find(&self.value.as_bytes()[from..], b"?=");
            self.closing = found.map_or(self.value.len(), |n| from + n);
            #[cfg(test)]
            tests::SEARCHED.set(tests::SEARCHED.get() + self.closing - from);
        }
        (self.closing < self.value.len()).then(|| self.closing - from)
    }
}

/// Decodes the encoded words of a value. White space between two of them is none, and
/// characters may begin in one and end in the next, as some programs write them.
pub(crate) fn decode(value: &str) -> Cow<'_, str> {
    if !value.contains("=?") {
        return value.into();
    }
    let mut out = String::with_capacity(value.len());
    let mut words = Words::new(value);
    let mut rest = value;
    while let Some(start) = rest.find("=?") {
        out += &rest[..start];
        rest = &rest[start..];
        let (text, end) = run(&mut words, rest).unwrap_or_else(|| ("=?".to_owned(), 2));
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
    /// Base64 that is not decoded yet: some programs cut it anywhere.
    base64: Vec<u8>,
}

impl<'a> Bytes<'a> {
    fn new(word: &Word<'a>) -> Self {
        let mut new = Self {
            charset: word.charset,
            bytes: Vec::new(),
            base64: Vec::new(),
        };
        new.push(word);
        new
    }

    fn push(&mut self, word: &Word) {
        let is_base64 = word.encoding.eq_ignore_ascii_case(&b'b');
        let is_cut = !self.base64.len().is_multiple_of(4) && !self.base64.ends_with(b"=");
        if !(is_base64 && is_cut) {
            self.decode_base64();
        }
        let text = word.text.as_bytes();
        if is_base64 {
            self.base64.extend(text);
        } else {
            self.bytes
                .extend(transfer::word(word.encoding, text).unwrap_or_default());
        }
    }

    fn decode_base64(&mut self) {
        if !self.base64.is_empty() {
            let decoded = transfer::word(b'b', &self.base64);
            self.bytes.extend(decoded.unwrap_or_default());
            self.base64.clear();
        }
    }

    fn text(&mut self) -> Cow<'_, str> {
        self.decode_base64();
        charset::decode(&self.bytes, Some(self.charset), usize::MAX, &|| ())
    }

    /// Words in charsets with shifts begin and end unshifted (RFC 1468).
    fn continues_in(&self, charset: &str) -> bool {
        self.charset.eq_ignore_ascii_case(charset) && !charset::has_shifts(charset)
    }
}

/// Decodes the encoded words that `text` begins with, and returns where they end.
fn run<'a>(words: &mut Words<'a>, text: &'a str) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut end = 0;
    let mut open: Option<Bytes> = None;
    loop {
        let gap = text[end..].len() - text[end..].trim_start().len();
        let next = words
            .first(&text[end + gap..])
            .filter(|word| matches!(word.encoding.to_ascii_lowercase(), b'b' | b'q'));
        let Some(word) = next else {
            break;
        };
        end += gap + word.end;
        match &mut open {
            Some(before) if before.continues_in(word.charset) => before.push(&word),
            _ => {
                if let Some(mut before) = open.replace(Bytes::new(&word)) {
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
    use std::cell::Cell;

    use super::decode;
    use crate::address::mailboxes;

    thread_local! {
        /// Bytes in which the end of a word was looked for.
        pub(crate) static SEARCHED: Cell<usize> = const { Cell::new(0) };
    }

    fn searched(read: impl FnOnce()) -> usize {
        let before = SEARCHED.get();
        read();
        SEARCHED.get() - before
    }

    #[test]
    fn ends_of_words_are_looked_for_once() {
        for pattern in [
            "=?u?q?x",
            "=?u?x?y",
            "=?u?q?\u{e4} ",
            "=?u?q?x?= =?u?q?x",
            "=?u?q?",
        ] {
            for end in ["", "?="] {
                let value = pattern.repeat(4600) + end;
                let bytes = searched(|| drop(decode(&value)));
                assert!(bytes <= 2 * value.len(), "{pattern}: {bytes}");
                // Once for where words end, once more for what they say.
                let bytes = searched(|| drop(mailboxes(&value)));
                assert!(bytes <= 4 * value.len(), "{pattern}: {bytes}");
            }
        }
    }

    #[test]
    fn longest_words() {
        let word = |n: usize| format!("=?utf-8?q?{}?=", "x".repeat(n - 12));
        assert_eq!(decode(&word(2048)).len(), 2048 - 12);
        assert_eq!(decode(&word(2049)), word(2049));
        let charset = "c".repeat(61);
        let unknown = format!("=?{charset}?q?x?=");
        assert_eq!(decode(&unknown), unknown);
    }

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
        assert_eq!(decode("=?utf-8?b?R3LD?= =?utf-8?b?vMOf?="), "Grüß");
        assert_eq!(
            decode("=?utf-8?b?R3LDv?= =?utf-8?b?MOfZQ==?= =?utf-8?b?IQ==?="),
            "Grüße!"
        );
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
