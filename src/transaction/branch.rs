//! Our branches: the Via parameter that says which transaction a response belongs to, by place and not by search.
//!
//! The text is the cookie `z9hG4bK` (RFC 3261 §8.1.1.7) and 44 characters of base32 over these bits, most significant first:
//!
//! | bits | field |
//! |---|---|
//! | 16 | node |
//! | 8 | shard |
//! | 32 | slot; all ones for a request that left without a transaction |
//! | 32 | generation of the slot |
//! | 32 | epoch: a random number of this start |
//! | 32 | loop hash (RFC 5393 §4.2) |
//! | 64 | code over all of the above |
//! | 4 | zero |

use crate::flow::base32;
use crate::flow::mac::Key;
use crate::ids::{ShardId, TransactionId};
use crate::storage::hash::HashKey;

/// What a branch of ours says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Branch {
    pub node: u16,
    pub shard: ShardId,
    /// `SLOT_NONE` for a request forwarded without a transaction, such as the ACK to a 2xx.
    pub slot: u32,
    pub generation: u32,
    pub epoch: u32,
    pub loop_hash: u32,
}

/// Why a branch is not one that something here waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stale {
    /// Another element made it: no cookie, another length, other characters.
    NotOurs,
    /// It has the shape of ours and not our code: made up, damaged, or made with another key file.
    Forged,
    /// Ours, from before this start. The loop hash in it still counts; nothing waits for its response.
    OtherEpoch(Branch),
}

/// The cookie that begins every branch of RFC 3261.
pub const COOKIE: &[u8] = b"z9hG4bK";

/// Length of the text with the cookie.
pub const BRANCH_LEN: usize = COOKIE.len() + 44;

/// The slot that names no transaction.
pub const SLOT_NONE: u32 = u32::MAX;

impl Branch {
    /// The transaction that it names.
    pub const fn transaction(&self) -> Option<TransactionId> {
        if self.slot == SLOT_NONE {
            return None;
        }
        Some(TransactionId { slot: self.slot, generation: self.generation, shard: self.shard })
    }

    /// The whole text, cookie included.
    pub fn emit(&self, key: Key) -> [u8; BRANCH_LEN] {
        let place = u128::from(self.node) << 104
            | u128::from(self.shard.0) << 96
            | u128::from(self.slot) << 64
            | u128::from(self.generation) << 32
            | u128::from(self.epoch);
        let proof = u128::from(self.loop_hash) << 64 | u128::from(self.code(key));
        let mut text = [0; BRANCH_LEN];
        text[..7].copy_from_slice(COOKIE);
        text[7..15].copy_from_slice(&base32::encode_five((place >> 80) as u64));
        text[15..23].copy_from_slice(&base32::encode_five((place >> 40) as u64));
        text[23..31].copy_from_slice(&base32::encode_five(place as u64));
        text[31..39].copy_from_slice(&base32::encode_five((proof >> 56) as u64));
        text[39..47].copy_from_slice(&base32::encode_five((proof >> 16) as u64));
        text[47..].copy_from_slice(&base32::encode_five((proof as u64 & 0xffff) << 24)[..4]);
        text
    }

    /// Reads the text of a branch parameter, as it came back in a response or is found in the Via of a request that looped.
    pub fn parse(text: &[u8], key: Key, epoch: u32) -> Result<Branch, Stale> {
        let text: &[u8; BRANCH_LEN] = text.try_into().map_err(|_| Stale::NotOurs)?;
        // RFC 3261 §8.1.1.7 fixes the letters of the cookie, and a response returns our Via unchanged: no other case is ours.
        let (cookie, text) = text.split_first_chunk::<7>().expect("the length is fixed");
        let (eights, last) = text.as_chunks::<8>();
        let mut valid = cookie == COOKIE;
        let mut five = |eight: [u8; 8]| {
            let (five, five_valid) = base32::decode_five(eight);
            valid &= five_valid;
            u128::from(five)
        };
        let place = five(eights[0]) << 80 | five(eights[1]) << 40 | five(eights[2]);
        let end = five([last[0], last[1], last[2], last[3], b'a', b'a', b'a', b'a']);
        let proof = five(eights[3]) << 56 | five(eights[4]) << 16 | end >> 24;
        // The last character holds one bit; its other four are zero in what we write.
        if !valid || end & 0xff_ffff != 0 {
            return Err(Stale::NotOurs);
        }
        let branch = Branch {
            node: (place >> 104) as u16,
            shard: ShardId((place >> 96) as u8),
            slot: (place >> 64) as u32,
            generation: (place >> 32) as u32,
            epoch: place as u32,
            loop_hash: (proof >> 64) as u32,
        };
        if branch.code(key) != proof as u64 {
            return Err(Stale::Forged);
        }
        if branch.epoch == epoch { Ok(branch) } else { Err(Stale::OtherEpoch(branch)) }
    }

    fn code(&self, key: Key) -> u64 {
        key.mac_words([
            u64::from(self.slot) << 32 | u64::from(self.generation),
            u64::from(self.epoch) << 32 | u64::from(self.loop_hash),
            u64::from(self.node) << 8 | u64::from(self.shard.0),
        ])
    }
}

/// What decides where a request goes, for telling a loop from a spiral (RFC 3261 §16.3 step 4, §16.6 step 8; RFC 5393 §4.2). A request that
/// comes back with the same values would go the same way again. Nothing that a hop changes as a matter of course (Via, Max-Forwards) is in it.
#[derive(Clone, Copy, Debug)]
pub struct LoopFacts<'a> {
    /// As it arrived, our own Route values set aside.
    pub request_uri: &'a [u8],
    pub call_id: &'a [u8],
    pub from_tag: &'a [u8],
    /// Empty outside a dialog.
    pub to_tag: &'a [u8],
    pub cseq: u32,
}

/// The loop hash of a request. `routing`: the values of the other fields that decide the way, in their order: the Routes that remain,
/// Proxy-Require, Proxy-Authorization. It is compared with hashes of this node only; on the wire the
/// branch's code covers it.
pub fn loop_hash<'a>(
    hash: &HashKey,
    facts: &LoopFacts<'_>,
    routing: impl IntoIterator<Item = &'a [u8]>,
) -> u32 {
    let cseq = facts.cseq.to_be_bytes();
    let own =
        hash.hash_parts(&[b"loop", facts.request_uri, facts.call_id, facts.from_tag, facts.to_tag, &cseq]);
    let all = routing.into_iter().fold(own, |all, value| hash.hash_parts(&[&all.to_be_bytes(), value]));
    (all >> 32) as u32 ^ all as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::mac::Keys;

    fn key() -> Key {
        Keys::derive(&[7; 32]).branch
    }

    const EPOCH: u32 = 0x89ab_cdef;

    fn branches() -> Vec<Branch> {
        let base = Branch {
            node: 1,
            shard: ShardId(3),
            slot: 70_000,
            generation: 9,
            epoch: EPOCH,
            loop_hash: 0xdead_beef,
        };
        let mut all = vec![base];
        for word in [0, 1, 0x8000_0000, u32::MAX] {
            all.push(Branch { slot: word, ..base });
            all.push(Branch { generation: word, ..base });
            all.push(Branch { loop_hash: word, ..base });
        }
        for node in [0, 0x8000, u16::MAX] {
            all.push(Branch { node, ..base });
        }
        for shard in [0, 0x80, u8::MAX] {
            all.push(Branch { shard: ShardId(shard), ..base });
        }
        all
    }

    #[test]
    fn text_comes_back() {
        for branch in branches() {
            let text = branch.emit(key());
            assert!(text.starts_with(COOKIE));
            assert_eq!(text.len(), 51);
            assert_eq!(Branch::parse(&text, key(), EPOCH), Ok(branch));
        }
    }

    #[test]
    fn a_slot_names_its_transaction() {
        let branch = branches()[0];
        let id = TransactionId { slot: 70_000, generation: 9, shard: ShardId(3) };
        assert_eq!(branch.transaction(), Some(id));
        assert_eq!(Branch { slot: SLOT_NONE, ..branch }.transaction(), None);
    }

    #[test]
    fn every_changed_bit_is_refused() {
        let text = branches()[0].emit(key());
        let mut forged = 0;
        for bit in 0..text.len() * 8 {
            let mut changed = text;
            changed[bit / 8] ^= 1 << (bit % 8);
            match Branch::parse(&changed, key(), EPOCH) {
                Ok(branch) => panic!("bit {bit} made {branch:?}"),
                Err(Stale::Forged) => forged += 1,
                Err(Stale::NotOurs) => {}
                Err(Stale::OtherEpoch(branch)) => panic!("bit {bit} made {branch:?}"),
            }
        }
        assert!(forged > 44 * 3, "{forged}");
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        let branch = branches()[0];
        let text = branch.emit(key());
        let other_key = Keys::derive(&[8; 32]).branch;
        assert_eq!(Branch::parse(&text, other_key, EPOCH), Err(Stale::Forged));
        assert_eq!(Branch::parse(&text, Keys::derive(&[7; 32]).token, EPOCH), Err(Stale::Forged));
        assert_eq!(Branch::parse(&text, key(), 0), Err(Stale::OtherEpoch(branch)));
        let long = [&text[..], b"a"].concat();
        for foreign in [
            &b""[..],
            b"z9hG4bK",
            b"z9hG4bK776asdhds",
            b"1",
            &text[7..],
            &text[..50],
            &long,
            &text.to_ascii_uppercase(),
            &[b"Z9HG4BK", &text[7..]].concat(),
        ] {
            assert_eq!(Branch::parse(foreign, key(), EPOCH), Err(Stale::NotOurs), "{foreign:?}");
        }
    }

    #[test]
    fn loop_hash_depends_on_each_field_and_on_the_key() {
        let key = &HashKey::new([1, 2, 3, 4]);
        let facts = LoopFacts {
            request_uri: b"sip:alice@example.com",
            call_id: b"c1",
            from_tag: b"f1",
            to_tag: b"",
            cseq: 1,
        };
        let routes: [&[u8]; 2] = [b"<sip:p1;lr>", b"<sip:p2;lr>"];
        let swapped = [routes[1], routes[0]];
        let joined: [&[u8]; 1] = [b"<sip:p1;lr><sip:p2;lr>"];
        let base = loop_hash(key, &facts, routes);
        assert_eq!(base, loop_hash(key, &facts, routes));
        for (name, other) in [
            ("uri", loop_hash(key, &LoopFacts { request_uri: b"sip:bob@example.com", ..facts }, routes)),
            ("call-id", loop_hash(key, &LoopFacts { call_id: b"c2", ..facts }, routes)),
            ("from tag", loop_hash(key, &LoopFacts { from_tag: b"f2", ..facts }, routes)),
            ("to tag", loop_hash(key, &LoopFacts { to_tag: b"t", ..facts }, routes)),
            ("shifted", loop_hash(key, &LoopFacts { call_id: b"c1f", from_tag: b"1", ..facts }, routes)),
            ("cseq", loop_hash(key, &LoopFacts { cseq: 2, ..facts }, routes)),
            ("no routes", loop_hash(key, &facts, [])),
            ("order", loop_hash(key, &facts, swapped)),
            ("joined", loop_hash(key, &facts, joined)),
            ("key", loop_hash(&HashKey::new([1, 2, 3, 5]), &facts, routes)),
        ] {
            assert_ne!(base, other, "{name}");
        }
    }
}
