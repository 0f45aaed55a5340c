//! One Via value (RFC 3261 §20.42, RFC 3581).
//!
//! The parser takes a whole header value and reads its first element, so that finding the topmost Via needs no split before.

use core::net::IpAddr;

use super::flaw::{Flaw, FlawKind};
use super::host::{self, Host};
use super::number;
use super::octet::{self, TOKEN};
use super::params::{self, Params};
use super::runs::Runs;
use super::transport::Transport;

/// The first Via of a header value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Via<'a> {
    /// True for `SIP/2.0`; another protocol or version is syntactically fine, and not ours (RFC 4475 §3.1.2.16).
    pub is_sip_2: bool,
    /// The transport as it stands.
    pub transport_name: &'a [u8],
    /// The transport, when it is one that this node speaks.
    pub transport: Option<Transport>,
    /// Of sent-by.
    pub host: Host<'a>,
    /// Of sent-by, as it stands, with the brackets of an IPv6 reference.
    pub host_bytes: &'a [u8],
    pub port: Option<u16>,
    pub params: Params<'a>,
    /// Unproved beyond being there: with the cookie it identifies the transaction (§8.1.1.7).
    pub branch: Option<&'a [u8]>,
    pub received: Option<&'a [u8]>,
    pub rport: Rport,
    pub maddr: Option<&'a [u8]>,
    pub ttl: Option<&'a [u8]>,
    /// Offset in the value after the last byte of this Via: where `;received=…` is put.
    pub end: u16,
    /// Offset in the value of the next Via, behind the comma; `None` when this is the last one.
    pub next: Option<u16>,
}

/// The `rport` parameter (RFC 3581).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rport {
    #[default]
    Absent,
    /// Asked for, and not yet filled in: `=port` is to be put at this offset in the value.
    Empty {
        fill_at: u16,
    },
    Port(u16),
}

impl<'a> Via<'a> {
    /// Parses the first element of `value`.
    #[inline]
    pub fn parse(value: &'a [u8]) -> Result<Via<'a>, Flaw> {
        let mut runs = Runs::new(value, 0);
        let protocol = scan_protocol(&mut runs)?;
        let start = protocol.end;
        let (host, host_end) = host::scan_host(&mut runs, start)?;
        let (port, at) = scan_sent_by_port(value, host_end)?;
        let mut branch = None;
        let mut received = None;
        let mut maddr = None;
        let mut ttl = None;
        let mut rport = Rport::Absent;
        let tail = params::scan_tail(&mut runs, at, |name, text| {
            let slot = match name.len() {
                3 if octet::is_word(name, b"ttl") => &mut ttl,
                5 if octet::is_word(name, b"rport") => {
                    if rport != Rport::Absent {
                        return Err(FlawKind::RepeatedParam);
                    }
                    rport = match text {
                        Some(text) => Rport::Port(parse_port(text)?),
                        None => Rport::Empty { fill_at: (octet::offset_in(value, name) + name.len()) as u16 },
                    };
                    return Ok(());
                }
                5 if octet::is_word(name, b"maddr") => &mut maddr,
                6 if octet::is_word(name, b"branch") => &mut branch,
                8 if octet::is_word(name, b"received") => &mut received,
                _ => return Ok(()),
            };
            if slot.is_some() {
                return Err(FlawKind::RepeatedParam);
            }
            *slot = Some(text.ok_or(FlawKind::ParamValue)?);
            Ok(())
        })?;
        Ok(Via {
            is_sip_2: protocol.is_sip_2,
            transport_name: protocol.transport,
            transport: Transport::from_name(protocol.transport),
            host,
            host_bytes: &value[start..host_end],
            port,
            params: Params::proved(&value[at..tail.end]),
            branch,
            received,
            rport,
            maddr,
            ttl,
            end: tail.end as u16,
            next: (tail.stop < value.len()).then_some((tail.stop + 1) as u16),
        })
    }

    /// True when the branch begins with the cookie of RFC 3261 §8.1.1.7 (in any case: it is a token), and has something behind it.
    pub fn has_cookie(&self) -> bool {
        self.branch.is_some_and(|branch| {
            branch.len() > COOKIE.len() && branch[..COOKIE.len()].eq_ignore_ascii_case(COOKIE)
        })
    }

    /// The `received` parameter, when it is an address.
    pub fn received_ip(&self) -> Option<IpAddr> {
        host::parse_ip(self.received?)
    }
}

/// What a branch begins with when it is unique in space and time (RFC 3261 §8.1.1.7).
pub const COOKIE: &[u8] = b"z9hG4bK";

struct Protocol<'a> {
    is_sip_2: bool,
    transport: &'a [u8],
    /// Of the first byte of sent-by.
    end: usize,
}

#[inline(always)]
fn scan_protocol<'a>(runs: &mut Runs<'a>) -> Result<Protocol<'a>, Flaw> {
    let value = runs.bytes();
    let (is_sip_2, start) = match value {
        [b'S', b'I', b'P', b'/', b'2', b'.', b'0', b'/', next, ..] if octet::is(*next, TOKEN) => (true, 8),
        _ => scan_name_and_version(value)?,
    };
    let stop = runs.end(start, TOKEN);
    let end = octet::skip_white(value, stop);
    if stop == start || end == stop {
        return Err(Flaw::at(FlawKind::Protocol, stop));
    }
    Ok(Protocol { is_sip_2, transport: &value[start..stop], end })
}

/// `name / version /` with white space wherever the grammar allows it; returns whether it is SIP/2.0 and where the transport begins.
#[cold]
fn scan_name_and_version(value: &[u8]) -> Result<(bool, usize), Flaw> {
    let mut at = octet::skip_white(value, 0);
    if at == value.len() {
        return Err(Flaw::at(FlawKind::Empty, at));
    }
    let mut parts = [&b""[..]; 2];
    for part in &mut parts {
        let stop = octet::end_of_run(value, at, TOKEN);
        let slash = octet::skip_white(value, stop);
        if stop == at || value.get(slash) != Some(&b'/') {
            return Err(Flaw::at(FlawKind::Protocol, slash));
        }
        *part = &value[at..stop];
        at = octet::skip_white(value, slash + 1);
    }
    Ok((parts[0].eq_ignore_ascii_case(b"SIP") && parts[1] == b"2.0", at))
}

/// The port of sent-by, with white space around its colon allowed, and the position after it.
#[inline(always)]
fn scan_sent_by_port(value: &[u8], host_end: usize) -> Result<(Option<u16>, usize), Flaw> {
    let colon = octet::skip_white(value, host_end);
    if value.get(colon) != Some(&b':') {
        return Ok((None, host_end));
    }
    let (port, end) = number::scan_port(value, colon, true)?;
    Ok((Some(port), end))
}

fn parse_port(text: &[u8]) -> Result<u16, FlawKind> {
    let number = number::parse_u32(text).map_err(|_| FlawKind::Port)?;
    u16::try_from(number).map_err(|_| FlawKind::Port)
}

#[cfg(test)]
mod tests;
