//! The tasks that wait for stream listeners and stream connections.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use futures_lite::future::or;
use glommio::GlommioError;
use glommio::net::{TcpListener, TcpStream};
use glommio::timer::Timer;
use socket2::{Domain, Protocol, Socket, Type};

use super::Core;
use super::connections::{ByteStream, Progress};
use super::driver::{Driver, turn};
use super::thread::give_way;
use super::udp::adopt_stream;
use crate::ids::ConnectionId;
use crate::shard::outbox::Connect;

/// Reads that one connection may have in turn before the others get theirs.
const READS_PER_TURN: usize = 4;

/// Connections accepted before others get their turn.
const ACCEPTS_PER_TURN: usize = 16;

/// After an error of the listener itself, such as no more file descriptors.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Takes connections in for as long as the shard lives.
pub(super) async fn accept<C: Core>(driver: Rc<RefCell<Driver<C>>>, index: usize, listener: TcpListener) {
    let (mut was_refused, mut accepted_count) = (false, 0);
    loop {
        match listener.accept().await {
            Ok(stream) => {
                was_refused = false;
                let Some((stream, local, remote)) = prepare(stream) else { continue };
                let accepted =
                    turn(&driver, |driver, now| driver.on_accepted(now, index, (stream, local, remote)));
                if let Some(id) = accepted {
                    glommio::spawn_local(serve(driver.clone(), id)).detach();
                }
                accepted_count += 1;
                if accepted_count % ACCEPTS_PER_TURN == 0 {
                    give_way().await;
                }
            }
            Err(error) if is_about_the_peer(&error) => {}
            Err(error) => {
                if !was_refused {
                    tracing::error!("streams can not be accepted for now: {error}");
                }
                was_refused = true;
                Timer::new(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Opens a connection that the shard asked for, and serves it.
pub(super) async fn open<C: Core>(driver: Rc<RefCell<Driver<C>>>, connect: Connect) {
    let (wait, local) = {
        let driver = driver.borrow();
        (connect.deadline.since(driver.now()).as_micros(), driver.local_of(connect.endpoint))
    };
    let opening = async {
        let stream = start_connect(local?, connect.remote.into()).ok()?;
        wait_writable(stream).await.ok()
    };
    let giving_up = async {
        Timer::new(std::time::Duration::from_micros(wait)).await;
        None
    };
    let stream = or(opening, giving_up).await;
    if let Some(id) = turn(&driver, |driver, now| driver.on_connected(now, &connect, stream)) {
        serve(driver, id).await;
    }
}

/// Gives a connection its turn whenever its peer has sent something, or takes again what waits for it.
async fn serve<C: Core>(driver: Rc<RefCell<Driver<C>>>, id: ConnectionId) {
    loop {
        let is_open = poll_fn(|context| {
            for _ in 0..READS_PER_TURN {
                match turn(&driver, |driver, now| driver.on_stream(now, context, id)) {
                    Progress::Read => {}
                    Progress::Waits => return Poll::Pending,
                    Progress::Gone => return Poll::Ready(false),
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

/// `None` for a peer that is gone already.
fn prepare(stream: TcpStream) -> Option<(ByteStream, SocketAddr, SocketAddr)> {
    stream.set_nodelay(true).ok()?;
    let (local, remote) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
    Some((ByteStream::Tcp(stream), local, remote))
}

/// Errors of `accept` that belong to the connection that would have been accepted.
fn is_about_the_peer(error: &GlommioError<()>) -> bool {
    matches!(error, GlommioError::IoError(source) if matches!(
        source.raw_os_error(),
        Some(libc::ECONNABORTED | libc::EPERM | libc::EPROTO | libc::ENETDOWN | libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EINTR)
    ))
}

/// Begins a connection from the address of an endpoint, and any of its ports.
fn start_connect(local: SocketAddr, remote: SocketAddr) -> io::Result<ByteStream> {
    let socket = Socket::new(Domain::for_address(remote), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&SocketAddr::new(local.ip(), 0).into())?;
    match socket.connect(&remote.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(ByteStream::Tcp(adopt_stream(socket.into()))),
    }
}

/// A stream that is being opened takes an empty write once it is open, and an error when it was refused.
async fn wait_writable(mut stream: ByteStream) -> io::Result<ByteStream> {
    poll_fn(|context| stream.poll_write(context, &[])).await?;
    Ok(stream)
}
