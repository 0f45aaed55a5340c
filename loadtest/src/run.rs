//! One run on one thread: setup, ramp and measured part, grace, removal.
//!
//! The loop starts what is due, ends the timers that are due, waits for "a datagram or the next start", and hands each datagram to the
//! rooms. One clock reading serves a batch.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};
use tine::time::{Duration, Instant};

use crate::cli::{Plan, Workload};
use crate::clock::Clock;
use crate::pacing::Pace;
use crate::process::{self, Usage};
use crate::request::Purpose;
use crate::rooms::Rooms;
use crate::sockets::Sockets;
use crate::tally::{Cause, Tally};
use crate::user::socket_count;

/// What the thread of a run tells the one that watches it, and is told by it.
#[derive(Debug, Default)]
pub struct Watch {
    pub attempted: AtomicU64,
    pub succeeded: AtomicU64,
    pub failed: AtomicU64,
    /// Endpoints that setup has registered.
    pub registered: AtomicU64,
    /// The measured part, or the ramp before it, has begun.
    pub has_begun: AtomicBool,
}

/// What came out of a run.
#[derive(Debug)]
pub struct Outcome {
    pub tally: Tally,
    /// When the measured part began.
    pub started: Instant,
    pub measured: Duration,
    /// CPU of the generator in the measured part.
    pub own_cpu_ns: u64,
    /// Datagrams that the kernel dropped at our sockets.
    pub drops: u64,
    /// Of the process under test, before and after the measured part.
    pub usage: Option<(Usage, Usage)>,
    /// Users that setup could not register, when others could.
    pub unregistered: u32,
}

/// Starts in one turn of the loop: what falls behind catches up without starving the answers.
const STARTS_MAX: usize = 1_024;
/// Registrations in flight during setup and removal.
const BULK_WINDOW: u32 = 256;
/// The longest wait, after which the flags are looked at.
const WAIT_MAX: Duration = Duration::from_millis(20);
/// A wait shorter than this is not worth sleeping.
const WAIT_MIN: Duration = Duration::from_micros(15);

/// Runs a plan to its end, or until `stop` is set.
///
/// # Errors
/// A text that says what is wrong with the environment.
pub fn run(plan: &Plan, watch: &Watch, stop: &AtomicBool) -> Result<Outcome, String> {
    if let Some(cpu) = plan.cpu {
        pin(cpu)?;
    }
    // Without this, sleeps last up to 50 µs longer than asked. Where it is refused they do.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let count = socket_count(plan.sockets, plan.users, plan.workload.devices());
    let sockets = Sockets::bind(&plan.bind, count)?;
    Ok(Run::new(plan, sockets, watch, stop).whole())
}

struct Run<'r> {
    plan: &'r Plan,
    watch: &'r Watch,
    stop: &'r AtomicBool,
    clock: Clock,
    sockets: Sockets,
    rooms: Rooms,
}

impl<'r> Run<'r> {
    fn new(plan: &'r Plan, sockets: Sockets, watch: &'r Watch, stop: &'r AtomicBool) -> Self {
        let clock = Clock::start();
        let now = clock.now();
        let seed = now.as_micros() ^ u64::from(std::process::id()) << 44;
        let locals: Vec<SocketAddr> = sockets.locals().collect();
        let rooms = Rooms::new(plan, &locals, now, seed);
        Run { plan, watch, stop, clock, sockets, rooms }
    }

    fn whole(mut self) -> Outcome {
        let has_calls = self.plan.workload.call_plan().is_some();
        if has_calls && !self.set_up() {
            return self.nobody_registered();
        }
        let unregistered =
            if has_calls { self.rooms.cx.endpoints.len() - self.registered_count() } else { 0 };
        let mut outcome = self.measure();
        outcome.unregistered = unregistered;
        if has_calls || matches!(self.plan.workload, Workload::Register { unregister: true, .. }) {
            self.bulk(Purpose::Remove);
        }
        outcome
    }

    fn registered_count(&self) -> u32 {
        self.rooms.cx.endpoints.registered_count()
    }

    /// Registers every device. False when none could be, though it was tried to the end.
    fn set_up(&mut self) -> bool {
        self.bulk(Purpose::Setup);
        self.registered_count() > 0 || self.is_stopped()
    }

    /// Each of these is no operation of the workload, but it is what was attempted.
    fn nobody_registered(self) -> Outcome {
        let mut tally = self.rooms.cx.tally;
        let bulk = self.rooms.requests.bulk;
        tally.attempted = u64::from(bulk.refused + bulk.silent + bulk.pending);
        for (cause, count) in
            [(Cause::Registration, bulk.refused), (Cause::Timeout, bulk.silent + bulk.pending)]
        {
            if count > 0 {
                tally.failures.insert(cause, u64::from(count));
            }
        }
        Outcome {
            tally,
            started: self.rooms.cx.now,
            measured: Duration::ZERO,
            own_cpu_ns: 0,
            drops: 0,
            usage: None,
            unregistered: 0,
        }
    }

    /// Registers, or removes, all endpoints: as fast as they are answered, a window at a time. Ends early when nobody answers.
    fn bulk(&mut self, purpose: Purpose) {
        let count = self.rooms.cx.endpoints.len();
        let mut next = 0;
        self.rooms.requests.bulk.silent = 0;
        let succeeded_before = self.rooms.requests.bulk.succeeded;
        loop {
            let now = self.clock.now();
            self.rooms.cx.now = now;
            let bulk = self.rooms.requests.bulk;
            let is_silent = bulk.silent > 0 && bulk.succeeded == succeeded_before;
            let is_given_up = is_silent || (purpose == Purpose::Setup && self.is_stopped());
            while !is_given_up && next < count && self.rooms.requests.bulk.pending < BULK_WINDOW {
                if purpose == Purpose::Setup || self.rooms.cx.endpoints.at(next).is_registered {
                    self.rooms.requests.start(&mut self.rooms.cx, purpose, next, now, false);
                }
                next += 1;
            }
            if is_given_up || (next == count && self.rooms.requests.bulk.pending == 0) {
                return;
            }
            self.turn(now + WAIT_MAX);
            self.watch.registered.store(u64::from(self.rooms.requests.bulk.succeeded), Ordering::Relaxed);
        }
    }

    fn measure(&mut self) -> Outcome {
        // Setup's own failures are told apart from the operations'.
        self.rooms.cx.tally = Tally::new(self.plan.workload.devices());
        let ports: Vec<u16> = self.sockets.locals().map(|local| local.port()).collect();
        let drops_before = process::drops_at(&ports);
        let mut before = self.sample();
        let mut pace = Pace::new(self.plan.rate, self.plan.ramp_s, self.plan.stop, self.clock.now());
        self.watch.has_begun.store(true, Ordering::Relaxed);
        let mut is_ramp = self.plan.ramp_s > 0.0;
        loop {
            let now = self.clock.now();
            self.rooms.cx.now = now;
            if is_ramp && now >= pace.measured_from() {
                is_ramp = false;
                before = self.sample();
            }
            if pace.is_over(now) || self.is_stopped() {
                break;
            }
            self.start_due(&mut pace);
            let wake = pace.next_start().map_or(now + WAIT_MAX, |start| start.intended);
            self.turn(wake);
        }
        let from = pace.measured_from();
        let now = self.clock.now();
        let ended = if self.is_stopped() { now } else { now.max(pace.measured_to()) };
        self.wait_for_the_rest(ended + self.plan.grace);
        let after = self.sample();
        let tally = core::mem::replace(&mut self.rooms.cx.tally, Tally::new(self.plan.workload.devices()));
        Outcome {
            tally,
            started: from,
            measured: ended.since(from),
            own_cpu_ns: after.1 - before.1,
            drops: process::drops_at(&ports).saturating_sub(drops_before),
            usage: before.0.zip(after.0),
            unregistered: 0,
        }
    }

    fn start_due(&mut self, pace: &mut Pace) {
        for _ in 0..STARTS_MAX {
            let Some(start) = pace.pop_due(self.rooms.cx.now) else { return };
            self.rooms.start(start);
        }
    }

    /// Until nothing is in flight, or the grace is over and what is has failed.
    fn wait_for_the_rest(&mut self, until: Instant) {
        while self.rooms.cx.tally.in_flight() > 0 {
            let now = self.clock.now();
            if now >= until {
                self.rooms.cx.now = now;
                self.rooms.give_up();
                break;
            }
            self.turn(until);
        }
        self.publish();
    }

    /// One turn of the loop: timers, wait, datagrams, sending.
    fn turn(&mut self, wake: Instant) {
        self.rooms.on_timers();
        self.send();
        let deadline = self.rooms.cx.timers.next_deadline().map_or(wake, |deadline| deadline.min(wake));
        let wait = deadline.since(self.clock.now()).min(WAIT_MAX);
        self.sockets.wait(if wait < WAIT_MIN { Duration::ZERO } else { wait });
        self.rooms.cx.now = self.clock.now();
        let rooms = &mut self.rooms;
        rooms.cx.tally.unreachable +=
            self.sockets.receive(|socket, datagram| rooms.on_datagram(socket, datagram));
        self.send();
        self.publish();
    }

    fn send(&mut self) {
        if self.rooms.cx.outgoing.len() > 0 {
            self.rooms.cx.tally.unreachable += self.sockets.flush(&mut self.rooms.cx.outgoing);
        }
    }

    fn publish(&self) {
        let tally = &self.rooms.cx.tally;
        self.watch.attempted.store(tally.attempted, Ordering::Relaxed);
        self.watch.succeeded.store(tally.succeeded, Ordering::Relaxed);
        self.watch.failed.store(tally.failed(), Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The usage of the process under test, and the CPU of this thread in nanoseconds.
    fn sample(&self) -> (Option<Usage>, u64) {
        let own = clock_gettime(ClockId::ThreadCPUTime);
        (self.plan.pid.and_then(process::usage_of), own.tv_sec as u64 * 1_000_000_000 + own.tv_nsec as u64)
    }
}

fn pin(cpu: usize) -> Result<(), String> {
    let mut set = rustix::thread::CpuSet::new();
    if cpu >= rustix::thread::CpuSet::MAX_CPU {
        return Err(format!("--cpus {cpu}: no such CPU"));
    }
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set).map_err(|error| format!("--cpus {cpu}: {error}"))
}
