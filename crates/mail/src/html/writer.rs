//! What becomes of tags and text.

use std::cell::Cell;
use std::collections::HashSet;

use html5gum::{Emitter, Error, State, naive_next_state};

use super::element::{Gap, ends_by_itself, gap_around, is_void, style_hides};
use super::link::Link;

/// Longest tag or attribute name that means something.
const MAX_NAME_BYTES: usize = 16;
/// How much of an attribute is read.
const MAX_VALUE_BYTES: usize = 2048;
/// Open elements that are known.
const MAX_OPEN: usize = 100;
/// Hosts of links that are told.
const MAX_HOSTS: usize = 1000;

/// Bytes of a name or value, of which only the first count.
struct Start<const N: usize> {
    bytes: Vec<u8>,
}

impl<const N: usize> Start<N> {
    fn push(&mut self, more: &[u8]) {
        let room = N - self.bytes.len();
        self.bytes.extend_from_slice(&more[..more.len().min(room)]);
    }

    fn clear(&mut self) {
        self.bytes.clear();
    }
}

impl<const N: usize> Default for Start<N> {
    fn default() -> Self {
        Self { bytes: Vec::new() }
    }
}

/// Attributes that are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attribute {
    Alt,
    Hidden,
    Href,
    Style,
}

/// What the tokenizer finds, written as text.
pub(super) struct Writer<'a> {
    out: Vec<u8>,
    limit: usize,
    ended: bool,
    gap: Gap,
    /// Open `pre` elements.
    preformatted: usize,
    /// Open elements that are shown, from the outermost on.
    open: Vec<Vec<u8>>,
    /// The hidden element that we are in, and those that are open in it; else empty.
    hidden: Vec<Vec<u8>>,
    link: Option<Link>,
    hosts: HashSet<String>,

    /// Attributes of the current tag.
    attributes: &'a Cell<usize>,
    tag: Start<MAX_NAME_BYTES>,
    tag_is_end: bool,
    last_start_tag: Vec<u8>,
    attribute: Start<MAX_NAME_BYTES>,
    value: Start<MAX_VALUE_BYTES>,
    alt: Option<Vec<u8>>,
    href: Option<Vec<u8>>,
    styled: bool,
    hides: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(limit: usize, attributes: &'a Cell<usize>) -> Self {
        Self {
            attributes,
            out: Vec::new(),
            limit,
            ended: false,
            gap: Gap::None,
            preformatted: 0,
            open: Vec::new(),
            hidden: Vec::new(),
            link: None,
            hosts: HashSet::new(),
            tag: Start::default(),
            tag_is_end: false,
            last_start_tag: Vec::new(),
            attribute: Start::default(),
            value: Start::default(),
            alt: None,
            href: None,
            styled: false,
            hides: false,
        }
    }

    fn gap(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    /// Text without white space in it.
    fn write(&mut self, text: &[u8]) {
        if !self.out.is_empty() {
            let gap: &[u8] = match self.gap {
                Gap::None => b"",
                Gap::Space => b" ",
                Gap::Line => b"\n",
                Gap::Paragraph => b"\n\n",
            };
            self.out.extend_from_slice(gap);
        }
        self.gap = Gap::None;
        self.out.extend_from_slice(text);
    }

    fn text(&mut self, text: &[u8]) {
        if !self.hidden.is_empty() || self.out.len() >= self.limit {
            return;
        }
        if self.preformatted > 0 {
            return self.preformatted_text(text);
        }
        let mut rest = text;
        while !rest.is_empty() && self.out.len() < self.limit {
            let word = rest
                .iter()
                .position(|&b| is_space(b) || b == NO_BREAK_SPACE[0])
                .unwrap_or(rest.len());
            if word > 0 {
                self.write(&rest[..word]);
            }
            rest = &rest[word..];
            if let Some(behind) = rest.strip_prefix(NO_BREAK_SPACE) {
                self.gap(Gap::Space);
                rest = behind;
            } else if let Some(&b) = rest.first() {
                if is_space(b) {
                    self.gap(Gap::Space);
                } else {
                    self.write(&[b]);
                }
                rest = &rest[1..];
            }
        }
    }

    /// As it stands: its lines, and the spaces at their beginning.
    fn preformatted_text(&mut self, text: &[u8]) {
        for line in text.split_inclusive(|&b| b == b'\n') {
            let (content, broken) = match line.strip_suffix(b"\n") {
                Some(content) => (content, true),
                None => (line, false),
            };
            if !content.is_empty() {
                self.write(content);
            }
            if broken {
                self.gap = if self.gap < Gap::Line {
                    Gap::Line
                } else {
                    Gap::Paragraph
                };
            }
        }
    }

    fn start_tag(&mut self, name: &[u8]) {
        if let [hidden, inside @ ..] = self.hidden.as_slice() {
            // A paragraph ends where the next block begins, an item at the next one.
            let ends = hidden == b"p" && gap_around(name) >= Gap::Line
                || inside.is_empty() && hidden == name && ends_by_itself(name);
            if !ends {
                if !is_void(name) {
                    push_open(&mut self.hidden, name);
                }
                return;
            }
            self.hidden.clear();
        }
        let hides = self.hides
            || matches!(
                name,
                b"script"
                    | b"style"
                    | b"title"
                    | b"template"
                    | b"iframe"
                    | b"noembed"
                    | b"noframes"
            );
        if hides && !is_void(name) {
            self.hidden.push(name.to_vec());
            return;
        }
        if !is_void(name) {
            push_open(&mut self.open, name);
        }
        self.gap(gap_around(name));
        match name {
            b"br" => {
                // Two of them leave a line empty.
                self.gap = if self.gap < Gap::Line {
                    Gap::Line
                } else {
                    Gap::Paragraph
                };
            }
            b"pre" | b"listing" | b"xmp" | b"plaintext" => self.preformatted += 1,
            b"img" | b"area" if !self.hides => {
                if let Some(alt) = self.alt.take() {
                    self.gap(Gap::Space);
                    self.text(&alt);
                    self.gap(Gap::Space);
                }
            }
            b"a" => {
                self.end_link();
                self.link = self
                    .href
                    .take()
                    .and_then(|href| Link::to(&href, self.out.len()));
            }
            _ => {}
        }
    }

    fn end_tag(&mut self, name: &[u8]) {
        if !self.hidden.is_empty() {
            if let Some(i) = self.hidden.iter().rposition(|open| open == name) {
                self.hidden.truncate(i);
                return;
            }
            // The end of what it is in ends it, too; in doubt it is shown.
            if self.open.len() < MAX_OPEN && !self.open.iter().any(|open| open == name) {
                return;
            }
            self.hidden.clear();
        }
        if let Some(i) = self.open.iter().rposition(|open| open == name) {
            self.open.truncate(i);
        }
        match name {
            b"a" => self.end_link(),
            b"pre" | b"listing" | b"xmp" => self.preformatted = self.preformatted.saturating_sub(1),
            // Browsers take it for a new paragraph.
            b"br" => self.gap(Gap::Line),
            _ => {}
        }
        self.gap(gap_around(name));
    }

    fn end_link(&mut self) {
        let Some(link) = self.link.take() else {
            return;
        };
        let told = self.hosts.contains(&link.host);
        if told || self.hosts.len() >= MAX_HOSTS || self.out.len() >= self.limit {
            return;
        }
        let shown = self.out[link.from.min(self.out.len())..].to_ascii_lowercase();
        if memchr::memmem::find(&shown, link.host.as_bytes()).is_none() {
            let behind = std::mem::replace(&mut self.gap, Gap::Space);
            self.write(format!("({})", link.address).as_bytes());
            self.gap = behind;
        }
        self.hosts.insert(link.host);
    }

    fn end_attribute(&mut self) {
        let attribute = match self.attribute.bytes.as_slice() {
            b"alt" => Attribute::Alt,
            b"hidden" => Attribute::Hidden,
            b"href" => Attribute::Href,
            b"style" => Attribute::Style,
            _ => return,
        };
        let value = std::mem::take(&mut self.value.bytes);
        match attribute {
            // Of two with the same name the first holds (WHATWG HTML, section 13.2.5.33).
            Attribute::Alt => _ = self.alt.get_or_insert(value),
            Attribute::Hidden => self.hides = true,
            Attribute::Href => _ = self.href.get_or_insert(value),
            Attribute::Style => {
                if !std::mem::replace(&mut self.styled, true) {
                    self.hides |= style_hides(&value);
                }
            }
        }
        self.attribute.clear();
    }

    fn begin_tag(&mut self, is_end: bool) {
        self.tag_is_end = is_end;
        self.attributes.set(0);
        self.tag.clear();
        self.attribute.clear();
        self.value.clear();
        (self.alt, self.href) = (None, None);
        (self.styled, self.hides) = (false, false);
    }
}

const NO_BREAK_SPACE: &[u8] = "\u{a0}".as_bytes();

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

fn push_open(open: &mut Vec<Vec<u8>>, name: &[u8]) {
    let again = ends_by_itself(name) && open.last().is_some_and(|last| last == name);
    if open.len() < MAX_OPEN && !again {
        open.push(name.to_vec());
    }
}

impl Emitter for Writer<'_> {
    /// All of the text.
    type Token = Vec<u8>;

    fn pop_token(&mut self) -> Option<Vec<u8>> {
        if self.ended || self.out.len() >= self.limit {
            self.end_link();
            return Some(std::mem::take(&mut self.out));
        }
        None
    }

    fn emit_eof(&mut self) {
        self.ended = true;
    }

    fn emit_string(&mut self, text: &[u8]) {
        self.text(text);
    }

    fn init_start_tag(&mut self) {
        self.begin_tag(false);
    }

    fn init_end_tag(&mut self) {
        self.begin_tag(true);
    }

    fn push_tag_name(&mut self, name: &[u8]) {
        self.tag.push(name);
    }

    fn init_attribute(&mut self) {
        self.attributes.set(self.attributes.get() + 1);
        self.end_attribute();
        self.attribute.clear();
        self.value.clear();
    }

    fn push_attribute_name(&mut self, name: &[u8]) {
        self.attribute.push(name);
    }

    fn push_attribute_value(&mut self, value: &[u8]) {
        self.value.push(value);
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        self.end_attribute();
        let name = std::mem::take(&mut self.tag.bytes);
        let next = if self.tag_is_end {
            self.end_tag(&name);
            None
        } else {
            self.start_tag(&name);
            self.last_start_tag.clone_from(&name);
            // Mail programs run no scripts, so they show this.
            naive_next_state(&name).filter(|_| name != b"noscript")
        };
        self.tag.bytes = name;
        next
    }

    fn current_is_appropriate_end_tag_token(&mut self) -> bool {
        self.tag_is_end && self.tag.bytes == self.last_start_tag
    }

    fn set_last_start_tag(&mut self, name: Option<&[u8]>) {
        self.last_start_tag = name.unwrap_or_default().to_vec();
    }

    fn should_emit_errors(&mut self) -> bool {
        false
    }

    fn emit_error(&mut self, _: Error) {}
    fn init_comment(&mut self) {}
    fn push_comment(&mut self, _: &[u8]) {}
    fn emit_current_comment(&mut self) {}
    fn init_doctype(&mut self) {}
    fn push_doctype_name(&mut self, _: &[u8]) {}
    fn set_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn set_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn emit_current_doctype(&mut self) {}
    fn set_force_quirks(&mut self) {}
    fn set_self_closing(&mut self) {}
}
