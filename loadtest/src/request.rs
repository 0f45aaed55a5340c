//! Requests that stand alone: OPTIONS and REGISTER, each a non-INVITE client transaction (RFC 3261 §17.1.2).

use tine::sip::header_id::HeaderId;
use tine::sip::message::Message;
use tine::sip::name_addr::NameAddr;
use tine::storage::table::Table;
use tine::time::{Duration, Instant};

use crate::context::Context;
use crate::names::{Kind, Name};
use crate::reading;
use crate::tally::{Cause, Specimen, Step};
use crate::timers::{self, Owner, TimerKey};

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// An operation.
    Options,
    /// An operation.
    Register,
    /// To be reachable, before calls start.
    Setup,
    /// To stay so.
    Refresh,
    /// To leave nothing behind.
    Remove,
}

/// Requests that wait for their answer.
#[derive(Debug)]
pub struct Requests {
    table: Table<Request>,
    expires_s: u32,
    /// Where the search for a user with nothing pending begins.
    next_endpoint: u32,
    /// What became of the requests that are no operations.
    pub bulk: Bulk,
}

/// Counts of setup and removal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bulk {
    pub pending: u32,
    pub succeeded: u32,
    pub refused: u32,
    pub silent: u32,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    purpose: Purpose,
    endpoint: u32,
    cseq: u32,
    intended: Instant,
    measured: bool,
    /// Transmissions so far.
    sent: u8,
    /// It overlaps another REGISTER of its user: with a Call-ID of its own neither is out of order (RFC 3261 §10.3 step 7).
    is_overlapping: bool,
}

/// Requests that one thread keeps in flight.
const REQUESTS_MAX: u32 = 4 << 20;

impl Requests {
    pub fn new(expires_s: u32) -> Self {
        Requests { table: Table::new(REQUESTS_MAX), expires_s, next_endpoint: 0, bulk: Bulk::default() }
    }

    /// Starts an operation for the next user. A user whose last REGISTER is unanswered is passed over as long as there is another
    /// near by (RFC 3261 §10.2).
    pub fn start_next(&mut self, cx: &mut Context, purpose: Purpose, intended: Instant, measured: bool) {
        let count = cx.endpoints.len();
        let first = self.next_endpoint;
        let mut endpoint = first;
        if purpose == Purpose::Register && cx.endpoints.at(first).pending > 0 {
            // Users answer in about the order in which they are asked: a free one is near, or there is none.
            let near = (0..count.min(64)).map(|step| (first + step) % count);
            endpoint = near.into_iter().find(|&near| cx.endpoints.at(near).pending == 0).unwrap_or(first);
        }
        self.next_endpoint = (endpoint + 1) % count;
        self.start(cx, purpose, endpoint, intended, measured);
    }

    /// Starts a request of an endpoint.
    pub fn start(
        &mut self,
        cx: &mut Context,
        purpose: Purpose,
        endpoint: u32,
        intended: Instant,
        measured: bool,
    ) {
        let user = cx.endpoints.at_mut(endpoint);
        let is_overlapping = user.pending > 0;
        if purpose != Purpose::Options {
            user.cseq += 1;
            user.pending += 1;
        }
        let request = Request {
            purpose,
            endpoint,
            cseq: user.cseq.max(1),
            intended,
            measured,
            sent: 1,
            is_overlapping,
        };
        if measured {
            cx.tally.attempted += 1;
        }
        match purpose {
            Purpose::Options | Purpose::Register => {}
            Purpose::Setup | Purpose::Refresh | Purpose::Remove => self.bulk.pending += 1,
        }
        match self.table.insert(request) {
            Some((slot, generation)) => {
                let name = Name { kind: Kind::Request, part: 0, slot, generation };
                self.transmit(cx, name, request);
            }
            None => self.end(cx, request, Err(Cause::InFlightMax), None),
        }
    }

    /// An answer to one of our requests came.
    pub fn on_response(&mut self, cx: &mut Context, name: Name, message: &Message<'_>) {
        let Some(&request) = self.table.get(name.slot, name.generation) else {
            cx.tally.stray(message);
            return;
        };
        if message.status() < 200 {
            return;
        }
        self.table.remove(name.slot, name.generation);
        let outcome = if reading::call_id(message, cx.mark) != Some(self.call_id(name, request)) {
            Err(Cause::WrongDialog)
        } else {
            match message.status() {
                200 => Ok(()),
                status @ 201..=399 => Err(Cause::UnexpectedStatus(status)),
                status => Err(Cause::Status(status)),
            }
        };
        self.end(cx, request, outcome, Some(message));
    }

    /// A timer ran out: send again, or give up.
    pub fn on_timer(&mut self, cx: &mut Context, key: TimerKey) {
        let Some(request) = self.table.get_mut(key.slot, key.generation) else { return };
        if u16::from(request.sent) != key.step {
            return;
        }
        let name = Name { kind: Kind::Request, part: 0, slot: key.slot, generation: key.generation };
        request.sent += 1;
        let request = *request;
        if timers::wait_after(request.sent, false).is_none() {
            self.table.remove(key.slot, key.generation);
            self.end(cx, request, Err(Cause::Timeout), None);
            return;
        }
        if request.measured {
            cx.tally.retransmissions_sent += 1;
        }
        self.transmit(cx, name, request);
    }

    /// The grace is over: what is measured and in flight has failed.
    pub fn give_up(&mut self, cx: &mut Context) {
        for slot in 0..REQUESTS_MAX {
            if cx.tally.in_flight() == 0 {
                return;
            }
            let Some((generation, &request)) = self.table.at(slot) else { continue };
            if request.measured {
                self.table.remove(slot, generation);
                self.end(cx, request, Err(Cause::Timeout), None);
            }
        }
    }

    /// The binding of an endpoint is to be refreshed.
    pub fn on_refresh(&mut self, cx: &mut Context, endpoint: u32) {
        if cx.endpoints.at(endpoint).is_registered {
            self.start(cx, Purpose::Refresh, endpoint, cx.now, false);
        }
    }

    fn transmit(&self, cx: &mut Context, name: Name, request: Request) {
        let mut values = cx.values(request.endpoint, name);
        values.cseq = request.cseq;
        values.call_id = self.call_id(name, request);
        values.expires_s = if request.purpose == Purpose::Remove { 0 } else { self.expires_s };
        let target = cx.target;
        match request.purpose {
            Purpose::Options => cx.send(request.endpoint, target, |texts| &texts.options, &values),
            Purpose::Register | Purpose::Setup | Purpose::Refresh | Purpose::Remove => {
                cx.send(request.endpoint, target, |texts| &texts.register, &values);
            }
        }
        if let Some(wait) = timers::wait_after(request.sent, false) {
            cx.arm(wait, name, Owner::Request, u16::from(request.sent));
        }
    }

    /// One Call-ID for all registrations of an endpoint (RFC 3261 §10.2.4), one for each OPTIONS.
    fn call_id(&self, name: Name, request: Request) -> Name {
        match request.purpose {
            Purpose::Options => name,
            _ if request.is_overlapping => name,
            _ => Name { kind: Kind::Endpoint, part: 0, slot: request.endpoint, generation: 0 },
        }
    }

    fn end(
        &mut self,
        cx: &mut Context,
        request: Request,
        outcome: Result<(), Cause>,
        message: Option<&Message<'_>>,
    ) {
        let endpoint = cx.endpoints.at_mut(request.endpoint);
        if request.purpose != Purpose::Options {
            endpoint.pending -= 1;
            if outcome.is_ok() {
                endpoint.is_registered = request.purpose != Purpose::Remove;
            }
        }
        let step = match request.purpose {
            Purpose::Options => Step::Options200,
            Purpose::Register => Step::Register200,
            Purpose::Setup | Purpose::Refresh | Purpose::Remove => {
                self.end_of_bulk(cx, request, outcome, message);
                return;
            }
        };
        if !request.measured {
            return;
        }
        match outcome {
            Ok(()) => {
                cx.tally.succeeded += 1;
                cx.tally.record(step, request.intended, cx.now);
            }
            Err(cause) => fail(cx, request, cause, message),
        }
    }

    fn end_of_bulk(
        &mut self,
        cx: &mut Context,
        request: Request,
        outcome: Result<(), Cause>,
        message: Option<&Message<'_>>,
    ) {
        self.bulk.pending -= 1;
        match outcome {
            Ok(()) => self.bulk.succeeded += 1,
            Err(Cause::Timeout) => self.bulk.silent += 1,
            Err(_) => self.bulk.refused += 1,
        }
        match (outcome, message) {
            (Ok(()), Some(message)) if request.purpose != Purpose::Remove => {
                let granted_s = granted_s(cx, request.endpoint, message).unwrap_or(self.expires_s);
                let name = Name { kind: Kind::Endpoint, part: 0, slot: request.endpoint, generation: 0 };
                cx.arm(refresh_after(granted_s), name, Owner::Refresh, 0);
            }
            (Err(cause), _) if request.purpose == Purpose::Setup => keep(cx, request, cause, message),
            _ => {}
        }
    }
}

/// Keeps a failed registration of the setup whole; it counts in `Bulk`.
fn keep(cx: &mut Context, request: Request, cause: Cause, message: Option<&Message<'_>>) {
    if cx.tally.specimens.is_empty() {
        let specimen = specimen(cx, request, cause, message);
        cx.tally.specimens.push(specimen);
    }
}

fn fail(cx: &mut Context, request: Request, cause: Cause, message: Option<&Message<'_>>) {
    if cx.tally.fail(cause) {
        let specimen = specimen(cx, request, cause, message);
        cx.tally.specimens.push(specimen);
    }
}

fn specimen(cx: &Context, request: Request, cause: Cause, message: Option<&Message<'_>>) -> Specimen {
    let contact = cx.endpoints.contact_of(request.endpoint);
    Specimen {
        cause,
        after: cx.now.since(request.intended),
        what: format!(
            "{:?} of user {} device {}, CSeq {}",
            request.purpose, contact.user, contact.device, request.cseq
        ),
        message: message
            .map(|message| String::from_utf8_lossy(message.bytes()).into_owned())
            .unwrap_or_default(),
    }
}

/// The expiry that was granted to an endpoint's own Contact (RFC 3261 §10.2.4).
fn granted_s(cx: &Context, endpoint: u32, message: &Message<'_>) -> Option<u32> {
    let contact = cx.endpoints.contact_of(endpoint);
    message.values(HeaderId::Contact).find_map(|value| {
        let address = NameAddr::parse(value.ok()?.bytes).ok()?;
        (reading::device_of(address.uri)? == contact).then(|| address.expires_s())?
    })
}

/// Half of what was granted, in steps, so that few lengths of timers are in use.
fn refresh_after(granted_s: u32) -> Duration {
    let half = u64::from(granted_s / 2).max(1);
    let step = (half / 8).next_power_of_two().max(1);
    Duration::from_secs((half / step * step).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refreshes_come_in_time_and_in_few_lengths() {
        let mut lengths: Vec<u64> = (1..=7_200).map(|granted| refresh_after(granted).as_secs()).collect();
        for (granted, length) in (1..=7_200_u64).zip(&lengths) {
            assert!(*length <= (granted / 2).max(1) && *length >= granted / 5, "{granted}: {length}");
        }
        lengths.dedup();
        assert!(lengths.len() <= 64, "{}", lengths.len());
    }
}
