//! Decimal numbers of header values, whatever their count of digits.

use super::flaw::{Flaw, FlawKind};
use super::octet;

/// A number of at least one digit and nothing else, up to 2^32-1. Leading zeros are fine (`Max-Forwards: 0068`).
#[inline]
pub fn parse_u32(bytes: &[u8]) -> Result<u32, Flaw> {
    let (number, end) = scan_u64(bytes, 0)?;
    if end != bytes.len() {
        return Err(Flaw::at(FlawKind::Number, end));
    }
    u32::try_from(number).map_err(|_| Flaw::at(FlawKind::Range, 0))
}

/// Delta-seconds, as in Expires and Retry-After. RFC 3261 §20.19 lets them go to 2^32-1; a larger number means "as long as possible" and becomes that.
/// Parameters behind the number are for the caller to cut off.
pub fn parse_delta_seconds(bytes: &[u8]) -> Result<u32, Flaw> {
    match parse_u32(bytes) {
        Err(Flaw { kind: FlawKind::Range, .. }) => Ok(u32::MAX),
        result => result,
    }
}

/// Max-Forwards, 0 to 255 (RFC 3261 §20.22).
pub fn parse_max_forwards(bytes: &[u8]) -> Result<u8, Flaw> {
    u8::try_from(parse_u32(bytes)?).map_err(|_| Flaw::at(FlawKind::Range, 0))
}

/// Content-Length in bytes. What no message can hold is still a number; whether the bytes are there is the framing's question.
pub fn parse_content_length(bytes: &[u8]) -> Result<u32, Flaw> {
    parse_u32(bytes)
}

/// RSeq, 1 to 2^32-1 (RFC 3262 §7.1).
pub fn parse_rseq(bytes: &[u8]) -> Result<u32, Flaw> {
    match parse_u32(bytes)? {
        0 => Err(Flaw::at(FlawKind::Range, 0)),
        number => Ok(number),
    }
}

/// A status code: three digits, 100 to 699.
pub fn parse_status(bytes: &[u8]) -> Result<u16, Flaw> {
    let number = parse_u32(bytes)?;
    if bytes.len() != 3 || !(100..700).contains(&number) {
        return Err(Flaw::at(FlawKind::Range, 0));
    }
    Ok(number as u16)
}

/// A q-value in thousandths: `0`, `1`, or these with up to three decimals, and none above 1 (RFC 3261 §25.1).
pub fn parse_q(bytes: &[u8]) -> Result<u16, Flaw> {
    let (whole, decimals) = match bytes {
        [whole @ (b'0' | b'1')] => (whole, &b""[..]),
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        // `.5` is not in the grammar, and sent all the same.
        [b'.', decimals @ ..] if matches!(decimals.len(), 1..=3) => (&b'0', decimals),
        _ => return Err(Flaw::at(FlawKind::Number, 0)),
    };
    let mut thousandths = u16::from(whole - b'0') * 1000;
    for (digit, unit) in decimals.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return Err(Flaw::at(FlawKind::Number, 0));
        }
        thousandths += u16::from(digit - b'0') * unit;
    }
    if thousandths > 1000 {
        return Err(Flaw::at(FlawKind::Range, 0));
    }
    Ok(thousandths)
}

/// The digits that begin at `at` and the position after them; numbers past 2^63 stay there.
#[inline]
pub(super) fn scan_u64(bytes: &[u8], at: usize) -> Result<(u64, usize), Flaw> {
    let mut end = at;
    let mut number = 0u64;
    while let Some(digit) = bytes.get(end).map(|byte| byte.wrapping_sub(b'0'))
        && digit <= 9
    {
        number = if number >> 59 == 0 { number * 10 + u64::from(digit) } else { 1 << 63 };
        end += 1;
    }
    if end == at {
        return Err(Flaw::at(FlawKind::Number, at));
    }
    Ok((number, end))
}

/// The port behind the colon at `colon` and the position after it. 0 is a number too; whom that reaches is not a question of grammar.
#[inline]
pub(super) fn scan_port(bytes: &[u8], colon: usize, white: bool) -> Result<(u16, usize), Flaw> {
    let start = if white { octet::skip_white(bytes, colon + 1) } else { colon + 1 };
    let flaw = Flaw::at(FlawKind::Port, start);
    let (number, end) = scan_u64(bytes, start).map_err(|_| flaw)?;
    Ok((u16::try_from(number).map_err(|_| flaw)?, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_length_are_read_or_refused() {
        let zeros = "0".repeat(60_000) + "7";
        let nines = "9".repeat(60_000);
        for (text, number, clamped) in [
            ("0", Some(0), Some(0)),
            ("0068", Some(68), Some(68)),
            ("4294967295", Some(u32::MAX), Some(u32::MAX)),
            ("4294967296", None, Some(u32::MAX)),
            ("18446744073709551617", None, Some(u32::MAX)),
            (&nines, None, Some(u32::MAX)),
            (&zeros, Some(7), Some(7)),
            ("", None, None),
            ("-1", None, None),
            ("+1", None, None),
            ("1 ", None, None),
            ("1a", None, None),
            ("\u{661}", None, None),
        ] {
            assert_eq!(parse_u32(text.as_bytes()).ok(), number, "{text:.30}");
            assert_eq!(parse_delta_seconds(text.as_bytes()).ok(), clamped, "{text:.30}");
        }
        assert_eq!(parse_u32(b"12x"), Err(Flaw::at(FlawKind::Number, 2)));
    }

    #[test]
    fn ranges_are_kept() {
        assert_eq!(parse_max_forwards(b"255"), Ok(255));
        assert_eq!(parse_max_forwards(b"256"), Err(Flaw::at(FlawKind::Range, 0)));
        assert_eq!(parse_rseq(b"1"), Ok(1));
        assert_eq!(parse_rseq(b"0"), Err(Flaw::at(FlawKind::Range, 0)));
        for (text, status) in [
            (&b"100"[..], Some(100)),
            (b"699", Some(699)),
            (b"700", None),
            (b"099", None),
            (b"0200", None),
            (b"4294967301", None),
            (b"20", None),
        ] {
            assert_eq!(parse_status(text).ok(), status);
        }
    }

    #[test]
    fn q_values_are_thousandths() {
        for (text, q) in [
            ("0", Some(0)),
            ("1", Some(1000)),
            ("0.5", Some(500)),
            ("0.25", Some(250)),
            ("0.333", Some(333)),
            ("1.000", Some(1000)),
            ("1.", Some(1000)),
            (".7", Some(700)),
            (".", None),
            ("1.001", None),
            ("0.3333", None),
            ("2", None),
            ("0,5", None),
            ("0.a", None),
            ("-0.5", None),
            ("", None),
        ] {
            assert_eq!(parse_q(text.as_bytes()).ok(), q, "{text}");
        }
    }
}
