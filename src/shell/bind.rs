//! Every socket of every shard, bound before the first shard starts.
//!
//! Shards share each address by `SO_REUSEPORT`, which would also let a second process of the same user in. Therefore the first socket of an address is
//! bound without it: a bind that does not offer to share fails while anyone holds the address, whatever that one offers. Once all first sockets
//! are bound, they are opened for sharing and the other shards' sockets follow.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::udp::{self, host_addresses};
use super::{BoundListener, Error, ListenerOptions};
use crate::flow::{Endpoint, Transport};

/// A socket that is bound and, for streams, listens.
#[derive(Debug)]
pub(super) enum Listening {
    Udp(udp::Socket),
    Stream(TcpListener),
}

/// What `bind` made. `sockets` has for each shard one socket for each listener.
#[derive(Debug)]
pub(super) struct Bound {
    pub listeners: Vec<BoundListener>,
    pub endpoints: Vec<Endpoint>,
    pub sockets: Vec<Vec<Listening>>,
}

/// The system closes what a killed process had in io_uring a moment after the process has gone, so a port that is taken is tried again this often
/// before it counts as taken: for a second in all.
const ATTEMPTS: usize = 50;
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(20);

/// As [`bind`], for a port whose last owner may just have been killed.
pub(super) fn bind_when_free(options: &[ListenerOptions], shards: usize) -> Result<Bound, Error> {
    for _ in 1..ATTEMPTS {
        match bind(options, shards) {
            Err(Error::PortTaken { .. }) => std::thread::sleep(ATTEMPT_INTERVAL),
            done => return done,
        }
    }
    bind(options, shards)
}

/// Binds every listener for each of `shards` shards.
pub(super) fn bind(options: &[ListenerOptions], shards: usize) -> Result<Bound, Error> {
    let mut firsts = Vec::with_capacity(options.len());
    for listener in options {
        let socket = Listening::bind(listener.transport, listener.address, false)
            .map_err(|source| bind_error(listener, source))?;
        firsts.push(socket);
    }
    let mut listeners = Vec::with_capacity(options.len());
    for (listener, socket) in options.iter().zip(&firsts) {
        let address =
            socket.share().and_then(|()| socket.local()).map_err(|source| bind_error(listener, source))?;
        listeners.push(BoundListener { transport: listener.transport, address });
    }
    let mut sockets = vec![firsts];
    for _ in 1..shards {
        let mut own = Vec::with_capacity(options.len());
        for (listener, bound) in options.iter().zip(&listeners) {
            let socket = Listening::bind(listener.transport, bound.address, true)
                .map_err(|source| bind_error(listener, source))?;
            own.push(socket);
        }
        sockets.push(own);
    }
    for socket in sockets.iter().flatten() {
        if let Listening::Stream(listener) = socket {
            socket2::SockRef::from(listener).listen(LISTEN_BACKLOG).map_err(Error::Io)?;
        }
    }
    let endpoints = make_endpoints(options, &listeners)?;
    Ok(Bound { listeners, endpoints, sockets })
}

impl Listening {
    fn bind(transport: Transport, address: SocketAddr, shared: bool) -> io::Result<Listening> {
        match transport {
            Transport::Udp => udp::Socket::bind(address, shared).map(Listening::Udp),
            Transport::Tcp => bind_stream(address, shared).map(Listening::Stream),
            Transport::Tls | Transport::Ws | Transport::Wss => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn share(&self) -> io::Result<()> {
        match self {
            Listening::Udp(socket) => socket.share(),
            Listening::Stream(listener) => socket2::SockRef::from(listener).set_reuse_port(true),
        }
    }

    fn local(&self) -> io::Result<SocketAddr> {
        match self {
            Listening::Udp(socket) => Ok(socket.local()),
            Listening::Stream(listener) => listener.local_addr(),
        }
    }
}

/// `SO_REUSEADDR`, so that connections of an earlier process that linger in TIME_WAIT do not keep the port; a listening socket still does.
fn bind_stream(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// One endpoint for a listener, and for one with a wildcard address one for each address of the host that is of its family.
fn make_endpoints(options: &[ListenerOptions], bound: &[BoundListener]) -> Result<Vec<Endpoint>, Error> {
    let has_wildcard = bound.iter().any(|listener| listener.address.ip().is_unspecified());
    let host = if has_wildcard { host_addresses().map_err(Error::Io)? } else { Vec::new() };
    let mut endpoints = Vec::new();
    for (index, (options, bound)) in options.iter().zip(bound).enumerate() {
        let wildcard = bound.address.ip();
        let own = [wildcard];
        let ips: &[IpAddr] = if wildcard.is_unspecified() { &host } else { &own };
        for ip in ips.iter().filter(|ip| ip.is_ipv4() == wildcard.is_ipv4()) {
            let local = if wildcard.is_unspecified() {
                SocketAddr::new(*ip, bound.address.port())
            } else {
                bound.address
            };
            endpoints.push(Endpoint {
                listener: index as u8,
                transport: options.transport,
                zone: options.zone,
                local: local.into(),
                advertise: match &options.advertise {
                    Some(advertise) => advertise.clone(),
                    None => local.to_string().into_bytes().into(),
                },
            });
        }
    }
    Ok(endpoints)
}

fn bind_error(listener: &ListenerOptions, source: io::Error) -> Error {
    let (transport, address) = (listener.transport, listener.address);
    match source.kind() {
        io::ErrorKind::AddrInUse => Error::PortTaken { transport, address },
        _ => Error::Bind { transport, address, source },
    }
}

/// Connections that wait to be accepted. The system has its own limit (`net.core.somaxconn`), which is lower as a rule.
const LISTEN_BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Zone;

    fn listener(transport: Transport, address: &str) -> ListenerOptions {
        ListenerOptions { transport, zone: Zone::Access, address: address.parse().unwrap(), advertise: None }
    }

    /// Each family and transport, wildcard and not; several shards share, a second bind finds it taken, and after the first is gone it is free.
    #[test]
    fn shards_share_an_address_and_nobody_else_does() {
        for address in ["127.0.0.1", "[::1]", "0.0.0.0", "[::]"] {
            for transport in [Transport::Udp, Transport::Tcp] {
                let first = bind(&[listener(transport, &format!("{address}:0"))], 4).unwrap();
                let bound = first.listeners[0].address;
                assert_ne!(bound.port(), 0);
                assert_eq!(first.sockets.len(), 4);
                for socket in first.sockets.iter().flatten() {
                    assert_eq!(socket.local().unwrap(), bound);
                }
                let again = [listener(transport, &format!("{address}:{}", bound.port()))];
                for shards in [1, 4] {
                    match bind(&again, shards) {
                        Err(Error::PortTaken { transport: named, address }) => {
                            assert_eq!((named, address), (transport, bound));
                        }
                        other => panic!("{address} {transport:?}: {other:?}"),
                    }
                }
                drop(first);
                bind(&again, 2).unwrap();
            }
        }
    }

    /// A second process that is already past its own check, and offers to share, must not be joined.
    #[test]
    fn a_socket_that_offers_to_share_is_not_joined() {
        for transport in [Transport::Udp, Transport::Tcp] {
            let other =
                Listening::bind(transport, SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 0), true).unwrap();
            if let Listening::Stream(stream) = &other {
                socket2::SockRef::from(stream).listen(1).unwrap();
            }
            let address = other.local().unwrap().to_string();
            let error = bind(&[listener(transport, &address)], 1).unwrap_err();
            assert!(error.to_string().contains(&address), "{error}");
        }
    }

    #[test]
    fn a_wildcard_listener_has_an_endpoint_for_each_address_of_the_host() {
        let options = [listener(Transport::Udp, "0.0.0.0:0"), listener(Transport::Tcp, "127.0.0.1:0")];
        let bound = bind(&options, 1).unwrap();
        let port = bound.listeners[0].address.port();
        let of_first: Vec<&Endpoint> = bound.endpoints.iter().filter(|e| e.listener == 0).collect();
        assert!(of_first.iter().any(|e| &*e.advertise == format!("127.0.0.1:{port}").as_bytes()));
        assert!(of_first.iter().all(|e| e.local.port() == port && e.local.is_ipv4()));
        let last = bound.endpoints.last().unwrap();
        assert_eq!((last.listener, last.transport), (1, Transport::Tcp));
    }
}
