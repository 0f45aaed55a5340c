//! SIP, SIPS and TEL URIs (RFC 3261 §19.1, RFC 3966) as views over their bytes.
//!
//! A URI of another scheme is no flaw: it is kept as bytes, and whoever can not use it answers 416. Nothing is unescaped here;
//! `uri_compare` and `aor_text` say what escapes mean.

use super::flaw::{Flaw, FlawKind};
use super::host::{self, Host};
use super::number;
use super::octet::{self, URI_HEADER, URI_PARAM, USER};
use super::params::{Param, Params};
use super::runs::Runs;
use super::transport::Transport;

/// What stands before the first colon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    Other,
}

/// A URI, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uri<'a> {
    /// All of it.
    pub bytes: &'a [u8],
    pub scheme: Scheme,
    /// The user part with its escapes, never empty; of a tel URI the number with its visual separators.
    pub user: Option<&'a [u8]>,
    /// May be empty (`sip:bob:@example.com`).
    pub password: Option<&'a [u8]>,
    /// Always there in SIP and SIPS URIs, never in others.
    pub host: Option<Host<'a>>,
    /// The host as it stands, with the brackets of an IPv6 reference.
    pub host_bytes: &'a [u8],
    pub port: Option<u16>,
    pub params: Params<'a>,
    /// What follows the `?`, like `subject=x&priority=urgent`; empty when there is none.
    pub headers: &'a [u8],
}

impl<'a> Uri<'a> {
    /// Parses a URI that is all of `bytes`. White space, control bytes and bytes above 127 are in no URI.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Uri<'a>, Flaw> {
        let folded = |index: usize| bytes.get(index).map_or(0, |byte| byte | 0x20);
        match [folded(0), folded(1), folded(2)] {
            [b's', b'i', b'p'] if bytes.get(3) == Some(&b':') => parse_sip(bytes, Scheme::Sip, 4),
            [b's', b'i', b'p'] if folded(3) == b's' && bytes.get(4) == Some(&b':') => {
                parse_sip(bytes, Scheme::Sips, 5)
            }
            [b't', b'e', b'l'] if bytes.get(3) == Some(&b':') => parse_tel(bytes),
            _ => parse_other(bytes),
        }
    }

    /// The scheme as it stands, without the colon.
    pub fn scheme_name(&self) -> &'a [u8] {
        let end = self.bytes.iter().position(|&byte| byte == b':').unwrap_or(self.bytes.len());
        &self.bytes[..end]
    }

    /// The first parameter of that name; names are compared without case and with their escapes undone (RFC 4475 §3.1.1.3).
    pub fn param(&self, name: &[u8]) -> Option<Param<'a>> {
        self.params.iter().find(|param| octet::is_unescaped(param.name, name))
    }

    /// The `transport` parameter as it stands.
    pub fn transport_name(&self) -> Option<&'a [u8]> {
        self.param(b"transport")?.value
    }

    /// The `transport` parameter: `None` when there is none, `Some(None)` when it names one that this node does not speak.
    pub fn transport(&self) -> Option<Option<Transport>> {
        self.transport_name().map(Transport::from_name)
    }

    /// True with `;lr`: the URI belongs to a loose router (§16.12).
    pub fn is_loose(&self) -> bool {
        self.param(b"lr").is_some()
    }

    /// True with `;ob`: the flow it was registered over is to be used (RFC 5626 §5.3).
    pub fn has_ob(&self) -> bool {
        self.param(b"ob").is_some()
    }

    pub fn maddr(&self) -> Option<&'a [u8]> {
        self.param(b"maddr")?.value
    }

    pub fn ttl(&self) -> Option<&'a [u8]> {
        self.param(b"ttl")?.value
    }

    pub fn method(&self) -> Option<&'a [u8]> {
        self.param(b"method")?.value
    }

    /// True with `;user=phone`: the user part is a telephone number.
    pub fn is_phone(&self) -> bool {
        self.param(b"user")
            .and_then(|param| param.value)
            .is_some_and(|value| value.eq_ignore_ascii_case(b"phone"))
    }

    const fn empty(bytes: &'a [u8], scheme: Scheme) -> Uri<'a> {
        Uri {
            bytes,
            scheme,
            user: None,
            password: None,
            host: None,
            host_bytes: &[],
            port: None,
            params: Params::proved(&[]),
            headers: &[],
        }
    }
}

#[inline(always)]
fn parse_sip(bytes: &[u8], scheme: Scheme, start: usize) -> Result<Uri<'_>, Flaw> {
    let mut uri = Uri::empty(bytes, scheme);
    let mut runs = Runs::new(bytes, start);
    let mut at = scan_user(&mut runs, start, &mut uri)?;
    let (host, end) = host::scan_host(&mut runs, at)?;
    uri.host = Some(host);
    uri.host_bytes = &bytes[at..end];
    at = end;
    if bytes.get(at) == Some(&b':') {
        let (port, end) = number::scan_port(bytes, at, false)?;
        uri.port = Some(port);
        at = end;
    }
    let params = at;
    at = scan_params(&mut runs, at)?;
    uri.params = Params::proved(&bytes[params..at]);
    match bytes.get(at) {
        None => return Ok(uri),
        Some(b'?') => {}
        // Before any parameter the flaw is one of the host or its port.
        Some(_) if at == params => return Err(Flaw::at(FlawKind::Host, at)),
        Some(_) => return Err(Flaw::at(FlawKind::ParamValue, at)),
    }
    prove_headers(&mut runs, at + 1)?;
    uri.headers = &bytes[at + 1..];
    Ok(uri)
}

/// Reads the user part and the password into `uri`, and returns where the host begins.
#[inline(always)]
fn scan_user<'a>(runs: &mut Runs<'a>, start: usize, uri: &mut Uri<'a>) -> Result<usize, Flaw> {
    let bytes = runs.bytes();
    let scanned = scan_escaped(runs, start, USER);
    if let Ok(stop) = scanned
        && stop > start
        && bytes.get(stop) == Some(&b'@')
    {
        uri.user = Some(&bytes[start..stop]);
        return Ok(stop + 1);
    }
    // An `@` may stand nowhere else than behind the user part, so what precedes it is that, whatever it looks like.
    let Some(len) = memchr::memchr(b'@', &bytes[start..]) else { return Ok(start) };
    let stop = scanned?;
    if stop == start || bytes[stop] != b':' {
        return Err(Flaw::at(FlawKind::User, stop));
    }
    let end = scan_escaped(runs, stop + 1, USER)?;
    if end != start + len {
        return Err(Flaw::at(FlawKind::User, end));
    }
    uri.user = Some(&bytes[start..stop]);
    uri.password = Some(&bytes[stop + 1..end]);
    Ok(end + 1)
}

/// Walks `*( ;name[=value] )` and returns the position after it. A value may hold `=`, which the grammar wants escaped and base64 is not.
#[inline(always)]
fn scan_params(runs: &mut Runs<'_>, mut at: usize) -> Result<usize, Flaw> {
    let bytes = runs.bytes();
    while bytes.get(at) == Some(&b';') {
        let start = at + 1;
        at = scan_escaped(runs, start, URI_PARAM)?;
        if at == start {
            return Err(Flaw::at(FlawKind::ParamName, start));
        }
        if bytes.get(at) == Some(&b'=') {
            let start = at + 1;
            at = scan_escaped(runs, start, URI_PARAM)?;
            if at == start {
                return Err(Flaw::at(FlawKind::ParamValue, start));
            }
            while bytes.get(at) == Some(&b'=') {
                at = scan_escaped(runs, at + 1, URI_PARAM)?;
            }
        }
    }
    Ok(at)
}

/// The headers of a URI: `name=value` with `&` between them, to the end of `bytes`.
#[cold]
fn prove_headers(runs: &mut Runs<'_>, mut at: usize) -> Result<(), Flaw> {
    let bytes = runs.bytes();
    loop {
        let start = at;
        at = scan_escaped(runs, start, URI_HEADER)?;
        if at == start || bytes.get(at) != Some(&b'=') {
            return Err(Flaw::at(FlawKind::UriHeaders, at));
        }
        at = scan_escaped(runs, at + 1, URI_HEADER)?;
        match bytes.get(at) {
            None => return Ok(()),
            Some(b'&') => at += 1,
            Some(_) => return Err(Flaw::at(FlawKind::UriHeaders, at)),
        }
    }
}

/// The end of a run of bytes of the `class` and of escapes.
#[inline(always)]
fn scan_escaped(runs: &mut Runs<'_>, mut at: usize, class: u8) -> Result<usize, Flaw> {
    let bytes = runs.bytes();
    loop {
        at = runs.end(at, class);
        if bytes.get(at) != Some(&b'%') {
            return Ok(at);
        }
        if !matches!(bytes.get(at + 1..at + 3), Some([a, b]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
        {
            return Err(Flaw::at(FlawKind::Escape, at));
        }
        at += 3;
    }
}

fn parse_tel(bytes: &[u8]) -> Result<Uri<'_>, Flaw> {
    let mut uri = Uri::empty(bytes, Scheme::Tel);
    let start = 4;
    let mut at = start + usize::from(bytes.get(start) == Some(&b'+'));
    let global = at > start;
    let mut digits = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' => digits += 1,
            // Local numbers may hold what else a dial pad has (RFC 3966 §3).
            b'A'..=b'F' | b'a'..=b'f' | b'*' | b'#' if !global => digits += 1,
            b'-' | b'.' | b'(' | b')' => {}
            _ => break,
        }
        at += 1;
    }
    if digits == 0 {
        return Err(Flaw::at(FlawKind::User, at));
    }
    uri.user = Some(&bytes[start..at]);
    let params = at;
    at = scan_params(&mut Runs::new(bytes, at), at)?;
    if at != bytes.len() {
        let kind = if at == params { FlawKind::User } else { FlawKind::ParamValue };
        return Err(Flaw::at(kind, at));
    }
    uri.params = Params::proved(&bytes[params..at]);
    Ok(uri)
}

#[cold]
fn parse_other(bytes: &[u8]) -> Result<Uri<'_>, Flaw> {
    if bytes.is_empty() {
        return Err(Flaw::at(FlawKind::Empty, 0));
    }
    let in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let end = bytes.iter().position(|byte| !in_scheme(byte)).unwrap_or(bytes.len());
    if !bytes[0].is_ascii_alphabetic() || bytes.get(end) != Some(&b':') {
        return Err(Flaw::at(FlawKind::Scheme, end));
    }
    match bytes.iter().position(|byte| !byte.is_ascii_graphic() || matches!(byte, b'<' | b'>' | b'"')) {
        Some(offset) => Err(Flaw::at(FlawKind::Scheme, offset)),
        None => Ok(Uri::empty(bytes, Scheme::Other)),
    }
}

#[cfg(test)]
mod tests;
