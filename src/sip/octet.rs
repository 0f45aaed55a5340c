//! What each byte may be part of, by the grammar of RFC 3261 §25, and the steps over white space and tokens that all values share.
//!
//! Values arrive with their folds still in them: CR and LF count as white space here, because the scanner has already proved that
//! those inside a value belong to folds.

/// Bytes of a token: methods, header names, parameter names, option tags.
pub const TOKEN: u8 = 1 << 0;
/// Bytes of the user part of a URI, without `%`. `#` is not in the grammar, but phones dial it unescaped.
pub const USER: u8 = 1 << 1;
/// Bytes of a URI parameter's name or value, without `%`.
pub const URI_PARAM: u8 = 1 << 2;
/// Bytes of a URI header's name or value, without `%`.
pub const URI_HEADER: u8 = 1 << 3;
/// Bytes of a host name or IPv4 address; the underscore is not in the grammar, but names in use have it.
pub const HOST: u8 = 1 << 4;
/// Bytes of a header parameter's unquoted value: all visible ASCII except what ends one. Wider than the grammar (token or host), so
/// that base64 with its `=` and bare IPv6 addresses pass.
pub const PARAM_VALUE: u8 = 1 << 5;
/// Space, tab, and the CR and LF of folds.
pub const WHITE: u8 = 1 << 6;
/// `unreserved` of RFC 3261 §25.1: what an escape never needs to hide.
pub const UNRESERVED: u8 = 1 << 7;

/// True when `byte` is in one of the `classes`.
#[inline]
pub const fn is(byte: u8, classes: u8) -> bool {
    CLASSES[byte as usize] & classes != 0
}

/// The first position at or after `at` whose byte is in none of the `classes`.
#[inline]
pub fn end_of_run(bytes: &[u8], mut at: usize, classes: u8) -> usize {
    while at < bytes.len() && is(bytes[at], classes) {
        at += 1;
    }
    at
}

/// The first position at or after `at` that is not white space.
#[inline]
pub fn skip_white(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] <= b' ' && is(bytes[at], WHITE) {
        at += 1;
    }
    at
}

/// `bytes` without the white space at both ends.
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is(*first, WHITE)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is(*last, WHITE)
    {
        bytes = rest;
    }
    bytes
}

/// True when `bytes` is a token: not empty, and of token bytes only.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && end_of_run(bytes, 0, TOKEN) == bytes.len()
}

/// True when `bytes` are the word `lower`, in any case. `lower` is of small letters, digits and what else has bit 0x20 set, and `bytes` is of
/// visible bytes, so that setting this bit folds the case and nothing else.
#[inline]
pub fn is_word<const N: usize>(bytes: &[u8], lower: &[u8; N]) -> bool {
    let Ok(bytes) = <&[u8; N]>::try_from(bytes) else { return false };
    let mut difference = 0;
    for i in 0..N {
        difference |= (bytes[i] | 0x20) ^ lower[i];
    }
    difference == 0
}

/// The position after the closing quote of the quoted string that opens at `at`; `None` when nothing closes it.
#[inline]
pub fn end_of_quoted(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        let rest = bytes.get(at..)?;
        let found = memchr::memchr2(b'"', b'\\', rest)?;
        if rest[found] == b'"' {
            return Some(at + found + 1);
        }
        at += found + 2;
    }
}

/// The value of a hexadecimal digit.
#[inline]
pub const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Walks `bytes` with their escapes undone, as RFC 3261 §19.1.4 compares them: an escape is the byte that it stands for, except that
/// an escaped reserved byte is not the bare one. Escapes that stay are `ESCAPED` and their byte.
pub fn unescape(bytes: &[u8]) -> impl Iterator<Item = u16> + Clone + '_ {
    let mut at = 0;
    core::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        if byte == b'%'
            && let Some([high, low]) = bytes.get(at + 1..at + 3)
            && let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low))
        {
            at += 3;
            let byte = high << 4 | low;
            return Some(u16::from(byte) | if is_reserved(byte) { ESCAPED } else { 0 });
        }
        at += 1;
        Some(u16::from(byte))
    })
}

/// Marks what `unescape` leaves escaped.
pub const ESCAPED: u16 = 0x100;

/// True when `bytes`, with escapes undone, are `plain`, in any case.
pub fn is_unescaped(bytes: &[u8], plain: &[u8]) -> bool {
    if bytes.len() == plain.len() {
        return bytes.eq_ignore_ascii_case(plain);
    }
    bytes.len() > plain.len()
        && bytes.contains(&b'%')
        && unescape(bytes).map(to_lower).eq(plain.iter().map(|&byte| to_lower(u16::from(byte))))
}

/// The lower case of what `unescape` yields.
pub const fn to_lower(unit: u16) -> u16 {
    if unit < 0x80 { (unit as u8).to_ascii_lowercase() as u16 } else { unit }
}

/// `reserved` of RFC 3261 §25.1: bytes whose escaped form means something else than the byte.
pub const fn is_reserved(byte: u8) -> bool {
    among(byte, b";/?:@&=+$,")
}

/// Where `part`, a piece of `whole`, begins inside it. Panics when it is not a piece of it: that is a fault of ours.
pub fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    let offset = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    assert!(offset <= whole.len() && part.len() <= whole.len() - offset, "a part lies inside its whole");
    offset
}

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let b = byte as u8;
        let alphanumeric = b.is_ascii_alphanumeric();
        let unreserved = alphanumeric || among(b, b"-_.!~*'()");
        let mut classes = 0;
        if alphanumeric || among(b, b"-.!%*_+`'~") {
            classes |= TOKEN;
        }
        if unreserved || among(b, b"&=+$,;?/#") {
            classes |= USER;
        }
        if unreserved || among(b, b"[]/:&+$") {
            classes |= URI_PARAM;
        }
        if unreserved || among(b, b"[]/?:+$") {
            classes |= URI_HEADER;
        }
        if alphanumeric || among(b, b"-._") {
            classes |= HOST;
        }
        if b.is_ascii_graphic() && !among(b, b"\";,<>") {
            classes |= PARAM_VALUE;
        }
        if among(b, b" \t\r\n") {
            classes |= WHITE;
        }
        if unreserved {
            classes |= UNRESERVED;
        }
        table[byte] = classes;
        byte += 1;
    }
    table
}

const fn among(byte: u8, set: &[u8]) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set[i] == byte {
            return true;
        }
        i += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_the_bytes_of_the_grammar() {
        let count = |class| (0..=255u8).filter(|&b| is(b, class)).count();
        assert_eq!(count(TOKEN), 62 + 10);
        assert_eq!(count(UNRESERVED), 62 + 9);
        assert_eq!(count(USER), 62 + 9 + 9);
        assert_eq!(count(URI_PARAM), 62 + 9 + 7);
        assert_eq!(count(URI_HEADER), 62 + 9 + 7);
        assert_eq!(count(HOST), 62 + 3);
        assert_eq!(count(PARAM_VALUE), 94 - 5);
        assert_eq!(count(WHITE), 4);
        for byte in [0u8, 0x1f, b' ', 0x7f, 0x80, 0xff, b'"', b'<', b'>'] {
            assert!(!is(byte, TOKEN | USER | URI_PARAM | URI_HEADER | HOST | PARAM_VALUE), "{byte}");
        }
    }

    #[test]
    fn quoted_strings_end_at_the_first_bare_quote() {
        for (text, end) in [
            (&b"\"\""[..], Some(2)),
            (b"\"a\"b", Some(3)),
            (b"\"a\\\"b\"", Some(6)),
            (b"\"a\\\\\"b\"", Some(5)),
            (b"\"", None),
            (b"\"a\\", None),
            (b"\"a\\\"", None),
        ] {
            assert_eq!(end_of_quoted(text, 0), end, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn white_space_is_skipped_and_trimmed_with_its_folds() {
        assert_eq!(skip_white(b"a \r\n\tb", 1), 5);
        assert_eq!(skip_white(b"a\x01", 1), 1);
        assert_eq!(skip_white(b"a", 1), 1);
        assert_eq!(trim(b"\r\n a b\t "), b"a b");
        assert_eq!(trim(b" \t"), b"");
    }

    #[test]
    fn a_part_knows_its_offset() {
        let whole = b"abcdef";
        assert_eq!(offset_in(whole, &whole[2..4]), 2);
        assert_eq!(offset_in(whole, &whole[6..]), 6);
    }

    #[test]
    #[should_panic(expected = "a part lies inside its whole")]
    fn a_stranger_is_no_part() {
        offset_in(&b"abcdef"[..3], &b"xyz"[..]);
    }
}
