//! The host of a URI or of a Via: a name, an IPv4 address or an IPv6 reference in brackets.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::flaw::{Flaw, FlawKind};
use super::octet::HOST;
use super::runs::Runs;

/// What a host's bytes say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Host<'a> {
    /// Of letters, digits, `-`, `.` and `_`; in the case in which it came. What only looks like an address (`1.2.3`) is a name too.
    Name(&'a [u8]),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Host<'_> {
    /// The address, when it is one.
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Host::Name(_) => None,
            Host::V4(ip) => Some(IpAddr::V4(ip)),
            Host::V6(ip) => Some(IpAddr::V6(ip)),
        }
    }

    /// The host that is all of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Host<'_>, Flaw> {
        let (host, end) = scan_host(&mut Runs::new(bytes, 0), 0)?;
        if end != bytes.len() {
            return Err(Flaw::at(FlawKind::Host, end));
        }
        Ok(host)
    }
}

/// An address as it stands in `received`, `maddr` and the like: IPv6 with brackets or without.
pub fn parse_ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes {
        [b'[', inner @ .., b']'] => parse_v6(inner).map(IpAddr::V6),
        _ => parse_v4(bytes).map(IpAddr::V4).or_else(|| parse_v6(bytes).map(IpAddr::V6)),
    }
}

/// The host that begins at `at`, and the position after it.
#[inline(always)]
pub(super) fn scan_host<'a>(runs: &mut Runs<'a>, at: usize) -> Result<(Host<'a>, usize), Flaw> {
    let bytes = runs.bytes();
    if bytes.get(at) == Some(&b'[') {
        return scan_reference(bytes, at);
    }
    let end = runs.end(at, HOST);
    let name = &bytes[at..end];
    // RFC 3261 §25.1: the last label of a name begins with a letter, so what ends in a digit is usually an address.
    match name.last() {
        None => Err(Flaw::at(FlawKind::Host, end)),
        // The dot of a rooted name follows a label.
        Some(b'.') if matches!(name, [b'.'] | [.., b'.', b'.']) => Err(Flaw::at(FlawKind::Host, end - 1)),
        Some(b'0'..=b'9') => Ok((parse_v4(name).map_or(Host::Name(name), Host::V4), end)),
        Some(_) => Ok((Host::Name(name), end)),
    }
}

#[cold]
fn scan_reference(bytes: &[u8], at: usize) -> Result<(Host<'_>, usize), Flaw> {
    let flaw = Flaw::at(FlawKind::Host, at);
    let len = bytes[at..].iter().take(REFERENCE_LEN_MAX).position(|&b| b == b']').ok_or(flaw)?;
    let ip = parse_v6(&bytes[at + 1..at + len]).ok_or(flaw)?;
    Ok((Host::V6(ip), at + len + 1))
}

/// The longest IPv6 reference: `[`, six groups, an IPv4 address at the end, `]`.
const REFERENCE_LEN_MAX: usize = 1 + 45 + 1;

fn parse_v6(bytes: &[u8]) -> Option<Ipv6Addr> {
    core::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Four decimal numbers up to 255 without leading zeros.
fn parse_v4(bytes: &[u8]) -> Option<Ipv4Addr> {
    let digit = |at: usize| bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9);
    let mut octets = [0u8; 4];
    let mut at = 0;
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            if bytes.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let mut number = u32::from(digit(at)?);
        at += 1;
        if number > 0 {
            for _ in 0..2 {
                let Some(next) = digit(at) else { break };
                number = number * 10 + u32::from(next);
                at += 1;
            }
        }
        *octet = u8::try_from(number).ok()?;
    }
    (at == bytes.len()).then(|| Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart() {
        let v6 = |text: &str| Some(Host::V6(text.parse().unwrap()));
        for (text, host) in [
            ("192.0.2.1", Some(Host::V4(Ipv4Addr::new(192, 0, 2, 1)))),
            ("255.255.255.255", Some(Host::V4(Ipv4Addr::BROADCAST))),
            ("0.0.0.0", Some(Host::V4(Ipv4Addr::UNSPECIFIED))),
            ("256.0.2.1", Some(Host::Name(b"256.0.2.1"))),
            ("1.2.3", Some(Host::Name(b"1.2.3"))),
            ("1.2.3.4.5", Some(Host::Name(b"1.2.3.4.5"))),
            ("1..2.3", Some(Host::Name(b"1..2.3"))),
            ("01.2.3.4", Some(Host::Name(b"01.2.3.4"))),
            ("node1", Some(Host::Name(b"node1"))),
            ("Biloxi.Example.COM.", Some(Host::Name(b"Biloxi.Example.COM."))),
            ("[2001:db8::10]", v6("2001:db8::10")),
            ("[::ffff:192.0.2.10]", v6("::ffff:192.0.2.10")),
            ("[0000:0000:0000:0000:0000:ffff:255.255.255.255]", v6("::ffff:255.255.255.255")),
            (".", None),
            ("a..", None),
            ("[2001:db8::10", None),
            ("[192.0.2.1]", None),
            ("[fe80::1%eth0]", None),
            ("[]", None),
            ("", None),
            ("a b", None),
            ("a\0", None),
            ("ex\u{e4}mple.com", None),
            ("2001:db8::10", None),
        ] {
            assert_eq!(Host::parse(text.as_bytes()).ok(), host, "{text}");
        }
    }

    #[test]
    fn addresses_need_no_brackets_in_received() {
        for (text, ip) in [
            (&b"192.0.2.1"[..], Some("192.0.2.1")),
            (b"2001:db8::10", Some("2001:db8::10")),
            (b"[2001:db8::10]", Some("2001:db8::10")),
            (b"example.com", None),
            (b"", None),
        ] {
            assert_eq!(parse_ip(text), ip.map(|ip| ip.parse().unwrap()));
        }
    }
}
