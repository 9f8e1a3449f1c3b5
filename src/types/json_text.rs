//! Texts in JSON documents. The server has checked that they are valid, so one pass over the
//! characters finds strings, however deep the document is.

use crate::pg;

/// Characters between two polls.
const BYTES_PER_POLL: usize = 1 << 20;

/// The text at a path of a document, or all its strings one a line if that is not a single value;
/// `None` if there is nothing, or null. Steps are names of fields or, in arrays, numbers from 0.
/// About `most` bytes of it.
pub fn text_at(document: &str, path: &[String], most: usize) -> Option<String> {
    let mut walk = Walk {
        path,
        most,
        open: 0,
        on_path: Vec::new(),
        within: None,
        found: None,
    };
    walk.all(document);
    walk.found
}

/// A container that the path leads through.
struct Step {
    /// How many elements of an array came before; `None` of an object.
    index: Option<usize>,
    /// Whether the field that follows is the next step of the path.
    is_next: bool,
}

struct Walk<'a> {
    path: &'a [String],
    most: usize,
    /// How many containers are open.
    open: usize,
    /// The outermost of them, as far as the path leads through.
    on_path: Vec<Step>,
    /// How many were open where the value began that the path leads to, while it lasts.
    within: Option<usize>,
    found: Option<String>,
}

impl Walk<'_> {
    fn all(&mut self, document: &str) {
        let bytes = document.as_bytes();
        let (mut at, mut polled) = (0, 0);
        while let Some(&byte) = bytes.get(at) {
            if at - polled > BYTES_PER_POLL {
                pg::check_for_interrupts();
                polled = at;
            }
            let start = at;
            at += 1;
            match byte {
                b'{' | b'[' => self.opened(byte == b'['),
                b'}' | b']' => self.closed(),
                b',' => self.next(),
                b':' | b' ' | b'\t' | b'\n' | b'\r' => {}
                b'"' => {
                    while let Some(&byte) = bytes.get(at).filter(|&&byte| byte != b'"') {
                        at += if byte == b'\\' { 2 } else { 1 };
                    }
                    let raw = document.get(start + 1..at).unwrap_or_default();
                    at += 1;
                    let rest = bytes.get(at..).unwrap_or_default();
                    let after = rest.iter().find(|byte| !byte.is_ascii_whitespace());
                    match after {
                        Some(b':') => self.field(raw),
                        _ => self.string(raw),
                    }
                }
                _ => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let is_end = |byte: &u8| b",]}".contains(byte) || byte.is_ascii_whitespace();
                    at += rest.iter().position(is_end).unwrap_or(rest.len());
                    self.scalar(document.get(start..at).unwrap_or_default());
                }
            }
        }
    }

    /// Whether the value that begins here is on the path.
    fn is_on_path(&self) -> bool {
        if self.within.is_some() || self.open != self.on_path.len() {
            return false;
        }
        let Some(step) = self.on_path.last() else {
            return true;
        };
        match step.index {
            Some(index) => self
                .path
                .get(self.open - 1)
                .is_some_and(|wanted| wanted.parse() == Ok(index)),
            None => step.is_next,
        }
    }

    /// Whether the path leads to the value that begins here. Of two fields of one name the last
    /// counts.
    fn is_target(&mut self) -> bool {
        let is_target = self.is_on_path() && self.open == self.path.len();
        if is_target {
            self.found = None;
        }
        is_target
    }

    fn opened(&mut self, is_array: bool) {
        if self.is_target() {
            self.within = Some(self.open);
        } else if self.is_on_path() {
            self.on_path.push(Step {
                index: is_array.then_some(0),
                is_next: false,
            });
        }
        self.open += 1;
    }

    fn closed(&mut self) {
        self.open = self.open.saturating_sub(1);
        self.on_path.truncate(self.open);
        if self.within == Some(self.open) {
            self.within = None;
        }
    }

    fn next(&mut self) {
        if self.within.is_some() || self.open != self.on_path.len() {
            return;
        }
        if let Some(Step {
            index: Some(index), ..
        }) = self.on_path.last_mut()
        {
            *index += 1;
        }
    }

    fn field(&mut self, raw: &str) {
        if self.within.is_some() || self.open != self.on_path.len() {
            return;
        }
        let wanted = self.open.checked_sub(1).and_then(|n| self.path.get(n));
        let is_next = wanted.is_some_and(|wanted| unescaped(raw) == *wanted);
        if let Some(step) = self.on_path.last_mut() {
            step.is_next = is_next;
        }
    }

    fn string(&mut self, raw: &str) {
        if self.within.is_some() || self.is_target() {
            self.take(&unescaped(raw));
        }
    }

    /// A number, true, false or null: no text within a document, but one where the path leads to it.
    fn scalar(&mut self, raw: &str) {
        if self.is_target() && raw != "null" {
            self.take(raw);
        }
    }

    fn take(&mut self, text: &str) {
        match &mut self.found {
            None => self.found = Some(text.to_owned()),
            Some(found) if found.len() < self.most => {
                found.push('\n');
                found.push_str(text);
            }
            Some(_) => {}
        }
    }
}

/// A string without its escapes; half characters, and those that PostgreSQL cannot store, are
/// replaced.
fn unescaped(raw: &str) -> String {
    if !raw.contains('\\') {
        return raw.to_owned();
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(kind) = rest.chars().next() else {
            break;
        };
        rest = &rest[kind.len_utf8()..];
        text.push(match kind {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let first = unit(&mut rest);
                let second = rest
                    .strip_prefix("\\u")
                    .and_then(|mut rest| unit(&mut rest));
                match (first, second) {
                    (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => {
                        rest = &rest[6..];
                        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                    (Some(0) | None, _) => char::REPLACEMENT_CHARACTER,
                    (Some(code), _) => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
                }
            }
            other => other,
        });
    }
    text.push_str(rest);
    text
}

/// Four hexadecimal digits.
fn unit(rest: &mut &str) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(4)?;
    let unit = u32::from_str_radix(digits, 16).ok()?;
    *rest = after;
    Some(unit)
}
