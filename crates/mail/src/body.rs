//! The text of a message: which parts of it are text, in which order, and what is attached.

use std::borrow::Cow;
use std::collections::VecDeque;

use encoding_rs::Encoding;
use pg_triage_encoded::Block;

use crate::blocks::cut_blocks;
use crate::field::{self, Reader};
use crate::limits::Limits;
use crate::lines::POLL_BYTES;
use crate::media_type::{self, Format};
use crate::message::Attachment;
use crate::packed::unpack;
use crate::poll::Poll;
use crate::reading::{
    Reading, begins_as_html, is_encoded_message, is_html, is_root, is_shown, is_text, seems_text,
};
use crate::report::Report;
use crate::section::Name;
use crate::stand_in::{may_stand_in, stands_in};
use crate::structure::{Kind, Part, Structure, structure};
use crate::{calendar, charset, contact, flowed, html, rtf};

/// Where a document says its charset (WHATWG HTML, section 13.2.3.2).
const META_BYTES: usize = 1024;
/// How much of a field of a message in a message is read, in bytes.
const HEADING_BYTES: usize = 1 << 10;

/// What was read.
pub(crate) struct Body<'p> {
    pub text: String,
    pub attachments: Vec<Attachment>,
    pub truncated: bool,
    /// Parts so far.
    parts: usize,
    /// Memory, in bytes, for what is packed in parts.
    room: usize,
    limits: &'p Limits,
    poll: Poll<'p>,
}

impl<'p> Body<'p> {
    /// A body that is still empty, of a message of this many bytes.
    pub(crate) fn new(raw: usize, limits: &'p Limits, poll: Poll<'p>) -> Self {
        Self {
            text: String::new(),
            attachments: Vec::new(),
            truncated: false,
            parts: 0,
            room: limits.unpacked_bytes(raw),
            limits,
            poll,
        }
    }

    /// Reads a message: its own text, then that of the messages in it. One that is encoded as
    /// a whole (which RFC 2046 section 5.2.1 forbids) is read if `decodes`; not one within
    /// that.
    pub(crate) fn read(&mut self, message: Structure, decodes: bool) {
        let (limits, poll) = (self.limits, self.poll);
        let limits = Limits {
            parts: limits.parts.saturating_sub(self.parts),
            ..*limits
        };
        unpack(message, self.room, &limits, poll, &mut |message, room| {
            self.room = room;
            self.message(message, decodes);
        });
    }

    fn message(&mut self, message: &Structure, decodes: bool) {
        self.truncated |= message.truncated;
        self.parts += message.parts.len();
        self.attach(&message.parts);
        let mut text = std::mem::take(&mut self.text);
        let mut reading = Reading {
            parts: &message.parts,
            messages: VecDeque::new(),
            added: Vec::new(),
            attached: false,
        };
        self.own_text(&mut reading, 0, &mut text);
        while let Some(index) = reading.messages.pop_front() {
            if text.len() >= self.limits.text_bytes {
                self.truncated = true;
                break;
            }
            let part = &message.parts[index];
            if part.kind == Kind::Message {
                if let Some(&inner) = part.children.first() {
                    self.heading(
                        &message.parts[inner],
                        message.label_of_body(inner),
                        &mut text,
                    );
                    self.own_text(&mut reading, inner, &mut text);
                }
            } else if media_type::is_header(&part.content_type.media_type) {
                let decoded = self.decoded(part);
                let limits = Limits {
                    parts: 1,
                    ..*self.limits
                };
                if let Some(first) = structure(&decoded, &limits, self.poll).parts.first() {
                    self.heading(first, None, &mut text);
                }
            } else if decodes {
                let decoded = self.decoded(part);
                let limits = Limits {
                    parts: self.limits.parts.saturating_sub(self.parts),
                    ..*self.limits
                };
                let inner = structure(&decoded, &limits, self.poll);
                if let Some(first) = inner.parts.first() {
                    self.heading(first, inner.label_of_body(0), &mut text);
                }
                self.text = std::mem::take(&mut text);
                self.read(inner, false);
                text = std::mem::take(&mut self.text);
            } else {
                self.truncated = true;
            }
        }
        if text.is_empty() && decodes {
            // Better than nothing.
            if let Some(part) = message.parts.iter().find(|p| p.unread) {
                self.leaf(part, Format::Plain, &mut text);
            }
        }
        self.text = text;
    }

    /// Appends the text of one message, without those in it. If there is none, what was to be
    /// said is what Outlook has added, what it reports, or what is attached.
    fn own_text(&mut self, reading: &mut Reading, root: usize, out: &mut String) {
        let (start, messages) = (out.len(), reading.messages.len());
        let attached = self.attachments.len();
        self.part(reading, root, out);
        let parts = reading.parts;
        for added in std::mem::take(&mut reading.added) {
            for &child in &parts[added].children {
                if out.len() == start {
                    self.part(reading, child, out);
                }
            }
        }
        if out.len() == start {
            self.reports(parts, root, out);
        }
        if out.len() == start && reading.messages.len() == messages {
            reading.attached = true;
            self.attachments.truncate(attached);
            self.part(reading, root, out);
            reading.attached = false;
            reading.added.clear();
        }
    }

    /// Appends what a message reports to programs, without the messages in it.
    fn reports(&mut self, parts: &[Part], root: usize, out: &mut String) {
        let mut next = vec![root];
        while let Some(part) = next.pop().and_then(|index| parts.get(index)) {
            if part.kind != Kind::Message {
                next.extend(part.children.iter().rev());
            }
            if let Some(elsewhere) = &part.content_type.elsewhere {
                self.append(elsewhere, out);
            } else if let Some(report) = Report::of(&part.content_type.media_type) {
                let (limit, poll) = (self.limits.text_bytes, self.poll);
                let bytes = self.decoded(part);
                let text = charset::decode(&bytes, None, limit, poll);
                self.truncated |= text.len() > limit;
                let text = tidy(&text[..text.floor_char_boundary(limit)], poll);
                let told = report.text(&text, limit, poll);
                // Where it is no report, programs show what stands there.
                self.append(if told.is_empty() { &text } else { &told }, out);
            }
        }
    }

    /// Everything that is no text of the message, and text that has a name.
    fn attach(&mut self, parts: &[Part]) {
        // What was packed stands behind all others.
        let mut next: Vec<_> = (0..parts.len().min(1)).collect();
        while let Some(index) = next.pop() {
            let part = &parts[index];
            next.extend(part.children.iter().rev());
            let container = part.kind != Kind::Message
                && (part.kind != Kind::Leaf
                    || part.content_type.media_type.starts_with("multipart/"));
            let text = part.kind == Kind::Leaf
                && (is_shown(part) || is_root(part, parts) && is_text(part));
            if container || (text && !part.attached && part.name.is_none()) {
                continue;
            }
            self.attachments.push(Attachment {
                name: part.name.clone(),
                media_type: part.content_type.media_type.clone(),
                bytes: part.encoding.decoded_bytes(part.body, self.poll),
                in_text: false,
            });
        }
    }

    /// Appends the text of a part to `out`.
    fn part(&mut self, reading: &mut Reading, index: usize, out: &mut String) {
        let parts = reading.parts;
        let Some(part) = parts.get(index) else {
            return;
        };
        match part.kind {
            Kind::Message => reading.messages.push_back(index),
            Kind::Leaf if is_encoded_message(part) => reading.messages.push_back(index),
            Kind::Leaf => {
                if let Some(format) = reading.format(part) {
                    self.leaf(part, format, out);
                }
            }
            _ if part.unread => {}
            // No boundary, or no line with it: what stands there is all there is.
            _ if part.children.is_empty() => self.leaf(part, Format::Plain, out),
            Kind::Alternative => {
                let start = out.len();
                let (choices, others) = reading.choices(part);
                self.alternative(reading, &choices, out);
                for &child in &others {
                    let format = reading.format(&parts[child]);
                    if out.len() == start || format == Some(Format::Calendar) {
                        self.part(reading, child, out);
                    }
                }
            }
            Kind::Related => {
                for (i, &child) in part.children.iter().enumerate() {
                    if i == 0 || !(parts[child].referable || parts[child].name.is_some()) {
                        self.part(reading, child, out);
                    }
                }
            }
            Kind::Tnef if !reading.attached => reading.added.push(index),
            Kind::Mixed | Kind::Signed | Kind::Tnef => {
                for &child in &part.children {
                    self.part(reading, child, out);
                }
            }
        }
    }

    /// Plain text, unless it only stands in for the HTML; else the last that has text, which
    /// is the richest (RFC 2046 section 5.1.4).
    fn alternative(&mut self, reading: &mut Reading, choices: &[usize], out: &mut String) {
        let plain = choices.iter().copied().find(|&c| reading.is_plain(c));
        let start = out.len();
        let mut plain_text = String::new();
        let mut is_source = false;
        let before = reading.messages.len();
        let attached = self.attachments.len();
        if let Some(plain) = plain {
            self.part(reading, plain, out);
            // Some programs put the HTML into both.
            is_source = begins_as_html(&out.as_bytes()[start..]);
            if !is_source && !may_stand_in(&out[start..]) {
                return;
            }
            plain_text = out.split_off(start);
        }
        let messages = reading.messages.split_off(before);
        let files = self.attachments.split_off(attached);
        for &other in choices.iter().rev().filter(|&&c| Some(c) != plain) {
            self.part(reading, other, out);
            let rich = &out[start..];
            if is_source && !rich.is_empty()
                || !is_source && stands_in(&plain_text, rich, self.poll)
            {
                return;
            }
            out.truncate(start);
            reading.messages.truncate(before);
            self.attachments.truncate(attached);
        }
        out.push_str(&plain_text);
        reading.messages.extend(messages);
        self.attachments.extend(files);
    }

    /// Appends the text of a part that has no parts.
    fn leaf(&mut self, part: &Part, format: Format, out: &mut String) {
        let limit = self.limits.text_bytes;
        let bytes = self.decoded(part);
        if format == Format::Unknown && !seems_text(&bytes) {
            return;
        }
        let rtf = matches!(format, Format::Rtf | Format::Unknown)
            .then(|| rtf::read(&bytes, limit, self.poll))
            .flatten();
        let (text, is_html) = match rtf {
            Some(document) => {
                self.truncated |= document.cut;
                (Cow::Owned(document.text), document.html)
            }
            None => {
                let is_html = is_html(part, format, &bytes);
                let label = match &part.content_type.charset {
                    None if is_html => meta_charset(&bytes),
                    label => label.as_deref().map(Cow::Borrowed),
                };
                let text = charset::decode(&bytes, label.as_deref(), limit, self.poll);
                (text, is_html)
            }
        };
        self.truncated |= text.len() > limit;
        let text = &text[..text.floor_char_boundary(limit)];
        let seen = is_html
            .then(|| html::to_text(text, limit, self.poll))
            .flatten();
        let text = match &seen {
            Some(text) => {
                self.truncated |= text.len() >= limit;
                tidy(text, self.poll)
            }
            None => self.lines(part, format, tidy(text, self.poll), out),
        };
        let cut = cut_blocks(&text, self.poll, |block| self.list(block));
        self.append(cut.as_deref().unwrap_or(&text), out);
    }

    /// What is to be seen of a text whose lines end with LF. `said` is what has been before.
    fn lines<'t>(
        &mut self,
        part: &Part,
        format: Format,
        text: Cow<'t, str>,
        said: &str,
    ) -> Cow<'t, str> {
        let (limit, poll) = (self.limits.text_bytes, self.poll);
        let summary = match format {
            Format::Calendar => calendar::to_text(&text, said, limit, poll),
            Format::Contact => contact::to_text(&text, limit, poll),
            _ => None,
        };
        // Where it says nothing, programs show what stands there, if there is nothing else.
        match summary.filter(|summary| !(summary.is_empty() && said.is_empty())) {
            Some(summary) => {
                self.truncated |= summary.len() > limit;
                summary.into()
            }
            None if part.content_type.flowed => {
                flowed::unwrap(&text, part.content_type.delsp, poll).into()
            }
            None => text,
        }
    }

    /// Lists a file that is encoded in a text, if it has a name.
    fn list(&mut self, block: &Block) {
        let Some(name) = block.name.as_deref().and_then(field::short) else {
            return;
        };
        if self.attachments.len() >= self.limits.parts {
            self.truncated = true;
            return;
        }
        self.attachments.push(Attachment {
            name: Some(name),
            media_type: "application/octet-stream".to_owned(),
            bytes: block.bytes,
            in_text: true,
        });
    }

    /// Appends a paragraph, as far as there is room.
    fn append(&mut self, text: &str, out: &mut String) {
        let text = trim_blank(text);
        if text.is_empty() {
            return;
        }
        let gap = if out.is_empty() { "" } else { "\n\n" };
        let room = self.limits.text_bytes.saturating_sub(out.len() + gap.len());
        let kept = &text[..text.floor_char_boundary(room)];
        self.truncated |= kept.len() < text.len();
        if !kept.is_empty() {
            out.push_str(gap);
            out.push_str(kept);
        }
    }

    /// What a reader sees above a message in a message.
    fn heading(&mut self, message: &Part, label_of_body: Option<&str>, out: &mut String) {
        let mut reader = Reader::of(label_of_body);
        let mut cut = false;
        let mut value = |name| {
            let value = message.fields.iter().find(|f| f.0 == name)?.1;
            cut |= value.len() > HEADING_BYTES;
            Some(&value[..value.len().min(HEADING_BYTES)])
        };
        let subject = value(Name::Subject).and_then(|v| reader.text(v));
        let sender = value(Name::From).and_then(|v| reader.address(v));
        let lines: Vec<_> = [("Subject", subject), ("From", sender)]
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}: {}", value?)))
            .collect();
        self.truncated |= reader.cut || cut;
        self.append(&lines.join("\n"), out);
    }

    /// The part's bytes, as many as can become text.
    fn decoded<'a>(&mut self, part: &Part<'a>) -> Cow<'a, [u8]> {
        let limit = self.limits.text_bytes;
        let mut bytes = part.encoding.decode(part.body, limit, self.poll);
        if bytes.len() > limit {
            self.truncated = true;
            match &mut bytes {
                Cow::Borrowed(bytes) => *bytes = &bytes[..limit],
                Cow::Owned(bytes) => bytes.truncate(limit),
            }
        }
        bytes
    }
}

/// The charset that an HTML document says it has, if browsers know it. What has been read is
/// ASCII: where it says UTF-16, that is not true, and browsers take it for UTF-8.
fn meta_charset(html: &[u8]) -> Option<Cow<'_, str>> {
    let start = html[..html.len().min(META_BYTES)].to_ascii_lowercase();
    let at = memchr::memmem::find(&start, b"charset")? + "charset".len();
    let rest = start[at..]
        .trim_ascii_start()
        .strip_prefix(b"=")?
        .trim_ascii_start();
    let rest = rest
        .strip_prefix(b"\"")
        .or(rest.strip_prefix(b"'"))
        .unwrap_or(rest);
    let end = rest
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || b"-_:".contains(b)))?;
    let encoding = Encoding::for_label_no_replacement(&rest[..end])?;
    let encoding = encoding.output_encoding();
    Some(encoding.name().into())
}

/// Line breaks are LF; no control characters but tabs.
fn tidy<'t>(text: &'t str, poll: Poll) -> Cow<'t, str> {
    let bytes = text.as_bytes();
    // All bytes are looked at at once: few texts have any but in line breaks.
    let is_control = |b: u8| b < b' ' && b != b'\n' && b != b'\t' || b == b'\x7f';
    let has_others = bytes.chunks(POLL_BYTES).any(|piece| {
        poll();
        let is_other = |b| is_control(b) & (b != b'\r');
        piece.iter().fold(false, |found, &b| found | is_other(b))
    });
    let next_control = |rest: &[u8]| match has_others {
        true => rest.iter().position(|&b| is_control(b)),
        false => memchr::memchr(b'\r', rest),
    };
    let mut out = String::new();
    let (mut written, mut polled) = (0, 0);
    while let Some(n) = next_control(&bytes[written..]) {
        let at = written + n;
        if written == 0 {
            out.reserve(text.len());
        }
        if at - polled >= POLL_BYTES {
            polled = at;
            poll();
        }
        out.push_str(&text[written..at]);
        written = at + 1;
        let next = bytes.get(written);
        let breaks = match bytes[at] {
            b'\x0b' | b'\x0c' => true,
            b'\r' => !matches!(next, Some(b'\r' | b'\n')),
            _ => false,
        };
        out.extend(breaks.then_some('\n'));
    }
    if written == 0 {
        return text.into();
    }
    out.push_str(&text[written..]);
    out.into()
}

/// The text without a byte order mark, empty lines at the beginning, and white space at the end.
fn trim_blank(text: &str) -> &str {
    let text = text.trim_start_matches('\u{feff}').trim_end();
    let indented = text.trim_start();
    let blank = &text[..text.len() - indented.len()];
    let line = blank.rfind('\n').map_or(0, |n| n + 1);
    &text[line..]
}
