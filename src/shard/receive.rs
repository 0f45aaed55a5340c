//! A message arrives: parsed, and then served here or given to the shard that owns it (RFC 3261 §18.1.2, §18.2.1).

use crate::flow::{Flow, Zone};
use crate::guard::source_rate::Verdict;
use crate::ids::ShardId;
use crate::proxy::identity::Place;
use crate::proxy::request::Incoming;
use crate::proxy::route::{self, RouteContext, RouteError};
use crate::shard::Shard;
use crate::shard::counters::Counter;
use crate::shard::outbox::Outbox;
use crate::shard::owner::{self, OwnerFacts, RequestFacts};
use crate::sip::aor_text;
use crate::sip::edit::ViaSource;
use crate::sip::essentials::Essentials;
use crate::sip::header_id::HeaderId;
use crate::sip::malformed::Malformed;
use crate::sip::message::{self, Message};
use crate::sip::method::Method;
use crate::sip::uri::Uri;
use crate::time::Instant;
use crate::transaction::branch::{Branch, Stale};

/// A request, proved and taken apart.
pub(super) struct Request<'a> {
    pub incoming: Incoming<'a>,
    pub essentials: &'a Essentials<'a>,
    pub method: Method,
    pub flow: Flow,
    pub zone: Zone,
}

impl Shard {
    /// A message from the shell: it may belong to another shard.
    pub(super) fn on_message(&mut self, now: Instant, flow: Flow, bytes: &[u8], outbox: &mut Outbox) {
        self.receive(now, flow, bytes, true, outbox);
    }

    /// A message from another shard: it belongs here.
    pub(super) fn on_own_message(&mut self, now: Instant, flow: Flow, bytes: &[u8], outbox: &mut Outbox) {
        self.receive(now, flow, bytes, false, outbox);
    }

    fn receive(&mut self, now: Instant, flow: Flow, bytes: &[u8], is_arrival: bool, outbox: &mut Outbox) {
        if message::is_keepalive(bytes) {
            self.counters.add(Counter::Keepalives);
            return;
        }
        // Before any work is spent on it, so that a flood of nonsense is bounded too.
        if is_arrival && self.rates.on_message(now, self.zone_of(flow), flow.remote) == Verdict::Refuse {
            return self.counters.add(Counter::RateRefused);
        }
        let mut index = self.index.take().expect("put back after each message, and by on_fault");
        let (message, result) = Message::parse_lenient(bytes, &mut index);
        if is_arrival {
            self.counters.add(if message.is_request() {
                Counter::RequestsReceived
            } else {
                Counter::ResponsesReceived
            });
        }
        match result {
            Err(malformed) => self.on_malformed(flow, &message, malformed, outbox),
            Ok(()) if bytes.len() > self.options.message_bytes_max => {
                self.on_malformed(flow, &message, Malformed::TooLarge, outbox);
            }
            // §18.3: on a stream nothing else says where the body ends.
            Ok(()) if flow.connection.is_some() && message.first(HeaderId::ContentLength).is_none() => {
                let missing = Malformed::Missing { header: HeaderId::ContentLength };
                self.on_malformed(flow, &message, missing, outbox);
            }
            Ok(()) if message.is_request() => self.receive_request(now, flow, &message, is_arrival, outbox),
            Ok(()) => self.receive_response(now, flow, &message, is_arrival, outbox),
        }
        self.index = Some(index);
    }

    fn receive_request(
        &mut self,
        now: Instant,
        flow: Flow,
        message: &Message<'_>,
        is_arrival: bool,
        outbox: &mut Outbox,
    ) {
        let essentials = Essentials::parse(message);
        let essentials = match &essentials {
            Ok(essentials) => essentials,
            Err(malformed) => return self.on_malformed(flow, message, *malformed, outbox),
        };
        let request = match self.read_request(flow, message, essentials) {
            Ok(request) => request,
            Err(RouteError::Malformed(malformed)) => {
                return self.on_malformed(flow, message, malformed, outbox);
            }
            Err(RouteError::Refused(refusal)) => return self.refuse_unread(flow, message, refusal, outbox),
        };
        if is_arrival {
            let owner = self.owner_of_request(&request);
            if owner != self.options.shard {
                return self.hand_off(owner, flow, message.bytes(), outbox);
            }
        }
        self.serve(now, &request, outbox);
    }

    /// Reads the way of a request whose essentials were proved.
    #[inline]
    pub(super) fn read_request<'a>(
        &self,
        flow: Flow,
        message: &Message<'a>,
        essentials: &'a Essentials<'a>,
    ) -> Result<Request<'a>, RouteError> {
        let context =
            RouteContext { identity: &self.identity, token_key: self.keys.token, epoch: self.options.epoch };
        let plan = route::plan_route(message, essentials.uri.expect("a request has one"), &context)?;
        let zone = self.zone_of(flow);
        let source = ViaSource { ip: flow.remote.ip(), port: flow.remote.port(), is_forced: false };
        let incoming = Incoming { message: *message, essentials, source, plan };
        let method = message.method().unwrap_or(Method::Other);
        Ok(Request { incoming, essentials, method, flow, zone })
    }

    pub(super) fn zone_of(&self, flow: Flow) -> Zone {
        self.options
            .endpoints
            .get(usize::from(flow.endpoint.0))
            .map_or(Zone::Access, |endpoint| endpoint.zone)
    }

    /// design: an AOR's requests meet its bindings; everything else meets its dialog.
    fn owner_of_request(&mut self, request: &Request<'_>) -> ShardId {
        if self.options.shards == 1 {
            return self.options.shard;
        }
        let uri = if request.method == Method::Register {
            request.essentials.to.parse_uri().ok()
        } else {
            self.looked_up_uri(request)
        };
        let mut aor = core::mem::take(&mut self.aor);
        let is_local = uri.is_some_and(|uri| self.write_aor(&uri, &mut aor));
        let facts = RequestFacts {
            local_aor: is_local.then_some(aor.as_slice()),
            token_shard: None,
            call_id: request.essentials.call_id,
        };
        let owner = owner::owner_of(&OwnerFacts::Request(facts), &self.hash, self.options.shards);
        self.aor = aor;
        owner.unwrap_or(self.options.shard)
    }

    /// The Request-URI, where it is an AOR to be looked up: not when a token inside a dialog says where the request goes.
    pub(super) fn looked_up_uri<'a>(&self, request: &Request<'a>) -> Option<Uri<'a>> {
        let plan = &request.incoming.plan;
        let is_local = self.dialog_token(request).is_none()
            && plan.rest_count == 0
            && self.identity.place_of(&plan.request_uri) == Place::LocalUser;
        is_local.then_some(plan.request_uri)
    }

    /// Writes the canonical AOR of a URI over `out`; false when its host is no local domain.
    pub(super) fn write_aor(&self, uri: &Uri<'_>, out: &mut Vec<u8>) -> bool {
        out.clear();
        if !uri.host.is_some_and(|host| self.identity.is_domain(host)) {
            return false;
        }
        let is_written = aor_text::emit_aor(uri, out);
        if is_written {
            let host_start = memchr::memrchr(b'@', out).map_or(0, |at| at + 1);
            self.identity.canonical_domain(host_start, out);
        }
        is_written
    }

    fn receive_response(
        &mut self,
        now: Instant,
        flow: Flow,
        message: &Message<'_>,
        is_arrival: bool,
        outbox: &mut Outbox,
    ) {
        let response = Essentials::parse(message);
        let response = match &response {
            Ok(response) => response,
            Err(malformed) => return self.counters.add(Counter::of_malformed(*malformed)),
        };
        let branch = response.via.branch.unwrap_or_default();
        let branch = match Branch::parse(branch, self.keys.branch, self.options.epoch) {
            Ok(branch) => branch,
            Err(Stale::Forged) => return self.counters.add(Counter::ForgedResponses),
            Err(Stale::NotOurs | Stale::OtherEpoch(_)) => return self.counters.add(Counter::StrayResponses),
        };
        let owner =
            owner::owner_of(&OwnerFacts::Response { shard: branch.shard }, &self.hash, self.options.shards);
        let (Some(owner), Some(id)) = (owner, branch.transaction()) else {
            return self.counters.add(Counter::StrayResponses);
        };
        if owner != self.options.shard {
            // One step only: a response that was handed here names this shard.
            if is_arrival {
                self.hand_off(owner, flow, message.bytes(), outbox);
            }
            return;
        }
        self.on_response(now, id, message, response, outbox);
    }

    fn on_malformed(&mut self, flow: Flow, message: &Message<'_>, malformed: Malformed, outbox: &mut Outbox) {
        self.counters.add(Counter::of_malformed(malformed));
        if message.is_request() && message.is_answerable() {
            self.answer_malformed(flow, message, malformed, outbox);
        }
    }
}
