//! A device behind NAT that registered by UDP is sent a CRLF every so often, so that the way to it stays open (RFC 5626 §4.4 lets the client do
//! that over streams; over UDP it is for the server, which knows that there is a NAT).

use crate::flow::Flow;
use crate::location::{Binding, Event, Removal};
use crate::proxy::identity::PORT_DEFAULT;
use crate::shard::outbox::{Outbox, Transmit};
use crate::sip::host::Host;
use crate::sip::uri::Uri;
use crate::storage::hash::HashKey;
use crate::storage::index::Index;
use crate::storage::table::Table as Slots;
use crate::time::queue::TimerQueue;
use crate::time::{Duration, Instant};

/// What is sent.
const PING: &[u8] = b"\r\n";

/// The flows that are kept open. One entry a flow, however many bindings hang on it; 64 bytes each.
#[derive(Debug)]
pub(super) struct Pings {
    /// `None`: no flow is kept open.
    every: Option<Duration>,
    hash: HashKey,
    flows: Slots<Kept>,
    by_flow: Index,
    due: TimerQueue<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    flow: Flow,
    /// The end of the binding on it that ends last.
    until: Instant,
}

impl Pings {
    /// `flows_max`: flows at once; past it, a further one is not kept open.
    pub(super) fn new(every: Duration, flows_max: u32, hash: HashKey) -> Self {
        let every = Some(every).filter(|every| *every > Duration::ZERO);
        let flows_max = if every.is_some() { flows_max } else { 1 };
        Pings {
            every,
            hash,
            flows: Slots::new(flows_max),
            by_flow: Index::new(flows_max),
            due: TimerQueue::new(),
        }
    }

    /// A binding has changed.
    pub(super) fn on_binding(&mut self, now: Instant, event: &Event<'_>) {
        let Some(every) = self.every else { return };
        match event {
            Event::Added(binding) | Event::Refreshed(binding) if is_behind_nat(binding) => {
                self.keep(now, every, binding.flow, binding.expires);
            }
            // Who takes a binding back has gone. Another binding on the flow has it kept open again with its next refresh.
            Event::Removed(binding, Removal::Unregistered) => {
                if let Some(kept) = self.find(binding.flow).and_then(|slot| self.flows.at_mut(slot)) {
                    kept.1.until = now;
                }
            }
            Event::Added(_)
            | Event::Refreshed(_)
            | Event::Removed(_, Removal::Expired | Removal::Replaced) => {}
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.due.next_deadline()
    }

    /// Sends what is due.
    pub(super) fn fire(&mut self, now: Instant, outbox: &mut Outbox) {
        let Some(every) = self.every else { return };
        while let Some((slot, generation)) = self.due.pop_due(now) {
            let Some(&Kept { flow, until }) = self.flows.get(slot, generation) else { continue };
            if until <= now {
                self.flows.remove(slot, generation);
                self.by_flow.remove(self.hash_of(flow), slot);
                continue;
            }
            let start = outbox.bytes.len() as u32;
            outbox.bytes.extend_from_slice(PING);
            outbox.transmits.push(Transmit { flow, start, len: PING.len() as u32, origin: None });
            self.due.push(now + every, (slot, generation));
        }
    }

    pub(super) fn invariants(&self) {
        self.flows.invariants();
        self.by_flow.invariants();
        assert_eq!(self.flows.len(), self.by_flow.len(), "each flow is indexed once");
        assert_eq!(self.flows.len() as usize, self.due.len(), "each flow has one timer");
    }

    fn keep(&mut self, now: Instant, every: Duration, flow: Flow, until: Instant) {
        if let Some((_, kept)) = self.find(flow).and_then(|slot| self.flows.at_mut(slot)) {
            kept.until = kept.until.max(until);
        } else if let Some((slot, generation)) = self.flows.insert(Kept { flow, until }) {
            let is_indexed = self.by_flow.insert(self.hash_of(flow), slot);
            assert!(is_indexed, "the index has room for as many as the table");
            self.due.push(now + every, (slot, generation));
        }
    }

    fn find(&self, flow: Flow) -> Option<u32> {
        let is_it = |slot| self.flows.at(slot).is_some_and(|(_, kept)| kept.flow == flow);
        self.by_flow.find(self.hash_of(flow), is_it)
    }

    fn hash_of(&self, flow: Flow) -> u64 {
        let remote = flow.remote;
        self.hash.hash_parts(&[
            &remote.octets(),
            &remote.port().to_be_bytes(),
            &flow.endpoint.0.to_be_bytes(),
        ])
    }
}

/// A device that is rung where its REGISTER came from by UDP, and says in its Contact that it is elsewhere.
fn is_behind_nat(binding: &Binding<'_>) -> bool {
    if !binding.rings_by_flow || binding.flow.connection.is_some() {
        return false;
    }
    let Ok(uri) = Uri::parse(binding.uri()) else { return false };
    let said = uri.host.and_then(Host::ip);
    let port = uri.port.unwrap_or(PORT_DEFAULT);
    said != Some(binding.flow.remote.ip()) || port != binding.flow.remote.port()
}
