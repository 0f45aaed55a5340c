//! When two URIs are the same (RFC 3261 §19.1.4, RFC 3966 §4).
//!
//! The relation is not transitive: a parameter that only one side has is passed over, so `sip:c@x;a=1` and `sip:c@x;a=2` both equal `sip:c@x`.

use super::aor_text;
use super::host::Host;
use super::octet::{self, to_lower, unescape};
use super::params::{Param, Params};
use super::uri::{Scheme, Uri};

/// True when both name the same resource by the rules of their scheme. URIs of a scheme without rules here are the same when their bytes
/// are, but for the case of the scheme. Costs the product of the two counts of parameters, which is bounded.
pub fn equivalent(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    if a.bytes == b.bytes {
        return true;
    }
    match (a.scheme, b.scheme) {
        (Scheme::Sip, Scheme::Sip) | (Scheme::Sips, Scheme::Sips) => are_sip_equivalent(a, b),
        (Scheme::Tel, Scheme::Tel) => are_tel_equivalent(a, b),
        (Scheme::Other, Scheme::Other) => {
            let (name_a, name_b) = (a.scheme_name(), b.scheme_name());
            name_a.eq_ignore_ascii_case(name_b) && a.bytes[name_a.len()..] == b.bytes[name_b.len()..]
        }
        _ => false,
    }
}

/// Parameters, or headers, that are compared one by one. URIs with more are the same only when their bytes are: nobody needs them, and
/// the work grows with the square.
const COMPARED_MAX: usize = 32;

/// What must be in both or in neither, even where it would only say the default (§19.1.4).
const NEVER_IGNORED: [&[u8]; 5] = [b"user", b"ttl", b"method", b"maddr", b"transport"];

fn are_sip_equivalent(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    a.port == b.port
        && are_hosts_equal(a.host, b.host)
        && are_parts_equal(a.user, b.user)
        && are_parts_equal(a.password, b.password)
        && are_params_compatible(a.params, b.params)
        && are_headers_equal(a.headers, b.headers)
}

fn are_hosts_equal(a: Option<Host<'_>>, b: Option<Host<'_>>) -> bool {
    match (a, b) {
        (Some(Host::Name(a)), Some(Host::Name(b))) => a.eq_ignore_ascii_case(b),
        (a, b) => a == b,
    }
}

/// User parts and passwords are case-sensitive; escapes are what they stand for.
fn are_parts_equal(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || unescape(a).eq(unescape(b)),
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn are_equal_without_case(a: &[u8], b: &[u8]) -> bool {
    a.eq_ignore_ascii_case(b) || unescape(a).map(to_lower).eq(unescape(b).map(to_lower))
}

fn are_params_compatible(a: Params<'_>, b: Params<'_>) -> bool {
    if a.iter().nth(COMPARED_MAX).is_some() || b.iter().nth(COMPARED_MAX).is_some() {
        return a.bytes() == b.bytes();
    }
    let is_needed =
        |param: &Param<'_>| NEVER_IGNORED.iter().any(|name| octet::is_unescaped(param.name, name));
    a.iter().all(|param| {
        find_equal_name(b, param.name).map_or(!is_needed(&param), |other| are_values_equal(param, other))
    }) && b.iter().all(|param| !is_needed(&param) || find_equal_name(a, param.name).is_some())
}

fn find_equal_name<'a>(params: Params<'a>, name: &[u8]) -> Option<Param<'a>> {
    params.iter().find(|param| are_equal_without_case(param.name, name))
}

fn are_values_equal(a: Param<'_>, b: Param<'_>) -> bool {
    match (a.value, b.value) {
        // Methods are case-sensitive (§7.1), and so is what names one.
        (Some(a_value), Some(b_value)) if octet::is_unescaped(a.name, b"method") => {
            are_parts_equal(Some(a_value), Some(b_value))
        }
        (Some(a), Some(b)) => are_equal_without_case(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// Headers are never passed over: each must have its equal on the other side, as often as it stands there.
fn are_headers_equal(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    let (a_count, b_count) = (headers(a).count(), headers(b).count());
    if a_count != b_count || a_count > COMPARED_MAX {
        return false;
    }
    let occurrences =
        |of: &[u8], among| headers(among).filter(|header| are_equal_without_case(header, of)).count();
    headers(a).all(|header| occurrences(header, a) == occurrences(header, b))
}

/// The `name=value` pieces. Names and most values are case-insensitive (§7.3.1), so a piece can be compared as a whole.
fn headers(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty())
}

/// RFC 3966 §4: both global or both local, the same digits without the visual separators, and the same parameters in any order.
fn are_tel_equivalent(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    if !are_digits_equal(a.user.unwrap_or_default(), b.user.unwrap_or_default()) {
        return false;
    }
    let (a_count, b_count) =
        (a.params.iter().take(COMPARED_MAX + 1).count(), b.params.iter().take(COMPARED_MAX + 1).count());
    a_count == b_count
        && a_count <= COMPARED_MAX
        && a.params.iter().all(|param| {
            find_equal_name(b.params, param.name).is_some_and(|other| are_tel_values_equal(param, other))
        })
        && b.params.iter().all(|param| find_equal_name(a.params, param.name).is_some())
}

fn are_tel_values_equal(a: Param<'_>, b: Param<'_>) -> bool {
    let is_number = |value: Option<&[u8]>| value.is_some_and(|value| value.starts_with(b"+"));
    let is_extension = octet::is_unescaped(a.name, b"ext");
    let is_global_context =
        octet::is_unescaped(a.name, b"phone-context") && is_number(a.value) && is_number(b.value);
    match (a.value, b.value) {
        (Some(a), Some(b)) if is_extension || is_global_context => are_digits_equal(a, b),
        _ => are_values_equal(a, b),
    }
}

fn are_digits_equal(a: &[u8], b: &[u8]) -> bool {
    aor_text::digits(a).eq(aor_text::digits(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(a: &str, b: &str) -> bool {
        let (a, b) = (Uri::parse(a.as_bytes()).unwrap(), Uri::parse(b.as_bytes()).unwrap());
        let result = equivalent(&a, &b);
        assert_eq!(result, equivalent(&b, &a), "{a:?} {b:?}: not symmetric");
        assert!(equivalent(&a, &a) && equivalent(&b, &b));
        result
    }

    #[test]
    fn equivalent_by_the_rfc() {
        for (a, b) in [
            // The examples of RFC 3261 §19.1.4.
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            // Beyond them.
            ("SIP:bob@biloxi.com", "sip:bob@BILOXI.com"),
            ("sip:b%6fb:p%77@biloxi.com", "sip:bob:pw@biloxi.com"),
            ("sip:a%2cb@x", "sip:a%2Cb@x"),
            ("sip:a@[2001:DB8:0::1]", "sip:a@[2001:db8::1]"),
            ("sip:a@x;%6C%72", "sip:a@x;LR"),
            ("sip:a@x;k=%41", "sip:a@x;k=a"),
            ("sip:a@x?Route=%3csip:b%3e", "sip:a@x?route=%3Csip:b%3E"),
            ("tel:+1-201-555-0123", "tel:+12015550123"),
            ("tel:+1(201)555.0123;ext=1-2;isub=a", "TEL:+12015550123;ISUB=A;ext=12"),
            ("tel:7042;phone-context=Example.com", "tel:70-42;phone-context=example.COM"),
            ("tel:7042;phone-context=+1-201", "tel:7042;phone-context=+1201"),
            ("tel:a*1", "tel:A*1"),
            ("URN:service:sos", "urn:service:sos"),
        ] {
            assert!(compare(a, b), "{a} {b}");
        }
    }

    #[test]
    fn different_by_the_rfc() {
        for (a, b) in [
            // The examples of RFC 3261 §19.1.4.
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            // Beyond them.
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
            ("sip:bob@biloxi.com", "sip:biloxi.com"),
            ("sip:bob@biloxi.com", "sip:bob:@biloxi.com"),
            ("sip:bob:A@biloxi.com", "sip:bob:a@biloxi.com"),
            ("sip:a%2Cb@x", "sip:a,b@x"),
            ("sip:a%3ab@x", "sip:a:b@x"),
            ("sip:a@x", "sip:a@x;maddr=1.2.3.4"),
            ("sip:a@x", "sip:a@x;ttl=1"),
            ("sip:a@x", "sip:a@x;user=ip"),
            ("sip:a@x", "sip:a@x;method=INVITE"),
            ("sip:a@x", "sip:a@x;m%65thod=INVITE"),
            ("sip:a@x;method=INVITE", "sip:a@x;method=invite"),
            ("sip:a@x;lr", "sip:a@x;lr=1"),
            ("sip:a@x?b=1&b=1&c=1", "sip:a@x?b=1&c=1&c=1"),
            ("sip:a@x?b=1", "sip:a@x?b=1&b=1"),
            ("tel:+12015550123", "tel:12015550123"),
            ("tel:+12015550123", "tel:+12015550124"),
            ("tel:+1", "tel:+1;ext=1"),
            ("tel:1;phone-context=a.com", "tel:1;phone-context=b.com"),
            ("tel:+1;a=1;a=1", "tel:+1;a=1;b=1"),
            ("tel:1", "sip:1"),
            ("urn:Service:sos", "urn:service:sos"),
        ] {
            assert!(!compare(a, b), "{a} {b}");
        }
    }

    #[test]
    fn a_flood_of_parameters_is_compared_as_bytes() {
        let flood = |last: &str| format!("sip:a@x{}{last}", ";a".repeat(20_000));
        assert!(compare(&flood(";b"), &flood(";b")));
        assert!(!compare(&flood(";b"), &flood(";c")));
        let headers = |last: &str| format!("sip:a@x?{}{last}", "a=1&".repeat(16_000));
        assert!(!compare(&headers("b=1"), &headers("b=2")));
        let tel = |last: &str| format!("tel:+1{}{last}", ";a".repeat(20_000));
        assert!(!compare(&tel(";b"), &tel(";c")));
    }
}
