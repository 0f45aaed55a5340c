//! Accepts the connections of the API, and bounds their number and how long a silent one stays.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

use crate::limits::API_CONNECTIONS_MAX;

/// A connection on which nothing moves for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// A connection is closed after this long, whatever it does: a client that sends a byte now and then holds a place no longer.
const LIFE_MAX: Duration = Duration::from_secs(300);

/// Waits before accepting again when the process has no descriptors left.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// At most `API_CONNECTIONS_MAX` connections at once; further ones wait in the system's queue.
pub(super) struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

/// One connection, with its place and its deadlines.
pub(super) struct Connection {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    end: Instant,
    _place: OwnedSemaphorePermit,
}

impl Bounded {
    pub(super) fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        let listener = TcpListener::from_std(listener)?;
        Ok(Bounded { listener, places: Arc::new(Semaphore::new(API_CONNECTIONS_MAX)) })
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let places = Arc::clone(&self.places);
        let place = places.acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => return (Connection::new(stream, place), address),
                Err(_) => sleep(ACCEPT_RETRY).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connection {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        let now = Instant::now();
        Connection { stream, idle: Box::pin(sleep(IDLE_MAX)), end: now + LIFE_MAX, _place: place }
    }

    /// Bytes have moved: the connection may be silent for `IDLE_MAX` from now.
    fn renew(&mut self) {
        let until = (Instant::now() + IDLE_MAX).min(self.end);
        self.idle.as_mut().reset(until);
    }

    /// What a pending read or write comes to: an error once the deadline has passed.
    fn watch<T>(&mut self, context: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match progress {
            Poll::Ready(done) => {
                self.renew();
                Poll::Ready(done)
            }
            Poll::Pending => self.idle.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        let progress = Pin::new(&mut own.stream).poll_read(context, buffer);
        own.watch(context, progress)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let own = self.get_mut();
        let progress = Pin::new(&mut own.stream).poll_write(context, bytes);
        own.watch(context, progress)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
