//! A request goes on its way: the targets, the response context, and a fork for each (RFC 3261 §16.5–§16.6).

use crate::flow::token::FlowToken;
use crate::flow::{Flow, Zone};
use crate::ids::{ContextId, EndpointId, ForkId, TransactionId};
use crate::limits::{DATAGRAM_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::location::aor::Aor;
use crate::proxy::context::{Fork, ForkCancel, ForkState, Neighbours, Phase, ResponseContext, Way};
use crate::proxy::next_hop;
use crate::proxy::refusal::Refusal;
use crate::proxy::request::{self, Outgoing, Side};
use crate::shard::Shard;
use crate::shard::counters::Counter;
use crate::shard::outbox::{Connect, Outbox};
use crate::shard::receive::Request;
use crate::shard::request::{Destination, FAILURE_TRANSPORT, GROWTH, key_facts};
use crate::sip::edit;
use crate::sip::method::Method;
use crate::sip::name_addr::NameAddr;
use crate::sip::uri::Uri;
use crate::storage::buffers::BufferId;
use crate::time::{Duration, Instant};
use crate::transaction::branch::{Branch, SLOT_NONE};
use crate::transaction::key;
use crate::transaction::table::{Event, User};
use crate::transaction::{invite_server, step::Effects};

/// One place where a request is to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    /// See `target_text`.
    pub text: BufferId,
    pub way: Way,
    pub failure: u16,
    pub q: u16,
}

/// What a branch and its Via are made of.
#[derive(Clone, Copy)]
struct Leaving<'a> {
    request_uri: &'a [u8],
    path: &'a [u8],
    way: Way,
    flow: Flow,
    branch: Branch,
}

/// A stream that was tried only because the request is large gets this long, then it goes by UDP (§18.1.1).
const CONNECT_BEFORE_FALLBACK: Duration = Duration::from_secs(2);

/// Any other stream gets this long to open, far below timers B and F.
const CONNECT: Duration = Duration::from_secs(8);

impl Shard {
    /// Opens the server transaction and the response context of a new request, and starts its forks.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        fingerprint: u128,
        destination: Destination,
        outbox: &mut Outbox,
    ) {
        let opened = self
            .collect_targets(now, request, destination)
            .and_then(|()| self.open_context(now, request, fingerprint));
        match opened {
            Ok(id) => {
                if request.method == Method::Invite {
                    self.send_trying(request, outbox);
                }
                self.counters.add(Counter::Forwarded);
                self.targets.reverse();
                while let Some(target) = self.targets.pop() {
                    let fork = self.add_fork(id, target);
                    self.start_fork(now, fork, request, outbox);
                }
                self.finish_if_complete(now, id, outbox);
            }
            Err(refusal) => {
                self.release_targets();
                self.refuse(request, refusal, outbox);
            }
        }
    }

    /// Gives up targets that became no forks.
    pub(super) fn release_targets(&mut self) {
        for target in self.targets.drain(..) {
            self.buffers.release(target.text);
        }
    }

    /// §16.5: the target set, at most `[fork].targets_max`, into `self.targets`.
    fn collect_targets(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        destination: Destination,
    ) -> Result<(), Refusal> {
        assert!(self.targets.is_empty(), "the targets of a request are used up with it");
        match destination {
            Destination::Way { way, failure } => {
                let text = self
                    .buffers
                    .store_parts(&target_text(request.incoming.plan.request_uri.bytes, b"").parts());
                let text = text.ok_or(Refusal::Overload)?;
                self.targets.push(Target { text, way, failure, q: 1000 });
                Ok(())
            }
            Destination::Bindings => {
                let mut aor = core::mem::take(&mut self.aor);
                self.write_aor(&request.incoming.plan.request_uri, &mut aor);
                let result = self.collect_bindings(now, request, Aor::new(&aor));
                self.aor = aor;
                result
            }
        }
    }

    fn collect_bindings(&mut self, now: Instant, request: &Request<'_>, aor: Aor<'_>) -> Result<(), Refusal> {
        let is_large = request.incoming.message.bytes().len() + GROWTH > next_hop::DATAGRAM_REQUEST_MAX;
        let mut is_reachable = false;
        let mut has_binding = false;
        for (_, binding) in self.location.bindings(now, aor.hash(&self.hash), aor) {
            has_binding = true;
            if self.targets.len() == usize::from(self.options.targets_max) {
                break;
            }
            let way = if binding.rings_by_flow {
                Ok(Way::Flow(binding.flow))
            } else {
                first_hop(binding.path, binding.uri()).and_then(|next| {
                    next_hop::way_to(&next, &self.options.endpoints, binding.flow.endpoint, is_large)
                })
            };
            let Ok(way) = way else { continue };
            is_reachable = true;
            let text = target_text(without_headers(binding.uri()), binding.path);
            let text = self.buffers.store_parts(&text.parts());
            let Some(text) = text else { return Err(Refusal::Overload) };
            self.targets.push(Target { text, way, failure: FAILURE_TRANSPORT, q: binding.q });
        }
        match (has_binding, is_reachable) {
            (false, _) => Err(Refusal::NoBinding),
            (true, false) => Err(Refusal::Unreachable),
            (true, true) => Ok(()),
        }
    }

    fn open_context(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        fingerprint: u128,
    ) -> Result<ContextId, Refusal> {
        let is_invite = request.method == Method::Invite;
        let target_count = self.targets.len();
        let room = self.options.transaction.transactions_max - self.transactions.len();
        // CANCELs want room too: one for each fork. A fork outlives its transaction while others of its context ring.
        let forks_room = self.options.transaction.transactions_max - self.forks.len();
        let has_room = (room as usize) > 2 * target_count && (forks_room as usize) >= target_count;
        if !has_room || self.contexts.is_full() {
            self.counters.add(Counter::TablesFull);
            return Err(Refusal::Overload);
        }
        let Some(kept) = self.buffers.store(request.incoming.message.bytes()) else {
            self.counters.add(Counter::KeptBytesFull);
            return Err(Refusal::Overload);
        };
        let flow = self.response_flow(request.flow, &request.essentials.via);
        let server = self
            .transactions
            .open_server(now, is_invite, fingerprint, flow, User::Nobody)
            .expect("room was counted above");
        if is_invite {
            let effects =
                self.transactions.on(now, server, Event::InviteServer(invite_server::Event::Provisional));
            assert!(effects.has(Effects::SEND), "a new transaction takes a provisional");
        }
        let context = ResponseContext {
            server,
            request: kept,
            upstream: request.flow,
            is_invite,
            is_overloaded: false,
            phase: Phase::Open,
            forks: None,
            live_count: 0,
            best: None,
            cancel: None,
            cancel_lines: None,
            challenges: None,
        };
        let (slot, generation) = self.contexts.insert(context).expect("room was looked for above");
        let id = ContextId { slot, generation };
        self.transactions.record_mut(server).expect("opened above").user = User::Context(id);
        self.work_on(server);
        Ok(id)
    }

    fn add_fork(&mut self, context_id: ContextId, target: Target) -> ForkId {
        let context =
            self.contexts.get_mut(context_id.slot, context_id.generation).expect("the caller holds it");
        let fork = Fork {
            context: context_id,
            next: context.forks,
            client: None,
            state: ForkState::Connecting,
            cancel: ForkCancel::None,
            q: target.q,
            target: target.text,
            way: target.way,
            failure: target.failure,
            timer_c: Instant::NEVER,
            sent_by: None,
            neighbours: Neighbours::default(),
        };
        let (slot, generation) = self.forks.insert(fork).expect("room was counted by open_context");
        let id = ForkId { slot, generation };
        context.forks = Some(id);
        context.live_count += 1;
        self.counters.add(Counter::Forks);
        id
    }

    /// Sends a fork's request, or asks for the connection that it needs first.
    pub(super) fn start_fork(
        &mut self,
        now: Instant,
        id: ForkId,
        request: &Request<'_>,
        outbox: &mut Outbox,
    ) {
        let way = self.fork(id).expect("the caller holds it").way;
        let is_invite = request.method == Method::Invite;
        let (flow, connect) = match way {
            Way::Flow(flow) | Way::Datagram(flow) => (flow, None),
            Way::Stream { endpoint, remote, fallback } => match self.opened.find(endpoint, remote) {
                Some(flow) => (flow, None),
                None => {
                    let patience = if fallback.is_some() { CONNECT_BEFORE_FALLBACK } else { CONNECT };
                    (Flow { remote, endpoint, connection: None }, Some((endpoint, remote, now + patience)))
                }
            },
        };
        let Some(client) = self.transactions.open_client(is_invite, flow, User::Fork(id)) else {
            self.counters.add(Counter::TablesFull);
            return self.end_fork_silently(id, 503);
        };
        let context = self.fork(id).expect("the caller holds it").context;
        let server = self.context(context).expect("a fork lives in its context").server;
        self.transactions.record_mut(client).expect("opened above").server = Some(server);
        self.fork(id).expect("the caller holds it").client = Some(client);
        match connect {
            Some((endpoint, remote, deadline)) => {
                outbox.connects.push(Connect { origin: client, endpoint, remote, deadline });
            }
            None => self.send_fork(now, id, client, flow, request, outbox),
        }
    }

    /// Sends a fork's request over a flow that is there.
    pub(super) fn send_fork(
        &mut self,
        now: Instant,
        id: ForkId,
        client: TransactionId,
        flow: Flow,
        request: &Request<'_>,
        outbox: &mut Outbox,
    ) {
        let fork = *self.forks.get(id.slot, id.generation).expect("the caller holds it");
        let loop_hash = self.loop_hash(request);
        let branch = Branch {
            node: self.options.node,
            shard: self.options.shard,
            slot: client.slot,
            generation: client.generation,
            epoch: self.options.epoch,
            loop_hash,
        };
        let text = self.take_text(fork.target);
        let (request_uri, path) = read_target(&text);
        let start = outbox.bytes.len();
        let is_sent =
            self.emit_request(&Leaving { request_uri, path, way: fork.way, flow, branch }, request, outbox);
        self.text = text;
        // Of what is kept of an INVITE its CANCEL and its ACK are made: without it, it had better not leave.
        let is_kept = is_sent && (self.keep(client, start, outbox) || request.method != Method::Invite);
        if !is_kept {
            outbox.bytes.truncate(start);
            self.transactions.remove(client);
            let fork = self.fork(id).expect("the caller holds it");
            fork.client = None;
            let context_id = fork.context;
            if let Some(context) = self.context(context_id).filter(|_| is_sent) {
                context.is_overloaded = true;
            }
            return self.end_fork_silently(id, if is_sent { FAILURE_TRANSPORT } else { 513 });
        }
        self.transactions.start_client(now, client, flow);
        let timer_c = now + self.options.timer_c;
        let fork = self.fork(id).expect("the caller holds it");
        fork.state = ForkState::Calling;
        fork.timer_c = timer_c;
        self.note_connection(id, flow);
        self.dispatch(flow, start, Some(client), outbox);
    }

    /// What is kept, copied to where the rest of the shard does not borrow it. Put back into `self.text` after use.
    pub(super) fn take_text(&mut self, kept: BufferId) -> Vec<u8> {
        let mut text = core::mem::take(&mut self.text);
        text.clear();
        text.extend_from_slice(self.buffers.bytes(kept));
        text
    }

    /// Appends the forwarded request; false when it can not be sent: it has grown too large.
    fn emit_request(&mut self, leaving: &Leaving<'_>, request: &Request<'_>, outbox: &mut Outbox) -> bool {
        let Some(endpoint) = self.options.endpoints.get(usize::from(leaving.flow.endpoint.0)) else {
            return false;
        };
        let mut lines = core::mem::take(&mut self.scratch);
        lines.clear();
        if request::is_record_routed(request.method, request.essentials.to.tag().is_some()) {
            self.emit_record_routes(leaving, request, &mut lines);
        }
        let branch = leaving.branch.emit(self.keys.branch);
        let outgoing = Outgoing {
            request_uri: leaving.request_uri,
            path: leaving.path,
            endpoint,
            branch: &branch,
            record_routes: &lines,
            is_stream: leaving.flow.connection.is_some(),
        };
        let edited = request::edit_request(&request.incoming, &outgoing, &mut self.edits);
        self.scratch = lines;
        let message = request.incoming.message.bytes();
        let is_datagram = leaving.flow.connection.is_none();
        let len_max = if is_datagram { DATAGRAM_BYTES_MAX } else { MESSAGE_BYTES_MAX };
        let fits = self.edits.edited_len(message.len()) <= len_max.min(self.options.message_bytes_max);
        if edited.is_err() || !fits {
            return false;
        }
        edit::emit_edited(message, &self.edits, &mut outbox.bytes);
        true
    }

    /// Both sides of this fork: a side that is reached by its flow has the flow's token, any other the permission to come back.
    fn emit_record_routes(&self, leaving: &Leaving<'_>, request: &Request<'_>, lines: &mut Vec<u8>) {
        let permission = FlowToken::Permission { dialog: self.dialog_code(request) };
        let by_flow = |flow| FlowToken::Flow { flow, node: self.options.node };
        let is_upstream_by_flow =
            request.flow.connection.is_some() || (request.zone == Zone::Access && self.options.nat_fix);
        let endpoint = |id: EndpointId| &self.options.endpoints[usize::from(id.0)];
        let upstream = Side {
            endpoint: endpoint(request.flow.endpoint),
            token: if is_upstream_by_flow { by_flow(request.flow) } else { permission },
        };
        let downstream = Side {
            endpoint: endpoint(leaving.flow.endpoint),
            token: if matches!(leaving.way, Way::Flow(_)) { by_flow(leaving.flow) } else { permission },
        };
        request::emit_record_routes(&upstream, &downstream, self.keys.token, self.options.epoch, lines);
    }

    /// An ACK to a 2xx is forwarded and forgotten (§16.11 as §13.2.2.4 makes it): nobody answers it.
    pub(super) fn forward_ack(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        destination: Destination,
        outbox: &mut Outbox,
    ) {
        if self.collect_targets(now, request, destination).is_err() {
            self.counters.add(Counter::StrayAcks);
            return self.release_targets();
        }
        while let Some(target) = self.targets.pop() {
            // A stream that is not open is not opened for it: the answer that it acknowledges would have come by that.
            let flow = match target.way {
                Way::Flow(flow) | Way::Datagram(flow) => Some(flow),
                Way::Stream { endpoint, remote, fallback } => self
                    .opened
                    .find(endpoint, remote)
                    .or(fallback.map(|endpoint| Flow::udp(endpoint, remote))),
            };
            match flow {
                Some(flow) => self.send_ack(target, flow, request, outbox),
                None => self.counters.add(Counter::StrayAcks),
            }
            self.buffers.release(target.text);
        }
    }

    fn send_ack(&mut self, target: Target, flow: Flow, request: &Request<'_>, outbox: &mut Outbox) {
        // The same ACK again has the same branch.
        let generation = key::of_request(&self.hash, b"ACK", &key_facts(request)) as u32;
        let branch = Branch {
            node: self.options.node,
            shard: self.options.shard,
            slot: SLOT_NONE,
            generation,
            epoch: self.options.epoch,
            loop_hash: self.loop_hash(request),
        };
        let text = self.take_text(target.text);
        let (request_uri, path) = read_target(&text);
        let start = outbox.bytes.len();
        let is_sent =
            self.emit_request(&Leaving { request_uri, path, way: target.way, flow, branch }, request, outbox);
        self.text = text;
        if is_sent {
            self.dispatch(flow, start, None, outbox);
        } else {
            outbox.bytes.truncate(start);
        }
    }
}

/// A target's text as it is kept: the length of the URI in two bytes, the URI, the Path.
struct TargetText<'a> {
    len: [u8; 2],
    uri: &'a [u8],
    path: &'a [u8],
}

impl<'a> TargetText<'a> {
    fn parts(&self) -> [&[u8]; 3] {
        [&self.len, self.uri, self.path]
    }
}

fn target_text<'a>(uri: &'a [u8], path: &'a [u8]) -> TargetText<'a> {
    TargetText { len: (uri.len() as u16).to_be_bytes(), uri, path }
}

/// §16.6 step 2 with §19.1.1: headers are not allowed in a Request-URI. A `?` in the user part is none of theirs.
fn without_headers(uri: &[u8]) -> &[u8] {
    if memchr::memchr(b'?', uri).is_none() {
        return uri;
    }
    match Uri::parse(uri) {
        Ok(parsed) if !parsed.headers.is_empty() => &uri[..uri.len() - parsed.headers.len() - 1],
        _ => uri,
    }
}

fn read_target(text: &[u8]) -> (&[u8], &[u8]) {
    let (len, rest) = text.split_first_chunk().expect("target_text puts the length first");
    rest.split_at(usize::from(u16::from_be_bytes(*len)))
}

/// The URI that a binding is reached by when it is not reached by its flow: its first Path, or its Contact.
fn first_hop<'a>(path: &'a [u8], uri: &'a [u8]) -> Result<Uri<'a>, Refusal> {
    let next = NameAddr::list(path).next();
    let next = next.and_then(Result::ok).map_or(uri, |address| address.uri);
    Uri::parse(next).map_err(|_| Refusal::Unreachable)
}
