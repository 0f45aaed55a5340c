//! REGISTER: the registrar decides and says what is said; the shard finds the AOR, sends, and holds connections open (RFC 3261 §10.3).

use crate::ids::ConnectionId;
use crate::location::{Aor, Event};
use crate::proxy::refusal::Refusal;
use crate::registrar::Register;
use crate::shard::Shard;
use crate::shard::counters::Counter;
use crate::shard::outbox::{Hold, Outbox, ShardMessage};
use crate::shard::receive::Request;
use crate::sip::header_id::HeaderId;
use crate::time::Instant;

impl Shard {
    /// A REGISTER for this node's registrar. It leaves no transaction: a binding remembers the REGISTER that made it.
    pub(super) fn on_register(&mut self, now: Instant, request: &Request<'_>, outbox: &mut Outbox) {
        if self.is_draining {
            return self.refuse(request, Refusal::Draining, outbox);
        }
        if self.refuse_unknown_require(request, outbox) {
            return;
        }
        let mut aor = core::mem::take(&mut self.aor);
        let is_local = request
            .essentials
            .to
            .parse_uri()
            .is_ok_and(|to| to.user.is_some() && self.write_aor(&to, &mut aor));
        if is_local {
            self.register(now, request, &aor, outbox);
        } else {
            // §10.3 step 5.
            self.refuse(request, Refusal::NotFound, outbox);
        }
        self.aor = aor;
    }

    fn register(&mut self, now: Instant, request: &Request<'_>, aor: &[u8], outbox: &mut Outbox) {
        let essentials = &request.essentials;
        let aor = Aor::new(aor);
        let message = &request.incoming.message;
        let register = Register {
            message,
            aor,
            aor_hash: aor.hash(&self.hash),
            call_id: essentials.call_id,
            cseq: essentials.cseq.number,
            expires_s: essentials.expires_s,
            branch_hash: self.hash.hash(essentials.via.branch.unwrap_or_default()),
            flow: request.flow,
            zone: request.zone,
            is_first_hop: essentials.via.next.is_none() && message.all(HeaderId::Via).nth(1).is_none(),
            random: self.prng.next_u64(),
        };
        let mut lines = core::mem::take(&mut self.scratch);
        lines.clear();
        let mut held_until = None;
        let connection = request.flow.connection;
        let pings = &mut self.pings;
        let mut listener = |event: Event<'_>| {
            pings.on_binding(now, &event);
            if let Event::Added(binding) | Event::Refreshed(binding) = event {
                held_until = held_until.max(connection.map(|_| binding.expires));
            }
        };
        let decision =
            self.registrar.decide_register(now, &register, &mut self.location, &mut lines, &mut listener);
        if let (Some(connection), Some(until)) = (connection, held_until) {
            self.hold(connection, until, outbox);
        }
        let is_accepted = decision.status == 200;
        self.counters.add(if is_accepted { Counter::Registrations } else { Counter::RegistrationsFailed });
        if decision.status == 503 {
            self.counters.add(Counter::BindingsFull);
        }
        self.answer(request, decision.status, decision.reason.as_bytes(), &lines, outbox);
        self.scratch = lines;
    }

    /// A connection that a binding hangs on is not closed for being silent.
    fn hold(&mut self, connection: ConnectionId, until: Instant, outbox: &mut Outbox) {
        if self.is_own_connection(connection) {
            outbox.holds.push(Hold { connection, until });
        } else {
            outbox.handoffs.push((connection.shard, ShardMessage::Hold { connection, until }));
        }
    }
}
