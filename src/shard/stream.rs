//! Connections: those that this shard asked for, and those that end. A stream that fails is a transport error for what went by it
//! (RFC 3261 §16.9, §18.4).

use crate::flow::{Address, Flow};
use crate::ids::{ConnectionId, EndpointId, ForkId, ShardId, TransactionId};
use crate::proxy::context::{ForkCancel, ForkState, Way};
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
    /// A connection that this shard opened to `remote` from that endpoint, if one is still open.
    pub(super) fn opened_to(&self, endpoint: EndpointId, remote: Address) -> Option<Flow> {
        self.opened.iter().find(|flow| flow.endpoint == endpoint && flow.remote == remote).copied()
    }

    pub(super) fn on_connected(
        &mut self,
        now: Instant,
        origin: TransactionId,
        flow: Flow,
        outbox: &mut Outbox,
    ) {
        self.opened.push(flow);
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

    /// Goes on with a fork that waited for its connection, unless it was cancelled meanwhile: then nobody has heard of it, and it just ends.
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
        let (cancel, context_id) = (fork.cancel, fork.context);
        if cancel != ForkCancel::None {
            self.end_transaction(origin);
            return self.end_fork(now, id, 487, outbox);
        }
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
        self.opened.retain(|flow| flow.connection != Some(connection));
        while let Some(id) = self.on_connection.find(connection_hash(connection), |slot| {
            self.forks.at(slot).is_some_and(|(_, fork)| fork.sent_by == Some(connection))
        }) {
            let Some((generation, fork)) = self.forks.at(id) else { return };
            let (client, fork_id) = (fork.client, ForkId { slot: id, generation });
            self.forget_connection(fork_id);
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

    /// Notes that a fork's answers come by a connection.
    pub(super) fn note_connection(&mut self, id: ForkId, flow: Flow) {
        let Some(connection) = flow.connection else { return };
        if let Some(fork) = self.fork(id) {
            fork.sent_by = Some(connection);
            let is_noted = self.on_connection.insert(connection_hash(connection), id.slot);
            assert!(is_noted, "the index has room for as many as there are forks");
        }
    }

    /// The fork has ended, or its connection has.
    pub(super) fn forget_connection(&mut self, id: ForkId) {
        if let Some(connection) = self.fork(id).and_then(|fork| fork.sent_by.take()) {
            self.on_connection.remove(connection_hash(connection), id.slot);
        }
    }
}

fn connection_hash(connection: ConnectionId) -> u64 {
    let slot = u64::from(connection.slot) << 8 | u64::from(connection.shard.0);
    (slot ^ u64::from(connection.generation) << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
