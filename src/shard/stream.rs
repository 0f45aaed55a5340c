//! Connections: those that this shard asked for, and those that end. A stream that fails is a transport error for what went by it
//! (RFC 3261 §16.9, §18.4).

use crate::flow::Flow;
use crate::ids::{ConnectionId, ForkId, ShardId, TransactionId};
use crate::proxy::context::{Fork, ForkState, Neighbours, Way};
use crate::shard::Shard;
use crate::shard::counters::Counter;
use crate::shard::outbox::{Outbox, ShardMessage};
use crate::shard::receive::Request;
use crate::sip::essentials::Essentials;
use crate::sip::message::Message;
use crate::time::Instant;
use crate::transaction::step::Effects;
use crate::transaction::table::{Event, Machine, User};
use crate::transaction::{invite_client, invite_server, non_invite_client, non_invite_server};

impl Shard {
    pub(super) fn on_connected(
        &mut self,
        now: Instant,
        origin: TransactionId,
        flow: Flow,
        outbox: &mut Outbox,
    ) {
        self.opened.insert(flow);
        self.with_connecting(now, origin, outbox, |shard, fork, request, outbox| {
            shard.send_fork(now, fork, origin, flow, request, outbox);
        });
    }

    pub(super) fn on_connect_failed(&mut self, now: Instant, origin: TransactionId, outbox: &mut Outbox) {
        self.work_on(origin);
        let Some(User::Fork(id)) = self.transactions.record(origin).map(|record| record.user) else { return };
        let Some(fork) = self.forks.get_mut(id.slot, id.generation) else { return };
        if fork.state != ForkState::Connecting {
            return;
        }
        let (way, failure) = (fork.way, fork.failure);
        match way {
            // §18.1.1: the stream was only tried for the size.
            Way::Stream { remote, fallback: Some(endpoint), .. } => {
                let flow = Flow::udp(endpoint, remote);
                fork.way = Way::Datagram(flow);
                self.with_connecting(now, origin, outbox, |shard, fork, request, outbox| {
                    shard.send_fork(now, fork, origin, flow, request, outbox);
                });
            }
            Way::Stream { .. } | Way::Flow(_) | Way::Datagram(_) => {
                self.counters.add(Counter::TransportErrors);
                self.end_transaction(origin);
                self.end_fork(now, id, failure, outbox);
            }
        }
    }

    /// Goes on with a fork that waited for its connection, unless it has ended meanwhile.
    fn with_connecting(
        &mut self,
        now: Instant,
        origin: TransactionId,
        outbox: &mut Outbox,
        go_on: impl FnOnce(&mut Self, ForkId, &Request<'_>, &mut Outbox),
    ) {
        self.work_on(origin);
        let Some(User::Fork(id)) = self.transactions.record(origin).map(|record| record.user) else { return };
        let Some(fork) = self.fork(id).filter(|fork| fork.state == ForkState::Connecting) else { return };
        let context_id = fork.context;
        let context = self.context(context_id).expect("a fork lives in its context");
        let (kept, upstream) = (context.request, context.upstream);
        let bytes = self.take_again(kept);
        let mut index = self.kept_index.take().expect("put back after each use, and by on_fault");
        if let Ok(message) = Message::parse(&bytes, &mut index)
            && let Ok(essentials) = &Essentials::parse(&message)
            && let Ok(request) = self.read_request(upstream, &message, essentials)
        {
            go_on(self, id, &request, outbox);
        }
        self.kept_index = Some(index);
        self.again = bytes;
        self.finish_if_complete(now, context_id, outbox);
    }

    /// A connection of this shard's shell has ended: every shard may have something under way on it.
    pub(super) fn on_closed(&mut self, now: Instant, connection: ConnectionId, outbox: &mut Outbox) {
        for shard in (0..self.options.shards).map(ShardId).filter(|&shard| shard != self.options.shard) {
            outbox.handoffs.push((shard, ShardMessage::Closed { connection }));
        }
        self.on_peer_closed(now, connection, outbox);
    }

    pub(super) fn on_peer_closed(&mut self, now: Instant, connection: ConnectionId, outbox: &mut Outbox) {
        self.opened.remove(connection);
        while let Some(slot) = self.first_on(connection) {
            let Some((generation, fork)) = self.forks.at(slot) else { return };
            let client = fork.client;
            self.forget_connection(ForkId { slot, generation });
            if let Some(client) = client {
                self.on_send_failed(now, client, outbox);
            }
        }
    }

    /// A message of this transaction could not be sent.
    pub(super) fn on_send_failed(&mut self, now: Instant, origin: TransactionId, outbox: &mut Outbox) {
        if origin.shard != self.options.shard {
            outbox.handoffs.push((origin.shard, ShardMessage::SendFailed { origin }));
            return;
        }
        self.work_on(origin);
        let Some(record) = self.transactions.record(origin) else { return };
        let event = match record.machine {
            Machine::InviteClient(_) => Event::InviteClient(invite_client::Event::TransportError),
            Machine::NonInviteClient(_) => Event::NonInviteClient(non_invite_client::Event::TransportError),
            Machine::InviteServer(_) => Event::InviteServer(invite_server::Event::TransportError),
            Machine::NonInviteServer(_) => Event::NonInviteServer(non_invite_server::Event::TransportError),
        };
        let effects: Effects = self.transactions.on(now, origin, event);
        self.perform(now, origin, effects, outbox);
    }

    /// Notes that a fork's answers come by a connection: it becomes the first of that connection's.
    pub(super) fn note_connection(&mut self, id: ForkId, flow: Flow) {
        let Some(connection) = flow.connection else { return };
        let hash = connection_hash(connection);
        let behind = self.first_on(connection);
        let is_noted = match behind {
            Some(first) => {
                self.fork_at(first).neighbours.before = Some(id.slot);
                self.on_connection.replace(hash, first, id.slot)
            }
            None => self.on_connection.insert(hash, id.slot),
        };
        assert!(is_noted, "the index has room for as many as there are forks");
        let fork = self.fork(id).expect("the caller holds it");
        fork.sent_by = Some(connection);
        fork.neighbours = Neighbours { before: None, behind };
    }

    /// The fork has ended, or its connection has.
    pub(super) fn forget_connection(&mut self, id: ForkId) {
        let Some(fork) = self.fork(id) else { return };
        let Some(connection) = fork.sent_by.take() else { return };
        let Neighbours { before, behind } = core::mem::take(&mut fork.neighbours);
        let hash = connection_hash(connection);
        match (before, behind) {
            (Some(before), _) => self.fork_at(before).neighbours.behind = behind,
            (None, Some(behind)) => {
                assert!(self.on_connection.replace(hash, id.slot, behind), "it was the first")
            }
            (None, None) => assert!(self.on_connection.remove(hash, id.slot), "it was the only one"),
        }
        if let Some(behind) = behind {
            self.fork_at(behind).neighbours.before = before;
        }
    }

    /// Panics when the lists of forks by connection are broken. For tests and simulation.
    pub(super) fn connection_invariants(&self) {
        let mut first_count = 0;
        for (slot, _, fork) in self.forks.iter() {
            let Some(connection) = fork.sent_by else { continue };
            match fork.neighbours.before {
                Some(before) => {
                    let (_, before) = self.forks.at(before).expect("a neighbour is there");
                    assert_eq!((before.sent_by, before.neighbours.behind), (Some(connection), Some(slot)));
                }
                None => {
                    first_count += 1;
                    assert_eq!(self.first_on(connection), Some(slot), "the first of a list is indexed");
                }
            }
        }
        assert_eq!(first_count, self.on_connection.len(), "one entry a connection");
    }

    fn first_on(&self, connection: ConnectionId) -> Option<u32> {
        self.on_connection.find(connection_hash(connection), |slot| {
            self.forks.at(slot).is_some_and(|(_, fork)| fork.sent_by == Some(connection))
        })
    }

    fn fork_at(&mut self, slot: u32) -> &mut Fork {
        let (_, fork) = self.forks.at_mut(slot).expect("forks leave the list before they end");
        fork
    }
}

fn connection_hash(connection: ConnectionId) -> u64 {
    let slot = u64::from(connection.slot) << 8 | u64::from(connection.shard.0);
    (slot ^ u64::from(connection.generation) << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
