//! The container of everything that is stored: states and models.
//!
//! ```text
//! offset  size  field (integers are little-endian)
//!      0     8  magic "PGTRIAGE"
//!      8     2  format version
//!     10     1  kind: 1 state, 2 model
//!     11     1  reserved, zero
//!     12     4  number of sections n
//!     16     8  total length in bytes
//!     24     8  reserved, zero
//!     32    16  xxh3-128 of bytes 0..32 and of the section table
//!     48  40*n  section table: id u32, reserved u32 (zero), offset u64, length u64, xxh3-128
//!      .     .  sections in table order, each padded with zeros to a multiple of 8 bytes
//! ```
//!
//! Header and table are checked first, then every section against its own checksum, so
//! that a reader can fetch and verify the front of a large artifact alone. Nothing is
//! allocated by a length that has not been checked against the bytes at hand.

use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::error::{probe, reserve};
use crate::{Error, Poll};

const MAGIC: &[u8; 8] = b"PGTRIAGE";
/// The format version that this build writes and reads.
pub const FORMAT_VERSION: u16 = 1;
/// Bytes of the fixed header.
pub const HEADER_BYTES: usize = 48;
const ENTRY_BYTES: usize = 40;
const MAX_SECTIONS: usize = 64;
/// Upper bound of a metadata section. Decoding takes a few times as much memory at worst;
/// real ones, a few bytes per label and sampled document, are far below.
pub(crate) const META_LIMIT: usize = 16 << 20;
/// Decoded metadata takes no more than this many times its stored size: a text of 16 bytes
/// becomes an entry of a map.
const META_EXPANSION: usize = 8;
/// Bytes hashed, copied or scanned between two polls.
pub(crate) const BYTES_PER_POLL: usize = 16 << 20;

/// Integers of fixed size: bincode counts them at that size towards its limit, so what could
/// be written can also be read.
fn meta_encoding() -> impl bincode::config::Config {
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

/// Collects sections and writes the container.
pub(crate) struct Writer {
    kind: Kind,
    sections: Vec<(u32, Vec<u8>)>,
}

impl Writer {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            sections: Vec::new(),
        }
    }

    pub(crate) fn section(&mut self, id: u32, bytes: Vec<u8>) {
        self.sections.push((id, bytes));
    }

    /// Only label texts can make metadata too large.
    pub(crate) fn meta<T: Serialize>(&mut self, id: u32, value: &T) -> crate::Result<()> {
        let mut bytes = MetaBytes(Vec::new());
        bincode::serde::encode_into_std_write(value, &mut bytes, meta_encoding())
            .map_err(|_| Error::LabelsTooLong { limit: META_LIMIT })?;
        self.section(id, bytes.0);
        Ok(())
    }

    pub(crate) fn finish(self, poll: Poll) -> crate::Result<Vec<u8>> {
        let table_end = HEADER_BYTES + ENTRY_BYTES * self.sections.len();
        let total = self
            .sections
            .iter()
            .fold(table_end, |end, (_, bytes)| padded(end + bytes.len()));
        let mut out = Vec::new();
        reserve(&mut out, total)?;
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&[self.kind as u8, 0]);
        out.extend_from_slice(&(self.sections.len() as u32).to_le_bytes());
        out.extend_from_slice(&(total as u64).to_le_bytes());
        out.extend_from_slice(&[0; 8 + 16]);
        let mut offset = table_end;
        for (id, bytes) in &self.sections {
            out.extend_from_slice(&id.to_le_bytes());
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&(offset as u64).to_le_bytes());
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(&checksum(bytes, poll).to_le_bytes());
            offset = padded(offset + bytes.len());
        }
        let identity = header_checksum(&out);
        out[32..48].copy_from_slice(&identity.to_le_bytes());
        for (_, bytes) in self.sections {
            for part in bytes.chunks(BYTES_PER_POLL) {
                out.extend_from_slice(part);
                poll();
            }
            out.resize(padded(out.len()), 0);
        }
        Ok(out)
    }
}

/// Takes no more than metadata may have.
struct MetaBytes(Vec<u8>);

impl std::io::Write for MetaBytes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > META_LIMIT - self.0.len() || self.0.try_reserve(bytes.len()).is_err() {
            return Err(std::io::ErrorKind::OutOfMemory.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u32,
    offset: usize,
    length: usize,
    checksum: u128,
}

/// A verified header and section table.
#[derive(Debug, Clone)]
pub struct Header {
    kind: Kind,
    total: usize,
    identity: u128,
    entries: Vec<Entry>,
}

impl Header {
    /// Bytes that [`Header::read`] needs, from the first [`HEADER_BYTES`] bytes.
    ///
    /// # Errors
    /// See [`Header::read`].
    pub fn bytes_needed(bytes: &[u8], kind: Kind) -> crate::Result<usize> {
        if bytes.len() < HEADER_BYTES || &bytes[..8] != MAGIC {
            return Err(corrupt(kind, "it does not start like one"));
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        let sections = u32_at(bytes, 12) as usize;
        if sections > MAX_SECTIONS {
            return Err(corrupt(kind, "too many sections"));
        }
        if version != FORMAT_VERSION {
            return Err(Error::UnsupportedVersion {
                kind: kind.name(),
                found: version,
                supported: FORMAT_VERSION,
            });
        }
        Ok(HEADER_BYTES + sections * ENTRY_BYTES)
    }

    /// Reads and verifies header and section table from the front of an artifact.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::UnsupportedVersion`].
    pub fn read(bytes: &[u8], kind: Kind) -> crate::Result<Self> {
        let table_end = Self::bytes_needed(bytes, kind)?;
        let fail = |reason| Err(corrupt(kind, reason));
        if bytes.len() < table_end {
            return fail("it is truncated");
        }
        let identity = u128_at(bytes, 32);
        if header_checksum(&bytes[..table_end]) != identity {
            return fail("the checksum of its header does not match");
        }
        if bytes[10] != kind as u8 {
            return fail("it is an artifact of another kind");
        }
        let total = usize_at(bytes, 16, kind)?;
        let mut entries = Vec::new();
        let mut end = table_end;
        for entry in bytes[HEADER_BYTES..table_end].chunks_exact(ENTRY_BYTES) {
            let entry = Entry {
                id: u32_at(entry, 0),
                offset: usize_at(entry, 8, kind)?,
                length: usize_at(entry, 16, kind)?,
                checksum: u128_at(entry, 24),
            };
            // `end <= total` holds here, so the sum cannot overflow.
            if entry.offset != end || entry.length > total.saturating_sub(end) {
                return fail("its sections do not follow each other");
            }
            end = padded(end + entry.length);
            entries.push(entry);
        }
        if end != total {
            return fail("its length does not match its header");
        }
        Ok(Self {
            kind,
            total,
            identity,
            entries,
        })
    }

    /// A hash over all content: equal identities mean equal artifacts.
    pub fn identity(&self) -> u128 {
        self.identity
    }

    /// Total length of the artifact in bytes.
    pub fn total_bytes(&self) -> usize {
        self.total
    }

    /// Where the section starts, which is also where everything before it ends.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if there is no such section.
    pub(crate) fn start_of(&self, id: u32) -> crate::Result<usize> {
        Ok(self.entry(id)?.offset)
    }

    /// The section's position in the artifact.
    pub(crate) fn range(&self, id: u32) -> crate::Result<std::ops::Range<usize>> {
        let entry = self.entry(id)?;
        Ok(entry.offset..entry.offset + entry.length)
    }

    /// Verifies the padding and checksum of every section that starts before `bytes` ends.
    pub(crate) fn verify(&self, bytes: &[u8], poll: Poll) -> crate::Result<()> {
        for entry in self.entries.iter().filter(|e| e.offset < bytes.len()) {
            let end = entry.offset + entry.length;
            if padded(end) > bytes.len() {
                return Err(corrupt(self.kind, "it is truncated"));
            }
            if checksum(&bytes[entry.offset..end], poll) != entry.checksum {
                return Err(corrupt(
                    self.kind,
                    "the checksum of its content does not match",
                ));
            }
            if bytes[end..padded(end)].iter().any(|&b| b != 0) {
                return Err(corrupt(self.kind, "its padding is not zero"));
            }
        }
        Ok(())
    }

    /// Verifies one section by its content alone.
    pub(crate) fn verify_section(&self, id: u32, content: &[u8], poll: Poll) -> crate::Result<()> {
        let entry = self.entry(id)?;
        if content.len() != entry.length || checksum(content, poll) != entry.checksum {
            return Err(corrupt(
                self.kind,
                "the checksum of its content does not match",
            ));
        }
        Ok(())
    }

    /// Reads header and table and verifies all of a complete artifact.
    pub(crate) fn read_complete(bytes: &[u8], kind: Kind, poll: Poll) -> crate::Result<Self> {
        let header = Self::read(bytes, kind)?;
        if bytes.len() != header.total {
            return Err(corrupt(kind, "its length does not match its header"));
        }
        header.verify(bytes, poll)?;
        Ok(header)
    }

    /// Decodes a metadata section.
    pub(crate) fn meta<T: DeserializeOwned>(&self, bytes: &[u8], id: u32) -> crate::Result<T> {
        let section = &bytes[self.range(id)?];
        if section.len() > META_LIMIT {
            return Err(corrupt(self.kind, "its metadata is too large"));
        }
        probe(META_EXPANSION * section.len())?;
        match bincode::serde::decode_from_slice(section, meta_encoding()) {
            Ok((value, read)) if read == section.len() => Ok(value),
            _ => Err(corrupt(self.kind, "its metadata cannot be decoded")),
        }
    }

    fn entry(&self, id: u32) -> crate::Result<&Entry> {
        self.entries
            .iter()
            .find(|e| e.id == id)
            .ok_or_else(|| corrupt(self.kind, "a section is missing"))
    }
}

/// Deserialises a sequence of at most `N` items, without trusting the length it claims.
pub(crate) fn at_most<'de, D, T, const N: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Items<T, const N: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Items<T, N> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            write!(f, "at most {N} items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element()? {
                if items.len() == N {
                    return Err(serde::de::Error::invalid_length(N + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Items::<T, N>(PhantomData))
}

/// Splits a section into fixed-size items.
pub(crate) fn items<const N: usize>(bytes: &[u8], kind: Kind) -> crate::Result<&[[u8; N]]> {
    match bytes.as_chunks::<N>() {
        (items, []) => Ok(items),
        _ => Err(corrupt(kind, "a table has a broken length")),
    }
}

pub(crate) fn corrupt(kind: Kind, reason: &'static str) -> Error {
    Error::Corrupt {
        kind: kind.name(),
        reason,
    }
}

fn checksum(bytes: &[u8], poll: Poll) -> u128 {
    let mut hasher = Xxh3::new();
    for part in bytes.chunks(BYTES_PER_POLL) {
        hasher.update(part);
        poll();
    }
    hasher.digest128()
}

fn header_checksum(bytes: &[u8]) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(&bytes[..32]);
    hasher.update(&bytes[HEADER_BYTES..]);
    hasher.digest128()
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(8)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut b = [0; 4];
    b.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(b)
}

fn u128_at(bytes: &[u8], at: usize) -> u128 {
    let mut b = [0; 16];
    b.copy_from_slice(&bytes[at..at + 16]);
    u128::from_le_bytes(b)
}

/// A 64-bit length that is small enough to calculate with.
fn usize_at(bytes: &[u8], at: usize, kind: Kind) -> crate::Result<usize> {
    let mut b = [0; 8];
    b.copy_from_slice(&bytes[at..at + 8]);
    usize::try_from(u64::from_le_bytes(b))
        .ok()
        .filter(|&n| n <= isize::MAX as usize / 2)
        .ok_or_else(|| corrupt(kind, "a length is out of range"))
}
