//! A display name, a URI and header parameters: From, To, Contact, Route, Record-Route, Path, Service-Route, Refer-To and their kin
//! (RFC 3261 §20.10).
//!
//! The URI is kept as bytes: most of those in a message are never looked into.

use super::flaw::{Flaw, FlawKind};
use super::octet::{self, TOKEN};
use super::params::{self, Params};
use super::runs::Runs;
use super::{number, uri};

/// One name-addr or addr-spec with the parameters that belong to the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameAddr<'a> {
    /// As it stands, quotes included and white space around it not; empty when there is none.
    pub display: &'a [u8],
    /// What stands in the angle brackets, or before the parameters when there are none: not yet proved to be a URI.
    pub uri: &'a [u8],
    /// The parameters of the header, never those of the URI.
    pub params: Params<'a>,
    /// True when the URI stands in angle brackets. Without them, what follows a `;` belongs to the header (§20.10).
    pub bracketed: bool,
    slots: Slots<'a>,
}

/// The parameters that registrars and dialogs ask for, as they stand; a flag has an empty value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Slots<'a> {
    tag: Option<&'a [u8]>,
    q: Option<&'a [u8]>,
    expires: Option<&'a [u8]>,
    instance: Option<&'a [u8]>,
    reg_id: Option<&'a [u8]>,
}

/// One element of a Contact header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contact<'a> {
    /// `*`: every binding (§10.2.2).
    Star,
    Address(NameAddr<'a>),
}

/// The addresses of a list header (Contact without `*`, Route …). Stops after the first flaw.
#[derive(Clone, Debug)]
pub struct Addresses<'a> {
    value: &'a [u8],
    at: usize,
    done: bool,
}

impl<'a> NameAddr<'a> {
    /// Parses one whole value or list element.
    #[inline]
    pub fn parse(value: &'a [u8]) -> Result<NameAddr<'a>, Flaw> {
        let (address, stop) = scan_address(value, 0)?;
        if stop != value.len() {
            return Err(Flaw::at(FlawKind::Trailing, stop));
        }
        Ok(address)
    }

    /// Parses the first element of a list, and returns what stands behind its comma (`None` after the last one).
    #[inline]
    pub fn parse_first(value: &'a [u8]) -> Result<(NameAddr<'a>, Option<&'a [u8]>), Flaw> {
        let (address, stop) = scan_address(value, 0)?;
        Ok((address, value.get(stop + 1..)))
    }

    /// The elements of a list value, one after the other.
    pub fn list(value: &'a [u8]) -> Addresses<'a> {
        Addresses { value, at: 0, done: octet::skip_white(value, 0) == value.len() }
    }

    /// The tag of From and To.
    pub const fn tag(&self) -> Option<&'a [u8]> {
        self.slots.tag
    }

    /// The display name without its quotes; escapes inside stay.
    pub fn display_text(&self) -> &'a [u8] {
        params::unquoted(self.display)
    }

    /// The URI, parsed.
    pub fn parse_uri(&self) -> Result<uri::Uri<'a>, Flaw> {
        uri::Uri::parse(self.uri)
    }

    /// The `expires` parameter in seconds. One that is no number counts as 3600 (§10.2.1.1).
    pub fn expires_s(&self) -> Option<u32> {
        Some(number::parse_delta_seconds(self.slots.expires?).unwrap_or(EXPIRES_MALFORMED_S))
    }

    /// The `q` parameter in thousandths. A flaw counts from the start of `params`.
    pub fn q(&self) -> Result<Option<u16>, Flaw> {
        let Some(text) = self.slots.q else { return Ok(None) };
        let flawed = |flaw: Flaw| flaw.behind(octet::offset_in(self.params.bytes(), text));
        number::parse_q(text).map(Some).map_err(flawed)
    }

    /// The `+sip.instance` parameter (RFC 5626 §4.1) without its quotes and angle brackets, as `urn:uuid:…`.
    pub fn instance(&self) -> Option<&'a [u8]> {
        match self.slots.instance? {
            [b'"', b'<', urn @ .., b'>', b'"'] if !urn.is_empty() => Some(urn),
            _ => None,
        }
    }

    /// The `reg-id` parameter, 1 to 2^31-1 (RFC 5626 §4.2). Others count as none.
    pub fn reg_id(&self) -> Option<u32> {
        let id = number::parse_u32(self.slots.reg_id?).ok()?;
        (1..1 << 31).contains(&id).then_some(id)
    }
}

impl<'a> Contact<'a> {
    /// Parses one list element. `*` takes no parameters.
    pub fn parse(element: &'a [u8]) -> Result<Contact<'a>, Flaw> {
        if element == b"*" {
            return Ok(Contact::Star);
        }
        NameAddr::parse(element).map(Contact::Address)
    }
}

impl<'a> Iterator for Addresses<'a> {
    type Item = Result<NameAddr<'a>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match scan_address(self.value, self.at) {
            Ok((address, stop)) => {
                self.done = stop >= self.value.len();
                self.at = stop + 1;
                Some(Ok(address))
            }
            Err(flaw) => {
                self.done = true;
                Some(Err(flaw))
            }
        }
    }
}

/// What an `expires` parameter that is no number counts as (RFC 3261 §10.2.1.1).
const EXPIRES_MALFORMED_S: u32 = 3600;

/// The address that begins at `at`, and the position of the comma behind it, or the length of the value.
#[inline(always)]
fn scan_address(value: &[u8], at: usize) -> Result<(NameAddr<'_>, usize), Flaw> {
    let start = octet::skip_white(value, at);
    let mut runs = Runs::new(value, start);
    let (display, open) = match value.get(start) {
        None => return Err(Flaw::at(FlawKind::Empty, start)),
        Some(b',') => return Err(Flaw::at(FlawKind::EmptyElement, start)),
        Some(b'<') => (&value[start..start], start),
        Some(b'"') => {
            let end = runs.end_of_quoted(start).ok_or(Flaw::at(FlawKind::UnbalancedQuote, start))?;
            let open = octet::skip_white(value, end);
            if value.get(open) != Some(&b'<') {
                return Err(Flaw::at(FlawKind::DisplayName, open));
            }
            (&value[start..end], open)
        }
        Some(_) => {
            let end = runs.end(start, TOKEN);
            if value.get(end) == Some(&b':') && end > start {
                return scan_bare(&mut runs, start);
            }
            // RFC 4475 §3.1.1.6: no space is needed between the last token and the bracket.
            let open = runs.end(end, TOKEN | octet::WHITE);
            if value.get(open) != Some(&b'<') {
                return Err(Flaw::at(FlawKind::DisplayName, open));
            }
            (octet::trim(&value[start..open]), open)
        }
    };
    let close =
        memchr::memchr(b'>', &value[open..]).ok_or(Flaw::at(FlawKind::UnbalancedBracket, open))? + open;
    let uri = &value[open + 1..close];
    match uri {
        [] => return Err(Flaw::at(FlawKind::Empty, close)),
        // White space inside the brackets is not in the grammar (RFC 4475 §3.1.2.14).
        [first, ..] if octet::is(*first, octet::WHITE) => return Err(Flaw::at(FlawKind::Scheme, open + 1)),
        _ => {}
    }
    finish(&mut runs, display, uri, close + 1, true)
}

/// An addr-spec without brackets: it ends at white space, `;` or the end. A URI with `?` or a comma would have needed them (§20).
fn scan_bare<'a>(runs: &mut Runs<'a>, start: usize) -> Result<(NameAddr<'a>, usize), Flaw> {
    let value = runs.bytes();
    let mut end = start;
    while let Some(&byte) = value.get(end) {
        match byte {
            b';' | b',' => break,
            b'?' => return Err(Flaw::at(FlawKind::NeedsBrackets, end)),
            b'<' | b'>' | b'"' => return Err(Flaw::at(FlawKind::UnbalancedBracket, end)),
            _ if octet::is(byte, octet::WHITE) => break,
            _ => end += 1,
        }
    }
    finish(runs, &value[start..start], &value[start..end], end, false)
}

#[inline(always)]
fn finish<'a>(
    runs: &mut Runs<'a>,
    display: &'a [u8],
    uri: &'a [u8],
    at: usize,
    bracketed: bool,
) -> Result<(NameAddr<'a>, usize), Flaw> {
    let value = runs.bytes();
    let mut slots = Slots::default();
    let tail = params::scan_tail(runs, at, |name, text| {
        let slot = match name.len() {
            1 if octet::is_word(name, b"q") => &mut slots.q,
            3 if octet::is_word(name, b"tag") => &mut slots.tag,
            6 if octet::is_word(name, b"reg-id") => &mut slots.reg_id,
            7 if octet::is_word(name, b"expires") => &mut slots.expires,
            13 if octet::is_word(name, b"+sip.instance") => &mut slots.instance,
            _ => return Ok(()),
        };
        if slot.is_some() {
            return Err(FlawKind::RepeatedParam);
        }
        *slot = Some(text.unwrap_or(&name[name.len()..]));
        Ok(())
    })?;
    // A tag is what dialogs are found by: there is no empty one.
    if slots.tag.is_some_and(<[u8]>::is_empty) {
        return Err(Flaw::at(FlawKind::ParamValue, tail.end));
    }
    let params = Params::proved(&value[at..tail.end]);
    Ok((NameAddr { display, uri, params, bracketed, slots }, tail.stop))
}

#[cfg(test)]
mod tests;
