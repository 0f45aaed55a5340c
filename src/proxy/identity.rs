//! What is tine itself, and whose users are local.
//!
//! An address of tine is a host and a port at which it listens or which it advertises: Routes to it are its own, and OPTIONS to it is answered.
//! A local domain is a host whose users register here, whatever port stands behind it.

use core::net::IpAddr;

use crate::flow::Endpoint;
use crate::sip::host::Host;
use crate::sip::uri::{Scheme, Uri};

/// The names and addresses of this node. Bounded by the configuration; looked up by comparing, since there are few.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Where tine listens, and what it advertises.
    addresses: Vec<(HostName, u16)>,
    /// Hosts of local users.
    domains: Vec<HostName>,
    /// True when the addresses of tine are the local domains, and all mean the same one.
    is_own_domain: bool,
    /// What stands for them in an AOR.
    own_domain: Box<[u8]>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum HostName {
    Ip(IpAddr),
    /// In lower case.
    Name(Box<[u8]>),
}

/// What a Request-URI is for this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A user of a local domain: the AOR is looked up.
    LocalUser,
    /// This node, or a local domain as such: no user.
    Itself,
    /// A user at an address of this node that is no local domain.
    NoSuchDomain,
    Foreign,
}

/// The port that a SIP URI without one means (RFC 3261 §19.1.2).
pub const PORT_DEFAULT: u16 = 5060;

/// The port of SIPS.
pub const PORT_TLS_DEFAULT: u16 = 5061;

impl Identity {
    /// `domains` as configured: with none, the addresses of the endpoints and `localhost` are one local domain under several names.
    pub fn new<'a>(endpoints: &[Endpoint], domains: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut addresses = Vec::new();
        for endpoint in endpoints {
            let local = (HostName::Ip(endpoint.local.ip()), endpoint.local.port());
            let (host, port) = split_host_port(&endpoint.advertise);
            let advertised = (HostName::of(host), port.unwrap_or(PORT_DEFAULT));
            for address in [local, advertised] {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        let mut domains: Vec<HostName> = domains.into_iter().map(HostName::of).collect();
        let is_own_domain = domains.is_empty();
        if is_own_domain {
            domains = addresses.iter().map(|(host, _)| host.clone()).collect();
            domains.push(HostName::Name(b"localhost".as_slice().into()));
            domains.dedup();
        }
        let own_domain = domains.first().map_or_else(Box::default, HostName::text);
        Identity { addresses, domains, is_own_domain, own_domain }
    }

    /// Whether a Route value names this node.
    pub fn is_own(&self, uri: &Uri<'_>) -> bool {
        let Some(host) = uri.host else { return false };
        let default = if uri.scheme == Scheme::Sips { PORT_TLS_DEFAULT } else { PORT_DEFAULT };
        let port = uri.port.unwrap_or(default);
        self.addresses.iter().any(|(own, own_port)| *own_port == port && own.is(host))
            // An address without a port means the default port; the name of a domain means whoever serves it.
            || (uri.port.is_none() && matches!(host, Host::Name(_)) && self.is_domain(host))
            || (is_localhost(host) && self.addresses.iter().any(|(_, own_port)| *own_port == port))
    }

    pub fn is_domain(&self, host: Host<'_>) -> bool {
        self.domains.iter().any(|domain| domain.is(host))
    }

    /// What a Request-URI means here.
    pub fn place_of(&self, uri: &Uri<'_>) -> Place {
        let Some(host) = uri.host else { return Place::Foreign };
        match (uri.user.is_some(), self.is_domain(host)) {
            (true, true) => Place::LocalUser,
            // Any port is the domain's for its users, but a request without a user goes to the element at that port.
            (false, true) if uri.port.is_none() || !self.is_own_domain => Place::Itself,
            (false, _) if self.is_own(uri) => Place::Itself,
            (true, false) if self.is_own(uri) => Place::NoSuchDomain,
            _ => Place::Foreign,
        }
    }

    /// Makes the host of an AOR, which begins at `host_start` of `aor`, that of the domain: with no configured domains, all names of this
    /// node are one.
    pub fn canonical_domain(&self, host_start: usize, aor: &mut Vec<u8>) {
        if self.is_own_domain {
            aor.truncate(host_start);
            aor.extend_from_slice(&self.own_domain);
        }
    }
}

impl HostName {
    fn of(text: &[u8]) -> Self {
        match Host::parse(text) {
            Ok(Host::V4(ip)) => HostName::Ip(ip.into()),
            Ok(Host::V6(ip)) => HostName::Ip(ip.into()),
            Ok(Host::Name(_)) | Err(_) => HostName::Name(text.to_ascii_lowercase().into()),
        }
    }

    fn text(&self) -> Box<[u8]> {
        match self {
            HostName::Ip(IpAddr::V4(ip)) => ip.to_string().into_bytes().into(),
            HostName::Ip(IpAddr::V6(ip)) => format!("[{ip}]").into_bytes().into(),
            HostName::Name(name) => name.clone(),
        }
    }

    fn is(&self, host: Host<'_>) -> bool {
        match (self, host) {
            (HostName::Ip(own), host) => host.ip() == Some(*own),
            // Nearly always it is written as it is configured.
            (HostName::Name(own), Host::Name(name)) => *name == **own || name.eq_ignore_ascii_case(own),
            (HostName::Name(_), Host::V4(_) | Host::V6(_)) => false,
        }
    }
}

/// `host`, `host:port` or `[v6]:port` taken apart. The configuration has checked the text.
pub fn split_host_port(text: &[u8]) -> (&[u8], Option<u16>) {
    let colon = memchr::memrchr(b':', text).filter(|&at| !text[at..].contains(&b']'));
    let port = |digits: &[u8]| core::str::from_utf8(digits).ok()?.parse().ok();
    match colon {
        Some(at) => (&text[..at], port(&text[at + 1..])),
        None => (text, None),
    }
}

fn is_localhost(host: Host<'_>) -> bool {
    matches!(host, Host::Name(name) if name.eq_ignore_ascii_case(b"localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Address, Transport, Zone};

    fn endpoint(ip: [u8; 4], port: u16, advertise: &str) -> Endpoint {
        Endpoint {
            listener: 0,
            transport: Transport::Udp,
            zone: Zone::Access,
            local: Address::new(ip.into(), port),
            advertise: advertise.as_bytes().into(),
        }
    }

    fn places(identity: &Identity, rows: &[(&str, Place)]) {
        for (text, place) in rows {
            let uri = Uri::parse(text.as_bytes()).unwrap();
            assert_eq!(identity.place_of(&uri), *place, "{text}");
        }
    }

    #[test]
    fn without_domains_the_addresses_are_the_domain() {
        let identity = Identity::new(&[endpoint([127, 0, 0, 1], 5060, "127.0.0.1:5060")], []);
        places(
            &identity,
            &[
                ("sip:bob@127.0.0.1", Place::LocalUser),
                ("sip:bob@127.0.0.1:5090", Place::LocalUser),
                ("sips:bob@LOCALHOST", Place::LocalUser),
                ("sip:127.0.0.1", Place::Itself),
                ("sip:localhost:5060", Place::Itself),
                ("sip:127.0.0.1:5090", Place::Foreign),
                ("sip:bob@127.0.0.2", Place::Foreign),
                ("tel:+1234", Place::Foreign),
            ],
        );
        let mut aor = b"bob@localhost".to_vec();
        identity.canonical_domain(4, &mut aor);
        assert_eq!(aor, b"bob@127.0.0.1");
    }

    #[test]
    fn configured_domains_stand_alone() {
        let identity = Identity::new(
            &[endpoint([192, 0, 2, 1], 5080, "edge.example.net:5080")],
            [b"Example.com".as_slice(), b"2001:db8::1"],
        );
        places(
            &identity,
            &[
                ("sip:bob@EXAMPLE.com", Place::LocalUser),
                ("sip:bob@example.com:9", Place::LocalUser),
                ("sip:example.com", Place::Itself),
                ("sip:192.0.2.1:5080", Place::Itself),
                ("sip:edge.example.net:5080", Place::Itself),
                ("sip:bob@192.0.2.1:5080", Place::NoSuchDomain),
                ("sip:bob@192.0.2.1", Place::Foreign),
                ("sip:bob@example.org", Place::Foreign),
            ],
        );
        let mut aor = b"bob@example.com".to_vec();
        identity.canonical_domain(4, &mut aor);
        assert_eq!(aor, b"bob@example.com");
    }

    #[test]
    fn routes_are_own_by_host_and_port() {
        let identity = Identity::new(&[endpoint([127, 0, 0, 1], 5070, "127.0.0.1:5070")], []);
        let own = |text: &str| identity.is_own(&Uri::parse(text.as_bytes()).unwrap());
        assert!(own("sip:127.0.0.1:5070;lr") && own("sip:token@127.0.0.1:5070;lr;transport=tcp"));
        assert!(own("sip:localhost:5070"));
        assert!(!own("sip:127.0.0.1:5090;lr") && !own("sip:127.0.0.1;lr") && !own("sip:example.com;lr"));
    }

    #[test]
    fn ports_are_split_off() {
        assert_eq!(split_host_port(b"a.example:5080"), (b"a.example".as_slice(), Some(5080)));
        assert_eq!(split_host_port(b"[2001:db8::1]:5080"), (b"[2001:db8::1]".as_slice(), Some(5080)));
        assert_eq!(split_host_port(b"[2001:db8::1]"), (b"[2001:db8::1]".as_slice(), None));
    }
}
