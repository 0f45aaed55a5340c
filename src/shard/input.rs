//! Everything that enters a shard.

use crate::flow::Flow;
use crate::ids::{ConnectionId, TransactionId};
use crate::shard::outbox::ShardMessage;

/// One thing that happened. The shell hands inputs in one by one, with the `now` of their batch.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram, or one whole message that `sip::framing` cut from a stream.
    Message { flow: Flow, bytes: &'a [u8] },
    /// A connection asked for by `Outbox::connects` is open.
    Connected { origin: TransactionId, flow: Flow },
    /// A connection asked for was refused, or timed out.
    ConnectFailed { origin: TransactionId },
    /// A connection of this shard has ended, whoever ended it.
    Closed { connection: ConnectionId },
    /// A transmit that carried this origin could not be sent (RFC 3261 §18.4).
    SendFailed { origin: TransactionId },
    /// From another shard of this node.
    Handoff(ShardMessage),
    /// From the services or a signal.
    Command(Command),
}

/// What the operator asks of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Refuse new calls and registrations with 503 from now on; what is in progress may end.
    Drain,
}
