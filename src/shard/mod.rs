//! The deterministic core: inputs in, outbox out. The only place that performs what policy decided.

pub mod counters;
pub mod input;
pub mod outbox;
pub mod owner;
pub mod port;

use crate::flow::Endpoint;
use crate::ids::ShardId;
use crate::time::Instant;
use counters::Counters;
use input::Input;
use outbox::Outbox;

/// What one shard needs to know. The same on every shard of a node, `shard` apart.
#[derive(Clone, Debug)]
pub struct Options {
    pub shard: ShardId,
    /// Shards of this node, 1 to `limits::SHARDS_MAX`.
    pub shards: u8,
    /// The key file's bytes, or bytes drawn at start: branches, flow tokens and stateless tags are authenticated with keys derived from it.
    pub key: [u8; 32],
    /// Drawn at each start; tells state of this process from that of an earlier one.
    pub epoch: u32,
    /// What randomness the shard uses (granted expiries, tags) is drawn from this.
    pub seed: u64,
    /// Indexed by `EndpointId`; the same order on every shard.
    pub endpoints: Vec<Endpoint>,
}

/// One core's tables and rules. Its owner calls `on_input` for each input of a batch, with the batch's `now`; then `on_deadline` when
/// `next_deadline` has been reached; then drains the outbox, once.
pub struct Shard {
    counters: Counters,
    options: Options,
}

impl Shard {
    pub fn new(options: Options) -> Self {
        Shard { counters: Counters::default(), options }
    }

    pub fn id(&self) -> ShardId {
        self.options.shard
    }

    /// Takes one input in; what it causes is appended to `outbox`.
    pub fn on_input(&mut self, now: Instant, input: Input<'_>, outbox: &mut Outbox) {
        let _ = (now, input, outbox);
    }

    /// Lets every timer fire that is due.
    pub fn on_deadline(&mut self, now: Instant, outbox: &mut Outbox) {
        let _ = (now, outbox);
    }

    /// When `on_deadline` wants to be called next; never late, seldom early. `None` when no timer runs.
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// A panic passed through `on_input` or `on_deadline`: gives up the transaction and the response context that were being worked on.
    pub fn on_fault(&mut self, now: Instant, outbox: &mut Outbox) {
        let _ = (now, outbox);
    }

    /// True when no transaction is in progress (those that only linger do not count), so that a drained node may end.
    pub fn is_quiet(&self) -> bool {
        true
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
