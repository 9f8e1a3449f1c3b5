//! What becomes of text.

use std::cell::Cell;
use std::collections::HashSet;

use super::element::Gap;
use super::link::Link;

/// Longest tag or attribute name that means something.
const MAX_NAME_BYTES: usize = 16;
/// How much of an attribute is read.
const MAX_VALUE_BYTES: usize = 2048;
/// Hosts of links that are told.
const MAX_HOSTS: usize = 1000;

/// Bytes of a name or value, of which only the first count.
pub(super) struct Start<const N: usize> {
    pub(super) bytes: Vec<u8>,
}

impl<const N: usize> Start<N> {
    /// Appends what there is room for.
    pub(super) fn push(&mut self, more: &[u8]) {
        let room = N - self.bytes.len();
        self.bytes.extend_from_slice(&more[..more.len().min(room)]);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}

impl<const N: usize> Default for Start<N> {
    fn default() -> Self {
        Self { bytes: Vec::new() }
    }
}

/// What the tokenizer finds, written as text.
pub(super) struct Writer<'a> {
    pub(super) out: Vec<u8>,
    pub(super) limit: usize,
    pub(super) ended: bool,
    pub(super) gap: Gap,
    /// Open `pre` elements.
    pub(super) preformatted: usize,
    /// Open elements that are shown, from the outermost on.
    pub(super) open: Vec<Vec<u8>>,
    /// The hidden element that we are in, and those that are open in it; else empty.
    pub(super) hidden: Vec<Vec<u8>>,
    pub(super) link: Option<Link>,
    hosts: HashSet<String>,

    /// Attributes of the current tag.
    pub(super) attributes: &'a Cell<usize>,
    pub(super) tag: Start<MAX_NAME_BYTES>,
    pub(super) tag_is_end: bool,
    pub(super) last_start_tag: Vec<u8>,
    pub(super) attribute: Start<MAX_NAME_BYTES>,
    pub(super) value: Start<MAX_VALUE_BYTES>,
    pub(super) alt: Option<Vec<u8>>,
    pub(super) href: Option<Vec<u8>>,
    pub(super) styled: bool,
    pub(super) hides: bool,
}

impl<'a> Writer<'a> {
    /// A writer of about `limit` bytes; `attributes` counts those of the current tag.
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

    /// Asks for at least this gap before what is written next.
    pub(super) fn gap(&mut self, gap: Gap) {
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

    /// Writes text as a browser shows it.
    pub(super) fn text(&mut self, text: &[u8]) {
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

    /// Writes text as it stands: its lines, and the spaces at their beginning.
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

    /// A link ends: its host is told if neither its text nor an earlier link did.
    pub(super) fn end_link(&mut self) {
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
}

const NO_BREAK_SPACE: &[u8] = "\u{a0}".as_bytes();

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}
