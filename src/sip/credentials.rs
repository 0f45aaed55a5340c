//! Credentials and challenges (RFC 3261 §25.1, RFC 7616, RFC 8760): Authorization, Proxy-Authorization and what asks for them.
//!
//! One header line holds one of them: the commas inside separate its parameters. Quoted values are shown without their quotes and with
//! their escapes, which is what the digest is computed over.

use super::flaw::{Flaw, FlawKind};
use super::octet::{self, PARAM_VALUE, TOKEN};
use super::params::{Param, unquoted};

/// What a request offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Credentials<'a> {
    Digest(DigestCredentials<'a>),
    Other(OtherScheme<'a>),
}

/// What a response asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Challenge<'a> {
    Digest(DigestChallenge<'a>),
    Other(OtherScheme<'a>),
}

/// The answer to a Digest challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DigestCredentials<'a> {
    pub username: &'a [u8],
    pub realm: &'a [u8],
    pub nonce: &'a [u8],
    /// The digest-uri: the Request-URI as the client saw it.
    pub uri: &'a [u8],
    /// In hexadecimal digits, if it is what it should be.
    pub response: &'a [u8],
    /// As it stands; `None` means MD5.
    pub algorithm: Option<&'a [u8]>,
    pub cnonce: Option<&'a [u8]>,
    pub nc: Option<&'a [u8]>,
    pub qop: Option<&'a [u8]>,
    pub opaque: Option<&'a [u8]>,
    /// True when the username is a hash of it (RFC 7616 §3.4.4).
    pub userhash: bool,
}

/// A Digest challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DigestChallenge<'a> {
    pub realm: &'a [u8],
    pub nonce: &'a [u8],
    /// As it stands; `None` means MD5.
    pub algorithm: Option<&'a [u8]>,
    /// A list like `auth,auth-int`.
    pub qop: Option<&'a [u8]>,
    pub opaque: Option<&'a [u8]>,
    pub domain: Option<&'a [u8]>,
    /// True when only the nonce was too old.
    pub stale: bool,
    pub userhash: bool,
}

/// A scheme that is not Digest, kept as it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OtherScheme<'a> {
    pub scheme: &'a [u8],
    /// What follows the scheme, unproved.
    pub rest: &'a [u8],
}

impl<'a> Credentials<'a> {
    /// Parses one whole value. Digest without username, realm, nonce, uri or response is a flaw, as is a parameter that stands twice.
    pub fn parse(value: &'a [u8]) -> Result<Credentials<'a>, Flaw> {
        let (scheme, start) = scan_scheme(value)?;
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return Ok(Credentials::Other(OtherScheme { scheme, rest: octet::trim(&value[start..]) }));
        }
        let [username, realm, nonce, uri, response, algorithm, cnonce, nc, qop, opaque, userhash] =
            scan_slots(
                value,
                start,
                &[
                    b"username",
                    b"realm",
                    b"nonce",
                    b"uri",
                    b"response",
                    b"algorithm",
                    b"cnonce",
                    b"nc",
                    b"qop",
                    b"opaque",
                    b"userhash",
                ],
            )?;
        let needed = |slot: Option<&'a [u8]>| slot.ok_or(Flaw::at(FlawKind::MissingParam, value.len()));
        Ok(Credentials::Digest(DigestCredentials {
            username: needed(username)?,
            realm: needed(realm)?,
            nonce: needed(nonce)?,
            uri: needed(uri)?,
            response: needed(response)?,
            algorithm,
            cnonce,
            nc,
            qop,
            opaque,
            userhash: is_true(userhash),
        }))
    }
}

impl<'a> Challenge<'a> {
    /// Parses one whole value. Digest without realm or nonce is a flaw, as is a parameter that stands twice.
    pub fn parse(value: &'a [u8]) -> Result<Challenge<'a>, Flaw> {
        let (scheme, start) = scan_scheme(value)?;
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return Ok(Challenge::Other(OtherScheme { scheme, rest: octet::trim(&value[start..]) }));
        }
        let [realm, nonce, algorithm, qop, opaque, domain, stale, userhash] = scan_slots(
            value,
            start,
            &[b"realm", b"nonce", b"algorithm", b"qop", b"opaque", b"domain", b"stale", b"userhash"],
        )?;
        let needed = |slot: Option<&'a [u8]>| slot.ok_or(Flaw::at(FlawKind::MissingParam, value.len()));
        Ok(Challenge::Digest(DigestChallenge {
            realm: needed(realm)?,
            nonce: needed(nonce)?,
            algorithm,
            qop,
            opaque,
            domain,
            stale: is_true(stale),
            userhash: is_true(userhash),
        }))
    }
}

impl DigestCredentials<'_> {
    /// The nonce count: eight hexadecimal digits (RFC 7616 §3.4).
    pub fn nonce_count(&self) -> Option<u32> {
        let digits: &[u8; 8] = self.nc?.try_into().ok()?;
        digits.iter().try_fold(0, |count, &digit| Some(count << 4 | u32::from(octet::hex_value(digit)?)))
    }
}

fn is_true(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case(b"true"))
}

/// The scheme and the position after the white space behind it.
fn scan_scheme(value: &[u8]) -> Result<(&[u8], usize), Flaw> {
    let start = octet::skip_white(value, 0);
    if start == value.len() {
        return Err(Flaw::at(FlawKind::Empty, start));
    }
    let end = octet::end_of_run(value, start, TOKEN);
    let rest = octet::skip_white(value, end);
    if end == start || rest == end {
        return Err(Flaw::at(FlawKind::Token, end));
    }
    Ok((&value[start..end], rest))
}

/// Walks the comma separated parameters from `at` to the end, and puts those that `names` has into the slot of the same index. Empty
/// elements are passed over.
fn scan_slots<'a, const N: usize>(
    value: &'a [u8],
    mut at: usize,
    names: &[&[u8]; N],
) -> Result<[Option<&'a [u8]>; N], Flaw> {
    let mut slots = [None; N];
    loop {
        while at < value.len() && (value[at] == b',' || octet::is(value[at], octet::WHITE)) {
            at += 1;
        }
        if at == value.len() {
            return Ok(slots);
        }
        let start = at;
        let (param, end) = scan_param(value, at)?;
        at = octet::skip_white(value, end);
        if at < value.len() && value[at] != b',' {
            return Err(Flaw::at(FlawKind::Trailing, at));
        }
        if let Some(index) = names.iter().position(|name| param.name.eq_ignore_ascii_case(name)) {
            if slots[index].is_some() {
                return Err(Flaw::at(FlawKind::RepeatedParam, start));
            }
            slots[index] = param.value.map(unquoted);
        }
    }
}

/// `name = value` and the position after it; unlike in other headers, the value must be there.
fn scan_param(value: &[u8], at: usize) -> Result<(Param<'_>, usize), Flaw> {
    let name_end = octet::end_of_run(value, at, TOKEN);
    if name_end == at {
        return Err(Flaw::at(FlawKind::ParamName, at));
    }
    let equal = octet::skip_white(value, name_end);
    if value.get(equal) != Some(&b'=') {
        return Err(Flaw::at(FlawKind::ParamValue, equal));
    }
    let start = octet::skip_white(value, equal + 1);
    let end = if value.get(start) == Some(&b'"') {
        octet::end_of_quoted(value, start).ok_or(Flaw::at(FlawKind::UnbalancedQuote, start))?
    } else {
        octet::end_of_run(value, start, PARAM_VALUE)
    };
    if end == start {
        return Err(Flaw::at(FlawKind::ParamValue, start));
    }
    Ok((Param { name: &value[at..name_end], value: Some(&value[start..end]) }, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_credentials_in_any_order_quoted_or_not() {
        let value = b"Digest username=\"Alice\", realm=\"atlanta.com\",\r\n nonce=\"84a4cc6f3082121f32b42a2187831a9e\" ,\
            response=\"7587245234b3434cc3412213e5f113a5432\",uri = \"sip:atlanta.com\",qop=auth,nc=0000000A,\
            cnonce=\"0a4f113b\", opaque=\"\", algorithm=SHA-256 , userhash=true, extra=\"a,b\"";
        let digest = DigestCredentials {
            username: b"Alice",
            realm: b"atlanta.com",
            nonce: b"84a4cc6f3082121f32b42a2187831a9e",
            uri: b"sip:atlanta.com",
            response: b"7587245234b3434cc3412213e5f113a5432",
            algorithm: Some(b"SHA-256"),
            cnonce: Some(b"0a4f113b"),
            nc: Some(b"0000000A"),
            qop: Some(b"auth"),
            opaque: Some(b""),
            userhash: true,
        };
        assert_eq!(Credentials::parse(value), Ok(Credentials::Digest(digest)));
        assert_eq!(digest.nonce_count(), Some(10));

        let quoted =
            b"digest QOP=\"auth\",response=\"r\",uri=\"u\",nonce=\"n\",realm=\"a \\\"b\\\"\",username=\"\"";
        let Ok(Credentials::Digest(digest)) = Credentials::parse(quoted) else { panic!() };
        assert_eq!(
            (digest.qop, digest.realm, digest.username),
            (Some(&b"auth"[..]), &b"a \\\"b\\\""[..], &b""[..])
        );
        assert_eq!((digest.algorithm, digest.userhash, digest.nonce_count()), (None, false, None));
    }

    #[test]
    fn nonce_counts_are_eight_hexadecimal_digits() {
        for (nc, count) in [
            (&b"ffffffff"[..], Some(u32::MAX)),
            (b"00000001", Some(1)),
            (b"1", None),
            (b"0000000g", None),
            (b"000000001", None),
        ] {
            assert_eq!(DigestCredentials { nc: Some(nc), ..Default::default() }.nonce_count(), count);
        }
    }

    #[test]
    fn digest_challenges() {
        let value = b"Digest realm=\"atlanta.com\", domain=\"sip:ss1.carrier.com\", qop=\"auth,auth-int\",\
            nonce=\"f84f1cec41e6cbe5aea9c8e88d359\", opaque=\"x\", stale=TRUE, algorithm=MD5";
        let challenge = DigestChallenge {
            realm: b"atlanta.com",
            nonce: b"f84f1cec41e6cbe5aea9c8e88d359",
            algorithm: Some(b"MD5"),
            qop: Some(b"auth,auth-int"),
            opaque: Some(b"x"),
            domain: Some(b"sip:ss1.carrier.com"),
            stale: true,
            userhash: false,
        };
        assert_eq!(Challenge::parse(value), Ok(Challenge::Digest(challenge)));
        let flaw = Flaw::at(FlawKind::MissingParam, 16);
        assert_eq!(Challenge::parse(b"Digest realm=\"a\""), Err(flaw));
    }

    #[test]
    fn other_schemes_are_kept() {
        let other = OtherScheme { scheme: b"NoOneKnowsThisScheme", rest: b"opaque-data=here" };
        assert_eq!(
            Credentials::parse(b"NoOneKnowsThisScheme opaque-data=here"),
            Ok(Credentials::Other(other))
        );
        assert_eq!(Challenge::parse(b"NoOneKnowsThisScheme opaque-data=here "), Ok(Challenge::Other(other)));
    }

    #[test]
    fn flaws_are_found_where_they_are() {
        for (value, kind, offset) in [
            ("", FlawKind::Empty, 0),
            ("Digest", FlawKind::Token, 6),
            ("\"Digest\" a=b", FlawKind::Token, 0),
            ("Digest realm", FlawKind::ParamValue, 12),
            ("Digest realm=", FlawKind::ParamValue, 13),
            ("Digest realm=\"a", FlawKind::UnbalancedQuote, 13),
            ("Digest =a", FlawKind::ParamName, 7),
            ("Digest realm=\"a\" nonce=\"b\"", FlawKind::Trailing, 17),
            ("Digest nonce=a, nonce=b", FlawKind::RepeatedParam, 16),
            ("Digest username=a, realm=b, nonce=c, uri=d", FlawKind::MissingParam, 42),
        ] {
            assert_eq!(Credentials::parse(value.as_bytes()), Err(Flaw::at(kind, offset)), "{value}");
        }
    }
}
