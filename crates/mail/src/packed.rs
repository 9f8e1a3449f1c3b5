//! Parts that hold others in formats that are not MIME's: what is in them is put in their place.

use std::borrow::Cow;

use crate::cms;
use crate::field::{ContentType, short};
use crate::limits::Limits;
use crate::poll::Poll;
use crate::section::is_field;
use crate::structure::{Kind, Part, Structure, structure};
use crate::tnef::{self, Bytes};

/// Signatures around signatures that are opened.
const MAX_LEVELS: usize = 4;
/// How much of a part is looked at to see what it is, in bytes.
const START_BYTES: usize = 512;

/// Opens what is packed in the parts of a message, as far as `room` bytes of memory go, and calls
/// `read` with all parts and with the room that is left.
pub(crate) fn unpack(
    found: Structure,
    room: usize,
    limits: &Limits,
    poll: Poll,
    read: &mut dyn FnMut(&Structure, usize),
) {
    let mut unpacking = Unpacking {
        room,
        files: limits.parts,
        limits,
        poll,
    };
    unpacking.level(found, 0, MAX_LEVELS, read);
}

struct Unpacking<'p> {
    room: usize,
    /// Files of Outlook that are looked at.
    files: usize,
    limits: &'p Limits,
    poll: Poll<'p>,
}

impl Unpacking<'_> {
    /// Opens what is packed in the parts from this one on, then what is in these.
    fn level(
        &mut self,
        found: Structure,
        from: usize,
        levels: usize,
        read: &mut dyn FnMut(&Structure, usize),
    ) {
        let mut cut = false;
        let mut contents = Vec::new();
        for (index, part) in found.parts.iter().enumerate().skip(from) {
            let Some(format) = Format::of(part) else {
                continue;
            };
            if levels == 0 {
                cut = true;
            } else if let Some(content) = self.content(part, format, &mut cut) {
                contents.push((index, content));
            }
        }
        let from = found.parts.len();
        // Its parts may stand in what was opened here.
        let mut found = found;
        found.truncated |= cut;
        for (index, content) in &contents {
            match content {
                Content::Part(part) => self.add(&mut found, *index, part),
                Content::Tnef(stream, tnef) => self.add_tnef(&mut found, *index, stream, tnef),
            }
        }
        if found.parts.len() == from {
            read(&found, self.room);
        } else {
            self.level(found, from, levels - 1, read);
        }
    }

    /// What is in a part, and sets `cut` if there is more; `None` if that is for nobody to read.
    fn content(&mut self, part: &Part, format: Format, cut: &mut bool) -> Option<Content> {
        let bytes = part.encoding.decode(part.body, self.room, self.poll);
        let more = bytes.len() > self.room;
        let mut bytes = match bytes {
            Cow::Borrowed(bytes) => bytes[..bytes.len().min(self.room)].to_owned(),
            Cow::Owned(mut bytes) => {
                bytes.truncate(self.room);
                bytes
            }
        };
        let room = self.room - bytes.len();
        let most = room.min(self.limits.text_bytes);
        match format {
            Format::Signed => {
                *cut |= cms::unwrap(&mut bytes, most, self.poll)? || more;
                if !is_entity(&bytes, part.name.as_deref()) {
                    return None;
                }
                bytes.shrink_to_fit();
                self.room = self.room.saturating_sub(bytes.len());
                Some(Content::Part(bytes))
            }
            Format::Tnef => {
                let found = tnef::read(&bytes, most, self.files, self.poll)?;
                self.files -= found.files.len();
                *cut |= found.cut || more;
                let made = found.texts.iter().map(|text| match &text.bytes {
                    Bytes::There(_) => 0,
                    Bytes::Made(text) => text.len(),
                });
                self.room = room.saturating_sub(made.sum());
                Some(Content::Tnef(bytes, found))
            }
        }
    }

    /// Makes the parts of `content` those of this part, unless there are too many or too deep.
    fn add<'a>(&self, found: &mut Structure<'a>, index: usize, content: &'a [u8]) {
        let above = std::iter::successors(Some(index), |&n| found.parts[n].parent).count();
        let limits = Limits {
            parts: self.limits.parts.saturating_sub(found.parts.len()),
            depth: self.limits.depth.saturating_sub(above),
            ..*self.limits
        };
        if limits.parts == 0 || limits.depth == 0 {
            found.truncated = true;
            return;
        }
        let first = found.parts.len();
        let inner = structure(content, &limits, self.poll);
        found.truncated |= inner.truncated;
        for mut part in inner.parts {
            part.parent = Some(part.parent.map_or(index, |n| n + first));
            part.children.iter_mut().for_each(|n| *n += first);
            found.parts.push(part);
        }
        found.parts[index].kind = Kind::Signed;
        found.parts[index].children = vec![first];
    }

    /// Makes parts of what Outlook adds to a message.
    fn add_tnef<'a>(
        &self,
        found: &mut Structure<'a>,
        index: usize,
        stream: &'a [u8],
        tnef: &'a tnef::Found,
    ) {
        let most = self.limits.parts;
        let mut parent = Some(index);
        if tnef.texts.len() > 1 {
            // Of two texts one is enough.
            let mut part = Part::decoded(ContentType::of("multipart/alternative"), &[]);
            part.kind = Kind::Alternative;
            parent = found.add(part, index, most);
        }
        for text in &tnef.texts {
            let content_type = ContentType {
                charset: text.charset.clone(),
                ..ContentType::of(if text.html { "text/html" } else { "text/plain" })
            };
            let bytes = match &text.bytes {
                Bytes::There(range) => &stream[range.clone()],
                Bytes::Made(text) => text.as_bytes(),
            };
            parent = parent.inspect(|&p| {
                found.add(Part::decoded(content_type, bytes), p, most);
            });
        }
        for file in &tnef.files {
            let media_type = match &file.media_type {
                _ if file.message => Some("application/vnd.ms-outlook".to_owned()),
                Some(media_type) => short(media_type).map(|t| t.to_ascii_lowercase()),
                None => None,
            };
            let media_type = media_type.as_deref().unwrap_or("application/octet-stream");
            let mut part = Part::decoded(ContentType::of(media_type), &stream[file.data.clone()]);
            part.attached = true;
            part.name = file.name.as_deref().and_then(short);
            found.add(part, index, most);
        }
        if !found.parts[index].children.is_empty() {
            found.parts[index].kind = Kind::Tnef;
        }
    }
}

/// What can be opened.
#[derive(Clone, Copy)]
enum Format {
    /// Signed or compressed S/MIME (RFC 8551 section 3.2): what is encrypted is left alone.
    Signed,
    /// `winmail.dat`.
    Tnef,
}

/// What was opened.
enum Content {
    Part(Vec<u8>),
    Tnef(Vec<u8>, tnef::Found),
}

impl Format {
    /// By type and name, if the first bytes agree.
    fn of(part: &Part) -> Option<Self> {
        if part.kind != Kind::Leaf {
            return None;
        }
        let format = match part.content_type.media_type.as_str() {
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => Self::Signed,
            "application/ms-tnef" | "application/vnd.ms-tnef" => Self::Tnef,
            "application/octet-stream" => {
                let name = part.name.as_ref()?.to_ascii_lowercase();
                match name.as_str() {
                    "winmail.dat" | "win.dat" => Self::Tnef,
                    name if name.ends_with(".p7m") || name.ends_with(".p7z") => Self::Signed,
                    _ => return None,
                }
            }
            _ => return None,
        };
        let body = &part.body[..part.body.len().min(START_BYTES)];
        let start = part.encoding.decode(body, START_BYTES, &|| ());
        let agrees = match format {
            Self::Signed => cms::kind(&start).is_some(),
            Self::Tnef => start.starts_with(tnef::SIGNATURE),
        };
        agrees.then_some(format)
    }
}

/// Whether a signed content is a part of a message, and not a file: those have names of their
/// own, `invoice.xml.p7m`. Some programs sign text without any header.
fn is_entity(content: &[u8], name: Option<&str>) -> bool {
    let start = content[..content.len().min(START_BYTES)].trim_ascii_start();
    let line = start.split(|&b| b == b'\n').next().unwrap_or_default();
    let begins = |with: &str| {
        let begin = line.get(..with.len());
        begin.is_some_and(|b| b.eq_ignore_ascii_case(with.as_bytes()))
    };
    if is_field(line) && (begins("content-") || begins("mime-version")) {
        return true;
    }
    let usual = name.is_none_or(|name| {
        let stem = name.split('.').next().unwrap_or_default();
        stem.eq_ignore_ascii_case("smime")
    });
    let is_text = |b: &u8| *b >= b' ' || matches!(b, b'\t' | b'\n' | 0x0c | b'\r' | 0x1b);
    usual && !start.starts_with(b"%PDF-") && start.iter().all(is_text)
}
