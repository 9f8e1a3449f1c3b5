//! Parts that hold others in formats that are not MIME's: what is in them is put in their place.

use std::borrow::Cow;

use crate::cms;
use crate::limits::Limits;
use crate::poll::Poll;
use crate::section::is_field;
use crate::structure::{Kind, Part, Structure, structure};

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
    let mut unpacking = Unpacking { room, limits, poll };
    unpacking.level(found, 0, MAX_LEVELS, read);
}

struct Unpacking<'p> {
    room: usize,
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
            if !is_signed(part) {
                continue;
            }
            if levels == 0 {
                cut = true;
            } else if let Some((content, more)) = self.signed(part) {
                cut |= more;
                contents.push((index, content));
            }
        }
        let from = found.parts.len();
        // Its parts may stand in what was opened here.
        let mut found = found;
        found.truncated |= cut;
        for (index, content) in &contents {
            self.add(&mut found, *index, content);
        }
        if found.parts.len() == from {
            read(&found, self.room);
        } else {
            self.level(found, from, levels - 1, read);
        }
    }

    /// The signed content, and whether there is more; `None` if it is no part of a message.
    fn signed(&mut self, part: &Part) -> Option<(Vec<u8>, bool)> {
        let bytes = part.encoding.decode(part.body, self.room, self.poll);
        let mut more = bytes.len() > self.room;
        let mut content = match bytes {
            Cow::Borrowed(bytes) => bytes[..bytes.len().min(self.room)].to_owned(),
            Cow::Owned(mut bytes) => {
                bytes.truncate(self.room);
                bytes
            }
        };
        let room = self.room - content.len();
        let most = room.min(self.limits.text_bytes);
        more |= cms::unwrap(&mut content, most, self.poll)?;
        if !is_entity(&content, part.name.as_deref()) {
            return None;
        }
        self.room -= content.len().min(self.room);
        Some((content, more))
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
}

/// Whether a part is signed or compressed S/MIME (RFC 8551 section 3.2), whose content stands in
/// it: what is encrypted is left alone.
fn is_signed(part: &Part) -> bool {
    let named = || {
        let name = part.name.as_deref().unwrap_or_default();
        let end = name.len().checked_sub(4).and_then(|n| name.get(n..));
        end.is_some_and(|e| e.eq_ignore_ascii_case(".p7m") || e.eq_ignore_ascii_case(".p7z"))
    };
    let typed = match part.content_type.media_type.as_str() {
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => true,
        "application/octet-stream" => named(),
        _ => false,
    };
    typed && part.kind == Kind::Leaf && cms::kind(&start(part)).is_some()
}

/// The first bytes of a part.
fn start<'a>(part: &Part<'a>) -> Cow<'a, [u8]> {
    let body = &part.body[..part.body.len().min(START_BYTES)];
    part.encoding.decode(body, START_BYTES, &|| ())
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
