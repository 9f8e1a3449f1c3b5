//! What writing and reading an artifact share: constants, kinds, checksums.

use xxhash_rust::xxh3::Xxh3;

use crate::error::Error;
use crate::poll::Poll;

/// First bytes of every artifact.
pub(super) const MAGIC: &[u8; 8] = b"PGTRIAGE";
/// The format version that this build writes and reads.
pub const FORMAT_VERSION: u16 = 1;
/// Bytes of the fixed header.
pub const HEADER_BYTES: usize = 48;
/// Bytes of one entry of the section table.
pub(super) const ENTRY_BYTES: usize = 40;
/// Most sections: bounds what is read before the header is verified.
pub(super) const MAX_SECTIONS: usize = 64;
/// Upper bound of a metadata section. Decoding takes a few times as much memory at worst;
/// real ones, a few bytes per label and sampled document, are far below.
pub(crate) const META_LIMIT: usize = 16 << 20;
/// Decoded metadata takes no more than this many times its stored size: a text of 16 bytes
/// becomes an entry of a map.
pub(super) const META_EXPANSION: usize = 8;
/// Bytes hashed, copied or scanned between two polls.
pub(crate) const BYTES_PER_POLL: usize = 16 << 20;

/// Integers of fixed size: bincode counts them at that size towards its limit, so what could
/// be written can also be read.
pub(super) fn meta_encoding() -> impl bincode::config::Config {
    bincode::config::standard()
        .with_fixed_int_encoding()
        .with_limit::<META_LIMIT>()
}

/// What an artifact holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Mergeable training counts.
    State = 1,
    /// A fitted model.
    Model = 2,
}

impl Kind {
    /// Name used in messages: the SQL type.
    pub fn name(self) -> &'static str {
        match self {
            Kind::State => "email_state",
            Kind::Model => "email_model",
        }
    }
}

/// The error of bytes that are no valid artifact of this kind.
pub(crate) fn corrupt(kind: Kind, reason: &'static str) -> Error {
    Error::Corrupt {
        kind: kind.name(),
        reason,
    }
}

/// Checksum of one section.
pub(super) fn checksum(bytes: &[u8], poll: Poll) -> u128 {
    let mut hasher = Xxh3::new();
    for part in bytes.chunks(BYTES_PER_POLL) {
        hasher.update(part);
        poll();
    }
    hasher.digest128()
}

/// Checksum of the header and the section table.
pub(super) fn header_checksum(bytes: &[u8]) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(&bytes[..32]);
    hasher.update(&bytes[HEADER_BYTES..]);
    hasher.digest128()
}

/// Length of a section with its padding.
pub(super) fn padded(length: usize) -> usize {
    length.next_multiple_of(8)
}
