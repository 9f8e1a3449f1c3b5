//! Whether two messages are the same one.

use sha2::{Digest, Sha256};

use super::lines::POLL_BYTES;
use super::section::{self, Name};
use super::{has_cr_only, with_lf};
use crate::Poll;

/// The fields that the sender writes, in the order in which they are hashed.
const FIELDS: [(Name, &str); 4] = [
    (Name::MessageId, "message-id"),
    (Name::From, "from"),
    (Name::Subject, "subject"),
    (Name::Date, "date"),
];

/// SHA-256 of, in this order:
///
/// - for each of Message-ID, From, Subject and Date that is there: its name in small letters,
///   a colon, the value of its first occurrence with every run of white space (folds
///   included) as one space and none at its ends, and LF;
/// - LF;
/// - the body, which is all that follows the header section, without CR and without line
///   breaks at its end.
///
/// A message that has CR as its only line break counts as one with LF.
pub(super) fn hash(raw: &[u8], poll: Poll) -> String {
    let converted;
    let raw = if has_cr_only(raw) {
        converted = with_lf(raw, poll);
        &converted
    } else {
        raw
    };
    let mut values = [None; FIELDS.len()];
    let start = section::start(raw, 0, poll);
    let end = section::read(raw, start, usize::MAX, poll, &|_| false, |name, value| {
        if let Some(i) = FIELDS.iter().position(|(known, _)| *known == name) {
            values[i] = values[i].or(Some(value));
        }
    });
    let mut hasher = Sha256::new();
    for ((_, name), value) in FIELDS.iter().zip(values) {
        if let Some(value) = value {
            hasher.update(name);
            hasher.update(b":");
            collapse(value, &mut hasher, poll);
            hasher.update(b"\n");
        }
    }
    hasher.update(b"\n");
    body(&raw[end.body..], &mut hasher, poll);
    format!("{:x}", hasher.finalize())
}

/// Every run of white space as one space, and none at the ends.
fn collapse(value: &[u8], hasher: &mut Sha256, poll: Poll) {
    let (mut any, mut gap) = (false, false);
    for piece in value.chunks(POLL_BYTES) {
        poll();
        for run in piece.chunk_by(|a, b| a.is_ascii_whitespace() == b.is_ascii_whitespace()) {
            if run[0].is_ascii_whitespace() {
                gap = any;
                continue;
            }
            if gap {
                hasher.update(b" ");
            }
            hasher.update(run);
            (any, gap) = (true, false);
        }
    }
}

/// Without CR, and without line breaks at the end.
fn body(body: &[u8], hasher: &mut Sha256, poll: Poll) {
    let mut end = body.len();
    for piece in body.rchunks(POLL_BYTES) {
        poll();
        match piece.iter().rposition(|b| !matches!(b, b'\r' | b'\n')) {
            Some(n) => {
                end -= piece.len() - n - 1;
                break;
            }
            None => end -= piece.len(),
        }
    }
    for piece in body[..end].chunks(POLL_BYTES) {
        poll();
        for text in piece.split(|&b| b == b'\r') {
            hasher.update(text);
        }
    }
}
