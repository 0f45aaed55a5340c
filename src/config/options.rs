//! The configuration as the options of each room: only here does a key of the file meet the code that obeys it.

use super::{Config, Key, WhenFull};
use crate::flow::Endpoint;
use crate::ids::ShardId;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::scan::Scanner;
use crate::shard;
use crate::shell::{self, ListenerOptions};
use crate::time::Duration;
use crate::transaction::timer::Timings;
use crate::{location, registrar, services, transaction};

/// Bytes of kept messages for each transaction of the limit, on average: most that linger keep nothing.
const KEPT_BYTES_PER_TRANSACTION: usize = 512;

/// Kept messages of a shard have at least this much room, however small its limit of transactions is.
const KEPT_BYTES_MIN: usize = 64 << 20;

/// Seconds after which a client that got a 503 may come again.
const RETRY_AFTER_S: u32 = 5;

/// What all shards of one start have in common besides the file.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    pub shards: u8,
    pub key: &'a Key,
    /// Drawn at this start.
    pub epoch: u32,
    pub seed: u64,
    pub scanner: Scanner,
}

impl Config {
    /// The options of one shard.
    pub fn shard_options(&self, shard: ShardId, endpoints: &[Endpoint], start: &Start<'_>) -> shard::Options {
        let share = |limit: u32| share_of(limit, start.shards);
        let transactions_max = share(self.limits.transactions_max);
        let domains = self.registrar.domains.iter().map(|domain| domain.as_bytes().into()).collect();
        shard::Options {
            shard,
            shards: start.shards,
            node: 0,
            key: start.key.0,
            epoch: start.epoch,
            seed: start.seed.wrapping_add(u64::from(shard.0)),
            endpoints: endpoints.to_vec(),
            domains,
            server_name: self.node.name.as_bytes().into(),
            scanner: start.scanner,
            transaction: transaction::table::Options { timings: self.timings(), transactions_max },
            registrar: registrar::Options {
                expires_default_s: self.registrar.expires_default_s,
                expires_min_s: self.registrar.expires_min_s,
                expires_max_s: self.registrar.expires_max_s,
                expires_spread_percent: self.registrar.expires_spread_percent,
                nat_fix: self.nat.fix,
                ping_s: self.nat.ping_s,
                retry_after_s: RETRY_AFTER_S,
                node: 0,
            },
            location: location::Options {
                bindings_max: share(self.registrar.bindings_max),
                bindings_per_aor_max: self.registrar.bindings_per_aor_max,
                replaces_oldest: self.registrar.when_full == WhenFull::ReplaceOldest,
            },
            timer_c: Duration::from_secs(u64::from(self.timers.timer_c_s)),
            targets_max: self.fork.targets_max as u16,
            nat_fix: self.nat.fix,
            ping: Duration::from_secs(u64::from(self.nat.ping_s)),
            message_bytes_max: (self.limits.message_bytes_max as usize).min(MESSAGE_BYTES_MAX),
            headers_max: self.limits.headers_max as usize,
            per_source_pps: self.limits.per_source_pps,
            kept_bytes_max: (transactions_max as usize * KEPT_BYTES_PER_TRANSACTION).max(KEPT_BYTES_MIN),
        }
    }

    /// The options of the I/O.
    pub fn shell_options(&self) -> shell::Options {
        let listener = |listen: &super::Listen| ListenerOptions {
            transport: listen.transport,
            zone: listen.zone,
            address: listen.address,
            advertise: listen.advertise.as_ref().map(|text| text.as_bytes().into()),
        };
        shell::Options {
            listeners: self.listen.iter().map(listener).collect(),
            shards: usize::from(self.node.shards),
            cpus: self.node.cpus.iter().map(|&cpu| usize::from(cpu)).collect(),
            connections_max: self.limits.connections_max as usize,
            connection_idle: Duration::from_secs(u64::from(self.limits.connection_idle_s)),
            message_bytes_max: self.limits.message_bytes_max as usize,
            drain: Duration::from_secs(u64::from(self.node.drain_s)),
        }
    }

    /// The options of the HTTP API and its thread.
    pub fn services_options(&self) -> services::Options {
        services::Options {
            node: self.node.name.clone(),
            token: self.api.token.as_ref().map(|secret| services::Token(secret.0.clone())),
        }
    }

    fn timings(&self) -> Timings {
        Timings {
            t1: Duration::from_millis(u64::from(self.timers.t1_ms)),
            t2: Duration::from_millis(u64::from(self.timers.t2_ms)),
            t4: Duration::from_millis(u64::from(self.timers.t4_ms)),
            linger: Duration::from_secs(u64::from(self.timers.linger_s)),
        }
    }
}

/// A shard's part of a limit of the node: an equal share and a tenth more, since the hash does not share out evenly.
fn share_of(limit: u32, shards: u8) -> u32 {
    if shards <= 1 {
        return limit;
    }
    let share = u64::from(limit).div_ceil(u64::from(shards));
    u32::try_from(share + share.div_ceil(10)).unwrap_or(u32::MAX - 1).min(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_shared_out_with_a_tenth_to_spare() {
        assert_eq!(share_of(1_000_000, 1), 1_000_000);
        assert_eq!(share_of(1_000_000, 4), 275_000);
        assert_eq!(share_of(1, 64), 1);
        assert_eq!(share_of(10, 3), 5);
    }
}
