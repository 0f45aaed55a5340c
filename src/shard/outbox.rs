//! Everything that leaves a shard. The shell drains it once after each batch.

use crate::flow::{Address, Flow};
use crate::ids::{ConnectionId, EndpointId, ShardId, TransactionId};
use crate::time::Instant;

/// What a batch of inputs made: bytes to send, and things to do. Reused from batch to batch; `clear` keeps the memory.
#[derive(Default, Debug)]
pub struct Outbox {
    /// The bytes of all transmits, one behind the other.
    pub bytes: Vec<u8>,
    pub transmits: Vec<Transmit>,
    pub handoffs: Vec<(ShardId, ShardMessage)>,
    pub connects: Vec<Connect>,
    pub closes: Vec<ConnectionId>,
    pub holds: Vec<Hold>,
}

/// One message to send: `Outbox::bytes[start..start + len]`. When `flow.connection` is set, it belongs to this shard.
#[derive(Clone, Copy, Debug)]
pub struct Transmit {
    pub flow: Flow,
    pub start: u32,
    pub len: u32,
    /// Told by `Input::SendFailed` when the bytes could not be sent: an ICMP error, a full write queue, a closed connection.
    pub origin: Option<TransactionId>,
}

/// Open a stream to `remote`, from the side of `endpoint` (its transport, zone and address family). `deadline` is when it counts as failed.
#[derive(Clone, Copy, Debug)]
pub struct Connect {
    pub origin: TransactionId,
    pub endpoint: EndpointId,
    pub remote: Address,
    pub deadline: Instant,
}

/// Keep a connection open until then, even when it is silent: a binding hangs on it. The later of several holds counts.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    pub connection: ConnectionId,
    pub until: Instant,
}

/// What one shard tells another. The vectors come from the receiving side's pool in the end: each shard keeps those it receives for its own handoffs.
#[derive(Debug)]
pub enum ShardMessage {
    /// A message that arrived here and belongs to you.
    Message { flow: Flow, bytes: Vec<u8> },
    /// Bytes for a connection that you hold.
    Write { flow: Flow, bytes: Vec<u8>, origin: Option<TransactionId> },
    /// What you asked me to write could not be sent.
    SendFailed { origin: TransactionId },
    /// A binding of mine hangs on a connection of yours.
    Hold { connection: ConnectionId, until: Instant },
    /// Close a connection of yours.
    Close { connection: ConnectionId },
    /// A connection of mine has ended: what you have under way on it has failed.
    Closed { connection: ConnectionId },
}

/// How far an outbox was filled at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mark {
    bytes: usize,
    transmits: usize,
    handoffs: usize,
    connects: usize,
    closes: usize,
    holds: usize,
}

impl Outbox {
    pub fn mark(&self) -> Mark {
        Mark {
            bytes: self.bytes.len(),
            transmits: self.transmits.len(),
            handoffs: self.handoffs.len(),
            connects: self.connects.len(),
            closes: self.closes.len(),
            holds: self.holds.len(),
        }
    }

    /// Takes back what was put in since then.
    pub fn truncate(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.transmits.truncate(mark.transmits);
        self.handoffs.truncate(mark.handoffs);
        self.connects.truncate(mark.connects);
        self.closes.truncate(mark.closes);
        self.holds.truncate(mark.holds);
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.transmits.clear();
        self.handoffs.clear();
        self.connects.clear();
        self.closes.clear();
        self.holds.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.transmits.is_empty()
            && self.handoffs.is_empty()
            && self.connects.is_empty()
            && self.closes.is_empty()
            && self.holds.is_empty()
    }
}
