//! UDP in batches: up to `DATAGRAM_BATCH_MAX` datagrams for one system call, in and out.
//!
//! Enters: datagrams, with the address they came from and, on a wildcard socket, the local address that they came to. Leaves: datagrams
//! gathered straight from where their bytes lie. A [`Receiver`] and a [`Sender`] own the memory that the system calls work in, are bound to
//! no socket, and are made once for each thread. Nothing here waits: who wants to sleep until a socket is readable uses the executor's own way.
//!
//! This folder has the only unsafe code of the shell; `raw` has the system calls (those for streams' descriptors and
//! io_uring too, so that the fence stays one), `adopt` hands descriptors to glommio.

mod adopt;
mod raw;

pub(crate) use adopt::{adopt_bell, adopt_datagram, adopt_listener, adopt_stream};
pub(crate) use raw::{host_addresses, probe_uring};

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Type};

use crate::flow::Address;
use crate::limits::{DATAGRAM_BATCH_MAX, DATAGRAM_SLOT_BYTES, MESSAGE_BYTES_MAX};
use crate::time::Duration;

/// A bound UDP socket, in blocking mode as io_uring wants it; the calls of this module never block all the same.
#[derive(Debug)]
pub struct Socket {
    socket: socket2::Socket,
    local: SocketAddr,
}

/// A datagram that was received. The bytes are valid until the next batch.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    pub bytes: &'a [u8],
    pub remote: Address,
    /// The address that it was sent to; known on wildcard sockets only.
    pub local: Option<IpAddr>,
}

/// A datagram to send.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub bytes: &'a [u8],
    pub remote: Address,
    /// The address to send from; of use on wildcard sockets only.
    pub source: Option<IpAddr>,
}

/// An ICMP error: a datagram of ours did not reach `remote`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreachable {
    pub remote: Address,
    /// As an errno.
    pub error: i32,
}

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    pub packets: usize,
    /// The socket has reported an ICMP error of an earlier datagram: [`Socket::next_unreachable`] tells which.
    pub has_errors: bool,
}

/// Memory for receiving: a slot of 4 KiB for each datagram of a batch, and room for the few that are larger, which costs nothing until it is used.
pub struct Receiver {
    raw: raw::Receiver,
}

/// Memory for sending: one header for each datagram of a batch.
pub struct Sender {
    raw: raw::Sender,
}

impl Socket {
    /// Binds `local`. With `shared`, other sockets of the same user that say so too may bind it as well, and the kernel spreads the peers over them.
    ///
    /// # Errors
    /// As the system gives them; `AddrInUse` when the port is taken.
    pub fn bind(local: SocketAddr, shared: bool) -> io::Result<Socket> {
        let socket = socket2::Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_port(shared)?;
        socket.bind(&local.into())?;
        let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        raw::enable_errors(&socket, local.is_ipv6())?;
        if local.ip().is_unspecified() {
            raw::enable_local_address(&socket, local.is_ipv6())?;
        }
        Ok(Socket { socket, local: bound })
    }

    /// Lets sockets that are bound after this one share its address. Until then it is its own, so that a bind that finds it taken says so.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn share(&self) -> io::Result<()> {
        self.socket.set_reuse_port(true)
    }

    /// The address really bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Asks for socket buffers of `wanted` bytes in each direction; returns what the system gave for receiving and for sending, in its own counting,
    /// which includes its overhead.
    ///
    /// # Errors
    /// As the system gives them; being given less is none.
    pub fn raise_buffers(&self, wanted: usize) -> io::Result<(usize, usize)> {
        if raw::force_receive_buffer(&self.socket, wanted).is_err() {
            self.socket.set_recv_buffer_size(wanted)?;
        }
        if raw::force_send_buffer(&self.socket, wanted).is_err() {
            self.socket.set_send_buffer_size(wanted)?;
        }
        Ok((self.socket.recv_buffer_size()?, self.socket.send_buffer_size()?))
    }

    /// The oldest ICMP error that was not yet taken.
    pub fn next_unreachable(&self) -> Option<Unreachable> {
        raw::next_unreachable(self.socket.as_fd())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Receiver { raw: raw::Receiver::new() }
    }
}

impl Receiver {
    /// Takes the datagrams that lie at `socket`, `DATAGRAM_BATCH_MAX` at most, and calls `each` for each of them. Returns how many they were; 0 when
    /// there was none.
    ///
    /// # Errors
    /// As the system gives them: an ICMP error of an earlier datagram among them, after which the call can be repeated.
    pub fn recv_batch(&mut self, socket: &Socket, mut each: impl FnMut(Datagram<'_>)) -> io::Result<usize> {
        let count = self.raw.fill(socket.as_fd())?;
        for index in 0..count {
            if let Some(datagram) = self.raw.datagram(index) {
                each(datagram);
            }
        }
        Ok(count)
    }
}

impl Default for Sender {
    fn default() -> Self {
        Sender { raw: raw::Sender::new() }
    }
}

impl Sender {
    /// Sends the first `DATAGRAM_BATCH_MAX` of `packets`, in their order. A packet that can not be sent is told to `failed` by its place in the batch, and
    /// the ones behind it are sent all the same. A full socket buffer is waited for by giving up the processor a few times, then it counts as failed.
    pub fn send_batch<'a>(
        &mut self,
        socket: &Socket,
        packets: impl Iterator<Item = Packet<'a>>,
        mut failed: impl FnMut(usize, io::Error),
    ) -> Sent {
        let mut batch = self.raw.begin();
        for packet in packets.take(DATAGRAM_BATCH_MAX) {
            batch.push(packet, socket.local.is_ipv6());
        }
        let count = batch.len();
        let mut sent = Sent::default();
        let mut next = 0;
        let mut full_count = 0;
        let mut is_second_try = false;
        while next < count {
            let error = match batch.send(socket.as_fd(), next) {
                Ok(accepted) if accepted > 0 => {
                    next += accepted;
                    sent.packets += accepted;
                    is_second_try = false;
                    continue;
                }
                Ok(_) => io::ErrorKind::WriteZero.into(),
                Err(error) => error,
            };
            match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::EAGAIN | libc::ENOBUFS) if full_count < FULL_RETRIES_MAX => {
                    full_count += 1;
                    std::thread::yield_now();
                    continue;
                }
                // A socket tells the ICMP error of an earlier datagram once, to whoever calls next: the packet at hand deserves its own try.
                Some(errno) if is_unreachable(errno) && !is_second_try => {
                    is_second_try = true;
                    sent.has_errors = true;
                    continue;
                }
                _ => {}
            }
            failed(next, error);
            next += 1;
            is_second_try = false;
        }
        sent
    }
}

/// Blocks the thread until one of the first 16 of `sockets` has something to read, an error included, or until `timeout` is over; true in the first
/// case. Far cheaper than an executor's way to sleep, for waits so short that nothing else on the thread minds them.
pub fn wait_readable<'a>(sockets: impl Iterator<Item = &'a Socket>, timeout: Duration) -> bool {
    raw::wait_readable(sockets.map(AsFd::as_fd), timeout.as_micros())
}

/// True for the errors by which the network says that a datagram can not get through; not for those that speak of its size.
pub fn is_unreachable(errno: i32) -> bool {
    matches!(
        errno,
        libc::ECONNREFUSED
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::ENETDOWN
            | libc::ENOPROTOOPT
            | libc::EACCES
    )
}

/// How often in one batch a full socket buffer is waited for. The kernel empties it in microseconds, or the link is slower than we are.
const FULL_RETRIES_MAX: usize = 4;

const _: () = assert!(DATAGRAM_SLOT_BYTES < MESSAGE_BYTES_MAX);

#[cfg(test)]
mod tests;
