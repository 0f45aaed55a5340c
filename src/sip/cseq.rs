//! The CSeq value (RFC 3261 §20.16).

use super::flaw::{Flaw, FlawKind};
use super::{number, octet};

/// The number of a request within its dialog or registration, and its method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cseq<'a> {
    /// Less than 2^31 (§8.1.1.5).
    pub number: u32,
    /// A token, in the case in which it came: methods are case-sensitive.
    pub method: &'a [u8],
}

impl<'a> Cseq<'a> {
    /// Parses a whole value, like `0009 INVITE`.
    #[inline]
    pub fn parse(value: &'a [u8]) -> Result<Cseq<'a>, Flaw> {
        let (number, end) = number::scan_u64(value, 0)?;
        if number >= 1 << 31 {
            return Err(Flaw::at(FlawKind::Range, 0));
        }
        let start = octet::skip_white(value, end);
        if start == end && end < value.len() {
            return Err(Flaw::at(FlawKind::Number, end));
        }
        let stop = octet::end_of_run(value, start, octet::TOKEN);
        if stop == start {
            return Err(Flaw::at(FlawKind::Token, start));
        }
        if octet::skip_white(value, stop) != value.len() {
            return Err(Flaw::at(FlawKind::Trailing, stop));
        }
        Ok(Cseq { number: number as u32, method: &value[start..stop] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_flaws() {
        let cseq = |number, method: &'static str| Ok(Cseq { number, method: method.as_bytes() });
        let flaw = |kind, offset| Err(Flaw::at(kind, offset));
        for (value, wanted) in [
            ("1 INVITE", cseq(1, "INVITE")),
            ("0009\r\n  INVITE", cseq(9, "INVITE")),
            ("2147483647 ACK", cseq((1 << 31) - 1, "ACK")),
            ("2147483648 ACK", flaw(FlawKind::Range, 0)),
            ("36893488147419103232 REGISTER", flaw(FlawKind::Range, 0)),
            (
                "8 !interesting-Method0123456789_*+`.%indeed'~",
                cseq(8, "!interesting-Method0123456789_*+`.%indeed'~"),
            ),
            ("", flaw(FlawKind::Number, 0)),
            ("INVITE", flaw(FlawKind::Number, 0)),
            ("1", flaw(FlawKind::Token, 1)),
            ("1 ", flaw(FlawKind::Token, 2)),
            ("1INVITE", flaw(FlawKind::Number, 1)),
            ("1 INVITE x", flaw(FlawKind::Trailing, 8)),
            ("1 INV\0ITE", flaw(FlawKind::Trailing, 5)),
            ("-1 INVITE", flaw(FlawKind::Number, 0)),
        ] {
            assert_eq!(Cseq::parse(value.as_bytes()), wanted, "{value:?}");
        }
    }
}
