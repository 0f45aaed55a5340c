//! Everything that a start, a datagram or a timer may reach, and which of them it reaches. No socket and no clock: `run` has those.

use std::net::SocketAddr;

use tine::flow::Address;
use tine::shell::udp::Datagram;
use tine::sip::index::Index;
use tine::sip::message::{Message, is_keepalive};
use tine::time::Instant;

use crate::call::{self, Calls, Origin};
use crate::cli::{Plan, Workload};
use crate::context::{Context, Draw};
use crate::names::{Kind, RunMark};
use crate::pacing::Start;
use crate::reading;
use crate::request::{Purpose, Requests};
use crate::sockets::Outgoing;
use crate::tally::Tally;
use crate::texts::Texts;
use crate::timers::{Owner, Timers};
use crate::user::Endpoints;

/// The state of a run.
pub struct Rooms {
    pub cx: Context,
    pub requests: Requests,
    /// Where the workload has calls.
    pub calls: Option<Calls>,
    /// What an operation is, where it is no call.
    purpose: Purpose,
    index: Index,
}

/// Timers that end in one turn of the loop.
const TIMERS_MAX: usize = 512;

impl Rooms {
    /// For sockets bound at `locals`; `seed` makes the names of this run its own.
    pub fn new(plan: &Plan, locals: &[SocketAddr], now: Instant, seed: u64) -> Self {
        let mut draw = Draw(seed);
        let mark = RunMark::new((0..4).fold(0, |mark, _| mark << 8 | u32::from(draw.below(u8::MAX))));
        let devices = plan.workload.devices();
        let cx = Context {
            now,
            mark,
            texts: Texts::new(&plan.domain, plan.bind[0]),
            locals: locals.iter().map(|local| local.to_string().into_bytes().into_boxed_slice()).collect(),
            target: Address::from(plan.target),
            outgoing: Outgoing::default(),
            timers: Timers::default(),
            tally: Tally::new(devices),
            endpoints: Endpoints::new(plan.users, devices, locals.len() as u32),
            draw,
        };
        Rooms {
            cx,
            requests: Requests::new(plan.workload.expires_s()),
            calls: plan.workload.call_plan().map(Calls::new),
            purpose: if plan.workload == Workload::Options { Purpose::Options } else { Purpose::Register },
            index: Index::default(),
        }
    }

    /// Starts an operation.
    pub fn start(&mut self, start: Start) {
        if start.measured {
            let late = self.cx.now.since(start.intended);
            self.cx.tally.late.saturating_record(late.as_micros());
        }
        match &mut self.calls {
            Some(calls) => calls.start(&mut self.cx, start),
            None => self.requests.start_next(&mut self.cx, self.purpose, start.intended, start.measured),
        }
    }

    /// Ends the timers that are due.
    pub fn on_timers(&mut self) {
        for _ in 0..TIMERS_MAX {
            let Some((due, key)) = self.cx.timers.pop_due(self.cx.now) else { return };
            match (key.owner, &mut self.calls) {
                (Owner::Request, _) => self.requests.on_timer(&mut self.cx, key),
                (Owner::Refresh, _) => self.requests.on_refresh(&mut self.cx, key.slot),
                (Owner::Caller | Owner::Device(_), Some(calls)) => calls.on_timer(&mut self.cx, due, key),
                (Owner::Caller | Owner::Device(_), None) => {}
            }
        }
    }

    /// A datagram came to a socket.
    pub fn on_datagram(&mut self, socket: u32, datagram: Datagram<'_>) {
        if is_keepalive(datagram.bytes) {
            return;
        }
        let Ok(message) = Message::parse(datagram.bytes, &mut self.index) else {
            self.cx.tally.malformed += 1;
            return;
        };
        if message.is_request() {
            let origin = Origin { socket, remote: datagram.remote };
            match &mut self.calls {
                Some(calls) => calls.on_request(&mut self.cx, origin, &message),
                None => call::answer_stranger(&mut self.cx, origin, &message),
            }
            return;
        }
        let name = reading::top_branch(&message).and_then(|branch| self.cx.mark.parse_branch(branch));
        match (name, &mut self.calls) {
            (Some(name), _) if name.kind == Kind::Request => {
                self.requests.on_response(&mut self.cx, name, &message)
            }
            (Some(name), Some(calls)) if matches!(name.kind, Kind::Invite | Kind::Bye) => {
                calls.on_response(&mut self.cx, name, socket, &message);
            }
            _ => self.cx.tally.stray(&message),
        }
    }

    /// The grace is over: what is measured and in flight has failed.
    pub fn give_up(&mut self) {
        self.requests.give_up(&mut self.cx);
        if let Some(calls) = &mut self.calls {
            calls.give_up(&mut self.cx);
        }
        assert_eq!(self.cx.tally.in_flight(), 0, "every operation in flight is in a table");
    }
}

#[cfg(test)]
mod tests;
