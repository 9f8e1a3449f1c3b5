//! How the overlay hashes feature keys.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Keys are hashes already, but anybody can search for texts whose keys agree in some bits.
/// A secret keeps them from choosing the bucket.
#[derive(Debug, Clone)]
pub(super) struct KeyHash {
    pub(super) secret: [u64; 2],
}

/// The state of hashing one key.
pub(super) struct KeyHasher {
    pub(super) secret: [u64; 2],
    pub(super) hash: u64,
}

impl KeyHash {
    /// A hash with a new secret.
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        Self {
            secret: [random.hash_one(0), random.hash_one(1) | 1],
        }
    }
}

impl BuildHasher for KeyHash {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher {
            secret: self.secret,
            hash: 0,
        }
    }
}

impl Hasher for KeyHasher {
    fn write_u64(&mut self, key: u64) {
        let [add, multiply] = self.secret.map(u128::from);
        let product = (u128::from(self.hash ^ key) ^ add) * multiply;
        self.hash = product as u64 ^ (product >> 64) as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}
