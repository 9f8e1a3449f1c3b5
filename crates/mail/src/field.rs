//! Values of header fields: unfolded, decoded, and of bounded length.

use std::borrow::Cow;

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use crate::address::mailboxes;
use crate::guard::guarded;
use crate::{charset, media_type, words};

/// Longest value that is read of one field, in bytes as it stands in the message.
const MAX_FIELD_BYTES: usize = 32 << 10;
/// Longest value that is read of a Content-* field. Shorter, because mail-parser takes quadratic
/// time for their parameters.
const MAX_CONTENT_BYTES: usize = 4 << 10;
/// Longest name of a file (what most file systems have), or of a media type (RFC 6838 section
/// 4.2), in bytes.
const MAX_NAME_BYTES: usize = 255;
/// Longest subject, sender, name of a list or a program, in bytes.
pub(crate) const MAX_LINE_BYTES: usize = 4 << 10;
/// Longest list of recipients, in bytes.
pub(crate) const MAX_RECIPIENTS_BYTES: usize = 16 << 10;
/// Longest id of a message, in bytes.
const MAX_ID_BYTES: usize = 512;
/// Ids of References that are kept: the first, and the last ones.
const MAX_REFERENCES: usize = 100;

/// Decoded values of a message's fields, and whether any was longer than what is kept.
#[derive(Default)]
pub(crate) struct Reader<'a> {
    pub cut: bool,
    /// The charset of the body, which bytes of eight bits in a field may have, too.
    label_of_body: Option<&'a str>,
}

impl<'l> Reader<'l> {
    /// A reader of the header of a message whose body has this label.
    pub(crate) fn of(label_of_body: Option<&'l str>) -> Self {
        Self {
            cut: false,
            label_of_body,
        }
    }

    /// Encoded words decoded, in one line: a subject.
    pub(crate) fn text(&mut self, raw: &[u8]) -> Option<String> {
        let value = self.value(raw);
        self.line(&words::decode(&value), MAX_LINE_BYTES)
    }

    /// The first address: `Name <address>`, or the one of both that is there.
    pub(crate) fn address(&mut self, raw: &[u8]) -> Option<String> {
        let value = self.value(raw);
        let first = mailboxes(&value).into_iter().next()?;
        self.line(&first.to_string(), MAX_LINE_BYTES)
    }

    /// All addresses of several fields, separated by comma and space.
    pub(crate) fn recipients<'a>(
        &mut self,
        fields: impl Iterator<Item = &'a [u8]>,
    ) -> Option<String> {
        let mut all = String::new();
        for raw in fields {
            for mailbox in mailboxes(&self.value(raw)) {
                let gap = if all.is_empty() { "" } else { ", " };
                all += &format!("{gap}{mailbox}");
            }
            if all.len() > MAX_RECIPIENTS_BYTES {
                break;
            }
        }
        self.line(&all, MAX_RECIPIENTS_BYTES)
    }

    /// Ids of messages, without angle brackets.
    pub(crate) fn ids(&mut self, raw: &[u8]) -> Vec<String> {
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
    pub(crate) fn list_id(&mut self, raw: &[u8]) -> Option<String> {
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

    /// The unfolded value as text, with a line break at its end, which mail-parser waits for.
    fn value(&mut self, raw: &[u8]) -> String {
        self.cut |= raw.len() > MAX_FIELD_BYTES;
        unfold(raw, MAX_FIELD_BYTES, self.label_of_body)
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

/// White space collapsed, without control characters.
fn one_line(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if is_one_line(text.as_bytes()) {
        return text.into();
    }
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
    line.into()
}

/// Whether there are neither control characters nor white space but single blanks, as in most
/// fields. All bytes are looked at at once.
fn is_one_line(text: &[u8]) -> bool {
    let may_be_other = |b: u8| {
        // All that are not ASCII begin so in UTF-8.
        let beyond_ascii = b == 0xc2 || (0xe1..=0xe3).contains(&b);
        b < b' ' || b == 0x7f || beyond_ascii
    };
    let behind = text.get(1..).unwrap_or_default();
    let others = text.iter().fold(false, |found, &b| found | may_be_other(b));
    let blanks = text.iter().zip(behind).fold(false, |found, (&b, &next)| {
        found | (b == b' ') & (next == b' ')
    });
    !others && !blanks
}

fn unfold(raw: &[u8], limit: usize, label_of_body: Option<&str>) -> String {
    let raw = raw[..raw.len().min(limit)].trim_ascii();
    let mut breaks = memchr::memchr2_iter(b'\r', b'\n', raw).peekable();
    let unfolded: Cow<[u8]> = if breaks.peek().is_some() {
        let mut unfolded = Vec::with_capacity(raw.len());
        let mut from = 0;
        for at in breaks {
            unfolded.extend_from_slice(&raw[from..at]);
            from = at + 1;
        }
        unfolded.extend_from_slice(&raw[from..]);
        unfolded.into()
    } else {
        raw.into()
    };
    let decoded = charset::decode_field(&unfolded, label_of_body);
    let mut text = String::with_capacity(decoded.len() + 1);
    text.push_str(&decoded);
    text.push('\n');
    text
}

/// Seconds since 1970-01-01 UTC of a date (RFC 5322 section 3.3), or of what follows the last
/// semicolon, as in Received.
pub(crate) fn date(raw: &[u8]) -> Option<i64> {
    crate::date::parse(&unfold(raw, MAX_CONTENT_BYTES, None))
}

/// What Content-Type says (RFC 2045 section 5).
#[derive(Debug, Default)]
pub(crate) struct ContentType {
    /// `text/plain`, in small letters.
    pub media_type: String,
    /// Whether the part says so.
    pub declared: bool,
    pub charset: Option<String>,
    pub boundary: Option<String>,
    pub name: Option<String>,
    /// Lines that end with a space go on (RFC 3676).
    pub flowed: bool,
    /// Whether that space is taken away (DelSp, RFC 3676).
    pub delsp: bool,
    /// Where the body of a `message/external-body` is (RFC 2046 section 5.2.3, RFC 2017).
    pub elsewhere: Option<String>,
}

impl ContentType {
    /// A type without parameters.
    pub(crate) fn of(media_type: &str) -> Self {
        Self {
            media_type: media_type.to_owned(),
            ..Self::default()
        }
    }

    /// The value of a Content-Type field. What is no media type is plain text (RFC 2045 section
    /// 5.2), which keeps its parameters.
    pub(crate) fn parse(raw: &[u8]) -> Self {
        let value = unfold(raw, MAX_CONTENT_BYTES, None);
        let (media_type, parameters) = media_type::split(&value);
        let media_type = media_type.and_then(|t| short(&t));
        let declared = media_type.is_some();
        let media_type = media_type.unwrap_or_else(|| "text/plain".to_owned());
        let parsed = content(&format!("x/x;{parameters}"), |parsed| {
            let get = |name| parsed.attribute(name).map(str::to_owned);
            let is = |name, value: &str| {
                parsed
                    .attribute(name)
                    .is_some_and(|v| v.trim().eq_ignore_ascii_case(value))
            };
            Self {
                charset: get("charset"),
                boundary: get("boundary")
                    .map(|b| b.trim_end().to_owned())
                    .filter(|b| !b.is_empty()),
                name: get("name").and_then(|n| short(&n)),
                flowed: is("format", "flowed"),
                delsp: is("delsp", "yes"),
                elsewhere: (media_type == "message/external-body").then(|| {
                    let places = ["url", "server", "site", "directory", "name"];
                    let places: Vec<_> = places.into_iter().filter_map(get).collect();
                    Reader::default()
                        .line(&places.join(" "), MAX_LINE_BYTES)
                        .unwrap_or_default()
                }),
                ..Self::default()
            }
        });
        Self {
            media_type,
            declared,
            ..parsed.unwrap_or_default()
        }
    }

    /// A message, or a piece of one.
    pub(crate) fn is_message(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "message/rfc822" | "message/global" | "message/news" | "message/partial"
        )
    }
}

/// Content-Disposition (RFC 2183): whether it is `attachment`, and the file name.
pub(crate) fn disposition(raw: &[u8]) -> (bool, Option<String>) {
    let parsed = content(&unfold(raw, MAX_CONTENT_BYTES, None), |parsed| {
        let name = parsed.attribute("filename").and_then(short);
        (parsed.ctype().eq_ignore_ascii_case("attachment"), name)
    });
    parsed.unwrap_or_default()
}

/// The name of a file, or of a media type.
pub(crate) fn short(name: &str) -> Option<String> {
    Reader::default().line(name, MAX_NAME_BYTES)
}

fn content<T>(value: &str, read: impl FnOnce(&mail_parser::ContentType) -> T) -> Option<T> {
    guarded(
        || match MessageStream::new(value.as_bytes()).parse_content_type() {
            HeaderValue::ContentType(parsed) => Some(read(&parsed)),
            _ => None,
        },
    )
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_single_blanks_and_no_control_characters() {
        for line in ["", "x", "one two", "Grüße 你好"] {
            assert!(matches!(one_line(line), Cow::Borrowed(kept) if kept == line));
        }
        let blanks = [
            "  ", "\t", "\r\n ", "\u{85}", "\u{a0}", "\u{1680}", "\u{2003}", "\u{3000}",
        ];
        for blank in blanks {
            assert_eq!(one_line(&format!("{blank}a{blank}b{blank}")), "a b");
        }
        for control in ["\0", "\x1b", "\x7f", "\u{9f}"] {
            assert_eq!(one_line(&format!("{control}a{control}b{control}")), "ab");
        }
    }
}
