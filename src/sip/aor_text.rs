//! The canonical text of an AOR (RFC 3261 §10.3 step 5): what the location table is keyed by.
//!
//! Two URIs that differ only in port, password, parameters, headers, the case of the host, or in escapes that say the same (§19.1.4)
//! have one text; the scheme is dropped too, because `sip:` and `sips:` reach the same bindings.

use core::net::IpAddr;
use std::io::Write;

use super::host::Host;
use super::octet::{self, ESCAPED, UNRESERVED, USER};
use super::uri::Uri;

/// Appends `user@host`, or `host` when there is no user part, to `out`. False, and nothing appended, when the URI has no host and so names no AOR here
/// (tel and unknown schemes). Never longer than three times the URI and 45 bytes; allocates only what `out` lacks in capacity.
#[must_use]
pub fn emit_aor(uri: &Uri<'_>, out: &mut Vec<u8>) -> bool {
    let Some(host) = uri.host else { return false };
    if let Some(user) = uri.user {
        emit_user(user, out);
        out.push(b'@');
    }
    emit_host(host, out);
    true
}

/// Appends a host in its canonical form: lower case, without the dot of a rooted name, IPv6 as RFC 5952 writes it and in brackets.
pub fn emit_host(host: Host<'_>, out: &mut Vec<u8>) {
    let written = match host.ip() {
        Some(IpAddr::V4(ip)) => write!(out, "{ip}"),
        Some(IpAddr::V6(ip)) => write!(out, "[{ip}]"),
        None => Ok(()),
    };
    written.expect("a vector takes all that is written");
    if let Host::Name(name) = host {
        let name = name.strip_suffix(b".").unwrap_or(name);
        out.extend(name.iter().map(u8::to_ascii_lowercase));
    }
}

/// The digits of a telephone number as RFC 3966 §4 compares them: without visual separators, in lower case, with the `+` of a global number.
pub fn digits(number: &[u8]) -> impl Iterator<Item = u8> + '_ {
    number.iter().filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')')).map(u8::to_ascii_lowercase)
}

/// The user part with each escape undone that only hides an unreserved byte, and the others with upper-case digits.
fn emit_user(user: &[u8], out: &mut Vec<u8>) {
    if octet::end_of_run(user, 0, UNRESERVED) == user.len() {
        out.extend_from_slice(user);
        return;
    }
    for unit in octet::unescape(user) {
        let byte = unit as u8;
        // `#` passes unescaped, though the grammar wants it escaped: both are the same user.
        if unit & ESCAPED == 0 && octet::is(byte, USER) && byte != b'#' {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_canonical() {
        for (uri, text) in [
            ("sip:alice@atlanta.com", Some("alice@atlanta.com")),
            ("sips:Alice:pw@AtLanta.COM.:5061;transport=tls?a=b", Some("Alice@atlanta.com")),
            ("sip:%61l%69ce@atlanta.com", Some("alice@atlanta.com")),
            ("sip:a%2fb%2C/,@x", Some("a%2Fb%2C/,@x")),
            ("sip:nu%00ll%20%c3%a4%25@x", Some("nu%00ll%20%C3%A4%25@x")),
            ("sip:*21#@x", Some("*21%23@x")),
            ("sip:*21%23@x", Some("*21%23@x")),
            ("sip:+1-201@x;user=phone", Some("+1-201@x")),
            ("sip:Example.com", Some("example.com")),
            ("sip:a@192.0.2.1:5060", Some("a@192.0.2.1")),
            ("sip:a@[2001:DB8:0:0::1]:5060", Some("a@[2001:db8::1]")),
            ("tel:+1-201", None),
            ("urn:service:sos", None),
        ] {
            let mut out = Vec::new();
            assert_eq!(emit_aor(&Uri::parse(uri.as_bytes()).unwrap(), &mut out), text.is_some(), "{uri}");
            assert_eq!(String::from_utf8(out).unwrap(), text.unwrap_or_default(), "{uri}");
        }
    }

    #[test]
    fn a_text_is_its_own_canonical_form() {
        for uri in ["sip:a%2fb%41%23#@EXAMPLE.com.", "sip:%00%ff@[::FFFF:1.2.3.4]"] {
            let mut once = b"sip:".to_vec();
            assert!(emit_aor(&Uri::parse(uri.as_bytes()).unwrap(), &mut once));
            let mut twice = b"sip:".to_vec();
            assert!(emit_aor(&Uri::parse(&once).unwrap(), &mut twice));
            assert_eq!(once, twice);
        }
    }

    #[test]
    fn what_fits_is_not_moved() {
        let mut out = Vec::with_capacity(64);
        let place = out.as_ptr();
        assert!(emit_aor(&Uri::parse(b"sip:%61lice@ATLANTA.com:5060;x").unwrap(), &mut out));
        assert!(emit_aor(&Uri::parse(b"sip:b@[2001:db8::1]").unwrap(), &mut out));
        assert_eq!((out.as_ptr(), out.capacity()), (place, 64));
    }
}
