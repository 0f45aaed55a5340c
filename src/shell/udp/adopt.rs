#![allow(unsafe_code)]
//! Descriptors into glommio's sockets: the only door that glommio leaves open for sockets bound with options of our own is `FromRawFd`.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

/// A datagram socket that glommio can wait for. Called on the executor that will wait.
pub(crate) fn adopt_datagram(socket: OwnedFd) -> glommio::net::UdpSocket {
    // SAFETY: the descriptor is open and is given away: nothing else closes it.
    unsafe { glommio::net::UdpSocket::from_raw_fd(socket.into_raw_fd()) }
}

/// A doorbell: a Unix datagram socket, which glommio reads like any other of that family.
pub(crate) fn adopt_bell(socket: OwnedFd) -> glommio::net::UnixStream {
    // SAFETY: the descriptor is open and is given away: nothing else closes it.
    unsafe { glommio::net::UnixStream::from_raw_fd(socket.into_raw_fd()) }
}

/// A listening socket. Called on the executor that will accept.
pub(crate) fn adopt_listener(socket: OwnedFd) -> glommio::net::TcpListener {
    // SAFETY: the descriptor is open and is given away: nothing else closes it.
    unsafe { glommio::net::TcpListener::from_raw_fd(socket.into_raw_fd()) }
}

/// A connected stream. Called on the executor that will read.
pub(crate) fn adopt_stream(socket: OwnedFd) -> glommio::net::TcpStream {
    // SAFETY: the descriptor is open and is given away: nothing else closes it.
    unsafe { glommio::net::TcpStream::from_raw_fd(socket.into_raw_fd()) }
}
