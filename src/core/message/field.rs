//! Values of header fields: unfolded, decoded, and of bounded length.

use std::borrow::Cow;

use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Address, HeaderValue};

use super::{charset, guarded, transfer};

/// Longest value that is read of one field, in bytes as it stands in the message.
const MAX_FIELD_BYTES: usize = 32 << 10;
/// The same for Content-* fields: mail-parser takes quadratic time for their parameters.
const MAX_CONTENT_BYTES: usize = 8 << 10;
/// Longest subject, sender, name of a list, a program, or a file, in bytes.
pub(super) const MAX_LINE_BYTES: usize = 4 << 10;
/// Longest list of recipients, in bytes.
pub(super) const MAX_RECIPIENTS_BYTES: usize = 16 << 10;
/// Longest id of a message, in bytes.
const MAX_ID_BYTES: usize = 512;
/// Ids of References that are kept: the first, and the last ones.
const MAX_REFERENCES: usize = 100;

/// Decoded values of a message's fields, and whether any was longer than what is kept.
#[derive(Default)]
pub(super) struct Reader {
    pub cut: bool,
}

impl Reader {
    /// Encoded words decoded, in one line: a subject.
    pub(super) fn text(&mut self, raw: &[u8]) -> Option<String> {
        let value = self.value(raw);
        self.line(&decode_words(&value, false), MAX_LINE_BYTES)
    }

    /// The first address: `Name <address>`, or the one of both that is there.
    pub(super) fn address(&mut self, raw: &[u8]) -> Option<String> {
        let address = self.addresses(raw).into_iter().next()?;
        self.line(&address, MAX_LINE_BYTES)
    }

    /// All addresses of several fields, separated by comma and space.
    pub(super) fn recipients<'a>(
        &mut self,
        fields: impl Iterator<Item = &'a [u8]>,
    ) -> Option<String> {
        let mut all = String::new();
        for address in fields.flat_map(|raw| self.addresses(raw)) {
            if all.len() > MAX_RECIPIENTS_BYTES {
                break;
            }
            if !all.is_empty() {
                all += ", ";
            }
            all += &address;
        }
        self.line(&all, MAX_RECIPIENTS_BYTES)
    }

    /// Ids of messages, without angle brackets.
    pub(super) fn ids(&mut self, raw: &[u8]) -> Vec<String> {
        let value = self.value(raw);
        let parsed = guarded(|| {
            let found = MessageStream::new(value.as_bytes()).parse_id();
            found.into_text_list().unwrap_or_default()
        });
        let mut ids: Vec<_> = parsed
            .unwrap_or_default()
            .iter()
            .filter_map(|id| self.line(id, MAX_ID_BYTES))
            .collect();
        if ids.len() > MAX_REFERENCES {
            ids.drain(1..=ids.len() - MAX_REFERENCES);
            self.cut = true;
        }
        ids
    }

    /// Id of a list (RFC 2919): what stands in angle brackets, or all of it.
    pub(super) fn list_id(&mut self, raw: &[u8]) -> Option<String> {
        let text = self.text(raw)?;
        let id = text
            .rsplit_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map(|(id, _)| id.trim());
        match id {
            Some(id) if !id.is_empty() => Some(id.to_owned()),
            _ => Some(text),
        }
    }

    /// `Name <address>` of each address, as one line.
    fn addresses(&mut self, raw: &[u8]) -> Vec<String> {
        let value = self.value(raw);
        let value = decode_words(&value, true);
        let parsed = guarded(
            || match MessageStream::new(value.as_bytes()).parse_address() {
                HeaderValue::Address(address) => written(&address),
                _ => Vec::new(),
            },
        );
        parsed.unwrap_or_default()
    }

    /// The unfolded value as text, with a line break at its end, which mail-parser waits for.
    fn value(&mut self, raw: &[u8]) -> String {
        self.cut |= raw.len() > MAX_FIELD_BYTES;
        unfold(raw, MAX_FIELD_BYTES)
    }

    /// One line of at most `limit` bytes; `None` if it has nothing.
    fn line(&mut self, text: &str, limit: usize) -> Option<String> {
        let line = one_line(text);
        let kept = &line[..line.floor_char_boundary(limit)];
        self.cut |= kept.len() < line.len();
        let kept = kept.trim_end();
        (!kept.is_empty()).then(|| kept.to_owned())
    }
}

fn written(address: &Address) -> Vec<String> {
    let one = |a: &Addr| match (a.name(), a.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => address.or(name).unwrap_or_default().to_owned(),
    };
    let all: Vec<_> = address.iter().map(one).collect();
    all.into_iter().filter(|a| !a.trim().is_empty()).collect()
}

/// White space collapsed, without control characters.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() {
            if !line.is_empty() && !line.ends_with(' ') {
                line.push(' ');
            }
        } else if !c.is_control() {
            line.push(c);
        }
    }
    line.truncate(line.trim_end().len());
    line
}

fn unfold(raw: &[u8], limit: usize) -> String {
    let raw = raw[..raw.len().min(limit)].trim_ascii();
    let unfolded: Cow<[u8]> = if raw.iter().any(|b| matches!(b, b'\r' | b'\n')) {
        raw.iter()
            .filter(|b| !matches!(b, b'\r' | b'\n'))
            .copied()
            .collect()
    } else {
        raw.into()
    };
    let mut text = charset::decode(&unfolded, None, usize::MAX, &|| ()).into_owned();
    text.push('\n');
    text
}

/// An encoded word (RFC 2047 section 2).
struct Word<'a> {
    charset: &'a str,
    encoding: u8,
    text: &'a str,
    /// Where what follows begins.
    end: usize,
}

/// The encoded word that `text` begins with. Spaces in it are wrong, and met.
fn encoded_word(text: &str) -> Option<Word<'_>> {
    let rest = text.strip_prefix("=?")?;
    let (charset, rest) = rest.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (charset, &[encoding]) = (charset, encoding.as_bytes()) else {
        return None;
    };
    if charset.len() > 60 || charset.contains(char::is_whitespace) {
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

/// Decodes the encoded words of a value: white space between two of them is none, and
/// characters may begin in one and end in the next. `rewritten` gives them as encoded words
/// in UTF-8 instead, for a parser that has to know where they begin and end.
fn decode_words(value: &str, rewritten: bool) -> Cow<'_, str> {
    if !value.contains("=?") {
        return value.into();
    }
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) = rest.find("=?") {
        let Some((text, end)) = decode_run(&rest[start..]) else {
            out += &rest[..start + 2];
            rest = &rest[start + 2..];
            continue;
        };
        out += &rest[..start];
        if rewritten {
            encode_word(&one_line_kept(&text), &mut out);
        } else {
            out += &text;
        }
        rest = &rest[start + end..];
    }
    out += rest;
    out.into()
}

/// Spaces at its ends belong to the text.
fn one_line_kept(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control())
        .collect()
}

/// Decodes the encoded words that `text` begins with, and returns where they end.
fn decode_run(text: &str) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut end = 0;
    // Bytes of words in the same charset.
    let mut pending: Option<(&str, Vec<u8>)> = None;
    let mut flush = |pending: Option<(&str, Vec<u8>)>| {
        if let Some((charset, bytes)) = pending {
            out += &charset::decode(&bytes, Some(charset), usize::MAX, &|| ());
        }
    };
    loop {
        let gap = text[end..].len() - text[end..].trim_start_matches([' ', '\t']).len();
        let next = encoded_word(&text[end + gap..])
            .and_then(|w| Some((transfer::word(w.encoding, w.text.as_bytes())?, w)));
        let Some((bytes, word)) = next else {
            break;
        };
        match &mut pending {
            Some((charset, before)) if charset.eq_ignore_ascii_case(word.charset) => {
                before.extend_from_slice(&bytes);
            }
            _ => flush(pending.replace((word.charset, bytes))),
        }
        end += gap + word.end;
    }
    flush(pending);
    (end > 0).then_some((out, end))
}

fn encode_word(text: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    *out += "=?utf-8?q?";
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() {
            out.push(b as char);
        } else {
            out.push('=');
            out.push(DIGITS[usize::from(b >> 4)] as char);
            out.push(DIGITS[usize::from(b & 15)] as char);
        }
    }
    *out += "?=";
}

/// Seconds since 1970-01-01 UTC of a date (RFC 5322 section 3.3), or of what follows the last
/// semicolon, as in Received.
pub(super) fn date(raw: &[u8]) -> Option<i64> {
    super::date::parse(&unfold(raw, MAX_CONTENT_BYTES))
}

/// What Content-Type says (RFC 2045 section 5).
#[derive(Debug, Default)]
pub(super) struct ContentType {
    /// `text/plain`, in small letters.
    pub media_type: String,
    pub charset: Option<String>,
    pub boundary: Option<String>,
    pub name: Option<String>,
    /// Lines that end with a space go on (RFC 3676).
    pub flowed: bool,
    /// And that space is none.
    pub delsp: bool,
}

impl ContentType {
    pub(super) fn of(media_type: &str) -> Self {
        Self {
            media_type: media_type.to_owned(),
            ..Self::default()
        }
    }

    /// `None` if it is not `type/subtype`: that is plain text (RFC 2045 section 5.2).
    pub(super) fn parse(raw: &[u8]) -> Option<Self> {
        content(raw, |parsed| {
            let subtype = parsed.subtype().filter(|s| !s.is_empty())?;
            let get = |name| parsed.attribute(name).map(str::to_owned);
            let is = |name, value: &str| {
                parsed
                    .attribute(name)
                    .is_some_and(|v| v.trim().eq_ignore_ascii_case(value))
            };
            Some(Self {
                media_type: one_line(&format!("{}/{subtype}", parsed.ctype())),
                charset: get("charset"),
                boundary: get("boundary")
                    .map(|b| b.trim_end().to_owned())
                    .filter(|b| !b.is_empty()),
                name: get("name").and_then(|n| file_name(&n)),
                flowed: is("format", "flowed"),
                delsp: is("delsp", "yes"),
            })
        })
        .flatten()
    }

    pub(super) fn is_message(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "message/rfc822" | "message/global" | "message/news"
        )
    }
}

/// Content-Disposition (RFC 2183): whether it is `attachment`, and the file name.
pub(super) fn disposition(raw: &[u8]) -> (bool, Option<String>) {
    let parsed = content(raw, |parsed| {
        let name = parsed.attribute("filename").and_then(file_name);
        (parsed.ctype().eq_ignore_ascii_case("attachment"), name)
    });
    parsed.unwrap_or_default()
}

fn file_name(name: &str) -> Option<String> {
    Reader::default().line(name, MAX_LINE_BYTES)
}

fn content<T>(raw: &[u8], read: impl FnOnce(&mail_parser::ContentType) -> T) -> Option<T> {
    let value = unfold(raw, MAX_CONTENT_BYTES);
    let value = decode_words(&value, true);
    guarded(
        || match MessageStream::new(value.as_bytes()).parse_content_type() {
            HeaderValue::ContentType(parsed) => Some(read(&parsed)),
            _ => None,
        },
    )
    .flatten()
}
