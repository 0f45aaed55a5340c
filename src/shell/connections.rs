//! The stream connections of one shard: what each has read and not yet understood, what it has still to write, and when it must end.
//!
//! Enters: readable and writable streams, bytes to write, holds and closes. Leaves: whole messages, in order, and what the shard must be told.
//! Bounded: the number of connections, the bytes of a message that is not complete, the bytes that wait to be written, and each wait by a time.
//! Buffers are lent from a small pool while they hold something, so that a silent connection has none.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_lite::io::{AsyncRead, AsyncWrite};
use glommio::net::TcpStream;

use crate::flow::Flow;
use crate::ids::{ConnectionId, ShardId, TransactionId};
use crate::limits::WRITE_QUEUE_BYTES_MAX;
use crate::shard::counters::{Counter, Counters};
use crate::shard::input::Input;
use crate::sip::framing::{Frame, Framer};
use crate::time::{Duration, Instant};

/// What the table needs to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub shard: ShardId,
    /// Open and being opened.
    pub connections_max: usize,
    pub message_bytes_max: usize,
    /// A connection that was silent for this long is closed, unless it is held.
    pub idle: Duration,
}

/// Bytes read by one call, and so the most that one turn of a connection brings. A message may take many.
pub(super) const READ_BYTES: usize = 16 * 1_024;

/// A message that has begun must be complete within 64·T1 (T1 = 500 ms): its sender has given it up by then (RFC 3261 §17.1). The same holds for bytes
/// that a peer does not take.
const PARTIAL_WAIT: Duration = Duration::from_secs(32);

/// How long a connection that tine closes may take to write what is queued, and then to hear the end from its peer. Closing with unread bytes would
/// reset it, and the peer might not see our last answer.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// How often the table is looked through for connections whose time has come.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Buffers kept for reuse, and how large one of them may be.
const SPARE_BUFFERS_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 64 * 1_024;

/// The byte transport under a connection. TLS and WebSocket become variants: what they need besides these two calls stays inside of them.
pub(super) enum ByteStream {
    Tcp(TcpStream),
}

/// What a connection did when it was given its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// It has read; there may be more.
    Read,
    /// It waits for its peer, or for another shard to take its messages.
    Waits,
    /// It is no more.
    Gone,
}

pub(super) struct Connections {
    options: Options,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Slots with something to write, or to close; each at most once.
    dirty: Vec<u32>,
    open_count: usize,
    connecting_count: usize,
    next_sweep: Instant,
    spare: Vec<Vec<u8>>,
}

struct Slot {
    generation: u32,
    /// In a box: the vector of slots has one word for each connection that there once was.
    connection: Option<Box<Connection>>,
}

struct Connection {
    flow: Flow,
    stream: ByteStream,
    /// Wakes the connection's task; set by its first turn.
    waker: Option<Waker>,
    phase: Phase,
    framer: Framer,
    /// The beginning of a message that is not complete.
    inbound: Vec<u8>,
    outbound: Vec<u8>,
    /// Of `outbound`, what the kernel has taken.
    written: usize,
    /// Who wants to know when what they wrote, up to this length of `outbound`, fails.
    origins: VecDeque<(usize, TransactionId)>,
    is_dirty: bool,
    /// Messages of this connection that wait for room in another shard's ring; it is not read while there are some.
    waiting_count: u32,
    heard_at: Instant,
    held_until: Instant,
    /// Since when there is a message that is not complete.
    partial_since: Instant,
    /// Since when the peer has taken nothing of what waits for it.
    stuck_since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    /// Not read any more; what is queued is written.
    Flushing {
        until: Instant,
    },
    /// Our half is closed; what comes is thrown away until the peer closes too.
    Lingering {
        until: Instant,
    },
}

impl ByteStream {
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            ByteStream::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }

    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            ByteStream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    /// Tells the peer that no more bytes will come.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            ByteStream::Tcp(stream) => Pin::new(stream).poll_close(context),
        }
    }
}

impl Connections {
    pub(super) fn new(options: Options) -> Self {
        Connections {
            options,
            slots: Vec::new(),
            free: Vec::new(),
            dirty: Vec::new(),
            open_count: 0,
            connecting_count: 0,
            next_sweep: Instant::NEVER,
            spare: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open_count
    }

    /// True when neither an accepted nor a new connection fits.
    pub(super) fn is_full(&self) -> bool {
        self.open_count + self.connecting_count >= self.options.connections_max
    }

    /// Keeps a place for a connection that is being opened.
    pub(super) fn begin_connect(&mut self) {
        self.connecting_count += 1;
    }

    pub(super) fn end_connect(&mut self) {
        self.connecting_count -= 1;
    }

    /// Takes an open stream in; `flow.connection` of the flow that is returned names it.
    pub(super) fn insert(&mut self, now: Instant, flow: Flow, stream: ByteStream) -> (ConnectionId, Flow) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, connection: None });
            (self.slots.len() - 1) as u32
        });
        let place = &mut self.slots[slot as usize];
        let id = ConnectionId { slot, generation: place.generation, shard: self.options.shard };
        let flow = Flow { connection: Some(id), ..flow };
        place.connection = Some(Box::new(Connection {
            flow,
            stream,
            waker: None,
            phase: Phase::Open,
            framer: Framer::new(self.options.message_bytes_max),
            inbound: Vec::new(),
            outbound: Vec::new(),
            written: 0,
            origins: VecDeque::new(),
            is_dirty: false,
            waiting_count: 0,
            heard_at: now,
            held_until: Instant::default(),
            partial_since: Instant::NEVER,
            stuck_since: Instant::NEVER,
        }));
        self.open_count += 1;
        if self.next_sweep == Instant::NEVER {
            self.next_sweep = now + SWEEP_INTERVAL;
        }
        (id, flow)
    }

    /// One turn of a connection: reads once into `scratch` and gives what is whole to `each`. What must be told besides goes to `late`.
    pub(super) fn poll(
        &mut self,
        (now, context): (Instant, &mut Context<'_>),
        id: ConnectionId,
        scratch: &mut [u8],
        counters: &mut Counters,
        late: &mut Vec<Input<'static>>,
        mut each: impl FnMut(Flow, &[u8]),
    ) -> Progress {
        let Some(connection) = self.get_mut(id) else { return Progress::Gone };
        if !connection.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            connection.waker = Some(context.waker().clone());
        }
        // What was queued before the first turn, or did not fit until now.
        if connection.has_outbound() || matches!(connection.phase, Phase::Flushing { .. }) {
            self.mark_dirty(id);
            self.write_dirty(now, late);
        }
        let Some(connection) = self.get_mut(id) else { return Progress::Gone };
        match connection.phase {
            Phase::Open if connection.waiting_count == 0 => {}
            Phase::Lingering { .. } => {}
            Phase::Open | Phase::Flushing { .. } => return Progress::Waits,
        }
        let count = match connection.stream.poll_read(context, scratch) {
            Poll::Pending => return Progress::Waits,
            Poll::Ready(Ok(count)) => count,
            Poll::Ready(Err(_)) => 0,
        };
        if count == 0 {
            // Nothing more will come; what is queued may still go out to a peer that closed only its own half.
            let is_done = connection.phase != Phase::Open || !connection.has_outbound();
            if is_done {
                self.remove(id, late);
                return Progress::Gone;
            }
            self.begin_close(now, id);
            return Progress::Waits;
        }
        if connection.phase == Phase::Open {
            connection.heard_at = now;
            self.take_frames(now, id, &scratch[..count], counters, &mut each);
        }
        Progress::Read
    }

    /// Cuts what has come into messages and keepalives.
    fn take_frames(
        &mut self,
        now: Instant,
        id: ConnectionId,
        read: &[u8],
        counters: &mut Counters,
        each: &mut impl FnMut(Flow, &[u8]),
    ) {
        let spare = self.spare.pop().unwrap_or_default();
        let connection = self.get_mut(id).expect("the caller has just read from it");
        let flow = connection.flow;
        // A message that began earlier is completed in its own buffer; without one the bytes are cut where they lie.
        let has_partial = !connection.inbound.is_empty();
        let mut whole = std::mem::take(&mut connection.inbound);
        if has_partial {
            whole.extend_from_slice(read);
        }
        let mut rest = if has_partial { &whole[..] } else { read };
        let (mut ping_count, mut is_bad, mut has_message) = (0, false, false);
        loop {
            match connection.framer.next(rest) {
                Frame::Partial => break,
                Frame::Ping { len } => {
                    ping_count += 1;
                    rest = &rest[len..];
                }
                Frame::Pong { len } => rest = &rest[len..],
                Frame::Message { len } => {
                    has_message = true;
                    each(flow, &rest[..len]);
                    rest = &rest[len..];
                }
                Frame::Bad { len, .. } => {
                    each(flow, &rest[..len]);
                    rest = &[];
                    is_bad = true;
                    break;
                }
            }
        }
        if rest.is_empty() {
            connection.partial_since = Instant::NEVER;
        } else if has_message || connection.partial_since == Instant::NEVER {
            connection.partial_since = now;
        }
        let (kept, free) = if rest.is_empty() {
            (Vec::new(), [spare, whole])
        } else if !has_partial {
            let mut kept = spare;
            kept.extend_from_slice(rest);
            (kept, [whole, Vec::new()])
        } else {
            let consumed = whole.len() - rest.len();
            whole.drain(..consumed);
            (whole, [spare, Vec::new()])
        };
        connection.inbound = kept;
        for buffer in free {
            self.give_back(buffer);
        }
        for _ in 0..ping_count {
            // The answer to a keepalive (RFC 5626 §3.5.1). A peer that floods them without reading fills its own queue.
            if self.queue(id, b"\r\n", None).is_err() {
                break;
            }
        }
        if is_bad {
            counters.add(Counter::ConnectionsUnframed);
            self.begin_close(now, id);
        }
    }

    /// Puts bytes behind what waits for a connection. They leave with the next `write_dirty`.
    ///
    /// # Errors
    /// When there is no such connection any more, or too much waits for it already: then it ends with the next `write_dirty`.
    pub(super) fn queue(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        origin: Option<TransactionId>,
    ) -> Result<(), QueueError> {
        let Some(connection) = self.get_mut(id) else { return Err(QueueError::Gone) };
        if matches!(connection.phase, Phase::Lingering { .. }) {
            return Err(QueueError::Gone);
        }
        if connection.outbound.len() - connection.written + bytes.len() > WRITE_QUEUE_BYTES_MAX {
            return Err(QueueError::Full);
        }
        if connection.outbound.capacity() == 0 {
            let lent = self.spare.pop().unwrap_or_default();
            self.get_mut(id).expect("found above").outbound = lent;
        }
        let connection = self.get_mut(id).expect("found above");
        connection.outbound.extend_from_slice(bytes);
        if let Some(origin) = origin {
            connection.origins.push_back((connection.outbound.len(), origin));
        }
        self.mark_dirty(id);
        Ok(())
    }

    /// Writes what was queued, one call for each connection where the kernel takes it all.
    pub(super) fn write_dirty(&mut self, now: Instant, late: &mut Vec<Input<'static>>) {
        while let Some(slot) = self.dirty.pop() {
            let Some(connection) = self.slots[slot as usize].connection.as_deref_mut() else { continue };
            connection.is_dirty = false;
            let id = connection.flow.connection.expect("set when it was inserted");
            // Without a waker its task has not had its first turn, which is under way and writes.
            let Some(waker) = connection.waker.clone() else { continue };
            let mut context = Context::from_waker(&waker);
            if connection.write(now, &mut context).is_err() {
                self.remove(id, late);
                continue;
            }
            if connection.has_outbound() {
                continue;
            }
            let emptied = std::mem::take(&mut connection.outbound);
            connection.written = 0;
            if matches!(connection.phase, Phase::Flushing { .. }) {
                let _ = connection.stream.poll_close(&mut context);
                connection.phase = Phase::Lingering { until: now + CLOSE_WAIT };
                waker.wake_by_ref();
            }
            self.give_back(emptied);
        }
    }

    /// Ends a connection once what is queued for it has been written.
    pub(super) fn begin_close(&mut self, now: Instant, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id)
            && connection.phase == Phase::Open
        {
            connection.phase = Phase::Flushing { until: now + CLOSE_WAIT };
            self.mark_dirty(id);
        }
    }

    /// Ends a connection now: what is queued is lost, and told.
    pub(super) fn remove(&mut self, id: ConnectionId, late: &mut Vec<Input<'static>>) {
        if self.get_mut(id).is_none() {
            return;
        }
        let place = &mut self.slots[id.slot as usize];
        place.generation = place.generation.wrapping_add(1);
        let Some(connection) = place.connection.take() else { return };
        self.free.push(id.slot);
        self.open_count -= 1;
        late.extend(connection.origins.iter().map(|&(_, origin)| Input::SendFailed { origin }));
        late.push(Input::Closed { connection: id });
        if let Some(waker) = &connection.waker {
            waker.wake_by_ref();
        }
        let Connection { inbound, outbound, .. } = *connection;
        self.give_back(inbound);
        self.give_back(outbound);
    }

    pub(super) fn hold(&mut self, id: ConnectionId, until: Instant) {
        if let Some(connection) = self.get_mut(id) {
            connection.held_until = connection.held_until.max(until);
        }
    }

    /// A message of this connection waits for another shard.
    pub(super) fn pause(&mut self, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id) {
            connection.waiting_count += 1;
        }
    }

    /// A message of this connection waits no more.
    pub(super) fn resume(&mut self, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id) {
            connection.waiting_count -= 1;
            if connection.waiting_count == 0
                && let Some(waker) = &connection.waker
            {
                waker.wake_by_ref();
            }
        }
    }

    /// When `sweep` wants to be called next.
    pub(super) fn next_sweep(&self) -> Instant {
        self.next_sweep
    }

    /// Ends the connections whose time has come.
    pub(super) fn sweep(&mut self, now: Instant, counters: &mut Counters, late: &mut Vec<Input<'static>>) {
        if now < self.next_sweep {
            return;
        }
        let idle = self.options.idle;
        for slot in 0..self.slots.len() {
            let Some(connection) = self.slots[slot].connection.as_deref() else { continue };
            let Some((id, reason)) = connection.flow.connection.zip(connection.ends_by(now, idle)) else {
                continue;
            };
            if let Some(counter) = reason.counter() {
                counters.add(counter);
            }
            self.remove(id, late);
        }
        self.next_sweep = if self.open_count == 0 { Instant::NEVER } else { now + SWEEP_INTERVAL };
    }

    fn mark_dirty(&mut self, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id)
            && !connection.is_dirty
        {
            connection.is_dirty = true;
            self.dirty.push(id.slot);
        }
    }

    fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let place = self.slots.get_mut(id.slot as usize)?;
        if place.generation != id.generation {
            return None;
        }
        place.connection.as_deref_mut()
    }

    fn give_back(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0
            && buffer.capacity() <= SPARE_BYTES_MAX
            && self.spare.len() < SPARE_BUFFERS_MAX
        {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

/// Why bytes were not queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum QueueError {
    Gone,
    Full,
}

/// What a connection can be late with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Overdue {
    Idle,
    PartialMessage,
    Writes,
    Close,
}

impl Overdue {
    const fn counter(self) -> Option<Counter> {
        match self {
            Overdue::Idle => Some(Counter::ConnectionsIdle),
            Overdue::PartialMessage => Some(Counter::ConnectionsStalled),
            Overdue::Writes => Some(Counter::ConnectionsOverfull),
            Overdue::Close => None,
        }
    }
}

impl Connection {
    fn has_outbound(&self) -> bool {
        self.written < self.outbound.len()
    }

    /// Gives the kernel what it takes.
    fn write(&mut self, now: Instant, context: &mut Context<'_>) -> io::Result<()> {
        while self.has_outbound() {
            match self.stream.poll_write(context, &self.outbound[self.written..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.written += count;
                    self.stuck_since = Instant::NEVER;
                    while self.origins.front().is_some_and(|&(end, _)| end <= self.written) {
                        self.origins.pop_front();
                    }
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    if self.stuck_since == Instant::NEVER {
                        self.stuck_since = now;
                    }
                    self.drop_written();
                    return Ok(());
                }
            }
        }
        self.stuck_since = Instant::NEVER;
        Ok(())
    }

    /// Keeps the queue's memory in proportion to what waits, at the price of moving it once it has been written by half.
    fn drop_written(&mut self) {
        if self.written * 2 < self.outbound.len() {
            return;
        }
        self.outbound.drain(..self.written);
        for (end, _) in &mut self.origins {
            *end -= self.written;
        }
        self.written = 0;
    }

    fn ends_by(&self, now: Instant, idle: Duration) -> Option<Overdue> {
        match self.phase {
            Phase::Flushing { until } | Phase::Lingering { until } => {
                (now >= until).then_some(Overdue::Close)
            }
            Phase::Open if now.since(self.stuck_since) >= PARTIAL_WAIT => Some(Overdue::Writes),
            Phase::Open if now.since(self.partial_since) >= PARTIAL_WAIT && self.waiting_count == 0 => {
                Some(Overdue::PartialMessage)
            }
            Phase::Open if now.since(self.heard_at) >= idle && now >= self.held_until => Some(Overdue::Idle),
            Phase::Open => None,
        }
    }
}

#[cfg(test)]
mod tests;
