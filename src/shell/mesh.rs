//! Bounded rings between shards, one for each ordered pair: nobody waits for another shard.
//!
//! A ring that is full refuses. Of what was refused, a datagram is dropped; a message of a stream waits here, and its connection is not read from
//! until it has gone. With one shard there is no ring, and none of this costs.

use std::collections::VecDeque;

use glommio::channels::shared_channel;
use glommio::channels::shared_channel::{ConnectedReceiver, ConnectedSender, SharedReceiver, SharedSender};

use crate::ids::{ConnectionId, ShardId};
use crate::limits::MESH_RING_MAX;
use crate::shard::outbox::ShardMessage;

/// One shard's ends before its executor runs: for each peer a sender and a receiver, in the order of the peers.
pub(super) struct Ends {
    senders: Vec<(ShardId, SharedSender<ShardMessage>)>,
    receivers: Vec<SharedReceiver<ShardMessage>>,
}

/// One shard's sending half, connected.
#[derive(Default)]
pub(super) struct Mesh {
    /// Indexed by shard; `None` for the shard itself.
    senders: Vec<Option<ConnectedSender<ShardMessage>>>,
    waiting: VecDeque<(ShardId, ConnectionId, ShardMessage)>,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Handed {
    /// It is in the ring.
    Over,
    /// The ring is full; the message came over this connection, which must not be read from until `Mesh::retry` names it.
    Waits(ConnectionId),
    /// The ring is full, and this is not a message of a stream.
    Refused(ShardMessage),
}

/// Makes the rings of a node.
pub(super) fn make_ends(shards: usize) -> Vec<Ends> {
    let mut all: Vec<Ends> =
        (0..shards).map(|_| Ends { senders: Vec::new(), receivers: Vec::new() }).collect();
    for from in 0..shards {
        for to in (0..shards).filter(|&to| to != from) {
            let (sender, receiver) = shared_channel::new_bounded(ring_len(shards));
            all[from].senders.push((ShardId(to as u8), sender));
            all[to].receivers.push(receiver);
        }
    }
    all
}

/// The rings of a node are as many as its shards squared; those of a large node are shorter, so that together they stay within tens of megabytes.
const fn ring_len(shards: usize) -> usize {
    const SMALL_NODE: usize = 16;
    const RING_MIN: usize = 64;
    if shards <= SMALL_NODE {
        return MESH_RING_MAX;
    }
    let len = MESH_RING_MAX * SMALL_NODE / shards;
    if len < RING_MIN { RING_MIN } else { len }
}

impl Ends {
    /// Meets the other shards, all of which must do the same at the same time. Runs on the shard's executor.
    pub(super) async fn connect(self) -> (Mesh, Vec<ConnectedReceiver<ShardMessage>>) {
        let count = self.senders.len() + 1;
        // Each end waits for its other half to show up, so none may wait for another of this shard.
        let senders: Vec<_> = self
            .senders
            .into_iter()
            .map(|(peer, sender)| (peer, glommio::spawn_local(sender.connect())))
            .collect();
        let receivers: Vec<_> =
            self.receivers.into_iter().map(|receiver| glommio::spawn_local(receiver.connect())).collect();
        let mut mesh = Mesh { senders: (0..count).map(|_| None).collect(), waiting: VecDeque::new() };
        for (peer, sender) in senders {
            mesh.senders[usize::from(peer.0)] = Some(sender.await);
        }
        let mut connected = Vec::with_capacity(receivers.len());
        for receiver in receivers {
            connected.push(receiver.await);
        }
        (mesh, connected)
    }
}

impl Mesh {
    /// Hands `message` to the shard `to`.
    pub(super) fn hand(&mut self, to: ShardId, message: ShardMessage) -> Handed {
        let connection = match &message {
            ShardMessage::Message { flow, .. } => flow.connection,
            _ => None,
        };
        // Messages of one stream stay in order: while one of them waits, those behind it wait too.
        let is_behind =
            connection.is_some() && self.waiting.iter().any(|(_, waiting, _)| Some(*waiting) == connection);
        let refused = if is_behind {
            message
        } else {
            match self.push(to, message) {
                Ok(()) => return Handed::Over,
                Err(message) => message,
            }
        };
        match connection {
            Some(connection) => {
                self.waiting.push_back((to, connection, refused));
                Handed::Waits(connection)
            }
            None => Handed::Refused(refused),
        }
    }

    /// Tries again what waits; calls `gone` with the connection of each message that fits now.
    pub(super) fn retry(&mut self, mut gone: impl FnMut(ConnectionId)) {
        for _ in 0..self.waiting.len() {
            let Some((to, connection, message)) = self.waiting.pop_front() else { return };
            match self.push(to, message) {
                Ok(()) => gone(connection),
                Err(message) => {
                    self.waiting.push_front((to, connection, message));
                    return;
                }
            }
        }
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn push(&mut self, to: ShardId, message: ShardMessage) -> Result<(), ShardMessage> {
        let Some(Some(sender)) = self.senders.get(usize::from(to.0)) else { return Err(message) };
        match sender.try_send(message) {
            Ok(()) => Ok(()),
            Err(glommio::GlommioError::WouldBlock(glommio::ResourceType::Channel(message)))
            | Err(glommio::GlommioError::Closed(glommio::ResourceType::Channel(message))) => Err(message),
            Err(error) => unreachable!("a ring refuses by giving the message back: {error}"),
        }
    }
}
