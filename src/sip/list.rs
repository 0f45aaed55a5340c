//! The elements of a comma separated header value (RFC 3261 §7.3): several of them in one line are the same as one in each of several lines.

use super::flaw::{Flaw, FlawKind};
use super::octet;

/// Walks the elements of a value, each without white space around it. Commas in quoted strings and in angle brackets do not separate.
/// A value without anything in it has no elements; an empty element beside others is a flaw, which its caller may pass over. After a quote or bracket
/// that does not end there is nothing more. Bounded by the bytes of the value.
#[derive(Clone, Debug)]
pub struct Split<'a> {
    value: &'a [u8],
    at: usize,
    /// A comma was the last thing seen, so one more element is owed.
    owed: bool,
}

/// The elements of `value`.
pub fn split(value: &[u8]) -> Split<'_> {
    Split { value, at: 0, owed: octet::skip_white(value, 0) < value.len() }
}

/// The first element of `value`, and what stands behind its comma. The rest is empty at the end of the value.
pub fn split_first(value: &[u8]) -> Result<(&[u8], &[u8]), Flaw> {
    let end = scan_element(value, 0)?;
    let element = octet::trim(&value[..end]);
    if element.is_empty() {
        return Err(Flaw::at(FlawKind::EmptyElement, end));
    }
    Ok((element, value.get(end + 1..).unwrap_or_default()))
}

impl<'a> Iterator for Split<'a> {
    type Item = Result<&'a [u8], Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.owed {
            return None;
        }
        let start = self.at;
        let end = match scan_element(self.value, start) {
            Ok(end) => end,
            Err(flaw) => {
                self.owed = false;
                return Some(Err(flaw));
            }
        };
        self.owed = end < self.value.len();
        self.at = end + 1;
        let element = octet::trim(&self.value[start..end]);
        if element.is_empty() {
            return Some(Err(Flaw::at(FlawKind::EmptyElement, start)));
        }
        Some(Ok(element))
    }
}

/// The position of the comma that ends the element which begins at `at`, or the length of the value.
fn scan_element(value: &[u8], mut at: usize) -> Result<usize, Flaw> {
    loop {
        let Some(found) = value[at..].iter().position(|&byte| matches!(byte, b',' | b'"' | b'<')) else {
            return Ok(value.len());
        };
        at += found;
        match value[at] {
            b'"' => at = octet::end_of_quoted(value, at).ok_or(Flaw::at(FlawKind::UnbalancedQuote, at))?,
            b'<' => {
                let close = memchr::memchr(b'>', &value[at..]);
                at += close.ok_or(Flaw::at(FlawKind::UnbalancedBracket, at))? + 1;
            }
            _ => return Ok(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_separate_outside_quotes_and_brackets_only() {
        let empty = |offset| Err(Flaw::at(FlawKind::EmptyElement, offset));
        let table: &[(&str, &[Result<&str, Flaw>])] = &[
            ("", &[]),
            (" \r\n ", &[]),
            ("a", &[Ok("a")]),
            (" a , b\r\n ,c", &[Ok("a"), Ok("b"), Ok("c")]),
            ("a,,b", &[Ok("a"), empty(2), Ok("b")]),
            (",", &[empty(0), empty(1)]),
            ("a,", &[Ok("a"), empty(2)]),
            ("<sip:a,b@c>;x=1,<sip:d>", &[Ok("<sip:a,b@c>;x=1"), Ok("<sip:d>")]),
            ("\"a, \\\"b\" <sip:c>, d", &[Ok("\"a, \\\"b\" <sip:c>"), Ok("d")]),
            ("a;x=\"<\",b", &[Ok("a;x=\"<\""), Ok("b")]),
            ("a,\"b,c", &[Ok("a"), Err(Flaw::at(FlawKind::UnbalancedQuote, 2))]),
            ("a,<b,c", &[Ok("a"), Err(Flaw::at(FlawKind::UnbalancedBracket, 2))]),
        ];
        for (value, elements) in table {
            let found: Vec<_> = split(value.as_bytes()).collect();
            let wanted: Vec<_> = elements.iter().map(|e| e.map(str::as_bytes)).collect();
            assert_eq!(found, wanted, "{value:?}");
        }
    }

    #[test]
    fn the_first_element_leaves_the_rest() {
        assert_eq!(split_first(b"a , b,c"), Ok((&b"a"[..], &b" b,c"[..])));
        assert_eq!(split_first(b"a"), Ok((&b"a"[..], &b""[..])));
        assert_eq!(split_first(b" ,a"), Err(Flaw::at(FlawKind::EmptyElement, 1)));
    }
}
