//! A message (RFC 5322, 2045, 6532) that says what a payload says.

use sha2::{Digest, Sha256};

use crate::attachment::Attachment;
use crate::json::{Field, Json};
use crate::poll::Poll;

/// Bytes that are hashed between two polls.
const PER_POLL: usize = 1 << 20;

/// What goes into a message.
pub(crate) struct Parts {
    /// Header fields, in order.
    pub(crate) header: Vec<(String, String)>,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
    pub(crate) attachments: Vec<Attachment>,
}

/// The message. Everything that it is made of follows from the payload: nothing of the present may
/// go in, or the same payload sent again were another message. `identity` tells payloads apart, also by
/// what is not in the message: it is the boundary, which belongs to what makes a message the same.
/// Because it depends on all texts, it occurs in none.
pub(crate) fn message(parts: &Parts, identity: &str, poll: Poll) -> Vec<u8> {
    // First what says how to read the body: of very long headers the end is not read.
    let mut raw =
        format!("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"m{identity}\"\r\n");
    for (name, value) in &parts.header {
        poll();
        raw.push_str(&format!("{name}: {value}\r\n"));
    }
    let delimiter = format!("\r\n--m{identity}");
    let bodies = [("plain", &parts.text), ("html", &parts.html)];
    let bodies: Vec<_> = bodies
        .iter()
        .filter_map(|(kind, text)| Some((kind, text.as_deref()?)))
        .collect();
    let body = |raw: &mut String, kind: &str, text: &str| {
        raw.push_str(&format!("\r\nContent-Type: text/{kind}; charset=utf-8\r\n"));
        raw.push_str("Content-Transfer-Encoding: 8bit\r\n\r\n");
        raw.push_str(text);
    };
    raw.push_str(&delimiter);
    match bodies[..] {
        [] => body(&mut raw, "plain", ""),
        [(kind, text)] => body(&mut raw, kind, text),
        _ => {
            raw.push_str(&format!(
                "\r\nContent-Type: multipart/alternative; boundary=\"a{identity}\"\r\n"
            ));
            for (kind, text) in bodies {
                raw.push_str(&format!("\r\n--a{identity}"));
                body(&mut raw, kind, text);
            }
            raw.push_str(&format!("\r\n--a{identity}--"));
        }
    }
    for attachment in &parts.attachments {
        raw.push_str(&delimiter);
        raw.push_str("\r\n");
        attachment.write(&mut raw, poll);
    }
    raw.push_str(&delimiter);
    raw.push_str("--\r\n");
    raw.into_bytes()
}

/// What tells a payload from others: all of it, in whatever order its keys came, but for what is
/// another one when the same is delivered again.
pub(crate) fn identity(payload: &Json, ignored: &dyn Fn(&str) -> bool, poll: Poll) -> String {
    let mut hasher = Sha256::new();
    // As deep as JSON is taken apart.
    hash(payload, ignored, &mut hasher, poll);
    format!("{:x}", hasher.finalize())
}

fn hash(value: &Json, ignored: &dyn Fn(&str) -> bool, hasher: &mut Sha256, poll: Poll) {
    let mut bytes = |kind: u8, bytes: &[u8]| {
        hasher.update([kind]);
        hasher.update((bytes.len() as u64).to_be_bytes());
        for piece in bytes.chunks(PER_POLL) {
            poll();
            hasher.update(piece);
        }
    };
    match value {
        Json::Null => bytes(b'0', b""),
        Json::Bool(value) => bytes(b'b', &[u8::from(*value)]),
        Json::Number(text) => bytes(b'n', text.as_bytes()),
        Json::Text(text) => bytes(b't', text.as_bytes()),
        Json::Deep(text) => bytes(b'd', text.as_bytes()),
        Json::Bytes(list) => bytes(b'y', list),
        Json::List(elements) => {
            bytes(b'l', &(elements.len() as u64).to_be_bytes());
            for element in elements {
                hash(element, ignored, hasher, poll);
            }
        }
        Json::Object(fields) => {
            bytes(b'o', b"");
            // A service that signs its requests does so anew when it sends one again.
            let is_signed = value.get("signature").is_some()
                && (value.get("timestamp").is_some() || value.get("token").is_some());
            for Field { name, value, .. } in fields {
                let is_signature =
                    is_signed && ["signature", "timestamp", "token"].contains(&&**name);
                if !is_signature && !ignored(name) {
                    hasher.update([b'f']);
                    hasher.update((name.len() as u64).to_be_bytes());
                    hasher.update(name.as_bytes());
                    hash(value, ignored, hasher, poll);
                }
            }
            hasher.update([b'e']);
        }
    }
}
