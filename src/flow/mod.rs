//! Who a byte came from and how to answer it.
//!
//! A flow (RFC 5626 §2) is a local endpoint and a remote address, over UDP or over one connection. A UDP flow is its addresses and
//! nothing else; a stream's flow names the connection and the shard that holds it.

pub mod base32;
pub mod mac;
pub mod token;

use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::ids::{ConnectionId, EndpointId};

pub use crate::sip::transport::Transport;

/// Which side of the border a listener is on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Zone {
    /// Phones and the internet: untrusted.
    Access,
    /// The operator's own network: trusted.
    Core,
}

/// An IP address and a port in 24 bytes; IPv4 is kept as IPv4-mapped IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    ip: [u8; 16],
    scope: u32,
    port: u16,
}

/// Where a message came from, or goes to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow {
    pub remote: Address,
    pub endpoint: EndpointId,
    /// `None` for UDP.
    pub connection: Option<ConnectionId>,
}

/// A local address that messages arrive at and leave from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Index of the `[[listen]]` table, in the order of the file.
    pub listener: u8,
    pub transport: Transport,
    pub zone: Zone,
    /// The address really bound; with a wildcard listener, one of the host's addresses and the listener's port.
    pub local: Address,
    /// `host:port`, `host`, or `[v6]:port` as it is written into Via, Record-Route and Path.
    pub advertise: Box<[u8]>,
}

impl Address {
    pub const fn new(ip: IpAddr, port: u16) -> Self {
        let ip = match ip {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Address { ip, scope: 0, port }
    }

    /// The address, with IPv4-mapped IPv6 shown as IPv4.
    pub const fn ip(self) -> IpAddr {
        Ipv6Addr::from_octets(self.ip).to_canonical()
    }

    pub const fn port(self) -> u16 {
        self.port
    }

    pub const fn with_port(self, port: u16) -> Self {
        Address { port, ..self }
    }

    pub const fn is_ipv4(self) -> bool {
        matches!(self.ip(), IpAddr::V4(_))
    }

    /// The 16 bytes of the address, IPv4 as IPv4-mapped.
    pub const fn octets(self) -> [u8; 16] {
        self.ip
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let mut own = Address::new(address.ip(), address.port());
        if let SocketAddr::V6(v6) = address {
            own.scope = v6.scope_id();
        }
        own
    }
}

impl From<Address> for SocketAddr {
    fn from(address: Address) -> Self {
        match address.ip() {
            IpAddr::V4(v4) => SocketAddr::new(IpAddr::V4(v4), address.port),
            IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, address.port, 0, address.scope)),
        }
    }
}

impl core::fmt::Debug for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&SocketAddr::from(*self), f)
    }
}

impl Flow {
    pub const fn udp(endpoint: EndpointId, remote: Address) -> Self {
        Flow { remote, endpoint, connection: None }
    }
}
