//! From a URI to a way (RFC 3261 §16.6 step 7): the address, the transport, and the endpoint of this node that the request leaves by.

use core::net::{IpAddr, Ipv4Addr};

use crate::flow::{Address, Endpoint, Flow, Transport};
use crate::ids::EndpointId;
use crate::proxy::context::Way;
use crate::proxy::identity::{PORT_DEFAULT, PORT_TLS_DEFAULT};
use crate::proxy::refusal::Refusal;
use crate::sip::host::{Host, parse_ip};
use crate::sip::uri::{Scheme, Uri};

/// Larger requests go by a stream when the path's MTU is not known and nothing in the URI asks for UDP (§18.1.1).
pub const DATAGRAM_REQUEST_MAX: usize = 1_300;

/// The way to a URI: `next` is the next Route value, or else the Request-URI. `arrival` is the endpoint where the request came in: another
/// endpoint in its zone is preferred to one of the other zone. `Unreachable` when the URI names a transport that no listener speaks in that
/// address family, or a host that is no address.
pub fn way_to(
    next: &Uri<'_>,
    endpoints: &[Endpoint],
    arrival: EndpointId,
    is_large: bool,
) -> Result<Way, Refusal> {
    let ip = address_of(next).ok_or(Refusal::Unreachable)?;
    let asked = match next.transport() {
        Some(Some(transport)) => Some(transport),
        Some(None) => return Err(Refusal::Unreachable),
        None => None,
    };
    let transport = match (next.scheme, asked) {
        (Scheme::Sips, None | Some(Transport::Tcp)) => Transport::Tls,
        (Scheme::Sip | Scheme::Sips, Some(transport)) => transport,
        (Scheme::Sip, None) => Transport::Udp,
        (Scheme::Tel | Scheme::Other, _) => return Err(Refusal::Unreachable),
    };
    let port_default = if transport == Transport::Tls { PORT_TLS_DEFAULT } else { PORT_DEFAULT };
    let remote = Address::new(ip, next.port.unwrap_or(port_default));
    let leaving = |transport| endpoint_towards(endpoints, arrival, transport, remote);
    let endpoint = leaving(transport).ok_or(Refusal::Unreachable)?;
    if transport.is_reliable() {
        return Ok(Way::Stream { endpoint, remote, fallback: None });
    }
    // §18.1.1: only where the URI leaves the choice, and where this node has a stream listener to be answered at.
    match leaving(Transport::Tcp) {
        Some(stream) if is_large && asked.is_none() => {
            Ok(Way::Stream { endpoint: stream, remote, fallback: Some(endpoint) })
        }
        _ => Ok(Way::Datagram(Flow::udp(endpoint, remote))),
    }
}

/// The endpoint by which `remote` is reached: the right transport and family; then, if there is a choice, one that loops back exactly when
/// `remote` does, the arrival's zone, the arrival's own address.
pub fn endpoint_towards(
    endpoints: &[Endpoint],
    arrival: EndpointId,
    transport: Transport,
    remote: Address,
) -> Option<EndpointId> {
    let from = endpoints.get(usize::from(arrival.0));
    let score = |endpoint: &Endpoint| {
        let is_loopback_fit = endpoint.local.ip().is_loopback() == remote.ip().is_loopback();
        let is_same_zone = from.is_some_and(|from| from.zone == endpoint.zone);
        let is_same_ip = from.is_some_and(|from| from.local.ip() == endpoint.local.ip());
        (is_loopback_fit, is_same_zone, is_same_ip)
    };
    let mut best: Option<(usize, (bool, bool, bool))> = None;
    for (index, endpoint) in endpoints.iter().enumerate() {
        if endpoint.transport != transport || endpoint.local.is_ipv4() != remote.is_ipv4() {
            continue;
        }
        if best.is_none_or(|(_, known)| score(endpoint) > known) {
            best = Some((index, score(endpoint)));
        }
    }
    best.map(|(index, _)| EndpointId(index as u16))
}

/// maddr takes the place of the host (§19.1.1).
fn address_of(uri: &Uri<'_>) -> Option<IpAddr> {
    if let Some(maddr) = uri.maddr() {
        return parse_ip(maddr);
    }
    match uri.host? {
        Host::Name(name) if name.eq_ignore_ascii_case(b"localhost") => Some(Ipv4Addr::LOCALHOST.into()),
        host => host.ip(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Zone;

    fn endpoints() -> Vec<Endpoint> {
        [
            (Transport::Udp, "127.0.0.1:5060", Zone::Access),
            (Transport::Tcp, "127.0.0.1:5060", Zone::Access),
            (Transport::Udp, "10.0.0.1:5060", Zone::Core),
            (Transport::Udp, "[2001:db8::1]:5060", Zone::Core),
        ]
        .map(|(transport, local, zone)| Endpoint {
            listener: 0,
            transport,
            zone,
            local: local.parse::<core::net::SocketAddr>().unwrap().into(),
            advertise: local.as_bytes().into(),
        })
        .into()
    }

    fn way(uri: &str, arrival: u16, is_large: bool) -> Result<Way, Refusal> {
        way_to(&Uri::parse(uri.as_bytes()).unwrap(), &endpoints(), EndpointId(arrival), is_large)
    }

    fn address(text: &str) -> Address {
        text.parse::<core::net::SocketAddr>().unwrap().into()
    }

    #[test]
    fn finds_transport_port_and_endpoint() {
        let datagram = |endpoint, remote| Ok(Way::Datagram(Flow::udp(EndpointId(endpoint), address(remote))));
        let stream =
            |remote, fallback| Ok(Way::Stream { endpoint: EndpointId(1), remote: address(remote), fallback });
        let rows = [
            ("sip:bob@127.0.0.1", 0, false, datagram(0, "127.0.0.1:5060")),
            ("sip:bob@localhost:5070", 0, false, datagram(0, "127.0.0.1:5070")),
            ("sip:bob@10.0.0.9:5090", 0, false, datagram(2, "10.0.0.9:5090")),
            ("sip:bob@example.com;maddr=10.0.0.9", 2, false, datagram(2, "10.0.0.9:5060")),
            ("sip:bob@[2001:db8::9]", 0, false, datagram(3, "[2001:db8::9]:5060")),
            ("sip:bob@127.0.0.1;transport=tcp", 0, false, stream("127.0.0.1:5060", None)),
            ("sip:bob@127.0.0.1", 0, true, stream("127.0.0.1:5060", Some(EndpointId(0)))),
            ("sip:bob@127.0.0.1;transport=udp", 0, true, datagram(0, "127.0.0.1:5060")),
            ("sip:bob@[2001:db8::9]", 0, true, datagram(3, "[2001:db8::9]:5060")),
            ("sip:bob@example.com", 0, false, Err(Refusal::Unreachable)),
            ("sips:bob@127.0.0.1", 0, false, Err(Refusal::Unreachable)),
            ("sip:bob@127.0.0.1;transport=sctp", 0, false, Err(Refusal::Unreachable)),
            ("tel:+1234", 0, false, Err(Refusal::Unreachable)),
        ];
        for (uri, arrival, is_large, expected) in rows {
            assert_eq!(way(uri, arrival, is_large), expected, "{uri} {is_large}");
        }
    }
}
