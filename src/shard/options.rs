//! What a shard is told at its start.

use crate::flow::Endpoint;
use crate::ids::ShardId;
use crate::scan::Scanner;
use crate::time::Duration;
use crate::{location, registrar, transaction};

/// The same on every shard of a node, `shard` and `seed` apart. Limits are those of one shard.
#[derive(Clone, Debug)]
pub struct Options {
    pub shard: ShardId,
    /// Shards of this node, 1 to `limits::SHARDS_MAX`.
    pub shards: u8,
    /// Of this node among those that share the key file.
    pub node: u16,
    /// The key file's bytes, or bytes drawn at start: branches, flow tokens and stateless tags are authenticated with keys derived from it.
    pub key: [u8; 32],
    /// Drawn at each start; tells state of this process from that of an earlier one.
    pub epoch: u32,
    /// What randomness the shard uses (granted expiries) is drawn from this.
    pub seed: u64,
    /// Indexed by `EndpointId`; the same order on every shard.
    pub endpoints: Vec<Endpoint>,
    /// Hosts whose users are local; none: the endpoints' addresses and `localhost`.
    pub domains: Vec<Box<[u8]>>,
    /// `[node].name`, for the Server header of what tine answers itself; empty: no such header.
    pub server_name: Box<[u8]>,
    pub scanner: Scanner,
    pub transaction: transaction::table::Options,
    pub registrar: registrar::Options,
    pub location: location::Options,
    /// Timer C (RFC 3261 §16.6 step 11).
    pub timer_c: Duration,
    /// Targets of one request (`[fork].targets_max`), 1 to `limits::TARGETS_MAX`.
    pub targets_max: u16,
    /// `[nat].fix`.
    pub nat_fix: bool,
    /// How often a flow through NAT is sent a CRLF (`[nat].ping_s`); zero: never.
    pub ping: Duration,
    /// Bytes of one message, at most `limits::MESSAGE_BYTES_MAX`.
    pub message_bytes_max: usize,
    /// Header lines of one message, at most `limits::HEADERS_MAX`.
    pub headers_max: usize,
    /// Messages a second from one address in zone access; 0: no limit.
    pub per_source_pps: u32,
    /// Bytes of all messages that transactions and contexts keep.
    pub kept_bytes_max: usize,
}
