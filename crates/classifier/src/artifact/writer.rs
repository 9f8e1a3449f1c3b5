//! Writing an artifact.

use serde::Serialize;

use super::format::{
    BYTES_PER_POLL, ENTRY_BYTES, FORMAT_VERSION, HEADER_BYTES, Kind, MAGIC, META_LIMIT, checksum,
    header_checksum, meta_encoding, padded,
};
use crate::error::Error;
use crate::memory::reserve;
use crate::poll::Poll;

/// Collects sections and writes the container.
pub(crate) struct Writer {
    kind: Kind,
    sections: Vec<(u32, Vec<u8>)>,
}

impl Writer {
    /// An artifact of this kind without sections.
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            sections: Vec::new(),
        }
    }

    /// Adds a section.
    pub(crate) fn section(&mut self, id: u32, bytes: Vec<u8>) {
        self.sections.push((id, bytes));
    }

    /// Only label texts can make metadata too large.
    pub(crate) fn meta<T: Serialize>(&mut self, id: u32, value: &T) -> crate::error::Result<()> {
        let mut bytes = MetaBytes(Vec::new());
        bincode::serde::encode_into_std_write(value, &mut bytes, meta_encoding())
            .map_err(|_| Error::LabelsTooLong { limit: META_LIMIT })?;
        self.section(id, bytes.0);
        Ok(())
    }

    /// Puts header, table and sections together.
    pub(crate) fn finish(self, poll: Poll) -> crate::error::Result<Vec<u8>> {
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
