//! Keys and message authentication codes: what proves that a branch, a token or a tag on the wire was made by a holder of the key file.
//!
//! The code is SipHash-2-4 with 64 bits: a forger gets one guess in 2^64 a message, and nothing of the key. Every purpose has a key of its
//! own, so that text made for one of them is worth nothing for another.

use core::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::flow::base32;

/// A SipHash key of 128 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u64; 2]);

/// The keys of a node, all made of the 32 bytes of its key file. The same on every shard, and on every node with the same file.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub branch: Key,
    pub token: Key,
    pub to_tag: Key,
    /// For the hash that chooses the owner shard and the places in tables: the same on every shard, unknown to peers.
    pub hash_seed: [u64; 4],
}

/// Characters of a To tag.
pub const TO_TAG_LEN: usize = base32::text_len(8);

/// What makes a request answered without a transaction recognisable, in its retransmissions and in the ACK to its answer alike.
#[derive(Clone, Copy, Debug)]
pub struct ToTagFacts<'a> {
    pub call_id: &'a [u8],
    /// Empty for an RFC 2543 peer that sends none.
    pub from_tag: &'a [u8],
    /// Branch of the topmost Via: the ACK to a final response other than 2xx has that of its INVITE (§17.1.1.3). Empty when there is none.
    pub branch: &'a [u8],
    pub cseq: u32,
}

/// A code being computed over several fields, each with its length, so that no two lists of fields give the same bytes.
#[derive(Clone)]
pub struct Mac(SipHasher24);

impl Key {
    /// The code over `bytes`.
    #[inline]
    pub fn mac(self, bytes: &[u8]) -> u64 {
        self.hasher().hash(bytes)
    }

    /// The code over a fixed number of words, least significant byte first.
    #[inline]
    pub fn mac_words<const COUNT: usize>(self, words: [u64; COUNT]) -> u64 {
        self.mac(words.map(u64::to_le_bytes).as_flattened())
    }

    fn hasher(self) -> SipHasher24 {
        SipHasher24::new_with_keys(self.0[0], self.0[1])
    }
}

/// Keys are not shown.
impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Nor are these.
impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// Each key is a code of its name under both halves of `file`; knowing one of them tells nothing about another.
    pub fn derive(file: &[u8; 32]) -> Self {
        let word = |index: usize| {
            let bytes = file[8 * index..].first_chunk().expect("index is below 4");
            u64::from_le_bytes(*bytes)
        };
        let halves = [Key([word(0), word(1)]), Key([word(2), word(3)])];
        // The half is in the code too: without it, a file of two equal halves would cancel itself out.
        let key = |name: &[u8]| {
            let code = |half: usize, part: u64| {
                let mut mac = Mac::new(halves[half]);
                mac.field(name);
                mac.word(half as u64);
                mac.word(part);
                mac.finish()
            };
            Key([code(0, 0) ^ code(1, 0), code(0, 1) ^ code(1, 1)])
        };
        let [Key([a, b]), Key([c, d])] = [key(b"hash one"), key(b"hash two")];
        let hash_seed = [a, b, c, d];
        Keys { branch: key(b"branch"), token: key(b"flow token"), to_tag: key(b"to tag"), hash_seed }
    }

    /// The To tag of an answer that leaves no state behind (§8.2.7). Seen again in an ACK with the same facts, it shows what the ACK is for.
    pub fn to_tag(&self, facts: &ToTagFacts<'_>) -> [u8; TO_TAG_LEN] {
        let mut mac = Mac::new(self.to_tag);
        mac.field(facts.call_id);
        mac.field(facts.from_tag);
        mac.field(facts.branch);
        mac.word(u64::from(facts.cseq));
        let mut text = [0; TO_TAG_LEN];
        base32::encode(&mac.finish().to_be_bytes(), &mut text);
        text
    }

    /// Whether `tag` is the one that `to_tag` makes of these facts.
    pub fn is_to_tag(&self, tag: &[u8], facts: &ToTagFacts<'_>) -> bool {
        tag.len() == TO_TAG_LEN && tag == self.to_tag(facts)
    }
}

impl Mac {
    #[inline]
    pub fn new(key: Key) -> Self {
        Mac(key.hasher())
    }

    /// A field of variable length, below 64 KiB as everything in a message is.
    #[inline]
    pub fn field(&mut self, bytes: &[u8]) {
        self.0.write(&(bytes.len() as u16).to_le_bytes());
        self.0.write(bytes);
    }

    /// A field of eight bytes.
    #[inline]
    pub fn word(&mut self, word: u64) {
        self.0.write(&word.to_le_bytes());
    }

    #[inline]
    pub fn finish(self) -> u64 {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_file() -> [u8; 32] {
        core::array::from_fn(|index| index as u8)
    }

    #[test]
    fn code_is_siphash_2_4() {
        // The vector of the SipHash paper, appendix A.
        let key = Key([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        let bytes: Vec<u8> = (0..15).collect();
        assert_eq!(key.mac(&bytes), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn a_list_of_fields_is_its_bytes() {
        let key = Key([1, 2]);
        assert_eq!(key.mac_words([u64::from_le_bytes(*b"abcdefgh")]), key.mac(b"abcdefgh"));
        let mut mac = Mac::new(key);
        mac.field(b"");
        mac.field(b"abc");
        mac.word(7);
        assert_eq!(mac.finish(), key.mac(b"\0\0\x03\0abc\x07\0\0\0\0\0\0\0"));
    }

    #[test]
    fn keys_differ_by_purpose_and_by_every_bit_of_the_file() {
        let all = |keys: &Keys| {
            let keys_of_codes = [keys.branch, keys.token, keys.to_tag];
            [&keys_of_codes.map(|key| key.0).concat(), &keys.hash_seed[..]].concat()
        };
        let base = Keys::derive(&key_file());
        let mut words: Vec<u64> = all(&base);
        for bit in 0..256 {
            let mut file = key_file();
            file[bit / 8] ^= 1 << (bit % 8);
            words.extend(all(&Keys::derive(&file)));
        }
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
        assert_eq!(base, Keys::derive(&key_file()));
        assert_ne!(Keys::derive(&[7; 32]).branch, Keys::derive(&[8; 32]).branch);
        assert!(!format!("{base:?}").contains(char::is_numeric));
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let keys = Keys::derive(&key_file());
        let facts = ToTagFacts { call_id: b"ab", from_tag: b"c", branch: b"z9hG4bK1", cseq: 7 };
        let tag = keys.to_tag(&facts);
        assert!(keys.is_to_tag(&tag, &facts));
        assert_eq!(tag, keys.to_tag(&facts));
        assert!(tag.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        for other in [
            ToTagFacts { call_id: b"a", from_tag: b"bc", ..facts },
            ToTagFacts { call_id: b"abc", from_tag: b"", ..facts },
            ToTagFacts { from_tag: b"C", ..facts },
            ToTagFacts { branch: b"z9hG4bK2", ..facts },
            ToTagFacts { branch: b"", ..facts },
            ToTagFacts { cseq: 8, ..facts },
        ] {
            assert!(!keys.is_to_tag(&tag, &other), "{other:?}");
        }
        let mut upper = tag;
        upper.make_ascii_uppercase();
        assert!(!keys.is_to_tag(&upper, &facts));
        assert!(!keys.is_to_tag(b"", &facts));
    }
}
