//! Bounded rings between shards, one for each ordered pair: nobody waits for another shard.
//!
//! A ring that is full refuses. Of what was refused, a datagram is dropped; a message of a stream waits here, and its connection is not read from
//! until it has gone; anything else waits in a queue as long as the ring, and past that is refused to the shard that said it. With one shard there
//! is no ring, and none of this costs.

use std::collections::VecDeque;

use glommio::channels::shared_channel;
use glommio::channels::shared_channel::{ConnectedReceiver, ConnectedSender, SharedReceiver, SharedSender};
use glommio::{GlommioError, ResourceType};

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
    peers: Vec<Option<Peer>>,
    waiting_count: usize,
}

/// The way to one other shard.
struct Peer {
    sender: ConnectedSender<ShardMessage>,
    /// What did not fit, in order.
    waiting: VecDeque<ShardMessage>,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Handed {
    /// It is in the ring.
    Over,
    /// The ring is full, and the message waits. Where it came over a connection of this shard, that must not be read from until `Mesh::retry` names it.
    Waits(Option<ConnectionId>),
    /// The ring is full, and this may not wait.
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
        let mut mesh = Mesh { peers: (0..count).map(|_| None).collect(), waiting_count: 0 };
        for (peer, sender) in senders {
            let peer_of = Peer { sender: sender.await, waiting: VecDeque::new() };
            mesh.peers[usize::from(peer.0)] = Some(peer_of);
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
        let Some(Some(peer)) = self.peers.get_mut(usize::from(to.0)) else { return Handed::Refused(message) };
        let (is_datagram, connection) = match &message {
            ShardMessage::Message { flow, .. } => (flow.connection.is_none(), flow.connection),
            _ => (false, None),
        };
        // What may wait stays in order; a datagram has none to keep.
        let refused = if is_datagram || peer.waiting.is_empty() {
            match peer.push(message) {
                Ok(()) => return Handed::Over,
                Err(refused) => refused,
            }
        } else {
            message
        };
        if is_datagram || (connection.is_none() && peer.waiting.len() >= MESH_RING_MAX) {
            return Handed::Refused(refused);
        }
        peer.waiting.push_back(refused);
        self.waiting_count += 1;
        Handed::Waits(connection)
    }

    /// Tries again what waits; calls `gone` with the connection of each message of a stream that fits now.
    pub(super) fn retry(&mut self, mut gone: impl FnMut(ConnectionId)) {
        if self.waiting_count == 0 {
            return;
        }
        for peer in self.peers.iter_mut().flatten() {
            while let Some(message) = peer.waiting.pop_front() {
                let connection = match &message {
                    ShardMessage::Message { flow, .. } => flow.connection,
                    _ => None,
                };
                if let Err(message) = peer.push(message) {
                    peer.waiting.push_front(message);
                    break;
                }
                self.waiting_count -= 1;
                if let Some(connection) = connection {
                    gone(connection);
                }
            }
        }
    }

    pub(super) fn has_waiting(&self) -> bool {
        self.waiting_count > 0
    }
}

impl Peer {
    fn push(&mut self, message: ShardMessage) -> Result<(), ShardMessage> {
        match self.sender.try_send(message) {
            Ok(()) => Ok(()),
            Err(GlommioError::WouldBlock(ResourceType::Channel(message)))
            | Err(GlommioError::Closed(ResourceType::Channel(message))) => Err(message),
            Err(error) => unreachable!("a ring refuses by giving the message back: {error}"),
        }
    }
}
