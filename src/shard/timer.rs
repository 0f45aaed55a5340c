//! What falls due: the timers of transactions, timer C, INVITEs that were cancelled and never ended, bindings.

use crate::ids::{ForkId, TransactionId};
use crate::proxy::context::{CancelReason, ForkState};
use crate::shard::Shard;
use crate::shard::counters::Counter;
use crate::shard::outbox::Outbox;
use crate::time::Instant;
use crate::transaction::invite_client;
use crate::transaction::step::Effects;
use crate::transaction::table::{Event, User};

/// Bindings that one call lets expire; the rest is due at once and comes with the next call, so that a storm of expiries does not hold up the
/// messages of a batch.
const EXPIRIES_MAX: usize = 1_024;

impl Shard {
    pub(super) fn fire_timers(&mut self, now: Instant, outbox: &mut Outbox) {
        while let Some((id, effects)) = self.transactions.on_timer(now) {
            self.begin_work(outbox);
            self.work_on(id);
            self.perform(now, id, effects, outbox);
        }
        while let Some(id) = self.timers_c.pop_due(now) {
            self.begin_work(outbox);
            self.on_timer_c(now, id, outbox);
        }
        while let Some(id) = self.abandons.pop_due(now) {
            self.begin_work(outbox);
            self.work_on(id);
            self.on_abandon(now, id, outbox);
        }
        self.begin_work(outbox);
        for _ in 0..EXPIRIES_MAX {
            let pings = &mut self.pings;
            if !self.location.expire_one(now, &mut |event| pings.on_binding(now, &event)) {
                break;
            }
        }
        self.pings.fire(now, outbox);
    }

    /// Performs what a machine asks for without a message having come.
    pub(super) fn perform(&mut self, now: Instant, id: TransactionId, effects: Effects, outbox: &mut Outbox) {
        let Some(record) = self.transactions.record(id) else { return };
        let user = record.user;
        let failure = match user {
            User::Fork(fork) => self.forks.get(fork.slot, fork.generation).map_or(503, |fork| fork.failure),
            User::Nobody | User::Context(_) | User::CancelOf(_) => 503,
        };
        if effects.has(Effects::RESEND) {
            self.resend(id, outbox);
        }
        if effects.has(Effects::TRYING) {
            self.send_late_trying(now, id, outbox);
        }
        if effects.has(Effects::TERMINATE) {
            self.end_transaction(id);
        }
        if effects.has(Effects::TIMEOUT) {
            self.counters.add(Counter::Timeouts);
        }
        if let User::Fork(fork) = user {
            if effects.has(Effects::TIMEOUT) {
                self.end_fork(now, fork, 408, outbox);
            } else if effects.has(Effects::TRANSPORT_ERROR) {
                self.counters.add(Counter::TransportErrors);
                self.end_fork(now, fork, failure, outbox);
            }
        }
    }

    /// RFC 4320 §4.1: a 100 to a non-INVITE request that takes long.
    fn send_late_trying(&mut self, now: Instant, id: TransactionId, outbox: &mut Outbox) {
        let Some(User::Context(context)) = self.transactions.record(id).map(|record| record.user) else {
            return;
        };
        let Some(context) = self.context(context) else { return };
        let (request, upstream) = (context.request, context.upstream);
        self.send_own(now, id, request, upstream, (100, b"Trying"), outbox);
    }

    /// §16.8.
    fn on_timer_c(&mut self, now: Instant, id: ForkId, outbox: &mut Outbox) {
        let Some(fork) = self.fork(id) else { return };
        let (is_due, client) = (fork.state == ForkState::Proceeding && fork.timer_c <= now, fork.client);
        if is_due {
            if let Some(client) = client {
                self.work_on(client);
            }
            self.cancel_fork(now, id, CancelReason::TimerC, outbox);
        }
    }

    fn on_abandon(&mut self, now: Instant, id: TransactionId, outbox: &mut Outbox) {
        let Some(record) = self.transactions.record(id) else { return };
        let user = record.user;
        let effects = self.transactions.on(now, id, Event::InviteClient(invite_client::Event::Abandoned));
        if !effects.has(Effects::TERMINATE) {
            return;
        }
        self.counters.add(Counter::Timeouts);
        self.end_transaction(id);
        if let User::Fork(fork) = user {
            self.end_fork(now, fork, 408, outbox);
        }
    }
}
