//! Which parts of a message are text that is read, and how it is written.

use std::collections::VecDeque;

use crate::media_type::{self, Format};
use crate::structure::{Kind, Part};
use crate::transfer::Encoding;

/// How much of a text is looked at to see whether it is one, and of which kind.
const SAMPLE_BYTES: usize = 4 << 10;

/// A message on the way to its text.
pub(crate) struct Reading<'s, 'a> {
    pub parts: &'s [Part<'a>],
    /// Messages in it, whose text comes later.
    pub messages: VecDeque<usize>,
    /// What Outlook has added to the message that is being read.
    pub added: Vec<usize>,
    /// Whether text that is attached counts.
    pub attached: bool,
}

impl Reading<'_, '_> {
    /// How a part is written whose text is read.
    pub(crate) fn format(&self, part: &Part) -> Option<Format> {
        let (format, is_file) = media_type::text(&part.content_type.media_type)?;
        let counts = self.attached || is_root(part, self.parts) || !(is_file || part.attached);
        if !counts {
            return None;
        }
        match format {
            Format::Unknown => format_by_name(part.name.as_deref()),
            _ => Some(format),
        }
    }

    /// The alternatives of a part, and others: those that are read only if these have no text,
    /// and calendars, which mail programs show beside the text of an invitation.
    pub(crate) fn choices(&self, part: &Part) -> (Vec<usize>, Vec<usize>) {
        part.children.iter().partition(|&&child| {
            let text = media_type::text(&self.parts[child].content_type.media_type);
            !matches!(text, Some((Format::LesserHtml | Format::Calendar, _)))
        })
    }

    /// Whether this is plain text, or begins with it.
    pub(crate) fn is_plain(&self, mut index: usize) -> bool {
        while let Some(&first) = self.parts[index].children.first() {
            index = first;
        }
        let part = &self.parts[index];
        let is_plain = part.content_type.media_type == "text/plain";
        part.kind == Kind::Leaf && is_plain && self.format(part).is_some()
    }
}

/// Whether mail programs show this type as text of the message, and not as a file, too: an
/// invitation is both.
pub(crate) fn is_shown(part: &Part) -> bool {
    let text = media_type::text(&part.content_type.media_type);
    matches!(text, Some((format, false)) if format != Format::Calendar)
}

/// Whether the type says that this is text.
pub(crate) fn is_text(part: &Part) -> bool {
    part.content_type.media_type.starts_with("text/")
}

/// A message that is nothing but one text shows it, whatever the header calls it: there is
/// nothing that it could be attached to.
pub(crate) fn is_root(part: &Part, parts: &[Part]) -> bool {
    let mut parent = part.parent;
    while let Some(p) = parent.filter(|&p| parts[p].kind == Kind::Signed) {
        parent = parts[p].parent;
    }
    part.kind == Kind::Leaf && parent.is_none_or(|p| parts[p].kind == Kind::Message)
}

/// Whether this is a message whose parts have not been found, or the header of one.
pub(crate) fn is_encoded_message(part: &Part) -> bool {
    part.content_type.is_message() && part.encoding != Encoding::Identity
        || media_type::is_header(&part.content_type.media_type)
}

/// How a file of this name is written, if it is text. One without a name may be.
fn format_by_name(name: Option<&str>) -> Option<Format> {
    let end = name.and_then(|n| n.rsplit_once('.')).map(|(_, end)| end);
    Some(match end.map(str::to_ascii_lowercase).as_deref() {
        None | Some("asc" | "log" | "markdown" | "md" | "text" | "txt") => Format::Unknown,
        Some("htm" | "html") => Format::Html,
        Some("ics" | "vcs") => Format::Calendar,
        Some("vcf") => Format::Contact,
        Some("rtf") => Format::Rtf,
        _ => return None,
    })
}

/// Whether bytes without a type are text for people: no control characters, no armour.
pub(crate) fn seems_text(bytes: &[u8]) -> bool {
    let sample = bytes[..bytes.len().min(SAMPLE_BYTES)].trim_ascii_start();
    let is_control = |&b: &u8| b < b' ' && !b"\t\n\r\x0c\x1b".contains(&b) || b == 0x7f;
    let is_armour = [&b"-----BEGIN "[..], b"%PDF-", b"%!PS"]
        .iter()
        .any(|start| sample.starts_with(start));
    !is_armour && !sample.iter().any(is_control)
}

/// Whether a part is HTML: what does not say what it is shows it.
pub(crate) fn is_html(part: &Part, format: Format, bytes: &[u8]) -> bool {
    match format {
        Format::Html | Format::LesserHtml => true,
        Format::Unknown => begins_as_html(bytes),
        _ => !part.content_type.declared && begins_as_html(bytes),
    }
}

/// Whether a text begins as HTML documents do, or with a comment before that.
pub(crate) fn begins_as_html(text: &[u8]) -> bool {
    let mut text = text[..text.len().min(SAMPLE_BYTES)].trim_ascii_start();
    if text.starts_with(b"<!--")
        && let Some(end) = memchr::memmem::find(text, b"-->")
    {
        text = text[end + b"-->".len()..].trim_ascii_start();
    }
    [&b"<html"[..], b"<!doctype html"].iter().any(|start| {
        text.get(..start.len())
            .is_some_and(|t| t.eq_ignore_ascii_case(start))
    })
}
