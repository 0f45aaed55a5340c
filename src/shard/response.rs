//! What devices answer, and what the caller is told (RFC 3261 §16.7).

use crate::flow::Flow;
use crate::ids::{ContextId, ForkId, TransactionId};
use crate::proxy::best_response;
use crate::proxy::context::{Best, CancelReason, ForkCancel, ForkState, Outcome, Phase};
use crate::proxy::hop_by_hop;
use crate::shard::answer::{RETRY_AFTER_S, reason_of};
use crate::shard::counters::Counter;
use crate::shard::outbox::Outbox;
use crate::shard::request::to_tag_facts;
use crate::shard::{Shard, Working};
use crate::sip::edit;
use crate::sip::essentials::Essentials;
use crate::sip::header_id::HeaderId;
use crate::sip::message::Message;
use crate::sip::response::{self, ResponseHead};
use crate::storage::buffers::BufferId;
use crate::time::{Duration, Instant};
use crate::transaction::step::Effects;
use crate::transaction::table::{Event, Machine, User};
use crate::transaction::{invite_client, invite_server, non_invite_client, non_invite_server};

/// Timer C is moved on by provisionals no finer than this, so that each does not cost a timer.
const TIMER_C_GRAIN: Duration = Duration::from_secs(1);

impl Shard {
    /// A response whose branch names a transaction of this shard.
    pub(super) fn on_response(
        &mut self,
        now: Instant,
        id: TransactionId,
        message: &Message<'_>,
        response: &Essentials<'_>,
        outbox: &mut Outbox,
    ) {
        let Some(record) = self.transactions.record(id) else {
            return self.counters.add(Counter::StrayResponses);
        };
        let (server, user, machine, cancel) = (record.server, record.user, record.machine, record.cancel);
        self.work_for(id, user);
        // The CANCEL of an INVITE shares its branch; the method tells them apart (§17.1.3).
        let method = response.cseq.method;
        let has_other_via = response.via.next.is_some() || message.all(HeaderId::Via).nth(1).is_some();
        match machine {
            Machine::InviteClient(_) if method == b"CANCEL" => {
                if let Some(cancel) = cancel {
                    self.on_cancel_answered(now, cancel, message.status());
                }
            }
            // §16.7 step 3: without a Via behind ours there is nobody to give it to, so it answers nothing.
            _ if !has_other_via => self.counters.add(Counter::StrayResponses),
            Machine::InviteClient(state) if method == b"INVITE" => {
                let event = match message.status() {
                    100..=199 => invite_client::Event::Provisional,
                    200..=299 => invite_client::Event::Success,
                    _ => invite_client::Event::Failure,
                };
                let effects = self.transactions.on(now, id, Event::InviteClient(event));
                if effects.has(Effects::ACK) {
                    self.acknowledge(id, state, message, outbox);
                }
                if event == invite_client::Event::Success {
                    // The INVITE is not sent again, and the ACK is the caller's.
                    self.replace_kept(id, None);
                }
                if effects.has(Effects::PASS) {
                    self.on_answer(now, user, server, message, response, outbox);
                }
                if effects.has(Effects::TERMINATE) {
                    self.end_transaction(id);
                }
            }
            Machine::NonInviteClient(_) if method != b"INVITE" => {
                let is_final = message.status() >= 200;
                let event = if is_final {
                    non_invite_client::Event::Final
                } else {
                    non_invite_client::Event::Provisional
                };
                let effects = self.transactions.on(now, id, Event::NonInviteClient(event));
                if is_final {
                    // Nothing is sent again after a final response.
                    self.replace_kept(id, None);
                }
                if effects.has(Effects::PASS) {
                    self.on_answer(now, user, server, message, response, outbox);
                }
                if effects.has(Effects::TERMINATE) {
                    self.end_transaction(id);
                }
            }
            Machine::InviteClient(_)
            | Machine::NonInviteClient(_)
            | Machine::InviteServer(_)
            | Machine::NonInviteServer(_) => self.counters.add(Counter::StrayResponses),
        }
    }

    /// §17.1.1.3: the ACK takes the place of the INVITE among what is kept, to be sent again for each repetition of the answer.
    fn acknowledge(
        &mut self,
        id: TransactionId,
        before: invite_client::State,
        message: &Message<'_>,
        outbox: &mut Outbox,
    ) {
        if before == invite_client::State::Completed {
            return self.resend(id, outbox);
        }
        let Some(record) = self.transactions.record(id) else { return };
        let (flow, Some(kept)) = (record.flow, record.kept) else { return };
        let mut index = self.kept_index.take().expect("put back after each use, and by on_fault");
        let start = outbox.bytes.len();
        if let Ok(invite) = Message::parse(self.buffers.bytes(kept), &mut index) {
            hop_by_hop::emit_ack(&invite, message, &mut outbox.bytes);
        }
        self.kept_index = Some(index);
        if flow.connection.is_none() {
            self.keep(id, start, outbox);
        }
        self.dispatch(flow, start, Some(id), outbox);
    }

    /// A response that the transaction passed on.
    fn on_answer(
        &mut self,
        now: Instant,
        user: User,
        server: Option<TransactionId>,
        message: &Message<'_>,
        response: &Essentials<'_>,
        outbox: &mut Outbox,
    ) {
        let fork = match user {
            User::Fork(id) => self.forks.get(id.slot, id.generation).map(|fork| (id, *fork)),
            User::Nobody | User::Context(_) | User::CancelOf(_) => None,
        };
        let status = message.status();
        let Some((id, fork)) = fork else {
            // The context has ended; 2xx to an INVITE go upstream all the same (§16.7 step 5, RFC 6026).
            if let Some(server) = server.filter(|_| status / 100 == 2) {
                self.forward_response(now, server, message, response, status, outbox);
            }
            return;
        };
        if status < 200 {
            self.on_provisional(now, id, message, response, outbox);
        } else if status == 408 && self.is_non_invite(fork.context) {
            // RFC 4320 §4.2: a 408 is no answer to it; it says what silence says.
            self.end_fork(now, id, 408, outbox);
        } else if fork.is_live() {
            self.fork(id).expect("read above").state = ForkState::Ended;
            self.forget_connection(id);
            self.on_final(now, id, message, response, outbox);
        } else if let Some(server) = server.filter(|_| status / 100 == 2) {
            // Another 2xx of the same fork: a proxy behind it has forked too.
            self.forward_response(now, server, message, response, status, outbox);
        }
    }

    fn is_non_invite(&self, id: ContextId) -> bool {
        self.contexts.get(id.slot, id.generation).is_some_and(|context| !context.is_invite)
    }

    fn on_provisional(
        &mut self,
        now: Instant,
        id: ForkId,
        message: &Message<'_>,
        response: &Essentials<'_>,
        outbox: &mut Outbox,
    ) {
        let timer_c = now + self.options.timer_c;
        let fork = self.forks.get_mut(id.slot, id.generation).expect("the caller has read it");
        let was_cancel = fork.cancel;
        let is_first = fork.state != ForkState::Proceeding;
        fork.state = ForkState::Proceeding;
        let context = self
            .contexts
            .get(fork.context.slot, fork.context.generation)
            .expect("a fork lives in its context");
        if !context.is_invite {
            // RFC 4320 §4.1: no provisional but a 100 answers anything else, and there is nothing to cancel.
            return;
        }
        let (server, reason) = (context.server, context.cancel);
        let status = message.status();
        // §16.7 step 2: every provisional but a 100 moves timer C on; the first of any kind starts it.
        if is_first || (status > 100 && timer_c.since(fork.timer_c) >= TIMER_C_GRAIN) {
            fork.timer_c = timer_c;
            self.timers_c.push(timer_c, id);
        }
        if status > 100 {
            self.forward_response(now, server, message, response, status, outbox);
        }
        if was_cancel == ForkCancel::Held {
            self.cancel_fork(now, id, reason.unwrap_or(CancelReason::CompletedElsewhere), outbox);
        }
    }

    /// The end of a live fork by an answer.
    fn on_final(
        &mut self,
        now: Instant,
        id: ForkId,
        message: &Message<'_>,
        response: &Essentials<'_>,
        outbox: &mut Outbox,
    ) {
        let fork = *self.forks.get(id.slot, id.generation).expect("the caller has read it");
        let status = message.status();
        let context = self.context(fork.context).expect("a fork lives in its context");
        let verdict = context.decide_final(Outcome { status, q: fork.q });
        let (server, before) = (context.server, context.best);
        let is_wanted = matches!(context.phase, Phase::Open | Phase::Cancelled);
        if verdict.forward {
            self.forward_response(now, server, message, response, status, outbox);
        }
        if best_response::is_challenge(status) && is_wanted {
            if verdict.keep {
                self.keep_challenges_of(fork.context, before);
            } else {
                self.keep_challenges(fork.context, message);
            }
        }
        if verdict.keep {
            if verdict.complete {
                // The last answer is the best one: no need to keep it.
                let context = self.context(fork.context).expect("as above");
                context.best = None;
                context.phase = Phase::Done;
                let challenges = context.challenges;
                self.release_best(before);
                self.take_challenges(challenges);
                let upstream = best_response::status_upstream(status);
                self.forward_response(now, server, message, response, upstream, outbox);
            } else {
                let kept = self.buffers.store(message.bytes());
                let context = self.context(fork.context).expect("as above");
                context.best = Some(Best { status, response: kept, q: fork.q });
                self.release_best(before);
            }
        }
        if let Some(reason) = verdict.cancel_others {
            self.cancel_forks(now, fork.context, reason, outbox);
        }
        self.finish_if_complete(now, fork.context, outbox);
    }

    /// The end of a live fork without an answer: silence (408), or a request that could not be sent.
    pub(super) fn end_fork(&mut self, now: Instant, id: ForkId, status: u16, outbox: &mut Outbox) {
        let Some(fork) = self.fork(id).filter(|fork| fork.is_live()) else { return };
        let context_id = fork.context;
        if let Some(reason) = self.end_fork_by(id, status) {
            self.cancel_forks(now, context_id, reason, outbox);
        }
        self.finish_if_complete(now, context_id, outbox);
    }

    /// The same while its context is still being built: whoever builds it looks at the end whether it is complete.
    pub(super) fn end_fork_silently(&mut self, id: ForkId, status: u16) {
        let reason = self.end_fork_by(id, status);
        assert!(reason.is_none(), "no status that a proxy makes ends other forks");
    }

    fn end_fork_by(&mut self, id: ForkId, status: u16) -> Option<CancelReason> {
        self.forget_connection(id);
        let fork = self.fork(id)?;
        fork.state = ForkState::Ended;
        let (context_id, q) = (fork.context, fork.q);
        let context = self.context(context_id)?;
        let verdict = context.decide_final(Outcome { status, q });
        if verdict.keep {
            let before = context.best.replace(Best { status, response: None, q });
            self.release_best(before);
        }
        verdict.cancel_others
    }

    fn release_best(&mut self, best: Option<Best>) {
        if let Some(response) = best.and_then(|best| best.response) {
            self.buffers.release(response);
        }
    }

    /// When every fork has ended: the caller gets the best answer, unless it has one, and the context goes.
    pub(super) fn finish_if_complete(&mut self, now: Instant, id: ContextId, outbox: &mut Outbox) {
        let Some(context) = self.context(id).filter(|context| context.live_count == 0) else { return };
        let context = *context;
        if matches!(context.phase, Phase::Open | Phase::Cancelled) {
            match context.decide_best() {
                Some(Best { status, response: Some(response), .. }) => {
                    self.take_challenges(context.challenges);
                    self.send_best(now, context.server, response, status, outbox);
                }
                Some(Best { status, response: None, .. }) => {
                    self.send_own_final(
                        now,
                        context.server,
                        context.request,
                        context.upstream,
                        status,
                        outbox,
                    );
                }
                None => {
                    let event = Event::NonInviteServer(non_invite_server::Event::Abandoned);
                    if self.transactions.on(now, context.server, event).has(Effects::TERMINATE) {
                        self.end_transaction(context.server);
                    }
                }
            }
        }
        self.remove_context(id);
    }

    fn send_best(
        &mut self,
        now: Instant,
        server: TransactionId,
        kept: BufferId,
        status: u16,
        outbox: &mut Outbox,
    ) {
        let bytes = self.take_again(kept);
        let mut index = self.kept_index.take().expect("put back after each use, and by on_fault");
        if let Ok(message) = Message::parse(&bytes, &mut index)
            && let Ok(response) = Essentials::parse(&message)
        {
            self.forward_response(now, server, &message, &response, status, outbox);
        }
        self.kept_index = Some(index);
        self.again = bytes;
    }

    /// A final answer that no device gave.
    fn send_own_final(
        &mut self,
        now: Instant,
        server: TransactionId,
        request: BufferId,
        upstream: Flow,
        status: u16,
        outbox: &mut Outbox,
    ) {
        self.send_own(now, server, request, upstream, (status, reason_of(status)), outbox);
    }

    /// A response of our own to a request that is kept, through its transaction.
    pub(super) fn send_own(
        &mut self,
        now: Instant,
        server: TransactionId,
        request: BufferId,
        upstream: Flow,
        (status, reason): (u16, &[u8]),
        outbox: &mut Outbox,
    ) {
        let (effects, is_kept) = self.step_server(now, server, status);
        if effects.has(Effects::SEND) {
            let bytes = self.take_again(request);
            let mut index = self.kept_index.take().expect("put back after each use, and by on_fault");
            if let Ok(message) = Message::parse(&bytes, &mut index)
                && let Ok(essentials) = &Essentials::parse(&message)
                && let Ok(request) = self.read_request(upstream, &message, essentials)
            {
                let tag = self.keys.to_tag(&to_tag_facts(&request));
                let retry: &[u8] = if status == 503 { RETRY_AFTER_S } else { b"" };
                let head = ResponseHead {
                    status,
                    reason,
                    to_tag: (status > 100).then_some(&tag),
                    via_source: Some(request.incoming.source),
                    extra: &[retry],
                    essentials: Some(essentials),
                    ..ResponseHead::default()
                };
                let start = outbox.bytes.len();
                response::emit_response(&message, &head, &mut self.edits, &mut outbox.bytes);
                self.send_as(server, start, is_kept, outbox);
            }
            self.kept_index = Some(index);
            self.again = bytes;
        }
        if effects.has(Effects::TERMINATE) {
            self.end_transaction(server);
        }
    }

    /// A kept message, copied to where the rest of the shard does not borrow it. Put back into `self.again` after use.
    pub(super) fn take_again(&mut self, kept: BufferId) -> Vec<u8> {
        let mut bytes = core::mem::take(&mut self.again);
        bytes.clear();
        bytes.extend_from_slice(self.buffers.bytes(kept));
        bytes
    }

    /// §16.7 step 7: the challenges of a 401 or 407 that does not go upstream go with the one that does.
    fn keep_challenges(&mut self, id: ContextId, message: &Message<'_>) {
        let Some(context) = self.contexts.get_mut(id.slot, id.generation) else { return };
        self.challenges.clear();
        if let Some(before) = context.challenges.take() {
            self.challenges.extend_from_slice(self.buffers.bytes(before));
            self.buffers.release(before);
        }
        for line in [HeaderId::WwwAuthenticate, HeaderId::ProxyAuthenticate]
            .map(|id| message.all(id))
            .into_iter()
            .flatten()
        {
            self.challenges.extend_from_slice(&message.bytes()[edit::range_of(line)]);
        }
        if !self.challenges.is_empty() {
            context.challenges = self.buffers.store(&self.challenges);
        }
        self.challenges.clear();
    }

    /// The same for an answer that was the best until now.
    fn keep_challenges_of(&mut self, id: ContextId, best: Option<Best>) {
        let best = best.filter(|best| best_response::is_challenge(best.status));
        let Some(kept) = best.and_then(|best| best.response) else { return };
        let bytes = self.take_again(kept);
        let mut index = self.kept_index.take().expect("put back after each use, and by on_fault");
        if let Ok(message) = Message::parse(&bytes, &mut index) {
            self.keep_challenges(id, &message);
        }
        self.kept_index = Some(index);
        self.again = bytes;
    }

    /// Lays what was kept ready for the response that is forwarded next.
    fn take_challenges(&mut self, kept: Option<BufferId>) {
        self.challenges.clear();
        if let Some(kept) = kept {
            self.challenges.extend_from_slice(self.buffers.bytes(kept));
        }
    }

    /// Forwards a response upstream: our Via comes off, for a 503 of a device the status changes, and a 401 or 407 takes the challenges of others
    /// with it. Nothing else.
    fn forward_response(
        &mut self,
        now: Instant,
        server: TransactionId,
        message: &Message<'_>,
        response: &Essentials<'_>,
        status: u16,
        outbox: &mut Outbox,
    ) {
        let (effects, is_kept) = self.step_server(now, server, status);
        if effects.has(Effects::SEND) {
            self.edits.clear();
            edit::edit_remove_top_via(message, &response.via, &mut self.edits);
            if status != message.status() {
                let line_end = usize::from(message.lines().first().map_or(0, |line| line.start));
                self.edits.replace_with(0..line_end, |out| {
                    out.extend_from_slice(b"SIP/2.0 ");
                    edit::emit_number(u64::from(status), out);
                    out.push(b' ');
                    out.extend_from_slice(reason_of(status));
                    out.extend_from_slice(b"\r\n");
                });
            }
            if !self.challenges.is_empty() {
                if best_response::is_challenge(status) {
                    self.edits.insert(message.head_len() - 2, &self.challenges);
                }
                self.challenges.clear();
            }
            let start = outbox.bytes.len();
            edit::emit_edited(message.bytes(), &self.edits, &mut outbox.bytes);
            self.send_as(server, start, is_kept, outbox);
        }
        if effects.has(Effects::TERMINATE) {
            self.end_transaction(server);
        }
    }

    /// Steps a server transaction by a response of that status. The second value: the response may have to be sent again.
    fn step_server(&mut self, now: Instant, server: TransactionId, status: u16) -> (Effects, bool) {
        let Some(record) = self.transactions.record(server) else { return (Effects::NONE, false) };
        let is_unreliable = !record.is_reliable();
        let (event, is_kept) = match record.machine {
            Machine::InviteServer(state) => {
                let (event, is_kept) = match status {
                    100..=199 => (invite_server::Event::Provisional, true),
                    200..=299 => (invite_server::Event::Success, false),
                    _ => (invite_server::Event::Failure, true),
                };
                if status >= 200 && state == invite_server::State::Proceeding {
                    let is_answered = status < 300;
                    self.counters.add(if is_answered {
                        Counter::CallsAnswered
                    } else {
                        Counter::CallsFailed
                    });
                }
                (Event::InviteServer(event), is_kept)
            }
            _ if status < 200 => (Event::NonInviteServer(non_invite_server::Event::Provisional), true),
            _ => (Event::NonInviteServer(non_invite_server::Event::Final), true),
        };
        (self.transactions.on(now, server, event), is_kept && is_unreliable)
    }

    fn send_as(&mut self, server: TransactionId, start: usize, is_kept: bool, outbox: &mut Outbox) {
        if is_kept {
            self.keep(server, start, outbox);
        } else {
            self.replace_kept(server, None);
        }
        let Some(record) = self.transactions.record(server) else { return };
        let flow = record.flow;
        self.dispatch(flow, start, Some(server), outbox);
    }

    /// Frees a transaction and what it kept.
    pub(super) fn end_transaction(&mut self, id: TransactionId) {
        if let Some(kept) = self.transactions.remove(id).and_then(|record| record.kept) {
            self.buffers.release(kept);
        }
    }

    /// Frees a context, its forks and what they kept. Its transactions live on by their own timers.
    fn remove_context(&mut self, id: ContextId) {
        let Some(context) = self.contexts.remove(id.slot, id.generation) else { return };
        self.buffers.release(context.request);
        for kept in [context.cancel_lines, context.challenges].into_iter().flatten() {
            self.buffers.release(kept);
        }
        self.release_best(context.best);
        let mut next = context.forks;
        while let Some(fork_id) = next {
            self.forget_connection(fork_id);
            let fork =
                self.forks.remove(fork_id.slot, fork_id.generation).expect("forks end with their context");
            self.buffers.release(fork.target);
            next = fork.next;
        }
    }

    /// After a fault: the transaction that met it, its context and all the context's forks are given up.
    pub(super) fn give_up(&mut self, working: Working) {
        if let Some(id) = working.transaction {
            self.end_transaction(id);
        }
        let Some(context_id) = working.context else { return };
        let Some(context) = self.contexts.get(context_id.slot, context_id.generation) else { return };
        let server = context.server;
        let mut next = context.forks;
        while let Some(fork) = next.and_then(|id| self.forks.get(id.slot, id.generation)) {
            next = fork.next;
            if let Some(client) = fork.client {
                self.end_transaction(client);
            }
        }
        self.end_transaction(server);
        self.remove_context(context_id);
    }
}
