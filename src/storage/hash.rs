//! Keyed hashes for tables and for the choice of the owner shard. Every shard of a node has the same key, and no peer knows it, so
//! no peer can aim at one shard or at one place of a table. These hashes never leave the process: what goes on the wire is a MAC.

use core::hash::{BuildHasher, Hasher};

use ahash::RandomState;

/// The secret of one start of the node. Equal seeds give equal hashes, on every shard and every machine.
#[derive(Clone)]
pub struct HashKey {
    first: RandomState,
    second: RandomState,
}

impl HashKey {
    /// `seed` is drawn from the system's randomness at start, or fixed in tests.
    pub fn new(seed: [u64; 4]) -> Self {
        let [a, b, c, d] = seed;
        // The second key is the first one rotated and complemented: two keys that share no word.
        HashKey {
            first: RandomState::with_seeds(a, b, c, d),
            second: RandomState::with_seeds(!c, !d, !a, !b),
        }
    }

    /// The hash of one run of bytes; the same as `hash_parts(&[bytes])`.
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.first.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }

    /// The hash of several runs. Where one ends and the next begins counts: `ab`+`c` is not `a`+`bc`.
    pub fn hash_parts(&self, parts: &[&[u8]]) -> u64 {
        hash_with(&self.first, parts)
    }

    /// Two independent hashes of several runs: wide enough to stand for the bytes themselves within one process.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> u128 {
        u128::from(hash_with(&self.first, parts)) << 64 | u128::from(hash_with(&self.second, parts))
    }
}

impl core::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

fn hash_with(state: &RandomState, parts: &[&[u8]]) -> u64 {
    let mut hasher = state.build_hasher();
    for part in parts {
        hasher.write(part);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_agree_and_others_do_not() {
        let (a, b, other) =
            (HashKey::new([1, 2, 3, 4]), HashKey::new([1, 2, 3, 4]), HashKey::new([1, 2, 3, 5]));
        assert_eq!(a.hash(b"alice@example.org"), b.hash(b"alice@example.org"));
        assert_ne!(a.hash(b"alice@example.org"), other.hash(b"alice@example.org"));
        assert_ne!(a.hash(b"alice@example.org"), a.hash(b"alice@example.com"));
        assert_eq!(a.hash(b"abc"), a.hash_parts(&[b"abc"]));
        assert_eq!(format!("{a:?}"), "HashKey(secret)");
    }

    #[test]
    fn parts_are_separated() {
        let key = HashKey::new([9, 8, 7, 6]);
        assert_ne!(key.hash_parts(&[b"ab", b"c"]), key.hash_parts(&[b"a", b"bc"]));
        assert_ne!(key.fingerprint(&[b"ab", b"c"]), key.fingerprint(&[b"abc"]));
        let print = key.fingerprint(&[b"ab", b"c"]);
        assert_eq!((print >> 64) as u64, key.hash_parts(&[b"ab", b"c"]));
        assert_ne!((print >> 64) as u64, print as u64, "the halves have keys of their own");
    }
}
