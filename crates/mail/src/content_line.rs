//! Content lines, of which calendars (RFC 5545 section 3.1), their older form vCalendar 1.0,
//! and vCards (RFC 6350 section 3.3) are made: `NAME;PARAMETER=value:value`.

use std::borrow::Cow;

use crate::lines::POLL_BYTES;
use crate::poll::Poll;
use crate::{charset, transfer};

/// Longest line that is read, in bytes, without its folds: pictures are longer.
const MAX_LINE_BYTES: usize = 64 << 10;

/// One line, unfolded.
pub(crate) struct Property {
    line: String,
    /// Where the name begins: behind a group of a vCard.
    name: usize,
    /// Where the colon is.
    colon: usize,
}

impl Property {
    fn of(line: String) -> Option<Self> {
        let mut quoted = false;
        let colon = line.bytes().position(|b| {
            quoted ^= b == b'"';
            b == b':' && !quoted
        });
        let colon = colon.or_else(|| line.find(':'))?;
        let end = line[..colon].find(';').unwrap_or(colon);
        let name = line[..end].rfind('.').map_or(0, |dot| dot + 1);
        Some(Self { line, name, colon })
    }

    /// The name, as it is written.
    pub(crate) fn name(&self) -> &str {
        self.line[self.name..self.colon]
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
    }

    /// The value of a parameter, without quotes.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Parameters without a name are values of the older form.
    fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut quoted = false;
        let ends = move |c| {
            quoted ^= c == '"';
            c == ';' && !quoted
        };
        let all = self.line[self.name..self.colon].split(ends).skip(1);
        all.map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or(("", parameter));
            (name.trim(), value.trim().trim_matches('"'))
        })
    }

    fn is_quoted_printable(&self) -> bool {
        self.parameters()
            .any(|(_, value)| value.eq_ignore_ascii_case("quoted-printable"))
    }

    /// The value as it is written.
    pub(crate) fn raw(&self) -> &str {
        self.line[self.colon + 1..].trim()
    }

    /// The value as text, its escapes undone (RFC 5545 section 3.3.11).
    pub(crate) fn text(&self) -> String {
        let value = self.raw();
        let value = if self.is_quoted_printable() {
            let mut bytes = Vec::with_capacity(value.len());
            transfer::unescape(value.as_bytes(), b'=', &mut bytes, &|| ());
            let label = self.parameter("charset");
            Cow::Owned(charset::decode(&bytes, label, MAX_LINE_BYTES, &|| ()).into_owned())
        } else {
            Cow::Borrowed(value)
        };
        let mut text = String::with_capacity(value.len());
        let mut escaped = false;
        for c in value.chars() {
            match c {
                _ if escaped => {
                    text.push(if matches!(c, 'n' | 'N') { '\n' } else { c });
                    escaped = false;
                }
                '\\' => escaped = true,
                _ => text.push(c),
            }
        }
        text
    }

    /// The value as one line.
    pub(crate) fn line(&self) -> String {
        let text = self.text();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The properties of a text whose lines end with LF.
pub(crate) struct Properties<'a> {
    lines: std::iter::Peekable<std::str::Split<'a, char>>,
    poll: Poll<'a>,
    unpolled: usize,
}

impl<'a> Properties<'a> {
    /// Properties of this text.
    pub(crate) fn new(text: &'a str, poll: Poll<'a>) -> Self {
        Self {
            lines: text.split('\n').peekable(),
            poll,
            unpolled: 0,
        }
    }

    /// Appends as much of a line as is read.
    fn append(&mut self, line: &mut String, more: &str) {
        self.unpolled += more.len() + 1;
        if self.unpolled >= POLL_BYTES {
            self.unpolled = 0;
            (self.poll)();
        }
        let room = MAX_LINE_BYTES.saturating_sub(line.len());
        line.push_str(&more[..more.floor_char_boundary(room)]);
    }
}

impl Iterator for Properties<'_> {
    type Item = Property;

    fn next(&mut self) -> Option<Property> {
        loop {
            let first = self.lines.next()?;
            let mut line = String::new();
            self.append(&mut line, first);
            while let Some(more) = self.lines.next_if(|l| l.starts_with([' ', '\t'])) {
                self.append(&mut line, &more[1..]);
            }
            let Some(property) = Property::of(line) else {
                continue;
            };
            if !(property.line.ends_with('=') && property.is_quoted_printable()) {
                return Some(property);
            }
            // A soft line break (RFC 2045 section 6.7).
            let mut line = property.line;
            while line.ends_with('=') {
                let Some(more) = self.lines.next() else {
                    break;
                };
                line.pop();
                self.append(&mut line, more);
            }
            if let Some(property) = Property::of(line) {
                return Some(property);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Property> {
        Properties::new(text, &|| ()).collect()
    }

    #[test]
    fn folds_parameters_and_escapes() {
        let all = read(
            "SUMMARY:Bud\n get\\, a\\nb\n\nitem1.TEL;type=\"a;b:c\";x=y:123\nno line\nATTENDEE;CN=\"Lee: x:mailto:a@b\n",
        );
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].name(), "SUMMARY");
        assert_eq!(all[0].text(), "Budget, a\nb");
        assert_eq!(all[0].line(), "Budget, a b");
        assert_eq!(all[1].name(), "TEL");
        assert_eq!(all[1].parameter("TYPE"), Some("a;b:c"));
        assert_eq!(all[1].raw(), "123");
        // A quote that does not end.
        assert_eq!(all[2].name(), "ATTENDEE");
    }

    #[test]
    fn the_older_form_is_quoted_printable() {
        let all = read(
            "SUMMARY;CHARSET=iso-8859-1;ENCODING=QUOTED-PRINTABLE:B=FC=\nro=0Ax\nLOCATION;QUOTED-PRINTABLE:=C3=BC=",
        );
        assert_eq!(all[0].text(), "Büro\nx");
        assert_eq!(all[1].text(), "ü=");
    }

    #[test]
    fn long_lines_are_cut() {
        let picture = format!("PHOTO:{}\nFN:Ann", " x\n".repeat(MAX_LINE_BYTES));
        let all = read(&picture.replace(":", ":\n"));
        assert!(all[0].line.len() <= MAX_LINE_BYTES);
        assert_eq!(all.len(), 2);
    }
}
