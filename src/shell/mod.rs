//! The I/O of a node: sockets, threads and the clock, around the shards that know none of them.
//!
//! [`run`] binds every socket, starts one thread for each shard, says that the node is ready, and serves until a signal or a fault ends it. Each thread
//! is a glommio executor pinned to its CPU. What waits there are small tasks; what works is the shard's driver, which never waits.

mod bind;
pub mod clock;
mod connections;
mod driver;
mod error;
mod executor;
mod fault;
mod mesh;
pub mod port;
mod stream;
mod thread;
pub mod udp;

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::flow::{Endpoint, Transport, Zone};
use crate::ids::ShardId;
use crate::limits::{MESSAGE_BYTES_MAX, SHARDS_MAX};
use crate::shard::Shard;
use crate::shard::counters::Counters;
use crate::shard::input::Input;
use crate::shard::outbox::Outbox;
use crate::shard::port::Facts;
use crate::time::{Duration, Instant};
use bind::{Bound, Listening};
use clock::Clock;
pub use error::{Error, UringCause};
use thread::{Control, Start};

/// What the shell needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// At least one.
    pub listeners: Vec<ListenerOptions>,
    /// 1 to `limits::SHARDS_MAX`, or 0 for one for each CPU that the process may use.
    pub shards: usize,
    /// Shard i is pinned to `cpus[i]`. Empty: the allowed CPUs in turn, round again when there are more shards.
    pub cpus: Vec<usize>,
    /// Stream connections of the node, those being opened included; a shard gets its share and 10 %.
    pub connections_max: usize,
    /// A stream that says nothing for this long is closed, unless the shard holds it.
    pub connection_idle: Duration,
    /// The longest message that a stream may carry, at most `limits::MESSAGE_BYTES_MAX`.
    pub message_bytes_max: usize,
    /// How long transactions in progress may go on after SIGTERM.
    pub drain: Duration,
}

/// One address to listen at.
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    pub transport: Transport,
    pub zone: Zone,
    /// Port 0: the system chooses one, the same for all shards.
    pub address: SocketAddr,
    /// As it is to be written into Via, Record-Route and Path. `None`: the local address, at a wildcard the one that a packet came to.
    pub advertise: Option<Box<[u8]>>,
}

/// A listener as it was really bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BoundListener {
    pub transport: Transport,
    pub address: SocketAddr,
}

/// What the node's owner does at its turning points. The methods are called on the thread that called [`run`].
pub trait Observer {
    /// Every socket of every shard is bound and served; the listeners in the order of `Options::listeners`.
    fn on_ready(&mut self, listeners: &[BoundListener]);

    /// SIGHUP.
    fn on_reload(&mut self);
}

/// What the shell drives: [`Shard`], whose methods these are. Another one takes its place in the shell's own tests.
pub trait Core: 'static {
    fn on_input(&mut self, now: Instant, input: Input<'_>, outbox: &mut Outbox);
    fn on_deadline(&mut self, now: Instant, outbox: &mut Outbox);
    fn on_fault(&mut self, outbox: &mut Outbox);
    fn next_deadline(&self) -> Option<Instant>;
    fn is_quiet(&self) -> bool;
    fn counters(&self) -> &Counters;

    /// What is held now; connections are the shell's to count.
    fn facts(&self) -> Facts {
        Facts::default()
    }
}

/// Makes a shard on its own thread.
type MakeCore<C> = dyn Fn(ShardId, &[Endpoint]) -> C + Send + Sync;

impl Core for Shard {
    fn on_input(&mut self, now: Instant, input: Input<'_>, outbox: &mut Outbox) {
        Shard::on_input(self, now, input, outbox);
    }

    fn on_deadline(&mut self, now: Instant, outbox: &mut Outbox) {
        Shard::on_deadline(self, now, outbox);
    }

    fn on_fault(&mut self, outbox: &mut Outbox) {
        Shard::on_fault(self, outbox);
    }

    fn next_deadline(&self) -> Option<Instant> {
        Shard::next_deadline(self)
    }

    fn is_quiet(&self) -> bool {
        Shard::is_quiet(self)
    }

    fn counters(&self) -> &Counters {
        Shard::counters(self)
    }

    fn facts(&self) -> Facts {
        Shard::facts(self)
    }
}

/// How many shards `options` asks for: as many as `run` wants ends of ports.
pub fn shard_count(options: &Options) -> usize {
    let wanted = if options.shards == 0 { allowed_cpus().len() } else { options.shards };
    wanted.clamp(1, SHARDS_MAX)
}

/// Runs a node until it has drained after SIGTERM or SIGINT, or a second one ends it at once. `make_shard` is called on each shard's own thread,
/// with the endpoints that are really there; `ports` has an end for each shard, or none at all.
///
/// # Errors
/// When the node can not start, or ends by faults. Threads may still run then: the caller is expected to end the process.
pub fn run<C: Core>(
    options: &Options,
    ports: Vec<port::ShardEnd>,
    make_shard: impl Fn(ShardId, &[Endpoint]) -> C + Send + Sync + 'static,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    let (events, happened) = mpsc::channel();
    // Signals are held back from here on, so that none falls between the ready line and the first look.
    watch_signals(events.clone())?;
    run_with(options, ports, Arc::new(make_shard), observer, (events, happened))
}

/// [`run`], ended by what its caller sends instead of by signals.
fn run_with<C: Core>(
    options: &Options,
    ports: Vec<port::ShardEnd>,
    make_shard: Arc<MakeCore<C>>,
    observer: &mut dyn Observer,
    (events, happened): (mpsc::Sender<Event>, mpsc::Receiver<Event>),
) -> Result<(), Error> {
    let shards = shard_count(options);
    fault::install_panic_hook();
    executor::probe()?;
    let bound = bind::bind_when_free(&options.listeners, shards)?;
    raise_buffers(&bound)?;
    let listeners = bound.listeners.clone();
    let handles = start_threads(options, bound, ports, make_shard, &events)?;
    for _ in 0..shards {
        loop {
            match next_event(&happened) {
                Event::Up => break,
                Event::Ended(Err(error)) => return Err(error),
                Event::Ended(Ok(())) => return Err(Error::ShardEnded),
                Event::TooManyFaults => return Err(Error::TooManyFaults),
                Event::Signal(SIGHUP) => {}
                Event::Signal(_) => return Ok(()),
            }
        }
    }
    observer.on_ready(&listeners);
    serve(options, &handles, &happened, observer)
}

/// What reaches the node's thread.
enum Event {
    /// A shard serves.
    Up,
    /// A shard's thread has ended.
    Ended(Result<(), Error>),
    TooManyFaults,
    Signal(i32),
}

/// The node's side of one shard's thread.
struct Handle {
    control: Arc<Control>,
    bell: UnixDatagram,
}

impl Handle {
    fn ring(&self) {
        // A bell that can not be rung because it rings already wakes the shard all the same.
        let _ = self.bell.send(b"!");
    }
}

/// Waits for what ends a node.
fn serve(
    options: &Options,
    handles: &[Handle],
    happened: &mpsc::Receiver<Event>,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    loop {
        match next_event(happened) {
            Event::Signal(SIGHUP) => observer.on_reload(),
            Event::Signal(_) => return drain(options, handles, happened),
            Event::TooManyFaults => return Err(Error::TooManyFaults),
            Event::Ended(Err(error)) => return Err(error),
            Event::Ended(Ok(())) | Event::Up => return Err(Error::ShardEnded),
        }
    }
}

/// Refuses new work, waits until every shard is quiet, and ends the threads.
fn drain(options: &Options, handles: &[Handle], happened: &mpsc::Receiver<Event>) -> Result<(), Error> {
    for handle in handles {
        handle.control.drain.store(true, Ordering::Release);
        handle.ring();
    }
    let clock = Clock::start();
    let deadline = clock.now() + options.drain;
    let mut quiet_count = 0;
    while clock.now() < deadline && quiet_count < QUIET_LOOKS {
        match happened.recv_timeout(DRAIN_INTERVAL) {
            Ok(Event::Signal(SIGHUP)) | Err(_) => {}
            Ok(Event::Signal(_)) => return Ok(()),
            Ok(Event::TooManyFaults) => return Err(Error::TooManyFaults),
            Ok(Event::Ended(_) | Event::Up) => return Err(Error::ShardEnded),
        }
        // What one shard has just handed to another makes neither of them busy for a moment: they must be quiet for some time.
        let is_quiet = handles.iter().all(|handle| handle.control.is_quiet.load(Ordering::Acquire));
        quiet_count = if is_quiet { quiet_count + 1 } else { 0 };
    }
    for handle in handles {
        handle.control.stop.store(true, Ordering::Release);
        handle.ring();
    }
    for _ in handles {
        // A thread that does not end by itself ends with the process.
        let _ = happened.recv_timeout(STOP_WAIT);
    }
    Ok(())
}

fn start_threads<C: Core>(
    options: &Options,
    bound: Bound,
    ports: Vec<port::ShardEnd>,
    make_shard: Arc<MakeCore<C>>,
    events: &mpsc::Sender<Event>,
) -> Result<Vec<Handle>, Error> {
    let cpus = if options.cpus.is_empty() { allowed_cpus() } else { options.cpus.clone() };
    let clock = Clock::start();
    let shards = bound.sockets.len();
    let mut ports = ports.into_iter();
    let mut handles = Vec::with_capacity(shards);
    for ((index, sockets), mesh) in bound.sockets.into_iter().enumerate().zip(mesh::make_ends(shards)) {
        let control = Arc::new(Control::default());
        let (bell, shard_bell) = UnixDatagram::pair().map_err(Error::Io)?;
        bell.set_nonblocking(true).map_err(Error::Io)?;
        let start = Start {
            shard: ShardId(index as u8),
            cpu: cpus[index % cpus.len()],
            clock,
            sockets,
            endpoints: bound.endpoints.clone(),
            mesh,
            connections: connections::Options {
                shard: ShardId(index as u8),
                connections_max: options.connections_max.div_ceil(shards).saturating_mul(11).div_ceil(10),
                message_bytes_max: options.message_bytes_max.min(MESSAGE_BYTES_MAX),
                idle: options.connection_idle,
            },
            port: ports.next(),
            control: control.clone(),
            bell: shard_bell,
            events: events.clone(),
        };
        let (events, make_shard) = (events.clone(), make_shard.clone());
        std::thread::Builder::new()
            .name(format!("shard-{index}"))
            .spawn(move || {
                let result = panic::catch_unwind(AssertUnwindSafe(|| thread::run(start, &*make_shard)));
                // Nobody listens any more when the node is already ending.
                let _ = events.send(Event::Ended(result.unwrap_or(Err(Error::ShardEnded))));
            })
            .map_err(Error::Io)?;
        handles.push(Handle { control, bell });
    }
    Ok(handles)
}

/// A thread of its own turns signals into events: the only thing that may safely be done about them.
fn watch_signals(events: mpsc::Sender<Event>) -> Result<(), Error> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(Error::Io)?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if events.send(Event::Signal(signal)).is_err() {
                    return;
                }
            }
        })
        .map_err(Error::Io)?;
    Ok(())
}

/// Raises the UDP sockets' buffers as far as the system lets, and says once how far that was.
fn raise_buffers(bound: &Bound) -> Result<(), Error> {
    let mut reached = None;
    for socket in bound.sockets.iter().flatten() {
        if let Listening::Udp(socket) = socket {
            reached = Some(socket.raise_buffers(SOCKET_BUFFER_BYTES).map_err(Error::Io)?);
        }
    }
    if let Some((receive, send)) = reached {
        tracing::info!(
            "UDP socket buffers: {receive} bytes to receive, {send} bytes to send, for each shard"
        );
        if receive < SOCKET_BUFFER_BYTES {
            tracing::warn!(
                "UDP socket buffers are small: net.core.rmem_max and net.core.wmem_max limit them; {SOCKET_BUFFER_BYTES} is advised"
            );
        }
    }
    Ok(())
}

fn next_event(happened: &mpsc::Receiver<Event>) -> Event {
    happened.recv().expect("the signal thread holds a sender for as long as the process lives")
}

/// The CPUs that the process may use, by number.
fn allowed_cpus() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let cpus = parse_cpu_list(list.trim());
    if cpus.is_empty() { vec![0] } else { cpus }
}

/// `0-3,8` → 0 1 2 3 8. What is not a number is left out.
fn parse_cpu_list(list: &str) -> Vec<usize> {
    let mut cpus = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
            cpus.extend(first..=last);
        }
    }
    cpus
}

/// Asked for in each direction: some 20,000 messages of 700 bytes as the kernel counts them, a fifth of a second at full rate.
const SOCKET_BUFFER_BYTES: usize = 16 << 20;

/// How often a draining node looks whether its shards are quiet, and how many looks in a row have to say so.
const DRAIN_INTERVAL: std::time::Duration = std::time::Duration::from_millis(20);
const QUIET_LOOKS: usize = 3;

const STOP_WAIT: std::time::Duration = std::time::Duration::from_millis(500);

#[cfg(test)]
mod tests;
