//! Reading an artifact: header, section table, sections.

use serde::de::DeserializeOwned;

use super::format::{
    ENTRY_BYTES, FORMAT_VERSION, HEADER_BYTES, Kind, MAGIC, MAX_SECTIONS, META_EXPANSION,
    META_LIMIT, checksum, corrupt, header_checksum, meta_encoding, padded,
};
use crate::error::Error;
use crate::memory::probe;
use crate::poll::Poll;

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
    pub fn bytes_needed(bytes: &[u8], kind: Kind) -> crate::error::Result<usize> {
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
    pub fn read(bytes: &[u8], kind: Kind) -> crate::error::Result<Self> {
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

    /// The offset at which the section starts, which is also where everything before it ends.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if there is no such section.
    pub(crate) fn start_of(&self, id: u32) -> crate::error::Result<usize> {
        Ok(self.entry(id)?.offset)
    }

    /// The section's position in the artifact.
    pub(crate) fn range(&self, id: u32) -> crate::error::Result<std::ops::Range<usize>> {
        let entry = self.entry(id)?;
        Ok(entry.offset..entry.offset + entry.length)
    }

    /// Verifies the padding and checksum of every section that starts before `bytes` ends.
    pub(crate) fn verify(&self, bytes: &[u8], poll: Poll) -> crate::error::Result<()> {
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
    pub(crate) fn verify_section(
        &self,
        id: u32,
        content: &[u8],
        poll: Poll,
    ) -> crate::error::Result<()> {
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
    pub(crate) fn read_complete(
        bytes: &[u8],
        kind: Kind,
        poll: Poll,
    ) -> crate::error::Result<Self> {
        let header = Self::read(bytes, kind)?;
        if bytes.len() != header.total {
            return Err(corrupt(kind, "its length does not match its header"));
        }
        header.verify(bytes, poll)?;
        Ok(header)
    }

    /// Decodes a metadata section.
    pub(crate) fn meta<T: DeserializeOwned>(
        &self,
        bytes: &[u8],
        id: u32,
    ) -> crate::error::Result<T> {
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

    fn entry(&self, id: u32) -> crate::error::Result<&Entry> {
        self.entries
            .iter()
            .find(|e| e.id == id)
            .ok_or_else(|| corrupt(self.kind, "a section is missing"))
    }
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
fn usize_at(bytes: &[u8], at: usize, kind: Kind) -> crate::error::Result<usize> {
    let mut b = [0; 8];
    b.copy_from_slice(&bytes[at..at + 8]);
    usize::try_from(u64::from_le_bytes(b))
        .ok()
        .filter(|&n| n <= isize::MAX as usize / 2)
        .ok_or_else(|| corrupt(kind, "a length is out of range"))
}
