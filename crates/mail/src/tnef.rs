//! What Outlook puts into `winmail.dat` ([MS-OXTNEF]): texts of a message and files.

use std::ops::Range;

use encoding_rs::UTF_16LE;

use crate::lines::POLL_BYTES;
use crate::poll::Poll;
use crate::{charset, lzfu, rtf};

/// How a stream begins.
pub(crate) const SIGNATURE: &[u8] = b"\x78\x9f\x3e\x22";
/// Signature and key.
const HEADER_BYTES: usize = 6;
/// What stands before an object, to say how it is used.
const INTERFACE_BYTES: usize = 16;
/// Of the name of a file or a type, in bytes.
const MAX_NAME_BYTES: usize = 1 << 10;

/// Attributes of a message and of a file ([MS-OXTNEF] section 2.1.3.2).
mod attribute {
    pub const CODE_PAGE: u16 = 0x9007;
    pub const BODY: u16 = 0x800c;
    pub const MESSAGE_PROPERTIES: u16 = 0x9003;
    pub const FILE_BEGINS: u16 = 0x9002;
    pub const FILE_TITLE: u16 = 0x8010;
    pub const FILE_DATA: u16 = 0x800f;
    pub const FILE_PROPERTIES: u16 = 0x9005;
}

/// Properties ([MS-OXPROPS]).
mod property {
    pub const BODY: u16 = 0x1000;
    pub const RTF_COMPRESSED: u16 = 0x1009;
    pub const HTML: u16 = 0x1013;
    pub const DISPLAY_NAME: u16 = 0x3001;
    pub const INTERNET_CODE_PAGE: u16 = 0x3fde;
    pub const MESSAGE_CODE_PAGE: u16 = 0x3ffd;
    pub const FILE_DATA: u16 = 0x3701;
    pub const FILE_NAME: u16 = 0x3704;
    pub const LONG_FILE_NAME: u16 = 0x3707;
    pub const MIME_TYPE: u16 = 0x370e;
}

/// Types of properties ([MS-OXCDATA] section 2.11.1).
mod kind {
    pub const INTEGER: u16 = 0x0003;
    pub const OBJECT: u16 = 0x000d;
    pub const STRING: u16 = 0x001e;
    pub const UNICODE: u16 = 0x001f;
    pub const BINARY: u16 = 0x0102;
    /// Has several values.
    pub const SEVERAL: u16 = 0x1000;
}

/// What a stream holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The message, written once or twice.
    pub texts: Vec<Text>,
    pub files: Vec<File>,
    /// Whether there is more than was asked for.
    pub cut: bool,
}

/// A text of the message.
#[derive(Debug)]
pub(crate) struct Text {
    pub bytes: Bytes,
    /// `None` if it does not say.
    pub charset: Option<String>,
    pub html: bool,
}

/// Where the bytes of a text are.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// In the stream.
    There(Range<usize>),
    /// They are made of it.
    Made(String),
}

/// A file that is attached.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub name: Option<String>,
    pub media_type: Option<String>,
    /// Where it is in the stream.
    pub data: Range<usize>,
    /// Whether it is a message of Outlook.
    pub message: bool,
    /// How well the name says what it is.
    named: u8,
}

/// Reads a stream: texts of at most `limit` bytes each, and so many files. `None` if it is none.
pub(crate) fn read(stream: &[u8], limit: usize, files: usize, poll: Poll) -> Option<Found> {
    if !stream.starts_with(SIGNATURE) {
        return None;
    }
    let mut reader = Reader {
        stream,
        limit,
        files,
        poll,
        code_page: None,
        message_code_page: None,
        internet_code_page: None,
        plain: None,
        html: None,
        rtf: None,
        found: Found::default(),
    };
    reader.attributes();
    reader.texts();
    Some(reader.found)
}

/// A value of a property, and its type.
#[derive(Debug, Clone)]
struct Value {
    kind: u16,
    at: Range<usize>,
}

struct Reader<'a> {
    stream: &'a [u8],
    limit: usize,
    files: usize,
    poll: Poll<'a>,
    code_page: Option<u32>,
    message_code_page: Option<u32>,
    internet_code_page: Option<u32>,
    plain: Option<Value>,
    html: Option<Value>,
    rtf: Option<Range<usize>>,
    found: Found,
}

impl Reader<'_> {
    /// Each has a level, an id with a type, a length, and a checksum behind it, which does not
    /// count: what writes damaged streams computes it of them.
    fn attributes(&mut self) {
        let mut cursor = Cursor {
            bytes: self.stream,
            at: HEADER_BYTES,
            end: self.stream.len(),
        };
        let mut polled = 0;
        while let Some((id, data)) = cursor.attribute() {
            if cursor.at - polled >= POLL_BYTES {
                polled = cursor.at;
                (self.poll)();
            }
            match id {
                attribute::CODE_PAGE => self.code_page = integer(&self.stream[data]),
                attribute::BODY => {
                    let kind = kind::STRING;
                    self.plain.get_or_insert(Value { kind, at: data });
                }
                attribute::MESSAGE_PROPERTIES => {
                    self.properties(data, |reader, id, value| reader.of_message(id, value));
                }
                attribute::FILE_BEGINS => {
                    if self.found.files.len() >= self.files {
                        self.found.cut = true;
                        return;
                    }
                    self.found.files.push(File::default());
                }
                attribute::FILE_TITLE => {
                    let kind = kind::STRING;
                    self.name(2, &Value { kind, at: data });
                }
                attribute::FILE_DATA => {
                    if let Some(file) = self.found.files.last_mut() {
                        file.data = data;
                    }
                }
                attribute::FILE_PROPERTIES => {
                    self.properties(data, |reader, id, value| reader.of_file(id, value));
                }
                _ => {}
            }
        }
    }

    /// Calls `read` with each property that has one value.
    fn properties(&mut self, data: Range<usize>, mut read: impl FnMut(&mut Self, u16, Value)) {
        let mut cursor = Cursor {
            bytes: self.stream,
            at: data.start,
            end: data.end,
        };
        // How many there are is what can be read.
        let _count = cursor.u32();
        let mut polled = cursor.at;
        while let Some((id, value)) = cursor.property(self.poll) {
            if cursor.at - polled >= POLL_BYTES {
                polled = cursor.at;
                (self.poll)();
            }
            if let Some(value) = value {
                read(self, id, value);
            }
        }
    }

    fn of_message(&mut self, id: u16, value: Value) {
        let is_integer = value.kind == kind::INTEGER;
        match id {
            // It may be Unicode, which the attribute is not.
            property::BODY => self.plain = Some(value),
            property::HTML => self.html = Some(value),
            property::RTF_COMPRESSED if value.kind == kind::BINARY => self.rtf = Some(value.at),
            property::INTERNET_CODE_PAGE if is_integer => {
                self.internet_code_page = integer(&self.stream[value.at]);
            }
            property::MESSAGE_CODE_PAGE if is_integer => {
                self.message_code_page = integer(&self.stream[value.at]);
            }
            _ => {}
        }
    }

    fn of_file(&mut self, id: u16, value: Value) {
        match id {
            property::LONG_FILE_NAME => self.name(4, &value),
            property::FILE_NAME => self.name(3, &value),
            property::DISPLAY_NAME => self.name(1, &value),
            property::MIME_TYPE => {
                let media_type = self.short(&value);
                if let Some(file) = self.found.files.last_mut() {
                    file.media_type = media_type;
                }
            }
            property::FILE_DATA if matches!(value.kind, kind::BINARY | kind::OBJECT) => {
                let mut at = value.at;
                if value.kind == kind::OBJECT {
                    at.start = at.end.min(at.start + INTERFACE_BYTES);
                }
                let message = self.stream[at.clone()].starts_with(SIGNATURE);
                if let Some(file) = self.found.files.last_mut() {
                    file.message = message;
                    file.data = at;
                }
            }
            _ => {}
        }
    }

    /// Names the file, unless it has a better name.
    fn name(&mut self, named: u8, value: &Value) {
        let name = self.short(value);
        if let Some(file) = self.found.files.last_mut()
            && named > file.named
            && name.as_ref().is_some_and(|n| !n.trim().is_empty())
        {
            file.name = name;
            file.named = named;
        }
    }

    /// A short string.
    fn short(&self, value: &Value) -> Option<String> {
        let bytes = &self.stream[value.at.clone()];
        let bytes = &bytes[..bytes.len().min(MAX_NAME_BYTES)];
        match value.kind {
            kind::UNICODE => {
                let text = charset::convert(UTF_16LE, until_zero(bytes, 2), usize::MAX, &|| ());
                Some(text.into_owned())
            }
            kind::STRING => {
                let label = self.page().map(label);
                let bytes = until_zero(bytes, 1);
                let text = charset::decode(bytes, label.as_deref(), usize::MAX, &|| ());
                Some(text.into_owned())
            }
            _ => None,
        }
    }

    /// Code page of strings.
    fn page(&self) -> Option<u32> {
        self.code_page.filter(|&n| n > 0).or(self.message_code_page)
    }

    /// Makes the texts of what was read: RTF where there is nothing else.
    fn texts(&mut self) {
        for (value, html) in [(self.plain.take(), false), (self.html.take(), true)] {
            let text = value.and_then(|value| self.text(value, html));
            self.found.texts.extend(text);
        }
        if let Some(at) = self.rtf.take().filter(|_| self.found.texts.is_empty())
            && let Some((plain, more)) = lzfu::decompress(&self.stream[at], self.limit, self.poll)
            && let Some(document) = rtf::read(&plain, self.limit, self.poll)
        {
            self.found.cut |= more || document.cut;
            self.found.texts.push(Text {
                bytes: Bytes::Made(document.text),
                charset: Some("utf-8".to_owned()),
                html: document.html,
            });
        }
    }

    /// A text, unless it is blank.
    fn text(&mut self, value: Value, html: bool) -> Option<Text> {
        let bytes = &self.stream[value.at.clone()];
        if value.kind == kind::UNICODE {
            let bytes = until_zero(bytes, 2);
            let text = charset::convert(UTF_16LE, bytes, self.limit, self.poll);
            let kept = text.floor_char_boundary(self.limit);
            self.found.cut |= kept < text.len();
            return (!text.trim().is_empty()).then(|| Text {
                bytes: Bytes::Made(text[..kept].to_owned()),
                charset: Some("utf-8".to_owned()),
                html,
            });
        }
        let page = match value.kind {
            kind::BINARY if html => self.internet_code_page,
            kind::STRING => self.page(),
            _ => return None,
        };
        let bytes = until_zero(bytes, 1);
        (!bytes.trim_ascii().is_empty()).then(|| Text {
            bytes: Bytes::There(value.at.start..value.at.start + bytes.len()),
            charset: page.map(label),
            html,
        })
    }
}

/// The charset of a code page of Windows.
fn label(page: u32) -> String {
    format!("cp{page}")
}

/// What stands before a zero of so many bytes.
fn until_zero(bytes: &[u8], width: usize) -> &[u8] {
    let end = bytes
        .chunks_exact(width)
        .position(|c| c.iter().all(|&b| b == 0));
    &bytes[..end.map_or(bytes.len(), |n| n * width)]
}

fn integer(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.first_chunk()?))
}

/// Reads numbers, the lowest byte first.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl Cursor<'_> {
    /// The next bytes, as many as there are of these.
    fn take(&mut self, length: usize) -> Option<Range<usize>> {
        let start = self.at;
        let end = start.checked_add(length).filter(|&end| end <= self.end)?;
        self.at = end;
        Some(start..end)
    }

    fn u16(&mut self) -> Option<u16> {
        let at = self.take(2)?;
        Some(u16::from_le_bytes(*self.bytes[at].first_chunk()?))
    }

    fn u32(&mut self) -> Option<u32> {
        let at = self.take(4)?;
        integer(&self.bytes[at])
    }

    /// Id and data of the next attribute; of the last one what has come of it.
    fn attribute(&mut self) -> Option<(u16, Range<usize>)> {
        self.take(1)?;
        let id = self.u16()?;
        self.u16()?;
        let length = self.u32()? as usize;
        let data = self.take(length.min(self.end - self.at))?;
        self.at = self.at.saturating_add(2).min(self.end);
        Some((id, data))
    }

    /// Bytes and what fills them up to a multiple of four.
    fn padded(&mut self) -> Option<Range<usize>> {
        let length = self.u32()? as usize;
        let data = self.take(length.min(self.end - self.at))?;
        let filled = (4 - data.len() % 4) % 4;
        self.at = self.at.saturating_add(filled).min(self.end);
        Some(data)
    }

    /// Id and value of the next property; no value of one that has none or several. `None` at
    /// the end, or at what cannot be read.
    fn property(&mut self, poll: Poll) -> Option<(u16, Option<Value>)> {
        let kind = self.u16()?;
        let id = self.u16()?;
        if id >= 0x8000 {
            // Named: by a number or a text in a set.
            self.take(16)?;
            if self.u32()? == 0 {
                self.u32()?;
            } else {
                self.padded()?;
            }
        }
        let several = kind & kind::SEVERAL != 0;
        let kind = kind & !kind::SEVERAL;
        let width = match kind {
            0x0000 | 0x0001 => Some(0),
            0x0002 | 0x0003 | 0x0004 | 0x000a | 0x000b => Some(4),
            0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => Some(8),
            0x0048 => Some(16),
            kind::OBJECT | kind::STRING | kind::UNICODE | kind::BINARY => None,
            _ => return None,
        };
        let mut value = None;
        match width {
            Some(width) if !several => value = Some(self.take(width)?),
            Some(width) => {
                let count = self.u32()? as usize;
                self.take(count.checked_mul(width)?)?;
            }
            None => {
                let count = self.u32()?;
                let mut polled = self.at;
                for _ in 0..count {
                    if self.at - polled >= POLL_BYTES {
                        polled = self.at;
                        poll();
                    }
                    let data = self.padded()?;
                    value = value.or(Some(data));
                }
            }
        }
        let value = value.filter(|_| !several);
        Some((id, value.map(|at| Value { kind, at })))
    }
}
