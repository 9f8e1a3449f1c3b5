//! What becomes of tags: which hide, which break lines, which say where a link leads.

use super::element::{Gap, ends_by_itself, gap_around, is_void, style_hides};
use super::link::Link;
use super::writer::Writer;

/// Open elements that are known.
const MAX_OPEN: usize = 100;

/// Attributes that are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attribute {
    Alt,
    Hidden,
    Href,
    Style,
}

impl Writer<'_> {
    /// An element begins.
    pub(super) fn start_tag(&mut self, name: &[u8]) {
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

    /// An element ends, or what looks like its end.
    pub(super) fn end_tag(&mut self, name: &[u8]) {
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

    /// An attribute is complete.
    pub(super) fn end_attribute(&mut self) {
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

    /// A tag begins, of which nothing is known yet.
    pub(super) fn begin_tag(&mut self, is_end: bool) {
        self.tag_is_end = is_end;
        self.attributes.set(0);
        self.tag.clear();
        self.attribute.clear();
        self.value.clear();
        (self.alt, self.href) = (None, None);
        (self.styled, self.hides) = (false, false);
    }
}

fn push_open(open: &mut Vec<Vec<u8>>, name: &[u8]) {
    let again = ends_by_itself(name) && open.last().is_some_and(|last| last == name);
    if open.len() < MAX_OPEN && !again {
        open.push(name.to_vec());
    }
}
