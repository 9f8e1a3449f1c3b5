//! What is attached, as payloads tell of it: to be listed and counted, not to be read.

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::header::line;
use crate::json::Json;
use crate::poll::Poll;

/// One more part than is looked at by default.
const MAX_ATTACHMENTS: usize = 1001;
/// Bytes that are encoded between two polls, a multiple of what a line holds.
const PER_POLL: usize = 57 << 12;

/// Takes what others are strict about.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What is attached.
pub(crate) struct Attachment {
    pub(crate) name: Option<String>,
    pub(crate) media_type: Option<String>,
    /// Nothing where it is only described.
    pub(crate) content: Vec<u8>,
}

/// What is attached, of a list, or an object by names.
pub(crate) fn attachments(value: &Json, poll: Poll) -> Vec<Attachment> {
    let listed = value.elements().iter().map(|e| (None, e));
    let named = value.fields().iter().map(|f| (Some(&*f.key), &f.value));
    let all = listed.chain(named).take(MAX_ATTACHMENTS);
    all.filter_map(|(key, value)| attachment(key, value, poll))
        .collect()
}

fn attachment(key: Option<&str>, value: &Json, poll: Poll) -> Option<Attachment> {
    let text = |names: &[&str]| {
        let found = names.iter().filter_map(|name| value.get(name)?.text());
        found
            .map(str::to_owned)
            .find(|text| !text.trim().is_empty())
    };
    if let Json::Text(address) = value {
        let name = address.split(['?', '#']).next()?.rsplit('/').next()?;
        return Some(Attachment {
            name: Some(name.to_owned()),
            media_type: None,
            content: Vec::new(),
        });
    }
    let Json::Object(_) = value else {
        return None;
    };
    let content = ["content", "contentbytes", "data", "base64content", "body"];
    let content = content.iter().find_map(|name| value.get(name));
    let is_text = matches!(value.get("base64"), Some(Json::Bool(false)));
    Some(Attachment {
        name: text(&["filename", "name", "generatedfilename", "title"])
            .or_else(|| key.map(str::to_owned)),
        media_type: text(&["contenttype", "mimetype", "mediatype", "type"]),
        content: content.map_or_else(Vec::new, |content| bytes_of(content, is_text, poll)),
    })
}

/// The bytes of a content: a list of them, the same in Node.js's `Buffer`, or base64.
fn bytes_of(content: &Json, is_text: bool, poll: Poll) -> Vec<u8> {
    match content {
        Json::Bytes(bytes) => bytes.clone(),
        Json::Text(text) if is_text => text.clone().into_bytes(),
        Json::Text(text) => base64_of(text, poll).unwrap_or_else(|| text.clone().into_bytes()),
        Json::Object(_) => match content.get("data") {
            Some(Json::Bytes(bytes)) => bytes.clone(),
            Some(Json::Text(text)) => base64_of(text, poll).unwrap_or_default(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The bytes of a text in base64 (RFC 4648) of either alphabet, with or without line breaks and what
/// fills its end; `None` if it is something else.
pub(crate) fn base64_of(text: &str, poll: Poll) -> Option<Vec<u8>> {
    let mut letters = Vec::with_capacity(text.len());
    for piece in text.as_bytes().chunks(PER_POLL) {
        poll();
        letters.extend(piece.iter().filter_map(|byte| match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b'=' => None,
            b'-' => Some(b'+'),
            b'_' => Some(b'/'),
            byte => Some(*byte),
        }));
    }
    // One letter alone is none.
    if letters.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3 + 3);
    for piece in letters.chunks(PER_POLL * 4) {
        poll();
        bytes.extend(LENIENT.decode(piece).ok()?);
    }
    Some(bytes)
}

impl Attachment {
    /// Writes it as a part of a message (RFC 2045, 2183).
    pub(crate) fn write(&self, raw: &mut String, poll: Poll) {
        let name = self
            .name
            .as_deref()
            .map(line)
            .filter(|name| !name.is_empty());
        let quoted = name.map(|name| name.replace('\\', "\\\\").replace('"', "\\\""));
        let media_type = self.media_type.as_deref().filter(|t| is_media_type(t));
        raw.push_str("Content-Type: ");
        raw.push_str(media_type.map_or("application/octet-stream", |t| {
            t.split(';').next().unwrap_or(t).trim()
        }));
        if let Some(name) = &quoted {
            raw.push_str(&format!("; name=\"{name}\""));
        }
        raw.push_str("\r\nContent-Disposition: attachment");
        if let Some(name) = &quoted {
            raw.push_str(&format!("; filename=\"{name}\""));
        }
        raw.push_str("\r\nContent-Transfer-Encoding: base64\r\n\r\n");
        for (n, piece) in self.content.chunks(57).enumerate() {
            if n.is_multiple_of(1 << 12) {
                poll();
            }
            BASE64_STANDARD.encode_string(piece, raw);
            raw.push_str("\r\n");
        }
    }
}

fn is_media_type(text: &str) -> bool {
    let name = text.split(';').next().unwrap_or(text).trim();
    let is_token = |part: &str| {
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b);
        (1..=100).contains(&part.len()) && part.bytes().all(is_letter)
    };
    name.split_once('/')
        .is_some_and(|(a, b)| is_token(a) && is_token(b))
}
