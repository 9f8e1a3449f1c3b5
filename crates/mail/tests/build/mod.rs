//! Messages around formats that are not MIME's.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pg_triage_mail::{Limits, Message, never_cancelled, parse};

/// Bytes in a line of Base64.
const LINE_BYTES: usize = 57;

/// Base64 in lines.
fn base64(bytes: &[u8]) -> String {
    bytes
        .chunks(LINE_BYTES)
        .map(|line| BASE64_STANDARD.encode(line) + "\n")
        .collect()
}

/// A part or message with these bytes.
pub fn part(header: &str, bytes: &[u8]) -> String {
    format!(
        "{header}\nContent-Transfer-Encoding: base64\n\n{}",
        base64(bytes)
    )
}

/// A message of these parts.
pub fn multipart(parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|p| format!("--b\n{p}\n")).collect();
    format!("Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n")
}

/// What is read of a message.
pub fn read(raw: &str) -> Message {
    parse(raw.as_bytes(), &Limits::default(), &never_cancelled)
}
