//! How much of a message is read, and what that takes.

/// Bytes that a part has at least: its delimiter line.
const SMALLEST_PART: usize = 4;
/// Memory, in bytes, for what is known of a part.
const PART_MEMORY: usize = 1 << 10;
/// Memory, in bytes, for what its fields are read into.
const FIELDS_MEMORY: usize = 1 << 20;
/// How much longer than a message may be what is packed in it: signatures in signatures, and
/// texts that are compressed.
const UNPACKED_GROWTH: usize = 16;
/// Memory, in bytes, for each byte of a header section: the smallest field has four, and a
/// list of them grows by doubling.
const FIELD_MEMORY: usize = 16;

/// How much of a message is read. What is beyond is left out, and
/// [`Message::truncated`](crate::Message::truncated) says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole message.
    pub message_bytes: usize,
    /// Bytes of one header section: of the message, or of a part.
    pub header_bytes: usize,
    /// Parts, with those that contain others.
    pub parts: usize,
    /// Parts within parts within parts.
    pub depth: usize,
    /// Bytes of decoded text: what the body can have.
    pub text_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 << 20,
            header_bytes: 256 << 10,
            parts: 1000,
            depth: 32,
            text_bytes: 4 << 20,
        }
    }
}

impl Limits {
    /// Memory, in bytes, for what is packed in the parts of a message of this many bytes: all of
    /// it twice, for a signature in another one, and a text.
    pub(crate) fn unpacked_bytes(&self, raw: usize) -> usize {
        let text = raw.saturating_mul(UNPACKED_GROWTH).min(self.text_bytes);
        raw.saturating_mul(2).saturating_add(text)
    }
}

/// The most memory, in bytes, that reading a message of this many bytes takes: a copy if CR alone
/// ends its lines, what is packed in it, then what its text is on the way from bytes to body.
pub fn memory(raw: usize, limits: &Limits) -> usize {
    let raw = raw.min(limits.message_bytes);
    let parts = (raw / SMALLEST_PART).min(limits.parts);
    let unpacked = limits.unpacked_bytes(raw);
    let text = unpacked.saturating_mul(3).min(limits.text_bytes);
    let fields = FIELD_MEMORY * raw.min(limits.header_bytes);
    raw + unpacked + 6 * text + PART_MEMORY * parts + fields + FIELDS_MEMORY
}
