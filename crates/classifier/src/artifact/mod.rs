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

mod decode;
mod format;
mod header;
mod writer;

pub(crate) use decode::{at_most, items};
pub(crate) use format::{BYTES_PER_POLL, META_LIMIT, corrupt};
pub use format::{FORMAT_VERSION, HEADER_BYTES, Kind};
pub use header::Header;
pub(crate) use writer::Writer;
