//! The structure of a message (RFC 2046): which parts it has, and where each stands. One pass
//! over the lines; nothing is decoded or copied but boundaries.

use crate::field::{self, ContentType};
use crate::limits::Limits;
use crate::lines::{Line, Lines};
use crate::poll::Poll;
use crate::section::{self, Name};
use crate::transfer::Encoding;

/// How fields of parts begin.
const CONTENT: &[u8] = b"content-";

/// What a part is, as far as its text is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Parts one of which is enough.
    Alternative,
    /// A document and what it is made of.
    Related,
    /// Parts in a row.
    Mixed,
    /// A message, whose header and body are the only child.
    Message,
    /// What is wrapped in a signature, which is the only child.
    Signed,
    /// What Outlook adds to a message: its text, once more, and files.
    Tnef,
    /// What has no parts, or none that are read.
    Leaf,
}

/// One part.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub kind: Kind,
    pub parent: Option<usize>,
    pub children: Vec<usize>,
    /// Has parts of which none was looked at.
    pub unread: bool,
    pub content_type: ContentType,
    pub encoding: Encoding,
    /// Content-Disposition is `attachment`.
    pub attached: bool,
    /// File name.
    pub name: Option<String>,
    /// Has an id or address by which another part can refer to it.
    pub referable: bool,
    /// The fields of the message that begins here; empty for a part that is none.
    pub fields: Vec<(Name, &'a [u8])>,
    /// Without the header section.
    pub body: &'a [u8],
}

/// The parts of a message, each behind the one that it belongs to. The first is the message's
/// own body.
pub(crate) struct Structure<'a> {
    pub parts: Vec<Part<'a>>,
    pub truncated: bool,
}

impl Structure<'_> {
    /// The charset that the message at this index, or the first part of it that says so, has.
    pub(crate) fn label_of_body(&self, index: usize) -> Option<&str> {
        let mut parts = self.parts.iter().skip(index);
        parts.find_map(|part| part.content_type.charset.as_deref())
    }
}

impl<'a> Part<'a> {
    /// A part that stood in what was decoded.
    pub(crate) fn decoded(content_type: ContentType, body: &'a [u8]) -> Self {
        Self {
            kind: Kind::Leaf,
            parent: None,
            children: Vec::new(),
            unread: false,
            content_type,
            encoding: Encoding::Decoded,
            attached: false,
            name: None,
            referable: false,
            fields: Vec::new(),
            body,
        }
    }
}

impl<'a> Structure<'a> {
    /// Adds a part to another one, unless there are as many parts as there may be.
    pub(crate) fn add(&mut self, part: Part<'a>, parent: usize, most: usize) -> Option<usize> {
        if self.parts.len() >= most {
            self.truncated = true;
            return None;
        }
        let index = self.parts.len();
        let parent = Some(parent);
        self.parts.push(Part { parent, ..part });
        self.parts[parent?].children.push(index);
        Some(index)
    }
}

/// A part whose end has not been found.
struct Open {
    part: usize,
    start: usize,
    /// Of a multipart.
    boundary: Option<Vec<u8>>,
}

/// A delimiter line (RFC 2046 section 5.1.1).
struct Delimiter {
    /// The open multipart that it belongs to.
    level: usize,
    closes: bool,
}

struct Walk<'a, 'p> {
    raw: &'a [u8],
    limits: &'p Limits,
    poll: Poll<'p>,
    open: Vec<Open>,
    found: Structure<'a>,
}

/// Where a new part begins, and what it is if it does not say.
struct Begin {
    at: usize,
    /// A whole message, not a part.
    message: bool,
}

/// Finds the parts of `raw`, which begins with the header section of a message.
pub(crate) fn structure<'a>(raw: &'a [u8], limits: &Limits, poll: Poll) -> Structure<'a> {
    let mut walk = Walk {
        raw,
        limits,
        poll,
        open: Vec::new(),
        found: Structure {
            parts: Vec::new(),
            truncated: false,
        },
    };
    walk.run();
    walk.found
}

impl<'a> Walk<'a, '_> {
    fn run(&mut self) {
        let mut begin = Some(Begin {
            at: 0,
            message: true,
        });
        while let Some(Begin { at, message }) = begin {
            if self.found.parts.len() >= self.limits.parts {
                self.found.truncated = true;
                let innermost = self.open.last().map(|o| (o.part, o.start));
                self.close(0, at);
                if let Some((part, start)) = innermost {
                    let raw = self.raw;
                    let part = &mut self.found.parts[part];
                    if part.kind != Kind::Message && part.children.is_empty() {
                        part.unread = true;
                        part.body = &raw[start..];
                    }
                }
                return;
            }
            let body = self.part(at, message);
            begin = if self.last_kind() == Kind::Message {
                Some(Begin {
                    at: body,
                    message: true,
                })
            } else {
                self.next_part(body)
            };
        }
        self.close(0, self.raw.len());
    }

    fn last_kind(&self) -> Kind {
        self.found.parts.last().map_or(Kind::Leaf, |p| p.kind)
    }

    /// Reads the header section of a part and opens the part. Returns where its body begins.
    fn part(&mut self, at: usize, message: bool) -> usize {
        (self.poll)();
        let raw = self.raw;
        let at = if message {
            section::start(raw, at, self.poll)
        } else {
            at
        };
        let parent = self.open.last().map(|o| o.part);
        let mut fields = Vec::new();
        let (mut content_type, mut encoding) = (None, None);
        let (mut disposition, mut referable) = (None, false);
        let open = &self.open;
        let stops = |line: &[u8]| delimiter(open, line).is_some();
        let limit = self.limits.header_bytes;
        let end = section::read(
            raw,
            at,
            limit,
            self.poll,
            &stops,
            |name, value| match name {
                // The first counts, as in mail programs.
                Name::ContentType => content_type = content_type.or(Some(value)),
                Name::ContentTransferEncoding => encoding = encoding.or(Some(value)),
                Name::ContentDisposition => disposition = disposition.or(Some(value)),
                Name::ContentId | Name::ContentLocation => referable = true,
                // Of a message in a message only its heading is read.
                _ if !message || parent.is_some() && !is_heading(name, &fields) => {}
                _ => fields.push((name, value)),
            },
        );
        self.found.truncated |= end.cut;

        let in_digest = parent.is_some_and(|p| {
            !message && self.found.parts[p].content_type.media_type == "multipart/digest"
        });
        let content_type = match content_type {
            Some(value) if !value.trim_ascii().is_empty() => ContentType::parse(value),
            _ if in_digest => ContentType::of("message/rfc822"),
            _ => ContentType::of("text/plain"),
        };
        let encoding = encoding.map_or_else(Encoding::default, Encoding::of);
        let (attached, name) = disposition.map_or((false, None), field::disposition);
        let index = self.found.parts.len();
        let (kind, mut boundary) = self.kind(&content_type, encoding);
        if parent.is_none() && content_type.media_type.starts_with("multipart/") {
            boundary = boundary_in_use(&raw[end.body..], boundary, self.poll);
        }
        self.found.parts.push(Part {
            kind,
            parent,
            children: Vec::new(),
            unread: false,
            name: name.or_else(|| content_type.name.clone()),
            content_type,
            encoding,
            attached,
            referable,
            fields,
            body: &raw[end.body..],
        });
        if let Some(parent) = parent {
            self.found.parts[parent].children.push(index);
        }
        self.open.push(Open {
            part: index,
            start: end.body,
            boundary,
        });
        end.body
    }

    /// A container that is nested too deep is a leaf.
    fn kind(&mut self, content_type: &ContentType, encoding: Encoding) -> (Kind, Option<Vec<u8>>) {
        let kind = match content_type.media_type.as_str() {
            "multipart/alternative" => Kind::Alternative,
            "multipart/related" => Kind::Related,
            t if t.starts_with("multipart/") => Kind::Mixed,
            _ if content_type.is_message() && encoding == Encoding::Identity => Kind::Message,
            _ => return (Kind::Leaf, None),
        };
        if self.open.len() >= self.limits.depth {
            self.found.truncated = true;
            return (Kind::Leaf, None);
        }
        let boundary = content_type
            .boundary
            .as_ref()
            .filter(|_| kind != Kind::Message);
        (kind, boundary.map(|b| b.clone().into_bytes()))
    }

    /// Looks for the next delimiter line, closes what it ends, and returns where the part that
    /// it begins stands.
    fn next_part(&mut self, body: usize) -> Option<Begin> {
        let mut lines = Lines::new(self.raw, body).polled(self.poll);
        while self.open.iter().any(|o| o.boundary.is_some()) {
            let (line, found) =
                lines.find_map(|line| Some((line, delimiter(&self.open, line.text(self.raw))?)))?;
            self.close(found.level + 1, before(self.raw, &line));
            if !found.closes {
                return Some(Begin {
                    at: line.next,
                    message: false,
                });
            }
            self.close(found.level, line.next);
        }
        None
    }

    /// Ends the parts from this level on at this position.
    fn close(&mut self, level: usize, end: usize) {
        for open in self.open.drain(level.min(self.open.len())..) {
            self.found.parts[open.part].body = &self.raw[open.start..end.max(open.start)];
        }
    }
}

/// The boundary of a multipart, or the one that is there instead: between a line that begins with
/// two hyphens and a field of a part. Programs that send by the million get it wrong.
fn boundary_in_use(body: &[u8], declared: Option<Vec<u8>>, poll: Poll) -> Option<Vec<u8>> {
    let delimiter = declared.as_ref().map(|b| [b"--", &b[..]].concat());
    // Nearly always it is the first line.
    let is_there = |delimiter: &[u8]| {
        body.trim_ascii_start().starts_with(delimiter)
            || memchr::memmem::find(body, delimiter).is_some()
    };
    if delimiter.as_deref().is_some_and(is_there) {
        return declared;
    }
    let mut lines = Lines::new(body, 0).polled(poll).peekable();
    while let Some(line) = lines.next() {
        let boundary = line.text(body).strip_prefix(b"--");
        let boundary = boundary
            .map(<[u8]>::trim_ascii_end)
            .filter(|b| !b.is_empty());
        let field = lines
            .peek()
            .and_then(|next| next.text(body).get(..CONTENT.len()));
        if boundary.is_some() && field.is_some_and(|f| f.eq_ignore_ascii_case(CONTENT)) {
            return boundary.map(<[u8]>::to_vec);
        }
    }
    declared
}

/// Whether a field is shown above a message in a message.
fn is_heading(name: Name, fields: &[(Name, &[u8])]) -> bool {
    matches!(name, Name::Subject | Name::From) && !fields.iter().any(|field| field.0 == name)
}

/// Whose delimiter line this is: of the innermost multipart that has this boundary.
fn delimiter(open: &[Open], line: &[u8]) -> Option<Delimiter> {
    let line = line.strip_prefix(b"--")?.trim_ascii_end();
    open.iter().enumerate().rev().find_map(|(level, o)| {
        let rest = line.strip_prefix(o.boundary.as_deref()?)?;
        let closes = rest == b"--";
        (closes || rest.is_empty()).then_some(Delimiter { level, closes })
    })
}

/// Where the part before a delimiter line ends: the line break before it is the delimiter's.
fn before(raw: &[u8], line: &Line) -> usize {
    let text = &raw[..line.start];
    match text.strip_suffix(b"\n") {
        Some(text) => text.len() - text.iter().rev().take_while(|&&b| b == b'\r').count(),
        None => text.len(),
    }
}
