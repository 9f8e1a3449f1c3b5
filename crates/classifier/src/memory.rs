//! Memory that can be refused, and memory that is fetched early.

use crate::error::{Error, Result};

/// Reserves room for `additional` items or reports [`Error::OutOfMemory`]: a failed Rust
/// allocation would abort the process, and with it every session of the server.
pub(crate) fn reserve<T>(vec: &mut Vec<T>, additional: usize) -> Result<()> {
    vec.try_reserve(additional)
        .map_err(|_| out_of_memory::<T>(additional))
}

/// Reserves room for exactly `additional` items, none to grow, or reports
/// [`Error::OutOfMemory`].
pub(crate) fn reserve_exact<T>(vec: &mut Vec<T>, additional: usize) -> Result<()> {
    vec.try_reserve_exact(additional)
        .map_err(|_| out_of_memory::<T>(additional))
}

/// Reports [`Error::OutOfMemory`] unless `bytes` more could be had now. Comes before work
/// that needs up to that much in allocations that cannot fail without ending the process:
/// those of iterators, maps and linfa.
pub fn probe(bytes: usize) -> Result<()> {
    reserve_exact(&mut Vec::<u8>::new(), bytes)
}

fn out_of_memory<T>(items: usize) -> Error {
    Error::OutOfMemory {
        bytes: items.saturating_mul(size_of::<T>()),
    }
}

/// Loads bytes for nothing but to have them in the cache: loads that do not depend on each
/// other overlap.
pub(crate) fn touch(bytes: impl Iterator<Item = u8>) {
    std::hint::black_box(bytes.fold(0, |a, b| a ^ b));
}
