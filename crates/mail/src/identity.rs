//! Whether two messages are the same one.

use sha2::{Digest, Sha256};

use crate::line_ends::as_read;
use crate::lines::POLL_BYTES;
use crate::poll::Poll;
use crate::section::{self, Name};

/// Longest header section of which fields are hashed. It is the default limit of reading, which
/// does not matter here: it may change, and what is stored may not.
const HEADER_BYTES: usize = 256 << 10;

/// The fields that the sender writes, in the order in which they are hashed.
const FIELDS: [(Name, &str); 6] = [
    (Name::MessageId, "message-id"),
    (Name::From, "from"),
    (Name::Subject, "subject"),
    (Name::Date, "date"),
    (Name::ContentType, "content-type"),
    (Name::ContentTransferEncoding, "content-transfer-encoding"),
];

/// A hash that tells whether two messages are the same one, however they came: SHA-256, in
/// hexadecimal, of Message-ID, From, Subject, Date, Content-Type, Content-Transfer-Encoding,
/// and the body as it stands there, all of it. Header fields that mail servers add on the way
/// do not count, nor do line ends. docs/format.md says what is hashed.
///
/// What is hashed, in this order:
///
/// - for each of the `FIELDS` that is there: its name in small letters, a colon, the value of
///   its first occurrence with every run of white space (folds included) as one space and none
///   at its ends, and LF; but a header section of more than `HEADER_BYTES` as it stands,
///   without the CR before LF: nobody may hide behind the limit of reading what tells two
///   messages apart;
/// - LF;
/// - the body, which is all that follows the header section, without the CR before LF and
///   without line breaks at its end.
///
/// What decides what is read of the body belongs to it, or the same text as
/// `application/octet-stream`, sent first, would have a message taken for known and not read.
///
/// A message whose lines CR alone ends counts as one with LF; a byte order mark before it does
/// not count.
pub fn content_hash(raw: &[u8], poll: Poll) -> String {
    let raw = &*as_read(raw, poll);
    let mut values = [None; FIELDS.len()];
    let start = section::start(raw, 0, poll);
    let end = section::read(raw, start, HEADER_BYTES, poll, &|_| false, |name, value| {
        if let Some(i) = FIELDS.iter().position(|(known, _)| *known == name) {
            values[i] = values[i].or(Some(value));
        }
    });
    let mut hasher = Sha256::new();
    if end.body - start > HEADER_BYTES {
        values = [None; FIELDS.len()];
        without_carriages(&raw[start..end.body], &mut hasher, poll);
    }
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

/// With LF for line breaks, and without line breaks at the end.
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
    without_carriages(&body[..end], hasher, poll);
}

/// Without the CR, however many, that stand before an LF or at the end.
fn without_carriages(text: &[u8], hasher: &mut Sha256, poll: Poll) {
    let mut open = 0;
    for piece in text.chunks(POLL_BYTES) {
        poll();
        for run in piece.chunk_by(|&a, &b| (a == b'\r') == (b == b'\r')) {
            match run[0] {
                b'\r' => {
                    open += run.len();
                    continue;
                }
                b'\n' => {}
                _ => carriage(open, hasher, poll),
            }
            open = 0;
            hasher.update(run);
        }
    }
}

fn carriage(count: usize, hasher: &mut Sha256, poll: Poll) {
    const PIECE: [u8; 1 << 10] = [b'\r'; 1 << 10];
    let mut left = count;
    while left > 0 {
        let n = left.min(PIECE.len());
        hasher.update(&PIECE[..n]);
        left -= n;
        if left > 0 {
            poll();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(raw: &str) -> String {
        content_hash(raw.as_bytes(), &|| ())
    }

    #[test]
    fn what_decides_how_the_body_is_read_counts() {
        let message = "From: a\nSubject: b\n\nbody";
        for field in [
            "Content-Type: application/octet-stream",
            "Content-Transfer-Encoding: base64",
        ] {
            let other = format!("{field}\n{message}");
            assert_ne!(of(&other), of(message), "{field}");
        }
    }

    #[test]
    fn line_ends_do_not_count_but_other_cr() {
        let message = "From: a\n\none\n\ntwo";
        for other in [
            "From: a\r\n\r\none\r\n\r\ntwo\r\n",
            "From: a\r\rone\r\rtwo\r",
            "From: a\n\none\r\r\n\ntwo\r\n\r",
        ] {
            assert_eq!(of(other), of(message), "{other:?}");
        }
        for other in [
            "From: a\n\none\n\nt\rwo",
            "From: a\n\none\n\nt\r\rwo",
            "From: a\n\none\r\r two",
            "From: a\n\none two",
        ] {
            assert_ne!(of(other), of(message), "{other:?}");
        }
        assert_ne!(of("From: a\n\nb\rc\nd"), of("From: a\n\nbc\nd"));
        let many = |n| format!("From: a\n\nb{}c\nd", "\r".repeat(n));
        assert_ne!(of(&many(2 * POLL_BYTES)), of(&many(2 * POLL_BYTES - 1)));
    }

    #[test]
    fn long_header_sections_count_as_a_whole() {
        let filler = format!("X-Filler: {}\n", "x".repeat(HEADER_BYTES));
        let short = |field: &str| of(&format!("From: a\n{field}Subject: b\n\nbody"));
        let long = |field: &str| of(&format!("From: a\n{field}{filler}Subject: b\n\nbody"));
        assert_eq!(short("X-Y: z\n"), short(""));
        assert_ne!(long("X-Y: z\n"), long(""));
        assert_ne!(long(""), short(""));
        let crlf = format!("From: a\n{filler}Subject: b\n\nbody").replace('\n', "\r\n");
        assert_eq!(of(&crlf), long(""));
        // A long body is none.
        let text = "x ".repeat(HEADER_BYTES);
        assert_eq!(
            of(&format!("From: a\nX-Y: z\n\n{text}")),
            of(&format!("From: a\n\n{text}"))
        );
    }
}
