//! The `;name=value` tail of a URI or a header value.
//!
//! A tail is proved once, when the value around it is parsed; after that it is walked without errors, as often as one likes. The
//! work is linear in its bytes, and there is no bound on the number of parameters but the size of the message.

use super::flaw::{Flaw, FlawKind};
use super::octet::{self, PARAM_VALUE, TOKEN};
use super::runs::Runs;

/// The raw tail: empty, or beginning with `;` (white space may precede it).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Params<'a> {
    bytes: &'a [u8],
}

/// One parameter of a tail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param<'a> {
    pub name: &'a [u8],
    /// As it stands, quotes included; `None` for a flag like `;lr`.
    pub value: Option<&'a [u8]>,
}

/// Walks a tail.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Where the parameters of a header value end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tail {
    /// After the last byte of the last parameter.
    pub end: usize,
    /// The position of the comma that follows, or the length of the value.
    pub stop: usize,
}

impl<'a> Params<'a> {
    /// Proves a whole header tail: nothing may follow it.
    pub fn parse(bytes: &'a [u8]) -> Result<Params<'a>, Flaw> {
        let tail = scan_tail(&mut Runs::new(bytes, 0), 0, |_, _| Ok(()))?;
        if tail.stop != bytes.len() {
            return Err(Flaw::at(FlawKind::Trailing, tail.stop));
        }
        Ok(Params { bytes: &bytes[..tail.end] })
    }

    /// A tail that has been proved by the caller.
    pub(super) const fn proved(bytes: &'a [u8]) -> Params<'a> {
        Params { bytes }
    }

    /// The tail as it stands.
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    pub const fn iter(self) -> Iter<'a> {
        Iter { bytes: self.bytes, at: 0 }
    }

    /// The first parameter of that name, in any case.
    pub fn find(self, name: &[u8]) -> Option<Param<'a>> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name))
    }

    /// The value of the first parameter of that name, quotes included; `None` also for a flag.
    pub fn value_of(self, name: &[u8]) -> Option<&'a [u8]> {
        self.find(name)?.value
    }

    /// True when there is a parameter of that name, with a value or without.
    pub fn has(self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }
}

impl<'a> Param<'a> {
    /// The value without its quotes, its escapes still in it; a flag's is empty.
    pub fn text(self) -> &'a [u8] {
        unquoted(self.value.unwrap_or_default())
    }
}

/// `value` without the quotes around it; escapes inside stay.
pub fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

impl<'a> IntoIterator for Params<'a> {
    type Item = Param<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Param<'a>;

    #[inline]
    fn next(&mut self) -> Option<Param<'a>> {
        let bytes = self.bytes;
        let mut at = self.at;
        // The tail is proved, so only white space and `;` can stand before a name.
        while at < bytes.len() && (bytes[at] == b';' || octet::is(bytes[at], octet::WHITE)) {
            at += 1;
        }
        let start = at;
        while at < bytes.len() && !matches!(bytes[at], b';' | b'=') && !octet::is(bytes[at], octet::WHITE) {
            at += 1;
        }
        if at == start {
            self.at = bytes.len();
            return None;
        }
        let name = &bytes[start..at];
        let equal = octet::skip_white(bytes, at);
        if bytes.get(equal) != Some(&b'=') {
            self.at = at;
            return Some(Param { name, value: None });
        }
        let start = octet::skip_white(bytes, equal + 1);
        self.at = if bytes.get(start) == Some(&b'"') {
            octet::end_of_quoted(bytes, start).unwrap_or(bytes.len())
        } else {
            octet::end_of_run(bytes, start, PARAM_VALUE)
        };
        Some(Param { name, value: Some(&bytes[start..self.at]) })
    }
}

/// Walks the parameters of a header value from `at` (a `;`, white space, a comma or the end) and shows each to `visit`: its name and
/// its value with the quotes. Stops at a comma that is not quoted, or at the end.
#[inline(always)]
pub(super) fn scan_tail<'a>(
    runs: &mut Runs<'a>,
    mut at: usize,
    mut visit: impl FnMut(&'a [u8], Option<&'a [u8]>) -> Result<(), FlawKind>,
) -> Result<Tail, Flaw> {
    let value = runs.bytes();
    loop {
        let end = at;
        at = octet::skip_white(value, at);
        match value.get(at) {
            Some(b';') => {}
            None | Some(b',') => return Ok(Tail { end, stop: at }),
            Some(_) => return Err(Flaw::at(FlawKind::Trailing, at)),
        }
        let start = octet::skip_white(value, at + 1);
        at = runs.end(start, TOKEN);
        if at == start {
            return Err(Flaw::at(FlawKind::ParamName, at));
        }
        let name = &value[start..at];
        let equal = octet::skip_white(value, at);
        let mut text = None;
        if value.get(equal) == Some(&b'=') {
            let start = octet::skip_white(value, equal + 1);
            if value.get(start) == Some(&b'"') {
                at = octet::end_of_quoted(value, start).ok_or(Flaw::at(FlawKind::UnbalancedQuote, start))?;
            } else {
                at = runs.end(start, PARAM_VALUE);
                if at == start {
                    return Err(Flaw::at(FlawKind::ParamValue, at));
                }
            }
            text = Some(&value[start..at]);
        }
        visit(name, text).map_err(|kind| Flaw::at(kind, start))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_walked_as_they_stand() {
        type Pairs<'a> = &'a [(&'a str, Option<&'a str>)];
        let table: &[(&str, Pairs<'_>)] = &[
            ("", &[]),
            (" \r\n ", &[]),
            (";lr", &[("lr", None)]),
            (";a=1;b;c=\"x;y\\\"=\"", &[("a", Some("1")), ("b", None), ("c", Some("\"x;y\\\"=\""))]),
            (" ;\r\n tag = 98 ; q= 0.33 ;x", &[("tag", Some("98")), ("q", Some("0.33")), ("x", None)]),
            (";k=abc==;m=[2001:db8::1]", &[("k", Some("abc==")), ("m", Some("[2001:db8::1]"))]),
            (";a=\"\"", &[("a", Some("\"\""))]),
        ];
        for (tail, wanted) in table {
            let params = Params::parse(tail.as_bytes()).unwrap();
            let found: Vec<_> = params.iter().map(|p| (p.name, p.value)).collect();
            let wanted: Vec<_> = wanted.iter().map(|(n, v)| (n.as_bytes(), v.map(str::as_bytes))).collect();
            assert_eq!(found, wanted, "{tail:?}");
        }
    }

    #[test]
    fn flawed_tails_are_refused_where_they_break() {
        for (tail, kind, offset) in [
            (";", FlawKind::ParamName, 1),
            (";;a", FlawKind::ParamName, 1),
            (";a;", FlawKind::ParamName, 3),
            (";=1", FlawKind::ParamName, 1),
            (";a=", FlawKind::ParamValue, 3),
            (";a=;b", FlawKind::ParamValue, 3),
            (";a=\"x", FlawKind::UnbalancedQuote, 3),
            (";a=\"x\"y", FlawKind::Trailing, 6),
            (";a b", FlawKind::Trailing, 3),
            (";a\0", FlawKind::Trailing, 2),
            (";a=\u{e4}", FlawKind::ParamValue, 3),
            (";a,b", FlawKind::Trailing, 2),
            ("a", FlawKind::Trailing, 0),
        ] {
            assert_eq!(Params::parse(tail.as_bytes()), Err(Flaw::at(kind, offset)), "{tail:?}");
        }
    }

    #[test]
    fn names_are_found_in_any_case_and_the_first_counts() {
        let params = Params::parse(b";Tag=a;LR;tag=b;text=\"c \\\" d\"").unwrap();
        assert_eq!(params.value_of(b"tag"), Some(&b"a"[..]));
        assert_eq!(params.value_of(b"lr"), None);
        assert!(params.has(b"lr") && !params.has(b"ta"));
        assert_eq!(params.find(b"TEXT").unwrap().text(), b"c \\\" d");
        assert_eq!(params.find(b"lr").unwrap().text(), b"");
    }
}
