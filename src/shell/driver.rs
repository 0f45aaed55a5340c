//! One shard between its sockets: hands inputs in with one `now` for each batch, drains the outbox once behind it, and sends.
//!
//! Nothing here waits. The tasks of `thread` wait, and call [`turn`] when something has come.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Waker};

use super::clock::Clock;
use super::connections::{self, ByteStream, Connections, Progress, QueueError, READ_BYTES};
use super::fault::{Faults, guard};
use super::mesh::{Handed, Mesh};
use super::udp::{Datagram, Packet, Receiver, Sender, Socket};
use super::{Core, stream, udp};
use crate::flow::{Address, Endpoint, Flow, Transport};
use crate::ids::{ConnectionId, EndpointId, TransactionId};
use crate::limits::DATAGRAM_BATCH_MAX;
use crate::shard::counters::{Counter, Counters};
use crate::shard::input::{Command, Input};
use crate::shard::outbox::{Connect, Outbox, ShardMessage};
use crate::shard::port::{Answer, Facts, Question, State};
use crate::time::{Duration, Instant};

/// Rounds of one flush: what can not be sent is told to the shard, which may send something else. What is left then waits for the next flush.
const FLUSH_ROUNDS_MAX: usize = 8;

/// Sends that an ICMP error can still be matched with: at full load those of some tens of milliseconds, otherwise those of seconds.
const RECENT_SENDS_MAX: usize = 2_048;

/// Timers of the shard that fall due within this are fired together: an ended transaction that is forgotten a moment later costs no wake-up of its own.
/// Far below T1, the shortest of them.
const TIMER_GRAIN: Duration = Duration::from_millis(5);

/// How soon a full ring to another shard is tried again.
const MESH_RETRY: Duration = Duration::from_micros(500);

pub(super) struct Driver<C> {
    core: Guarded<C>,
    clock: Clock,
    /// The time of the batch under way.
    now: Instant,
    udp: Vec<UdpListener>,
    /// Indexed by `EndpointId`.
    routes: Vec<Option<UdpRoute>>,
    receiver: Receiver,
    sender: Sender,
    /// For each UDP socket the transmits of the outbox that leave by it; empty between flushes.
    leaving: Vec<Vec<u32>>,
    recent: RecentSends,
    mesh: Mesh,
    connections: Connections,
    /// For each stream listener the endpoints that it serves.
    listeners: Vec<Vec<(IpAddr, EndpointId)>>,
    endpoints: Vec<Endpoint>,
    /// What a stream's turn reads into.
    scratch: Box<[u8]>,
    /// Connections that the shard asked for and that nobody opens yet.
    wanted: Vec<Connect>,
    /// What became of the outbox, to be told to the shard.
    late: Vec<Input<'static>>,
    /// When the timer task wakes; it is woken before where that is too late.
    armed: Instant,
    timer: Option<Waker>,
}

/// The shard, and what guards it.
struct Guarded<C> {
    shard: C,
    outbox: Outbox,
    counters: Counters,
    faults: Faults,
    has_too_many_faults: bool,
}

/// A UDP socket with the endpoints that it serves: one, or one for each local address.
struct UdpListener {
    socket: Socket,
    endpoints: Vec<(IpAddr, EndpointId)>,
}

/// How a datagram leaves from an endpoint.
#[derive(Clone, Copy)]
struct UdpRoute {
    /// Into `Driver::udp`.
    socket: usize,
    /// Set where the socket has other addresses too.
    source: Option<IpAddr>,
}

/// The latest sends that somebody wants to hear the failure of, oldest overwritten first.
struct RecentSends {
    sends: Vec<(Address, Option<TransactionId>)>,
    next: usize,
}

/// What a driver is made of.
pub(super) struct Parts<C> {
    pub shard: C,
    pub clock: Clock,
    /// Listener index and socket.
    pub udp: Vec<(u8, Socket)>,
    /// Listener indexes of the streams.
    pub streams: Vec<u8>,
    pub endpoints: Vec<Endpoint>,
    pub mesh: Mesh,
    pub connections: connections::Options,
}

/// Runs `take_in` with the shard's driver and the time, then sends what came of it.
pub(super) fn turn<C: Core, T>(
    driver: &Rc<RefCell<Driver<C>>>,
    take_in: impl FnOnce(&mut Driver<C>, Instant) -> T,
) -> T {
    let mut shell = driver.borrow_mut();
    let now = shell.clock.now();
    shell.now = now;
    let result = take_in(&mut shell, now);
    shell.flush(now);
    if !shell.wanted.is_empty() {
        let wanted = std::mem::take(&mut shell.wanted);
        drop(shell);
        for connect in wanted {
            glommio::spawn_local(stream::open(driver.clone(), connect)).detach();
        }
    }
    result
}

impl<C: Core> Driver<C> {
    pub(super) fn new(parts: Parts<C>) -> Self {
        let mut udp = Vec::new();
        let mut routes = vec![None; parts.endpoints.len()];
        for (listener, socket) in parts.udp {
            let has_many = socket.local().ip().is_unspecified();
            let mut endpoints = Vec::new();
            for (index, endpoint) in parts.endpoints.iter().enumerate() {
                if endpoint.listener == listener && endpoint.transport == Transport::Udp {
                    let ip = endpoint.local.ip();
                    endpoints.push((ip, EndpointId(index as u16)));
                    routes[index] = Some(UdpRoute { socket: udp.len(), source: has_many.then_some(ip) });
                }
            }
            udp.push(UdpListener { socket, endpoints });
        }
        let listeners = parts.streams.iter().map(|&listener| {
            let own =
                parts.endpoints.iter().enumerate().filter(|(_, endpoint)| endpoint.listener == listener);
            own.map(|(index, endpoint)| (endpoint.local.ip(), EndpointId(index as u16))).collect()
        });
        Driver {
            listeners: listeners.collect(),
            endpoints: parts.endpoints,
            connections: Connections::new(parts.connections),
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            wanted: Vec::new(),
            core: Guarded {
                shard: parts.shard,
                outbox: Outbox::default(),
                counters: Counters::default(),
                faults: Faults::default(),
                has_too_many_faults: false,
            },
            clock: parts.clock,
            now: parts.clock.now(),
            leaving: udp.iter().map(|_| Vec::with_capacity(DATAGRAM_BATCH_MAX)).collect(),
            udp,
            routes,
            receiver: Receiver::default(),
            sender: Sender::default(),
            recent: RecentSends { sends: Vec::with_capacity(RECENT_SENDS_MAX), next: 0 },
            mesh: parts.mesh,
            late: Vec::new(),
            armed: Instant::NEVER,
            timer: None,
        }
    }

    /// Takes one batch of the datagrams that lie at a UDP socket; returns how many they were.
    pub(super) fn on_datagrams(&mut self, now: Instant, index: usize) -> usize {
        let Driver { core, udp, receiver, .. } = self;
        let listener = &udp[index];
        let result =
            receiver.recv_batch(&listener.socket, |datagram| match listener.endpoint_of(&datagram) {
                Some(endpoint) => {
                    let flow = Flow::udp(endpoint, datagram.remote);
                    core.input(now, Input::Message { flow, bytes: datagram.bytes });
                }
                None => core.counters.add(Counter::DatagramsForUnknownAddress),
            });
        match result {
            Ok(count) => count,
            // An error that is told once belongs to an earlier send; what lies at the socket is taken by the next call.
            Err(_) => {
                self.take_unreachables(index);
                0
            }
        }
    }

    /// Blocks until a UDP socket has something again, `wait` has passed or a timer of the shard is due; true in the first case.
    pub(super) fn linger(&self, wait: Duration) -> bool {
        let deadline = self.shard_deadline();
        let wait = wait.min(deadline.since(self.now));
        udp::wait_readable(self.udp.iter().map(|listener| &listener.socket), wait)
    }

    /// A UDP socket has told an error: it may be one of an earlier send.
    pub(super) fn on_unreachable(&mut self, index: usize) {
        self.take_unreachables(index);
    }

    /// An accepted stream; `None` when there are too many, or when it came to an address that is not one of ours any more.
    pub(super) fn on_accepted(
        &mut self,
        now: Instant,
        listener: usize,
        (stream, local, remote): (ByteStream, SocketAddr, SocketAddr),
    ) -> Option<ConnectionId> {
        let endpoint = self.listeners[listener].iter().find(|(ip, _)| *ip == local.ip());
        let Some(&(_, endpoint)) = endpoint.filter(|_| !self.connections.is_full()) else {
            self.core.counters.add(Counter::ConnectionsRefused);
            return None;
        };
        self.core.counters.add(Counter::ConnectionsAccepted);
        let flow = Flow { remote: remote.into(), endpoint, connection: None };
        Some(self.connections.insert(now, flow, stream).0)
    }

    /// A stream that the shard asked for is open, or could not be opened.
    pub(super) fn on_connected(
        &mut self,
        now: Instant,
        connect: &Connect,
        stream: Option<ByteStream>,
    ) -> Option<ConnectionId> {
        self.connections.end_connect();
        let Some(stream) = stream else {
            self.core.counters.add(Counter::ConnectsFailed);
            self.core.input(now, Input::ConnectFailed { origin: connect.origin });
            return None;
        };
        self.core.counters.add(Counter::ConnectionsMade);
        let flow = Flow { remote: connect.remote, endpoint: connect.endpoint, connection: None };
        let (id, flow) = self.connections.insert(now, flow, stream);
        self.core.input(now, Input::Connected { origin: connect.origin, flow });
        Some(id)
    }

    /// The turn of a connection whose task was woken.
    pub(super) fn on_stream(
        &mut self,
        now: Instant,
        context: &mut Context<'_>,
        id: ConnectionId,
    ) -> Progress {
        let Driver { core, connections, scratch, late, .. } = self;
        let mut counters = Counters::default();
        let progress = connections.poll((now, context), id, scratch, &mut counters, late, |flow, bytes| {
            core.input(now, Input::Message { flow, bytes });
        });
        core.counters.merge(&counters);
        progress
    }

    /// The local address of an endpoint, to open a stream from.
    pub(super) fn local_of(&self, endpoint: EndpointId) -> Option<SocketAddr> {
        self.endpoints.get(usize::from(endpoint.0)).map(|endpoint| endpoint.local.into())
    }

    /// Takes what other shards handed over.
    pub(super) fn on_handoffs(&mut self, now: Instant, messages: &mut Vec<ShardMessage>) {
        for message in messages.drain(..) {
            self.core.input(now, Input::Handoff(message));
        }
    }

    pub(super) fn on_command(&mut self, now: Instant, command: Command) {
        self.core.input(now, Input::Command(command));
    }

    pub(super) fn on_question(&mut self, now: Instant, question: Question) -> Answer {
        match question {
            Question::State { ticket } => {
                let mut counters = self.core.shard.counters().clone();
                counters.merge(&self.core.counters);
                let connections = self.connections.len() as u64;
                let facts = Facts { connections, ..self.core.shard.facts() };
                Answer::State { ticket, state: State { counters, facts } }
            }
            Question::Drain { ticket } => {
                self.on_command(now, Command::Drain);
                Answer::Draining { ticket }
            }
        }
    }

    /// Called by the timer task as it wakes, with what wakes it before its time. Due timers of the shard fire in the flush that follows.
    pub(super) fn on_timer(&mut self, now: Instant, waker: &Waker) {
        if !self.timer.as_ref().is_some_and(|timer| timer.will_wake(waker)) {
            self.timer = Some(waker.clone());
        }
        if let Some(report) = self.core.faults.next_report(now) {
            tracing::error!("fault: {report}");
        }
        let Driver { mesh, connections, .. } = self;
        mesh.retry(|connection| connections.resume(connection));
        self.connections.sweep(now, &mut self.core.counters, &mut self.late);
        // The task is awake and arms itself anew after this turn: waking it here as well would keep it awake for ever.
        self.armed = Instant::from_micros(0);
    }

    /// When the timer task has to wake.
    pub(super) fn arm(&mut self) -> Instant {
        self.armed = self.next_wake();
        self.armed
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn read_clock(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.core.shard.is_quiet() && !self.mesh.has_waiting()
    }

    pub(super) fn has_too_many_faults(&self) -> bool {
        self.core.has_too_many_faults
    }

    /// Lets due timers fire, sends what the outbox holds, and tells the shard what could not be sent.
    fn flush(&mut self, now: Instant) {
        for _ in 0..FLUSH_ROUNDS_MAX {
            if self.core.shard.next_deadline().is_some_and(|deadline| deadline <= now) {
                self.core.deadline(now);
            }
            self.drain_outbox(now);
            if self.late.is_empty() {
                break;
            }
            for input in self.late.drain(..) {
                self.core.input(now, input);
            }
        }
        if self.next_wake() < self.armed
            && let Some(timer) = &self.timer
        {
            timer.wake_by_ref();
        }
    }

    fn next_wake(&self) -> Instant {
        if !self.late.is_empty() || !self.core.outbox.is_empty() {
            return self.now;
        }
        let deadline = self.shard_deadline();
        let retry = if self.mesh.has_waiting() { self.now + MESH_RETRY } else { Instant::NEVER };
        let report = self.core.faults.next_report_at().unwrap_or(Instant::NEVER);
        deadline.min(retry).min(report).min(self.connections.next_sweep())
    }

    /// When the shard's timers are to fire: at the end of the grain that the next deadline lies in.
    fn shard_deadline(&self) -> Instant {
        let together = |deadline: Instant| deadline.as_micros().next_multiple_of(TIMER_GRAIN.as_micros());
        self.core
            .shard
            .next_deadline()
            .map_or(Instant::NEVER, |deadline| Instant::from_micros(together(deadline)))
    }

    fn drain_outbox(&mut self, now: Instant) {
        if !self.core.outbox.is_empty() {
            self.sort_transmits();
            for index in 0..self.udp.len() {
                self.send_leaving(index);
            }
            self.hand_off();
            self.see_to_connections(now);
            self.core.outbox.clear();
        }
        self.connections.write_dirty(now, &mut self.late);
    }

    /// Puts each transmit on the list of its way out.
    fn sort_transmits(&mut self) {
        for (index, transmit) in self.core.outbox.transmits.iter().enumerate() {
            let route = self.routes.get(usize::from(transmit.flow.endpoint.0)).copied().flatten();
            match (transmit.flow.connection, route) {
                (None, Some(route)) => {
                    self.leaving[route.socket].push(index as u32);
                    if let Some(origin) = transmit.origin {
                        self.recent.insert(transmit.flow.remote, origin);
                    }
                }
                (Some(connection), _) => {
                    let bytes = &self.core.outbox.bytes[transmit.start as usize..][..transmit.len as usize];
                    let Err(error) = self.connections.queue(connection, bytes, transmit.origin) else {
                        continue;
                    };
                    self.late.extend(transmit.origin.map(|origin| Input::SendFailed { origin }));
                    if error == QueueError::Full {
                        self.core.counters.add(Counter::ConnectionsOverfull);
                        self.connections.remove(connection, &mut self.late);
                    }
                }
                (None, None) => self.late.extend(transmit.origin.map(|origin| Input::SendFailed { origin })),
            }
        }
    }

    /// Holds, closes and connects.
    fn see_to_connections(&mut self, now: Instant) {
        let Driver { core, connections, wanted, late, .. } = self;
        for hold in &core.outbox.holds {
            connections.hold(hold.connection, hold.until);
        }
        for &connection in &core.outbox.closes {
            connections.begin_close(now, connection);
        }
        for &connect in &core.outbox.connects {
            if connections.is_full() {
                core.counters.add(Counter::ConnectsFailed);
                late.push(Input::ConnectFailed { origin: connect.origin });
            } else {
                connections.begin_connect();
                wanted.push(connect);
            }
        }
    }

    /// Sends what leaves by one UDP socket, a batch at a time.
    fn send_leaving(&mut self, index: usize) {
        let Driver { core, udp, routes, sender, leaving, late, .. } = self;
        let Guarded { outbox, counters, .. } = core;
        let socket = &udp[index].socket;
        let mut has_errors = false;
        for batch in leaving[index].chunks(DATAGRAM_BATCH_MAX) {
            let packets = batch.iter().map(|&index| {
                let transmit = &outbox.transmits[index as usize];
                Packet {
                    bytes: &outbox.bytes[transmit.start as usize..][..transmit.len as usize],
                    remote: transmit.flow.remote,
                    source: routes[usize::from(transmit.flow.endpoint.0)].and_then(|route| route.source),
                }
            });
            let sent = sender.send_batch(socket, packets, |place, error| {
                counters.add(Counter::DatagramsUnsent);
                // A full buffer is loss like any other on the way: retransmissions are made for it.
                let is_loss = matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS));
                if !is_loss {
                    let origin = outbox.transmits[batch[place] as usize].origin;
                    late.extend(origin.map(|origin| Input::SendFailed { origin }));
                }
            });
            has_errors |= sent.has_errors;
        }
        self.leaving[index].clear();
        if has_errors {
            self.take_unreachables(index);
        }
    }

    fn hand_off(&mut self) {
        let Driver { core, mesh, connections, late, .. } = self;
        for (to, message) in core.outbox.handoffs.drain(..) {
            match mesh.hand(to, message) {
                Handed::Over => {}
                Handed::Waits(Some(connection)) => connections.pause(connection),
                Handed::Waits(None) => {}
                Handed::Refused(ShardMessage::Message { .. }) => {
                    core.counters.add(Counter::DatagramsMeshFull)
                }
                Handed::Refused(message) => {
                    core.counters.add(Counter::HandoffsRefused);
                    if let ShardMessage::Write { origin, .. } = message {
                        late.extend(origin.map(|origin| Input::SendFailed { origin }));
                    }
                }
            }
        }
    }

    /// Matches the ICMP errors that wait at a socket with what was sent.
    fn take_unreachables(&mut self, index: usize) {
        while let Some(unreachable) = self.udp[index].socket.next_unreachable() {
            self.core.counters.add(Counter::Unreachable);
            self.recent.take(unreachable.remote, &mut self.late);
        }
    }
}

impl<C: Core> Guarded<C> {
    fn input(&mut self, now: Instant, input: Input<'_>) {
        let message = match &input {
            Input::Message { bytes, .. } => Some(*bytes),
            _ => None,
        };
        let (shard, outbox) = (&mut self.shard, &mut self.outbox);
        if let Err(text) = guard(|| shard.on_input(now, input, outbox)) {
            self.on_fault(now, &text, message);
        }
    }

    fn deadline(&mut self, now: Instant) {
        let (shard, outbox) = (&mut self.shard, &mut self.outbox);
        if let Err(text) = guard(|| shard.on_deadline(now, outbox)) {
            self.on_fault(now, &text, None);
        }
    }

    #[cold]
    fn on_fault(&mut self, now: Instant, text: &str, message: Option<&[u8]>) {
        self.counters.add(Counter::Faults);
        let (shard, outbox) = (&mut self.shard, &mut self.outbox);
        let recovered = guard(|| shard.on_fault(outbox));
        let is_bearable = self.faults.record(now, text, message);
        if !is_bearable || recovered.is_err() {
            self.has_too_many_faults = true;
        }
    }
}

impl UdpListener {
    fn endpoint_of(&self, datagram: &Datagram<'_>) -> Option<EndpointId> {
        match datagram.local {
            None => self.endpoints.first().map(|&(_, endpoint)| endpoint),
            Some(local) => self.endpoints.iter().find(|(ip, _)| *ip == local).map(|&(_, endpoint)| endpoint),
        }
    }
}

impl RecentSends {
    fn insert(&mut self, remote: Address, origin: TransactionId) {
        if self.sends.len() < RECENT_SENDS_MAX {
            self.sends.push((remote, Some(origin)));
        } else {
            self.sends[self.next] = (remote, Some(origin));
            self.next = (self.next + 1) % RECENT_SENDS_MAX;
        }
    }

    /// Tells the origins of everything that was sent to `remote`.
    fn take(&mut self, remote: Address, late: &mut Vec<Input<'static>>) {
        for (to, origin) in &mut self.sends {
            if *to == remote {
                late.extend(origin.take().map(|origin| Input::SendFailed { origin }));
            }
        }
    }
}
