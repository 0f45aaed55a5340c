//! The Reason header (RFC 3326): why a request was sent, like `SIP;cause=200;text="Call completed elsewhere"`.

use super::flaw::{Flaw, FlawKind};
use super::number;
use super::octet::{self, TOKEN};
use super::params::{self, Params};

/// One element of a Reason header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reason<'a> {
    /// `SIP`, `Q.850` or another token.
    pub protocol: &'a [u8],
    /// The status code, or what else the protocol counts by.
    pub cause: Option<u32>,
    /// Without the quotes, escapes still in it.
    pub text: Option<&'a [u8]>,
    pub params: Params<'a>,
}

impl<'a> Reason<'a> {
    /// Parses one element.
    pub fn parse(element: &'a [u8]) -> Result<Reason<'a>, Flaw> {
        let start = octet::skip_white(element, 0);
        let end = octet::end_of_run(element, start, TOKEN);
        if end == start {
            return Err(Flaw::at(FlawKind::Token, end));
        }
        let params = Params::parse(&element[end..]).map_err(|flaw| flaw.behind(end))?;
        let cause = match params.value_of(b"cause") {
            None => None,
            Some(text) => {
                let flawed = |flaw: Flaw| flaw.behind(octet::offset_in(element, text));
                Some(number::parse_u32(text).map_err(flawed)?)
            }
        };
        let text = params.value_of(b"text").map(params::unquoted);
        Ok(Reason { protocol: &element[start..end], cause, text, params })
    }

    /// True when the protocol is SIP, so that the cause is a status code.
    pub fn is_sip(&self) -> bool {
        self.protocol.eq_ignore_ascii_case(b"SIP")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_taken_apart() {
        for (element, protocol, cause, text) in [
            (
                "SIP;cause=200;text=\"Call completed elsewhere\"",
                "SIP",
                Some(200),
                Some("Call completed elsewhere"),
            ),
            ("sip ; text=\"a \\\" b\" ; cause = 580", "sip", Some(580), Some("a \\\" b")),
            ("Q.850;cause=16;text=x", "Q.850", Some(16), Some("x")),
            ("preemption", "preemption", None, None),
        ] {
            let reason = Reason::parse(element.as_bytes()).unwrap();
            assert_eq!(reason.protocol, protocol.as_bytes());
            assert_eq!(reason.is_sip(), protocol.eq_ignore_ascii_case("sip"));
            assert_eq!((reason.cause, reason.text), (cause, text.map(str::as_bytes)));
        }
    }

    #[test]
    fn flaws_are_found_where_they_are() {
        for (element, kind, offset) in [
            ("", FlawKind::Token, 0),
            (";cause=1", FlawKind::Token, 0),
            ("SIP;cause=x", FlawKind::Number, 10),
            ("SIP;cause=99999999999", FlawKind::Range, 10),
            ("SIP;text=\"x", FlawKind::UnbalancedQuote, 9),
            ("SIP cause=1", FlawKind::Trailing, 4),
        ] {
            assert_eq!(Reason::parse(element.as_bytes()), Err(Flaw::at(kind, offset)), "{element}");
        }
    }
}
