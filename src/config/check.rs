//! What a text of the file may be. Each check gives the value, or says what is allowed.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::model::{Destination, RouteTo, Secret};

pub(super) fn any(text: &str) -> Result<String, &'static str> {
    Ok(text.to_owned())
}

pub(super) fn node_name(text: &str) -> Result<String, &'static str> {
    let is_product = |word: &str| !word.is_empty() && word.bytes().all(|byte| is_token(byte) || byte == b'/');
    let is_valid = text.len() <= 64 && text.split(' ').all(is_product);
    is_valid.then(|| text.to_owned()).ok_or(
        "1 to 64 letters, digits and -.!%*_+`'~/ in words with one space between (it stands in the Server header)",
    )
}

pub(super) fn path(text: &str) -> Result<PathBuf, &'static str> {
    if text.contains('\0') { Err("the path of a file") } else { Ok(PathBuf::from(text)) }
}

pub(super) fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "ip:port with the port from 0 to 65535, IPv6 in brackets, as in 192.0.2.1:5060 or [2001:db8::1]:5060")
}

pub(super) fn advertise(text: &str) -> Result<String, &'static str> {
    const ALLOWED: &str =
        "host or host:port with the port from 1 to 65535, IPv6 in brackets, not 0.0.0.0 and not [::]";
    let (host, port) = split_port(text);
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let is_wildcard = host_ip(host).is_some_and(|ip| ip.is_unspecified());
    let is_valid = is_host(host) && !is_wildcard && port.is_none_or(is_port);
    is_valid.then(|| text.to_owned()).ok_or(ALLOWED)
}

pub(super) fn host(text: &str) -> Result<String, &'static str> {
    is_host(text)
        .then(|| text.to_owned())
        .ok_or("a host name, an IPv4 address or an IPv6 address in brackets, without a port")
}

pub(super) fn realm(text: &str) -> Result<String, &'static str> {
    let is_valid = !text.chars().any(|c| c.is_control() || c == '"' || c == '\\');
    is_valid.then(|| text.to_owned()).ok_or("text without quotes, backslashes and control characters")
}

pub(super) fn method(text: &str) -> Result<String, &'static str> {
    let is_valid = !text.is_empty() && text.bytes().all(is_token);
    is_valid.then(|| text.to_owned()).ok_or("the name of a method, as in \"INVITE\"")
}

pub(super) fn group_name(text: &str) -> Result<String, &'static str> {
    let is_valid = !text.is_empty() && text.len() <= 64 && text.bytes().all(is_token);
    is_valid.then(|| text.to_owned()).ok_or("1 to 64 letters, digits and -.!%*_+`'~")
}

pub(super) fn sip_uri(text: &str) -> Result<String, &'static str> {
    is_sip_uri(text).then(|| text.to_owned()).ok_or("a SIP URI, as in \"sip:192.0.2.1:5060;transport=tcp\"")
}

pub(super) fn destination(text: &str) -> Result<Destination, &'static str> {
    const ALLOWED: &str = "a SIP URI, or group:NAME";
    match text.strip_prefix("group:") {
        Some(name) => Ok(Destination::Group(group_name(name).map_err(|_| ALLOWED)?)),
        None => Ok(Destination::Uri(sip_uri(text).map_err(|_| ALLOWED)?)),
    }
}

pub(super) fn route_to(text: &str) -> Result<RouteTo, &'static str> {
    const ALLOWED: &str =
        "group:NAME, uri:sip:…, reject:STATUS with a status from 400 to 699, or redirect:sip:…";
    let (kind, rest) = text.split_once(':').ok_or(ALLOWED)?;
    let to = match kind {
        "group" => group_name(rest).ok().map(RouteTo::Group),
        "uri" => sip_uri(rest).ok().map(RouteTo::Uri),
        "redirect" => sip_uri(rest).ok().map(RouteTo::Redirect),
        "reject" => rest.parse().ok().filter(|status| (400..=699).contains(status)).map(RouteTo::Reject),
        _ => None,
    };
    to.ok_or(ALLOWED)
}

pub(super) fn user_part(text: &str) -> Result<String, &'static str> {
    let is_valid =
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/%".contains(&byte));
    is_valid.then(|| text.to_owned()).ok_or("characters of the user part of a SIP URI")
}

pub(super) fn token_secret(text: &str) -> Result<Secret, &'static str> {
    let is_valid = text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_valid.then(|| Secret(text.to_owned())).ok_or("up to 256 visible ASCII characters without spaces")
}

/// RFC 3261 §25.1 `token`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// Host and port text of `host[:port]`; a bracketed IPv6 address keeps its brackets.
fn split_port(text: &str) -> (&str, Option<&str>) {
    let after_brackets = text.find(']').map_or(0, |at| at + 1);
    match text[after_brackets..].find(':') {
        Some(at) => (&text[..after_brackets + at], Some(&text[after_brackets + at + 1..])),
        None => (text, None),
    }
}

fn host_ip(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok().filter(IpAddr::is_ipv4),
    }
}

/// RFC 3261 §25.1 `host`, with underscores, which names in use have.
fn is_host(host: &str) -> bool {
    if host.starts_with('[') || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return host_ip(host).is_some();
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

fn is_sip_uri(text: &str) -> bool {
    let lower = text.get(..5).unwrap_or(text).to_ascii_lowercase();
    let Some(rest) =
        lower.starts_with("sips:").then(|| &text[5..]).or(lower.starts_with("sip:").then(|| &text[4..]))
    else {
        return false;
    };
    let host_on = rest.rsplit_once('@').map_or(rest, |(_, host_on)| host_on);
    let host_port = host_on.split([';', '?']).next().unwrap_or(host_on);
    let has_user = rest.split_once('@').is_none_or(|(user, _)| !user.is_empty());
    let is_clean = rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte));
    let (host, port) = split_port(host_port);
    is_clean
        && has_user
        && is_host(host)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let table = [
            ("example.com", true),
            ("example.com.", true),
            ("a_b", true),
            ("192.0.2.1", true),
            ("[2001:db8::1]", true),
            ("2001:db8::1", false),
            ("192.0.2.256", false),
            ("1.2", false),
            ("[192.0.2.1]", false),
            ("[::1", false),
            ("", false),
            ("-a", false),
            ("a..b", false),
            ("example.com:5060", false),
            ("a b", false),
        ];
        for (text, is_valid) in table {
            assert_eq!(host(text).is_ok(), is_valid, "{text}");
        }
    }

    #[test]
    fn advertised_addresses() {
        let table = [
            ("edge.example.com", true),
            ("edge.example.com:5070", true),
            ("[2001:db8::1]:5060", true),
            ("192.0.2.1:0", false),
            ("192.0.2.1:65536", false),
            ("192.0.2.1:+5", false),
            ("192.0.2.1:", false),
            ("0.0.0.0:5060", false),
            ("[::]", false),
            (":5060", false),
        ];
        for (text, is_valid) in table {
            assert_eq!(advertise(text).is_ok(), is_valid, "{text}");
        }
    }

    #[test]
    fn uris_and_what_routes_do() {
        let table = [
            ("sip:10.0.0.5:5060", true),
            ("SIPS:vm@example.com;transport=tcp?a=b", true),
            ("sip:a;b=c@example.com", true),
            ("sip:", false),
            ("sip:@example.com", false),
            ("sip:example.com:0", false),
            ("http:example.com", false),
            ("sip:exam ple.com", false),
            ("<sip:example.com>", false),
        ];
        for (text, is_valid) in table {
            assert_eq!(sip_uri(text).is_ok(), is_valid, "{text}");
        }
        assert_eq!(route_to("reject:403"), Ok(RouteTo::Reject(403)));
        assert_eq!(route_to("group:pstn"), Ok(RouteTo::Group("pstn".to_owned())));
        for text in ["reject:200", "reject:", "group:", "group", "uri:example.com", "drop:1"] {
            assert!(route_to(text).is_err(), "{text}");
        }
    }

    #[test]
    fn node_names() {
        for (text, is_valid) in
            [("tine", true), ("tine/1 edge-3", true), ("", false), ("a  b", false), ("a\r\nb", false)]
        {
            assert_eq!(node_name(text).is_ok(), is_valid, "{text:?}");
        }
    }
}
