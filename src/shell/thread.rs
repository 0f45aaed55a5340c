//! One shard's thread: its executor, and the tasks that wait for sockets, rings and time on the driver's behalf.

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll};

use futures_lite::future::poll_fn;
use futures_lite::io::AsyncReadExt;
use futures_lite::stream::Stream;
use glommio::channels::shared_channel::ConnectedReceiver;
use glommio::net::{UdpSocket, UnixStream};
use glommio::timer::Timer;

use super::bind::Listening;
use super::clock::Clock;
use super::driver::{Driver, Parts, turn};

use super::port::ShardEnd;
use super::udp::{Socket, adopt_bell, adopt_datagram, adopt_listener};
use super::{Core, Error, Event, MakeCore, connections, executor, mesh, stream};
use crate::flow::Endpoint;
use crate::ids::ShardId;
use crate::limits::DATAGRAM_BATCH_MAX;
use crate::shard::input::Command;
use crate::shard::outbox::ShardMessage;
use crate::time::{Duration, Instant};

/// Whatever an executor sleeps over, it does not sleep longer than this.
const HEARTBEAT: std::time::Duration = std::time::Duration::from_millis(100);

/// Batches that one ring may have in turn before the others get theirs.
const BATCHES_PER_TURN: usize = 8;

/// Datagrams that come closer together than this are waited for on the spot.
const LINGER: Duration = Duration::from_micros(250);

/// After a stretch as long as this without a look at anything else, the executor has its turn: what streams and other shards may be late by.
const STRETCH: Duration = Duration::from_micros(500);

/// A socket that tells nothing but errors is asked less often past this many.
const ERRORS_IN_A_ROW_MAX: usize = 1_000;
const ERROR_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// How often a draining shard looks whether it is quiet.
const QUIET_INTERVAL: std::time::Duration = std::time::Duration::from_millis(20);

/// Timers that are due within this are due together; and however much there is to say again and again, others have their turn in between.
const WAIT_MIN: Duration = Duration::from_micros(100);

/// A wait is never asked to be longer than this: nothing needs it, and arithmetic on instants stays far from its ends.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

/// What the node's thread and a shard's thread tell each other while they run.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// New work is to be refused.
    pub drain: AtomicBool,
    /// The thread is to end.
    pub stop: AtomicBool,
    /// Set by the shard while it drains: nothing is in progress.
    pub is_quiet: AtomicBool,
}

/// Everything that a shard's thread starts with.
pub(super) struct Start {
    pub shard: ShardId,
    pub cpu: usize,
    pub clock: Clock,
    pub sockets: Vec<Listening>,
    pub endpoints: Vec<Endpoint>,
    pub mesh: mesh::Ends,
    pub connections: connections::Options,
    pub port: Option<ShardEnd>,
    pub control: Arc<Control>,
    /// Rung when `control` has changed.
    pub bell: UnixDatagram,
    pub events: mpsc::Sender<Event>,
}

/// The body of the thread. Returns when it is told to stop.
pub(super) fn run<C: Core>(start: Start, make_shard: &MakeCore<C>) -> Result<(), Error> {
    let executor = executor::make(start.cpu)?;
    executor.run(run_tasks(start, make_shard))
}

async fn run_tasks<C: Core>(start: Start, make_shard: &MakeCore<C>) -> Result<(), Error> {
    glommio::spawn_local(beat()).detach();
    let shard = make_shard(start.shard, &start.endpoints);
    let (mut udp, mut streams, mut listeners) = (Vec::new(), Vec::new(), Vec::new());
    for (listener, socket) in start.sockets.into_iter().enumerate() {
        match socket {
            Listening::Udp(socket) => udp.push((listener as u8, socket)),
            Listening::Stream(socket) => {
                streams.push(listener as u8);
                listeners.push(adopt_listener(socket.into()));
            }
        }
    }
    let mut waiters = Vec::new();
    for (_, socket) in &udp {
        waiters.push(wait_on(socket).map_err(Error::Io)?);
    }
    let (mesh, receivers) = start.mesh.connect().await;
    let parts = Parts {
        shard,
        clock: start.clock,
        udp,
        streams,
        endpoints: start.endpoints,
        mesh,
        connections: start.connections,
    };
    let driver = Rc::new(RefCell::new(Driver::new(parts)));

    for (index, waiter) in waiters.into_iter().enumerate() {
        glommio::spawn_local(receive_datagrams(driver.clone(), index, waiter)).detach();
    }
    for (index, listener) in listeners.into_iter().enumerate() {
        glommio::spawn_local(stream::accept(driver.clone(), index, listener)).detach();
    }
    for receiver in receivers {
        glommio::spawn_local(receive_handoffs(driver.clone(), receiver)).detach();
    }
    if let Some(port) = start.port {
        let bell = port.doorbell().try_clone_to_owned().map_err(Error::Io)?;
        glommio::spawn_local(answer_questions(driver.clone(), port, adopt_bell(bell))).detach();
    }
    glommio::spawn_local(keep_time(driver.clone(), start.events.clone())).detach();

    // Nobody waits for this event any more when the node is already ending.
    let _ = start.events.send(Event::Up);
    let bell = adopt_bell(start.bell.into());
    obey(&driver, &start.control, bell).await;
    Ok(())
}

/// Lets all other tasks run, and the executor look at the kernel's events and its timers, before the caller goes on.
pub(super) async fn give_way() {
    Timer::new(std::time::Duration::ZERO).await;
}

async fn beat() {
    loop {
        Timer::new(HEARTBEAT).await;
    }
}

fn wait_on(socket: &Socket) -> io::Result<UdpSocket> {
    Ok(adopt_datagram(socket.as_fd().try_clone_to_owned()?))
}

/// Takes batch after batch from one UDP socket, and sleeps when it is empty.
///
/// To fall asleep and wake by way of the executor costs about as much as ten messages. Where datagrams follow each other closely, the next ones are
/// therefore waited for on the spot, and everything else on this thread gets its turn between two of these stretches.
async fn receive_datagrams<C: Core>(driver: Rc<RefCell<Driver<C>>>, index: usize, waiter: UdpSocket) {
    let (mut last, mut stretch) = (Instant::default(), Instant::default());
    let mut error_count = 0;
    loop {
        let (count, now) = turn(&driver, |driver, now| (driver.on_datagrams(now, index), now));
        let is_close = count > 0 && now.since(last) < LINGER;
        if count > 0 {
            last = now;
        }
        if (count == DATAGRAM_BATCH_MAX || is_close) && now.since(stretch) >= STRETCH {
            give_way().await;
            stretch = driver.borrow().read_clock();
            continue;
        }
        if count == DATAGRAM_BATCH_MAX || is_close && driver.borrow().linger(LINGER) {
            continue;
        }
        match waiter.peek_from(&mut [0]).await {
            Ok(_) => error_count = 0,
            // As a rule an ICMP error, which is told once.
            Err(_) => {
                turn(&driver, |driver, _| driver.on_unreachable(index));
                error_count += 1;
                if error_count > ERRORS_IN_A_ROW_MAX {
                    Timer::new(ERROR_PAUSE).await;
                }
            }
        }
        stretch = driver.borrow().read_clock();
    }
}

/// Takes what one other shard hands over, as much at a time as lies in its ring.
async fn receive_handoffs<C: Core>(
    driver: Rc<RefCell<Driver<C>>>,
    mut receiver: ConnectedReceiver<ShardMessage>,
) {
    let mut batch = Vec::with_capacity(DATAGRAM_BATCH_MAX);
    loop {
        let is_open = poll_fn(|context| {
            for _ in 0..BATCHES_PER_TURN {
                // The ring registers who waits each time that it is found empty, so it is asked once more only after it has woken us.
                let is_empty = loop {
                    match std::pin::Pin::new(&mut receiver).poll_next(context) {
                        Poll::Ready(Some(message)) => batch.push(message),
                        Poll::Ready(None) => return Poll::Ready(false),
                        Poll::Pending => break true,
                    }
                    if batch.len() == DATAGRAM_BATCH_MAX {
                        break false;
                    }
                };
                if !batch.is_empty() {
                    turn(&driver, |driver, now| driver.on_handoffs(now, &mut batch));
                }
                if is_empty {
                    return Poll::Pending;
                }
            }
            Poll::Ready(true)
        })
        .await;
        if !is_open {
            return;
        }
        give_way().await;
    }
}

/// Answers what the services ask, between two batches.
async fn answer_questions<C: Core>(driver: Rc<RefCell<Driver<C>>>, mut port: ShardEnd, mut bell: UnixStream) {
    loop {
        while let Some(question) = port.next_question() {
            let answer = turn(&driver, |driver, now| driver.on_question(now, question));
            port.answer(answer);
        }
        if bell.read(&mut [0]).await.is_err() {
            return;
        }
    }
}

/// The one timer of the shard.
async fn keep_time<C: Core>(driver: Rc<RefCell<Driver<C>>>, events: mpsc::Sender<Event>) {
    let mut timer = Timer::new(std::time::Duration::ZERO);
    poll_fn(|context: &mut Context<'_>| {
        loop {
            turn(&driver, |driver, now| driver.on_timer(now, context.waker()));
            let mut driver = driver.borrow_mut();
            if driver.has_too_many_faults() {
                let _ = events.send(Event::TooManyFaults);
            }
            let wait = wait_until(driver.arm(), driver.now());
            timer.reset(wait);
            if std::pin::Pin::new(&mut timer).poll(context).is_pending() {
                return Poll::<()>::Pending;
            }
        }
    })
    .await;
}

/// Does what the node's thread says, until it says stop.
async fn obey<C: Core>(driver: &Rc<RefCell<Driver<C>>>, control: &Arc<Control>, mut bell: UnixStream) {
    let mut is_draining = false;
    while !control.stop.load(Ordering::Acquire) {
        if control.drain.load(Ordering::Acquire) && !is_draining {
            is_draining = true;
            turn(driver, |driver, now| driver.on_command(now, Command::Drain));
            glommio::spawn_local(watch_quiet(driver.clone(), control.clone())).detach();
        }
        if bell.read(&mut [0]).await.is_err() {
            return;
        }
    }
}

async fn watch_quiet<C: Core>(driver: Rc<RefCell<Driver<C>>>, control: Arc<Control>) {
    loop {
        control.is_quiet.store(driver.borrow().is_quiet(), Ordering::Release);
        Timer::new(QUIET_INTERVAL).await;
    }
}

fn wait_until(wake: Instant, now: Instant) -> std::time::Duration {
    std::time::Duration::from_micros(wake.since(now).max(WAIT_MIN).min(WAIT_MAX).as_micros())
}
