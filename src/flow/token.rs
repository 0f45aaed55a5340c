//! Flow tokens: the opaque name of a flow in the user part of our Record-Route and Path URIs (RFC 5626 §5.2).
//!
//! The text is `t1`, a letter for the kind, and base32 over the fields of that kind, most significant byte first, and a code of 8 bytes over
//! kind and fields:
//!
//! | kind | fields (bytes) | characters |
//! |---|---|---|
//! | `u` UDP over IPv4 | endpoint 2, port 2, address 4 | 29 |
//! | `v` UDP over IPv6 | endpoint 2, port 2, address 16 | 48 |
//! | `w` UDP over IPv6, link-local | endpoint 2, port 2, address 16, scope 4 | 55 |
//! | `s` stream over IPv4 | as `u`, then node 2, shard 1, slot 4, generation 4, epoch 4 | 53 |
//! | `t` stream over IPv6 | as `v`, then the same | 72 |
//! | `x` stream over IPv6, link-local | as `w`, then the same | 79 |
//! | `p` permission | dialog 4 | 23 |
//!
//! A UDP flow is its addresses, so its token is good for as long as the key file and the listeners are. That of a stream dies with the
//! connection or, by its epoch, with the process.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::flow::base32;
use crate::flow::mac::{Key, Mac};
use crate::flow::{Address, Flow};
use crate::ids::{ConnectionId, EndpointId, ShardId};

/// What a token of ours says. Whichever it is, whoever returns it inside a dialog may reach a foreign Request-URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowToken {
    /// The flow. The endpoint is as the token has it: after a restart with other listeners it may not exist.
    Flow { flow: Flow, node: u16 },
    /// No flow, only the right. `dialog` ties it to one: a code over what stays the same in a dialog, made and compared by the caller.
    Permission { dialog: u32 },
}

/// Why a user part is no token to go by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenError {
    /// It does not look like one of ours: a user name.
    NotAToken,
    /// It looks like one of ours and its code is wrong: 403.
    Forged,
    /// A connection of a process that has ended: a dead flow, 430 (RFC 5626 §5.3.1).
    OtherEpoch,
}

/// Length of the longest token.
pub const TOKEN_LEN_MAX: usize = HEAD_LEN + base32::text_len(BYTES_MAX);

/// Version 1. No letter of base32 is a `1`, so nothing that is all base32 is taken for a token.
const PREFIX: &[u8; 2] = b"t1";
/// The prefix and the letter of the kind.
const HEAD_LEN: usize = PREFIX.len() + 1;
const FIELDS_MAX: usize = 2 + 2 + 16 + 4 + STREAM_BYTES;
const STREAM_BYTES: usize = 15;
const CODE_BYTES: usize = 8;
const BYTES_MAX: usize = FIELDS_MAX + CODE_BYTES;

/// The kinds, by what they hold.
#[derive(Clone, Copy)]
enum Kind {
    Flow { remote: Remote, stream: bool },
    Permission,
}

#[derive(Clone, Copy)]
enum Remote {
    V4,
    V6,
    V6Scoped,
}

impl FlowToken {
    /// Appends the text to `out`. `epoch` is that of this start; it goes into the token of a stream.
    pub fn emit(&self, key: Key, epoch: u32, out: &mut Vec<u8>) {
        let mut fields = Fields { bytes: [0; BYTES_MAX], len: 0 };
        let kind = self.put(epoch, &mut fields);
        fields.put(&code(key, kind, fields.as_bytes()).to_be_bytes());
        let mut text = [0; TOKEN_LEN_MAX];
        let (head, rest) = text.split_at_mut(HEAD_LEN);
        head[..PREFIX.len()].copy_from_slice(PREFIX);
        head[PREFIX.len()] = kind.letter();
        base32::encode(fields.as_bytes(), rest);
        out.extend_from_slice(&text[..HEAD_LEN + base32::text_len(fields.len)]);
    }

    /// Reads the user part of a URI, as it stands there. `epoch` is that of this start.
    pub fn parse(user: &[u8], key: Key, epoch: u32) -> Result<FlowToken, TokenError> {
        let [letter, text @ ..] = user.strip_prefix(PREFIX).ok_or(TokenError::NotAToken)? else {
            return Err(TokenError::NotAToken);
        };
        let kind = Kind::from_letter(*letter).ok_or(TokenError::NotAToken)?;
        let mut bytes = [0; BYTES_MAX];
        let bytes = &mut bytes[..kind.field_len() + CODE_BYTES];
        if !base32::decode(text, bytes) {
            return Err(TokenError::NotAToken);
        }
        let (fields, expected) = bytes.split_last_chunk().expect("the code is part of the length");
        if code(key, kind, fields) != u64::from_be_bytes(*expected) {
            return Err(TokenError::Forged);
        }
        Self::take(kind, &mut Cursor(fields), epoch)
    }

    fn put(&self, epoch: u32, fields: &mut Fields) -> Kind {
        let (flow, node) = match self {
            FlowToken::Permission { dialog } => {
                fields.put(&dialog.to_be_bytes());
                return Kind::Permission;
            }
            FlowToken::Flow { flow, node } => (flow, node),
        };
        fields.put(&flow.endpoint.0.to_be_bytes());
        fields.put(&flow.remote.port().to_be_bytes());
        let remote = match SocketAddr::from(flow.remote) {
            SocketAddr::V4(v4) => {
                fields.put(&v4.ip().octets());
                Remote::V4
            }
            SocketAddr::V6(v6) => {
                fields.put(&v6.ip().octets());
                if v6.scope_id() == 0 {
                    Remote::V6
                } else {
                    fields.put(&v6.scope_id().to_be_bytes());
                    Remote::V6Scoped
                }
            }
        };
        if let Some(connection) = flow.connection {
            fields.put(&node.to_be_bytes());
            fields.put(&[connection.shard.0]);
            fields.put(&connection.slot.to_be_bytes());
            fields.put(&connection.generation.to_be_bytes());
            fields.put(&epoch.to_be_bytes());
        }
        Kind::Flow { remote, stream: flow.connection.is_some() }
    }

    fn take(kind: Kind, fields: &mut Cursor<'_>, epoch: u32) -> Result<FlowToken, TokenError> {
        let (remote, stream) = match kind {
            Kind::Permission => return Ok(FlowToken::Permission { dialog: fields.u32() }),
            Kind::Flow { remote, stream } => (remote, stream),
        };
        let endpoint = EndpointId(fields.u16());
        let port = fields.u16();
        let remote = match remote {
            Remote::V4 => Address::new(IpAddr::V4(Ipv4Addr::from(fields.take::<4>())), port),
            Remote::V6 => Address::new(IpAddr::V6(Ipv6Addr::from(fields.take::<16>())), port),
            Remote::V6Scoped => {
                let ip = Ipv6Addr::from(fields.take::<16>());
                SocketAddr::V6(SocketAddrV6::new(ip, port, 0, fields.u32())).into()
            }
        };
        let mut node = 0;
        let mut connection = None;
        if stream {
            node = fields.u16();
            let [shard] = fields.take();
            connection =
                Some(ConnectionId { shard: ShardId(shard), slot: fields.u32(), generation: fields.u32() });
            if fields.u32() != epoch {
                return Err(TokenError::OtherEpoch);
            }
        }
        Ok(FlowToken::Flow { flow: Flow { remote, endpoint, connection }, node })
    }
}

impl Kind {
    const fn letter(self) -> u8 {
        match self {
            Kind::Flow { remote: Remote::V4, stream: false } => b'u',
            Kind::Flow { remote: Remote::V6, stream: false } => b'v',
            Kind::Flow { remote: Remote::V6Scoped, stream: false } => b'w',
            Kind::Flow { remote: Remote::V4, stream: true } => b's',
            Kind::Flow { remote: Remote::V6, stream: true } => b't',
            Kind::Flow { remote: Remote::V6Scoped, stream: true } => b'x',
            Kind::Permission => b'p',
        }
    }

    const fn from_letter(letter: u8) -> Option<Kind> {
        Some(match letter {
            b'u' => Kind::Flow { remote: Remote::V4, stream: false },
            b'v' => Kind::Flow { remote: Remote::V6, stream: false },
            b'w' => Kind::Flow { remote: Remote::V6Scoped, stream: false },
            b's' => Kind::Flow { remote: Remote::V4, stream: true },
            b't' => Kind::Flow { remote: Remote::V6, stream: true },
            b'x' => Kind::Flow { remote: Remote::V6Scoped, stream: true },
            b'p' => Kind::Permission,
            _ => return None,
        })
    }

    const fn field_len(self) -> usize {
        match self {
            Kind::Flow { remote, stream } => {
                let address = match remote {
                    Remote::V4 => 4,
                    Remote::V6 => 16,
                    Remote::V6Scoped => 16 + 4,
                };
                2 + 2 + address + if stream { STREAM_BYTES } else { 0 }
            }
            Kind::Permission => 4,
        }
    }
}

fn code(key: Key, kind: Kind, fields: &[u8]) -> u64 {
    let mut mac = Mac::new(key);
    mac.word(u64::from(kind.letter()));
    mac.field(fields);
    mac.finish()
}

struct Fields {
    bytes: [u8; BYTES_MAX],
    len: usize,
}

impl Fields {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// Reads the fields of a kind, whose length was checked by it.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const LEN: usize>(&mut self) -> [u8; LEN] {
        let (taken, rest) = self.0.split_first_chunk().expect("the kind gives the length of its fields");
        self.0 = rest;
        *taken
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::mac::Keys;

    const EPOCH: u32 = 0x0102_0304;

    fn key() -> Key {
        Keys::derive(&[7; 32]).token
    }

    fn emitted(token: FlowToken) -> Vec<u8> {
        let mut out = b"sip:".to_vec();
        token.emit(key(), EPOCH, &mut out);
        out.split_off(4)
    }

    /// Each kind with its letter and length.
    fn tokens() -> Vec<(FlowToken, u8, usize)> {
        let connection = ConnectionId { slot: 77, generation: 0xffff_fffe, shard: ShardId(5) };
        let mut all = Vec::new();
        for (remote, udp, stream) in [
            ("192.0.2.1:5060", (b'u', 29), (b's', 53)),
            ("0.0.0.0:0", (b'u', 29), (b's', 53)),
            ("255.255.255.255:65535", (b'u', 29), (b's', 53)),
            ("[2001:db8::1]:5061", (b'v', 48), (b't', 72)),
            ("[fe80::1%4]:5062", (b'w', 55), (b'x', 79)),
        ] {
            let remote: SocketAddr = remote.parse().expect("address of the test");
            let flow = Flow::udp(EndpointId(513), remote.into());
            all.push((FlowToken::Flow { flow, node: 0 }, udp.0, udp.1));
            let flow = Flow { connection: Some(connection), ..flow };
            all.push((FlowToken::Flow { flow, node: 9 }, stream.0, stream.1));
        }
        all.push((FlowToken::Permission { dialog: 0xfeed_f00d }, b'p', 23));
        all
    }

    #[test]
    fn every_kind_comes_back() {
        for (token, letter, len) in tokens() {
            let text = emitted(token);
            assert_eq!((text[2], text.len()), (letter, len), "{token:?}");
            assert!(text.len() <= TOKEN_LEN_MAX);
            assert!(text.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
            assert_eq!(FlowToken::parse(&text, key(), EPOCH), Ok(token));
        }
        assert_eq!(TOKEN_LEN_MAX, 79);
    }

    #[test]
    fn a_udp_token_outlives_the_process_and_a_stream_token_does_not() {
        for (token, letter, _) in tokens() {
            let wanted =
                if matches!(letter, b's' | b't' | b'x') { Err(TokenError::OtherEpoch) } else { Ok(token) };
            assert_eq!(FlowToken::parse(&emitted(token), key(), EPOCH + 1), wanted);
        }
    }

    #[test]
    fn every_changed_bit_is_refused() {
        for (token, ..) in tokens() {
            let text = emitted(token);
            let mut forged = 0;
            for bit in 0..text.len() * 8 {
                let mut changed = text.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                match FlowToken::parse(&changed, key(), EPOCH) {
                    Err(TokenError::Forged) => forged += 1,
                    Err(TokenError::NotAToken) => {}
                    other => panic!("bit {bit} of {token:?} made {other:?}"),
                }
            }
            assert!(forged > text.len(), "{forged}");
        }
    }

    #[test]
    fn kinds_are_not_exchangeable() {
        // A stream over IPv4 has 31 bytes and every other kind another number, so the code is reached only by lengths made equal.
        for (token, letter, _) in tokens() {
            for other in *b"uvwstxp" {
                let mut text = emitted(token);
                text[2] = other;
                assert_eq!(FlowToken::parse(&text, key(), EPOCH).is_ok(), other == letter);
            }
        }
        let fields = [1; 8];
        let udp = Kind::Flow { remote: Remote::V4, stream: false };
        assert_ne!(code(key(), udp, &fields), code(key(), Kind::Permission, &fields));
    }

    #[test]
    fn other_user_parts_are_names() {
        let text = emitted(tokens()[0].0);
        let long = [&text[..], b"a"].concat();
        for name in [
            &b""[..],
            b"t",
            b"t1",
            b"t1u",
            b"t1p",
            b"t1user",
            b"alice",
            b"t1u%40",
            &text[1..],
            &text[..text.len() - 1],
            &long,
            &text.to_ascii_uppercase(),
            &[b"t2", &text[2..]].concat(),
            &[b"t1q", &text[3..]].concat(),
        ] {
            assert_eq!(FlowToken::parse(name, key(), EPOCH), Err(TokenError::NotAToken), "{name:?}");
        }
        let mut upper = text.clone();
        upper[2..].make_ascii_uppercase();
        assert_eq!(FlowToken::parse(&upper, key(), EPOCH), Err(TokenError::NotAToken));
    }

    #[test]
    fn another_key_finds_it_forged() {
        let keys = Keys::derive(&[7; 32]);
        for (token, ..) in tokens() {
            let text = emitted(token);
            for wrong in [Keys::derive(&[8; 32]).token, keys.branch, keys.to_tag] {
                assert_eq!(FlowToken::parse(&text, wrong, EPOCH), Err(TokenError::Forged));
            }
        }
    }
}
