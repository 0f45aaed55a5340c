//! How bytes travel (RFC 3261 §18, RFC 7118), with the words that Via and the URI have for it.

/// How bytes travel (RFC 3261 §18, RFC 7118).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Transport {
    /// True when the transport delivers in order and without loss, so that nothing is retransmitted (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }

    /// As written into a Via's sent-protocol.
    pub const fn via_name(self) -> &'static [u8] {
        match self {
            Transport::Udp => b"UDP",
            Transport::Tcp => b"TCP",
            Transport::Tls => b"TLS",
            Transport::Ws => b"WS",
            Transport::Wss => b"WSS",
        }
    }

    /// As written into a URI's transport parameter.
    pub const fn uri_name(self) -> &'static [u8] {
        match self {
            Transport::Udp => b"udp",
            Transport::Tcp => b"tcp",
            Transport::Tls => b"tls",
            Transport::Ws => b"ws",
            Transport::Wss => b"wss",
        }
    }

    /// The transport of a Via or of a URI's transport parameter, in any case; `None` for the others (SCTP, tokens of the future).
    pub fn from_name(name: &[u8]) -> Option<Transport> {
        let fold = |i: usize| name[i] | 0x20;
        match name.len() {
            2 if fold(0) == b'w' && fold(1) == b's' => Some(Transport::Ws),
            3 => match [fold(0), fold(1), fold(2)] {
                [b'u', b'd', b'p'] => Some(Transport::Udp),
                [b't', b'c', b'p'] => Some(Transport::Tcp),
                [b't', b'l', b's'] => Some(Transport::Tls),
                [b'w', b's', b's'] => Some(Transport::Wss),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_in_any_case_and_no_other() {
        for transport in [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss] {
            assert_eq!(Transport::from_name(transport.via_name()), Some(transport));
            assert_eq!(Transport::from_name(transport.uri_name()), Some(transport));
        }
        for other in [&b"SCTP"[..], b"", b"U", b"UD", b"UDP ", b"TLS-SCTP", b"w\x13", b"ud\x10"] {
            assert_eq!(Transport::from_name(other), None, "{other:?}");
        }
    }
}
