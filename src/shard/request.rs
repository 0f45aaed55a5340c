//! A request that belongs to this shard: a retransmission, an ACK, a CANCEL, or a new one and where it goes (RFC 3261 §16.3–§16.5).

use crate::flow::Zone;
use crate::flow::mac::ToTagFacts;
use crate::flow::token::FlowToken;
use crate::ids::TransactionId;
use crate::proxy::context::Way;
use crate::proxy::identity::Place;
use crate::proxy::next_hop;
use crate::proxy::refusal::Refusal;
use crate::shard::Shard;
use crate::shard::counters::Counter;
use crate::shard::outbox::Outbox;
use crate::shard::receive::Request;
use crate::sip::header_id::HeaderId;
use crate::sip::method::Method;
use crate::sip::option_tag;
use crate::sip::uri::Scheme;
use crate::sip::via::Via;
use crate::time::Instant;
use crate::transaction::branch::{self, BRANCH_LEN, Branch, LoopFacts, Stale};
use crate::transaction::invite_server;
use crate::transaction::key::{self, KeyFacts};
use crate::transaction::non_invite_server;
use crate::transaction::step::Effects;
use crate::transaction::table::{Event, Machine};

/// Where a request that is not for tine itself goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Destination {
    /// To the bindings of the AOR in its Request-URI.
    Bindings,
    /// One way, decided by a token, a Route or the Request-URI. `failure`: what a transport error on it means.
    Way { way: Way, failure: u16 },
}

/// Status of a fork that could not be sent (§16.9).
pub(super) const FAILURE_TRANSPORT: u16 = 503;

/// Status of a fork whose flow, named by a token, is gone (RFC 5626 §5.3.1).
pub(super) const FAILURE_FLOW: u16 = 430;

/// Option tags that this node knows as a proxy, in Proxy-Require.
const PROXY_REQUIRE_KNOWN: &[&[u8]] = &[b"path", b"outbound"];

/// Bytes that a request grows by on its way through with two Record-Routes, 70 each, a Via of 90 and a received of 30: enough to tell whether it
/// is large (§18.1.1).
pub(super) const GROWTH: usize = 300;

impl Shard {
    pub(super) fn serve(&mut self, now: Instant, request: &Request<'_>, outbox: &mut Outbox) {
        match request.method {
            Method::Ack => self.on_ack(now, request, outbox),
            Method::Cancel => self.on_cancel(now, request, outbox),
            // What tine answers itself leaves no transaction behind, so none is looked for.
            Method::Register if self.is_for_registrar(request) => self.on_register(now, request, outbox),
            _ if self.is_for_itself(request) => self.answer_itself(request, outbox),
            _ => {
                let fingerprint = self.fingerprint(request);
                if let Some(id) = self.transactions.find_server(fingerprint) {
                    return self.on_request_again(now, id, request, outbox);
                }
                match self.decide_destination(request) {
                    Ok(destination) => self.begin(now, request, fingerprint, destination, outbox),
                    Err(refusal) => self.refuse(request, refusal, outbox),
                }
            }
        }
    }

    fn is_for_registrar(&self, request: &Request<'_>) -> bool {
        let plan = &request.incoming.plan;
        plan.rest_count == 0
            && (plan.request_uri.host.is_some_and(|host| self.identity.is_domain(host))
                || self.identity.place_of(&plan.request_uri) == Place::Itself)
    }

    fn is_for_itself(&self, request: &Request<'_>) -> bool {
        let plan = &request.incoming.plan;
        plan.rest_count == 0
            && self.dialog_token(request).is_none()
            && self.identity.place_of(&plan.request_uri) == Place::Itself
    }

    /// The fingerprint of the server transaction that a request opens or repeats.
    fn fingerprint(&self, request: &Request<'_>) -> u128 {
        key::of_request(&self.hash, request.incoming.message.method_name(), &key_facts(request))
    }

    /// RFC 3261 §17.2: the machine knows what a repeated request needs.
    fn on_request_again(
        &mut self,
        now: Instant,
        id: TransactionId,
        request: &Request<'_>,
        outbox: &mut Outbox,
    ) {
        self.counters.add(Counter::RetransmissionsReceived);
        self.work_on(id);
        let event = if request.method == Method::Invite {
            Event::InviteServer(invite_server::Event::Invite)
        } else {
            Event::NonInviteServer(non_invite_server::Event::Request)
        };
        let effects = self.transactions.on(now, id, event);
        if !effects.has(Effects::RESEND) {
            return;
        }
        let Some(record) = self.transactions.record(id) else { return };
        match (record.kept, record.machine) {
            (Some(_), _) => self.resend(id, outbox),
            // The 100 is not kept: it is made again of the request that asks for it.
            (None, Machine::InviteServer(invite_server::State::Proceeding)) => {
                self.send_trying(request, outbox)
            }
            (None, _) => {}
        }
    }

    /// An ACK ends the transaction of a failure (§17.2.1), or goes to who answered (§13.2.2.4), or belongs to an answer that left no state.
    fn on_ack(&mut self, now: Instant, request: &Request<'_>, outbox: &mut Outbox) {
        let invite = key::of_invite(&self.hash, &key_facts(request));
        if let Some(id) = self.transactions.find_server(invite) {
            self.work_on(id);
            let effects = self.transactions.on(now, id, Event::InviteServer(invite_server::Event::Ack));
            if effects.has(Effects::TERMINATE) {
                self.end_transaction(id);
            } else if !effects.is_none() && !effects.has(Effects::PASS) {
                // The failure that was kept to be sent again has been heard.
                self.replace_kept(id, None);
            }
            if !effects.has(Effects::PASS) {
                return;
            }
        }
        let to_tag = request.essentials.to.tag().unwrap_or_default();
        if self.keys.is_to_tag(to_tag, &to_tag_facts(request)) {
            return self.counters.add(Counter::StrayAcks);
        }
        match self.decide_destination(request) {
            Ok(destination) => self.forward_ack(now, request, destination, outbox),
            Err(_) => self.counters.add(Counter::StrayAcks),
        }
    }

    /// The token of our last Route, where the request is inside a dialog.
    pub(super) fn dialog_token(&self, request: &Request<'_>) -> Option<FlowToken> {
        request.incoming.plan.token.filter(|_| request.essentials.to.tag().is_some())
    }

    /// §16.3 to §16.5: what a request must fulfil to be forwarded, and where it then goes.
    fn decide_destination(&mut self, request: &Request<'_>) -> Result<Destination, Refusal> {
        let plan = &request.incoming.plan;
        let uri = &plan.request_uri;
        if uri.scheme == Scheme::Other {
            return Err(Refusal::UnsupportedScheme);
        }
        if request.essentials.max_forwards == Some(0) {
            return Err(Refusal::TooManyHops);
        }
        if self.is_draining && request.essentials.to.tag().is_none() && request.method != Method::Ack {
            return Err(Refusal::Draining);
        }
        if unknown_tags(request, HeaderId::ProxyRequire, PROXY_REQUIRE_KNOWN).next().is_some() {
            return Err(Refusal::BadExtension);
        }
        if self.has_looped(request) {
            return Err(Refusal::LoopDetected);
        }
        if let Some(token) = self.dialog_token(request) {
            return self.decide_by_token(request, token);
        }
        match (self.identity.place_of(uri), plan.rest_count, request.zone) {
            (Place::LocalUser, 0, _) => Ok(Destination::Bindings),
            (Place::NoSuchDomain, 0, _) => Err(Refusal::NotFound),
            // No open relay: from the access side, foreign places are reached inside dialogs only.
            (_, _, Zone::Access) => Err(Refusal::ForeignDomain),
            (_, 0, Zone::Core) => Err(Refusal::NotFound),
            (_, _, Zone::Core) => self.decide_by_uri(request),
        }
    }

    fn decide_by_token(&self, request: &Request<'_>, token: FlowToken) -> Result<Destination, Refusal> {
        match token {
            FlowToken::Flow { flow, .. } => {
                // The file may list other listeners than when the token was made.
                let endpoint =
                    self.options.endpoints.get(usize::from(flow.endpoint.0)).ok_or(Refusal::FlowFailed)?;
                if endpoint.transport.is_reliable() != flow.connection.is_some() {
                    return Err(Refusal::FlowFailed);
                }
                Ok(Destination::Way { way: Way::Flow(flow), failure: FAILURE_FLOW })
            }
            FlowToken::Permission { dialog } if dialog == self.dialog_code(request) => {
                self.decide_by_uri(request)
            }
            FlowToken::Permission { .. } => Err(Refusal::ForgedToken),
        }
    }

    fn decide_by_uri(&self, request: &Request<'_>) -> Result<Destination, Refusal> {
        let plan = &request.incoming.plan;
        let next = plan.next.as_ref().unwrap_or(&plan.request_uri);
        let is_large = request.incoming.message.bytes().len() + GROWTH > next_hop::DATAGRAM_REQUEST_MAX;
        let way = next_hop::way_to(next, &self.options.endpoints, request.flow.endpoint, is_large)?;
        Ok(Destination::Way { way, failure: FAILURE_TRANSPORT })
    }

    /// What ties a permission to its dialog, also after a restart with the same key file.
    pub(super) fn dialog_code(&self, request: &Request<'_>) -> u32 {
        self.keys.token.mac(request.essentials.call_id) as u32
    }

    /// §16.3 step 4 with RFC 5393 §4.2: one of our Vias with the same loop hash means that nothing has changed since it passed.
    fn has_looped(&self, request: &Request<'_>) -> bool {
        let message = &request.incoming.message;
        // Nearly always there is one Via, and it is known.
        let top = &request.essentials.via;
        if top.next.is_none() && message.all(HeaderId::Via).nth(1).is_none() {
            return self.own_loop_hash(top).is_some_and(|hash| hash == self.loop_hash(request));
        }
        let mut own = message.values(HeaderId::Via).filter_map(|value| {
            let via = Via::parse(value.ok()?.bytes).ok()?;
            self.own_loop_hash(&via)
        });
        let Some(first) = own.next() else { return false };
        let loop_hash = self.loop_hash(request);
        first == loop_hash || own.any(|hash| hash == loop_hash)
    }

    /// The loop hash in a Via of ours.
    fn own_loop_hash(&self, via: &Via<'_>) -> Option<u32> {
        let branch = via.branch.filter(|branch| branch.len() == BRANCH_LEN)?;
        match Branch::parse(branch, self.keys.branch, self.options.epoch) {
            Ok(branch) | Err(Stale::OtherEpoch(branch)) => Some(branch.loop_hash),
            Err(Stale::NotOurs | Stale::Forged) => None,
        }
    }

    pub(super) fn loop_hash(&self, request: &Request<'_>) -> u32 {
        let essentials = request.essentials;
        let facts = LoopFacts {
            request_uri: request.incoming.plan.request_uri.bytes,
            call_id: essentials.call_id,
            from_tag: essentials.from.tag().unwrap_or_default(),
            to_tag: essentials.to.tag().unwrap_or_default(),
            cseq: essentials.cseq.number,
        };
        let message = &request.incoming.message;
        let plan = &request.incoming.plan;
        let has_routes = plan.rest_count > 0 || plan.is_uri_from_route;
        let routes = has_routes.then(|| message.values(HeaderId::Route).skip(plan.own_count));
        let routes = routes.into_iter().flatten().filter_map(|value| Some(value.ok()?.bytes));
        let requires = message.all(HeaderId::ProxyRequire).map(|line| message.value(line));
        let credentials = message.all(HeaderId::ProxyAuthorization).map(|line| message.value(line));
        branch::loop_hash(&self.hash, &facts, routes.chain(requires).chain(credentials))
    }
}

/// What takes part in matching a request to its transaction (§17.2.3).
pub(super) fn key_facts<'a>(request: &Request<'a>) -> KeyFacts<'a> {
    let essentials = request.essentials;
    let via = &essentials.via;
    let message = &request.incoming.message;
    let start = usize::from(essentials.via_start);
    KeyFacts {
        branch: via.branch,
        host: via.host_bytes,
        port: via.port,
        via: &message.bytes()[start..start + usize::from(via.end)],
        request_uri: message.request_uri(),
        to_tag: essentials.to.tag().unwrap_or_default(),
        from_tag: essentials.from.tag().unwrap_or_default(),
        call_id: essentials.call_id,
        cseq: essentials.cseq.number,
    }
}

/// What a stateless answer's To tag is made of.
pub(super) fn to_tag_facts<'a>(request: &Request<'a>) -> ToTagFacts<'a> {
    let essentials = request.essentials;
    ToTagFacts {
        call_id: essentials.call_id,
        from_tag: essentials.from.tag().unwrap_or_default(),
        branch: essentials.via.branch.unwrap_or_default(),
        cseq: essentials.cseq.number,
    }
}

/// Option tags of a header that are not among `known`.
pub(super) fn unknown_tags<'a>(
    request: &Request<'a>,
    id: HeaderId,
    known: &'static [&'static [u8]],
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let message = request.incoming.message;
    message
        .all(id)
        .flat_map(move |line| option_tag::tags(message.value(line)))
        .filter_map(Result::ok)
        .filter(move |tag| !known.iter().any(|known| known.eq_ignore_ascii_case(tag)))
}
