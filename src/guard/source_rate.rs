//! A limit on the messages of one source: so many a second, with one second's worth at once.
//!
//! Enters: each message from zone access, before it is parsed. Leaves: pass or refuse. A source is an IPv4 address or an IPv6 /64, which is
//! what one subscriber has. The table has a fixed size and forgets who was silent longest first; a source that was crowded out starts afresh,
//! so that a flood from very many addresses costs nobody else the service. The places are chosen with a secret hash.

use crate::flow::{Address, Zone};
use crate::limits::GUARD_SOURCES_MAX;
use crate::storage::hash::HashKey;
use crate::time::Instant;

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Pass,
    /// Drop it without an answer, and count it.
    Refuse,
}

/// The sources that were heard of late. Of one shard.
#[derive(Debug)]
pub struct SourceRateTable {
    sets: Vec<Set>,
    hash: HashKey,
    /// What one message costs, in nanoseconds. A source may be `BURST_NS` ahead of time.
    cost_ns: u64,
}

/// A leaky bucket in one number: the time at which all that the source sent would be paid for at the permitted rate. In the past: idle.
#[derive(Clone, Copy, Default, Debug)]
struct Source {
    name: u64,
    paid_ns: u64,
}

/// One line of the cache.
#[derive(Clone, Copy, Default, Debug)]
#[repr(align(64))]
struct Set([Source; WAYS]);

/// Four sources fill one line of the cache.
const WAYS: usize = 4;

const BURST_NS: u64 = 1_000_000_000;

const _: () = assert!(GUARD_SOURCES_MAX.is_multiple_of(WAYS) && (GUARD_SOURCES_MAX / WAYS).is_power_of_two());

impl SourceRateTable {
    /// `per_source_pps`: `[limits].per_source_pps`, messages a second from one source; 0 for no limit, which takes no memory.
    pub fn new(per_source_pps: u32, hash: HashKey) -> Self {
        if per_source_pps == 0 {
            return SourceRateTable { sets: Vec::new(), hash, cost_ns: 0 };
        }
        let sets = vec![Set::default(); GUARD_SOURCES_MAX / WAYS];
        SourceRateTable { sets, hash, cost_ns: BURST_NS / u64::from(per_source_pps) }
    }

    /// Judges one message. A refused message is not charged: who stays below the rate from now on is heard at once.
    pub fn on_message(&mut self, now: Instant, zone: Zone, remote: Address) -> Verdict {
        if self.sets.is_empty() || zone == Zone::Core {
            return Verdict::Pass;
        }
        let name = name_of(remote);
        let index = self.hash.hash(&name.to_ne_bytes()) as usize & (self.sets.len() - 1);
        let now_ns = now.as_micros().saturating_mul(1000);
        let source = place(&mut self.sets[index], name);
        let paid_ns = source.paid_ns.max(now_ns) + self.cost_ns;
        if paid_ns - now_ns > BURST_NS {
            return Verdict::Refuse;
        }
        source.paid_ns = paid_ns;
        Verdict::Pass
    }
}

/// The place of a source in its set: the one it has, or the one of whoever was idle longest.
fn place(Set(set): &mut Set, name: u64) -> &mut Source {
    let mut chosen = 0;
    for (way, source) in set.iter().enumerate() {
        if source.name == name {
            return &mut set[way];
        }
        if source.paid_ns < set[chosen].paid_ns {
            chosen = way;
        }
    }
    set[chosen] = Source { name, paid_ns: 0 };
    &mut set[chosen]
}

/// IPv4 as `0000:ffff:a.b.c.d`, which is no /64 that a host can have.
fn name_of(remote: Address) -> u64 {
    let octets = remote.octets();
    let half = |at: usize| {
        let eight = octets[at..].first_chunk().expect("an address has 16 bytes");
        u64::from_be_bytes(*eight)
    };
    if remote.is_ipv4() { half(8) } else { half(0) }
}

#[cfg(test)]
mod tests;
