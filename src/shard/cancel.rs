//! CANCEL: the caller's (RFC 3261 §16.10), and those to forks that are no longer wanted (§16.7 step 10, §9.1).

use crate::ids::{ContextId, ForkId, TransactionId};
use crate::proxy::context::{CancelReason, ForkState};
use crate::proxy::hop_by_hop;
use crate::proxy::refusal::Refusal;
use crate::shard::Shard;
use crate::shard::counters::Counter;
use crate::shard::outbox::Outbox;
use crate::shard::receive::Request;
use crate::shard::request::key_facts;
use crate::sip::header_id::HeaderId;
use crate::sip::message::Message;
use crate::storage::buffers::BufferId;
use crate::time::Instant;
use crate::transaction::key;
use crate::transaction::non_invite_client;
use crate::transaction::step::Effects;
use crate::transaction::table::{Event, User};

impl Shard {
    /// A CANCEL is answered at once, whatever becomes of the INVITE (§9.2).
    pub(super) fn on_cancel(&mut self, now: Instant, request: &Request<'_>, outbox: &mut Outbox) {
        let invite = key::of_invite(&self.hash, &key_facts(request));
        let Some(id) = self.transactions.find_server(invite) else {
            return self.refuse(request, Refusal::NoTransaction, outbox);
        };
        self.work_on(id);
        self.answer(request, 200, b"OK", b"", outbox);
        let Some(User::Context(context_id)) = self.transactions.record(id).map(|record| record.user) else {
            return;
        };
        let Some(context) = self.context(context_id) else { return };
        if !context.decide_cancel() {
            return;
        }
        let lines = self.keep_reason_lines(&request.incoming.message);
        self.context(context_id).expect("found above").cancel_lines = lines;
        self.cancel_forks(now, context_id, CancelReason::CallerCancelled, outbox);
        self.finish_if_complete(now, context_id, outbox);
    }

    /// The caller's Reason goes on to the devices (RFC 3326 §2).
    fn keep_reason_lines(&mut self, message: &Message<'_>) -> Option<BufferId> {
        message.first(HeaderId::Reason)?;
        let mut lines = core::mem::take(&mut self.scratch);
        lines.clear();
        for line in message.all(HeaderId::Reason) {
            lines.extend_from_slice(&message.bytes()[usize::from(line.start)..usize::from(line.next)]);
        }
        let kept = self.buffers.store(&lines);
        self.scratch = lines;
        kept
    }

    /// Cancels every fork that lives; one without a provisional as soon as it has one. The caller looks afterwards whether the context is complete.
    pub(super) fn cancel_forks(
        &mut self,
        now: Instant,
        id: ContextId,
        reason: CancelReason,
        outbox: &mut Outbox,
    ) {
        let Some(context) = self.context(id) else { return };
        context.cancel.get_or_insert(reason);
        let mut next = context.forks;
        while let Some(fork_id) = next {
            next = self.fork(fork_id).expect("forks live as long as their context").next;
            self.cancel_fork(now, fork_id, reason, outbox);
        }
    }

    pub(super) fn cancel_fork(
        &mut self,
        now: Instant,
        id: ForkId,
        reason: CancelReason,
        outbox: &mut Outbox,
    ) {
        let Some(fork) = self.fork(id) else { return };
        let (client, context_id) = (fork.client, fork.context);
        if fork.state == ForkState::Connecting {
            // Nobody has heard of it, so there is nobody to tell and nothing to wait for.
            if let Some(client) = client {
                self.end_transaction(client);
            }
            return self.end_fork_silently(id, 487);
        }
        if !fork.decide_cancel() {
            return;
        }
        let Some(client) = client else { return };
        let lines = self.context(context_id).and_then(|context| context.cancel_lines);
        self.send_cancel(now, client, reason, lines, outbox);
        // §9.1: 64·T1 after the CANCEL the INVITE is given up, answered or not.
        self.abandons.push(now + self.abandon_after, client);
        self.counters.add(Counter::ForksCancelled);
    }

    fn send_cancel(
        &mut self,
        now: Instant,
        invite_id: TransactionId,
        reason: CancelReason,
        caller_lines: Option<BufferId>,
        outbox: &mut Outbox,
    ) {
        let Some(record) = self.transactions.record(invite_id) else { return };
        let (flow, Some(kept)) = (record.flow, record.kept) else { return };
        let mut index = self.kept_index.take().expect("put back after each use, and by on_fault");
        let start = outbox.bytes.len();
        if let Ok(invite) = Message::parse(self.buffers.bytes(kept), &mut index) {
            let lines = caller_lines.map_or(b"".as_slice(), |lines| self.buffers.bytes(lines));
            hop_by_hop::emit_cancel(&invite, reason, lines, &mut outbox.bytes);
        }
        self.kept_index = Some(index);
        // Without room for its transaction it is sent once: the other side's retransmissions are all that is lost.
        let cancel = self.transactions.open_client(false, flow, User::CancelOf(invite_id));
        if let Some(cancel) = cancel {
            self.transactions.record_mut(invite_id).expect("read above").cancel = Some(cancel);
            if flow.connection.is_none() {
                self.keep(cancel, start, outbox);
            }
            self.transactions.start_client(now, cancel, flow);
        }
        self.dispatch(flow, start, cancel, outbox);
    }

    /// An answer to a CANCEL of ours ends its retransmissions and means nothing else.
    pub(super) fn on_cancel_answered(&mut self, now: Instant, id: TransactionId, status: u16) {
        let event = if status < 200 {
            non_invite_client::Event::Provisional
        } else {
            non_invite_client::Event::Final
        };
        let effects = self.transactions.on(now, id, Event::NonInviteClient(event));
        if status >= 200 {
            self.replace_kept(id, None);
        }
        if effects.has(Effects::TERMINATE) {
            self.end_transaction(id);
        }
    }
}
