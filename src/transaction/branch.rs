//! Our branches: the Via parameter that says which transaction a response belongs to, by place and not by search.
//!
//! The text is the cookie `z9hG4bK` (RFC 3261 §8.1.1.7) and 44 characters of base32 over these bytes, most significant first:
//!
//! | bytes | field |
//! |---|---|
//! | 2 | node |
//! | 1 | shard |
//! | 4 | slot; all ones for a request that left without a transaction |
//! | 4 | generation of the slot |
//! | 4 | epoch: a random number of this start |
//! | 4 | loop hash (RFC 5393 §4.2) |
//! | 8 | code over all of the above |

use crate::flow::base32;
use crate::flow::mac::{Key, Mac};
use crate::ids::{ShardId, TransactionId};

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
pub const BRANCH_LEN: usize = COOKIE.len() + base32::text_len(BRANCH_BYTES);

/// The slot that names no transaction.
pub const SLOT_NONE: u32 = u32::MAX;

const FACT_BYTES: usize = 19;
const BRANCH_BYTES: usize = FACT_BYTES + 8;

const _: () = assert!(BRANCH_LEN - COOKIE.len() <= 64);

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
        let mut bytes = [0; BRANCH_BYTES];
        bytes[0..2].copy_from_slice(&self.node.to_be_bytes());
        bytes[2] = self.shard.0;
        bytes[3..7].copy_from_slice(&self.slot.to_be_bytes());
        bytes[7..11].copy_from_slice(&self.generation.to_be_bytes());
        bytes[11..15].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[15..19].copy_from_slice(&self.loop_hash.to_be_bytes());
        let code = key.mac(&bytes[..FACT_BYTES]);
        bytes[19..27].copy_from_slice(&code.to_be_bytes());
        let mut text = [0; BRANCH_LEN];
        let (cookie, rest) = text.split_at_mut(COOKIE.len());
        cookie.copy_from_slice(COOKIE);
        base32::encode(&bytes, rest);
        text
    }

    /// Reads the text of a branch parameter, as it came back in a response or is found in the Via of a request that looped.
    pub fn parse(text: &[u8], key: Key, epoch: u32) -> Result<Branch, Stale> {
        // RFC 3261 §8.1.1.7 fixes the letters of the cookie, and a response returns our Via unchanged: no other case is ours.
        let text = text.strip_prefix(COOKIE).ok_or(Stale::NotOurs)?;
        let mut bytes = [0; BRANCH_BYTES];
        if !base32::decode(text, &mut bytes) {
            return Err(Stale::NotOurs);
        }
        let word = |at: usize| {
            let four = bytes[at..].first_chunk().expect("fields lie inside the bytes");
            u32::from_be_bytes(*four)
        };
        let code = bytes[FACT_BYTES..].first_chunk().expect("eight bytes follow the facts");
        if key.mac(&bytes[..FACT_BYTES]) != u64::from_be_bytes(*code) {
            return Err(Stale::Forged);
        }
        let branch = Branch {
            node: u16::from_be_bytes([bytes[0], bytes[1]]),
            shard: ShardId(bytes[2]),
            slot: word(3),
            generation: word(7),
            epoch: word(11),
            loop_hash: word(15),
        };
        if branch.epoch == epoch { Ok(branch) } else { Err(Stale::OtherEpoch(branch)) }
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
/// Proxy-Require, Proxy-Authorization.
pub fn loop_hash<'a>(key: Key, facts: &LoopFacts<'_>, routing: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut mac = Mac::new(key);
    mac.field(facts.request_uri);
    mac.field(facts.call_id);
    mac.field(facts.from_tag);
    mac.field(facts.to_tag);
    mac.word(u64::from(facts.cseq));
    for value in routing {
        mac.field(value);
    }
    let code = mac.finish();
    (code >> 32) as u32 ^ code as u32
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
        let key = Keys::derive(&[7; 32]).loop_hash;
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
            ("key", loop_hash(Keys::derive(&[8; 32]).loop_hash, &facts, routes)),
        ] {
            assert_ne!(base, other, "{name}");
        }
    }
}
