//! Which shard owns a message: where its state is, or will be. A pure function, the same on every shard.
//!
//! 1. A response goes to the shard that its branch names.
//! 2. A REGISTER, and a request to an AOR of ours, goes by the hash of that AOR: the bindings are there, so the fork runs there.
//! 3. A request whose flow token names state goes to the shard that it names.
//! 4. Everything else goes by the hash of the Call-ID, so that all of a dialog meets, in order.

use crate::ids::ShardId;
use crate::storage::hash::HashKey;

/// What the choice hangs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnerFacts<'a> {
    /// A response; the shard of our topmost branch.
    Response { shard: ShardId },
    /// A request, our own Route values set aside.
    Request(RequestFacts<'a>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestFacts<'a> {
    /// Canonical AOR: of a REGISTER's To, or of the Request-URI where that is an AOR of a local domain. A CANCEL and the ACK to a failure
    /// carry the Request-URI of their INVITE and so meet it.
    pub local_aor: Option<&'a [u8]>,
    /// From a valid token: the shard that holds a stream which only it can use, or a hidden dialog.
    pub token_shard: Option<ShardId>,
    pub call_id: &'a [u8],
}

/// The shard that owns the message; `None` for a response of a shard that this node does not have. `shards`: how many there are, at least 1.
pub fn owner_of(facts: &OwnerFacts<'_>, hash: &HashKey, shards: u8) -> Option<ShardId> {
    match facts {
        OwnerFacts::Response { shard } => (shard.0 < shards).then_some(*shard),
        OwnerFacts::Request(RequestFacts { local_aor: Some(aor), .. }) => {
            Some(shard_of(hash.hash_parts(&[b"aor", aor]), shards))
        }
        OwnerFacts::Request(RequestFacts { local_aor: None, token_shard: Some(shard), .. })
            if shard.0 < shards =>
        {
            Some(*shard)
        }
        OwnerFacts::Request(RequestFacts { local_aor: None, call_id, token_shard: _ }) => {
            Some(shard_of(hash.hash_parts(&[b"call-id", call_id]), shards))
        }
    }
}

/// Cuts the range of the hash into `shards` equal parts: the upper bits choose the shard, so that the lower ones, which choose the place in
/// that shard's tables, stay evenly spread.
fn shard_of(hash: u64, shards: u8) -> ShardId {
    ShardId(((u128::from(hash) * u128::from(shards)) >> 64) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SHARDS_MAX;

    fn key() -> HashKey {
        HashKey::new([1, 2, 3, 4])
    }

    fn owner(facts: RequestFacts<'_>, shards: u8) -> ShardId {
        owner_of(&OwnerFacts::Request(facts), &key(), shards).expect("a request has an owner")
    }

    const PLAIN: RequestFacts<'_> =
        RequestFacts { local_aor: None, token_shard: None, call_id: b"a84b4c76e66710" };

    #[test]
    fn a_response_goes_where_its_branch_says() {
        for (shard, shards, wanted) in
            [(0, 1, Some(0)), (3, 4, Some(3)), (4, 4, None), (255, 255, None), (1, 1, None)]
        {
            let facts = OwnerFacts::Response { shard: ShardId(shard) };
            assert_eq!(owner_of(&facts, &key(), shards), wanted.map(ShardId), "{shard} of {shards}");
        }
    }

    #[test]
    fn each_rule_wins_over_those_below() {
        let shards = SHARDS_MAX as u8;
        let by_call_id = owner(PLAIN, shards);
        let aor = RequestFacts { local_aor: Some(b"alice@example.com"), ..PLAIN };
        let by_aor = owner(aor, shards);
        let token = Some(ShardId(7));
        assert!(by_call_id != by_aor && by_call_id.0 != 7 && by_aor.0 != 7, "the test can tell them apart");
        for (name, facts, wanted) in [
            ("aor", aor, by_aor),
            ("aor and token", RequestFacts { token_shard: token, ..aor }, by_aor),
            ("aor, other call", RequestFacts { call_id: b"other", ..aor }, by_aor),
            ("token", RequestFacts { token_shard: token, ..PLAIN }, ShardId(7)),
            (
                "token, other call",
                RequestFacts { token_shard: token, call_id: b"other", ..PLAIN },
                ShardId(7),
            ),
            ("token of no shard", RequestFacts { token_shard: Some(ShardId(255)), ..PLAIN }, by_call_id),
            ("call-id", PLAIN, by_call_id),
        ] {
            assert_eq!(owner(facts, shards), wanted, "{name}");
        }
        let same_text = RequestFacts { local_aor: Some(PLAIN.call_id), ..PLAIN };
        assert_ne!(owner(same_text, shards), by_call_id, "an AOR and a Call-ID of one text are two things");
    }

    #[test]
    fn calls_spread_evenly_and_fit() {
        for shards in [1, 2, 3, 4, 16, 255] {
            let mut counts = vec![0; usize::from(shards)];
            for index in 0..20_000 {
                let call_id = format!("{index}@host");
                let shard = owner(RequestFacts { call_id: call_id.as_bytes(), ..PLAIN }, shards);
                counts[usize::from(shard.0)] += 1;
            }
            let fair = 20_000 / usize::from(shards);
            for count in counts {
                assert!(
                    count > fair / 2 && count < fair * 3 / 2 + 1,
                    "{count} of {fair} with {shards} shards"
                );
            }
        }
    }

    #[test]
    fn the_key_moves_everything() {
        let other = HashKey::new([5, 6, 7, 8]);
        let moved = (0..100)
            .filter(|index| {
                let call_id = format!("{index}");
                let facts = OwnerFacts::Request(RequestFacts { call_id: call_id.as_bytes(), ..PLAIN });
                owner_of(&facts, &key(), 4) != owner_of(&facts, &other, 4)
            })
            .count();
        assert!(moved > 50, "{moved}");
    }
}
