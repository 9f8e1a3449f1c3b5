//! Which messages belong together.

use sha2::{Digest, Sha256};

/// Number of the thread that begins with the message of this Message-ID: the same wherever
/// it is computed, so that a reply finds its thread before the message it answers has come.
/// The first eight bytes of SHA-256, as a big-endian number without sign.
pub fn thread_id(message_id: &str) -> i64 {
    let hash = Sha256::digest(message_id.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(first) & i64::MAX
}
