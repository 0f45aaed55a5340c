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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NameAddr<'a> {
    /// As it stands, quotes included and white space around it not; empty, where the URI or its bracket begins, when there is none.
    pub display: &'a [u8],
    /// What stands in the angle brackets, or before the parameters when there are none: not yet proved to be a URI.
    pub uri: &'a [u8],
    /// The parameters of the header, never those of the URI; empty, where they would begin, when there are none.
    pub params: Params<'a>,
    /// True when the URI stands in angle brackets. Without them, what follows a `;` belongs to the header (§20.10).
    pub bracketed: bool,
    slots: [Slot; SLOTS],
}

/// Where the value of a parameter lies in `params`; both are 0 when it is not there. A flag has an empty value. Small, because addresses are
/// moved often and asked little.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Slot {
    start: u16,
    end: u16,
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
        let mut address = NameAddr::default();
        let stop = scan_address(value, 0, &mut address)?;
        if stop != value.len() {
            return Err(Flaw::at(FlawKind::Trailing, stop));
        }
        Ok(address)
    }

    /// Parses the first element of a list, and returns what stands behind its comma (`None` after the last one).
    #[inline]
    pub fn parse_first(value: &'a [u8]) -> Result<(NameAddr<'a>, Option<&'a [u8]>), Flaw> {
        let mut address = NameAddr::default();
        let stop = scan_address(value, 0, &mut address)?;
        Ok((address, value.get(stop + 1..)))
    }

    /// The elements of a list value, one after the other.
    pub fn list(value: &'a [u8]) -> Addresses<'a> {
        Addresses { value, at: 0, done: octet::skip_white(value, 0) == value.len() }
    }

    /// The tag of From and To.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.slot(TAG)
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
        Some(number::parse_delta_seconds(self.slot(EXPIRES)?).unwrap_or(EXPIRES_MALFORMED_S))
    }

    /// The `q` parameter in thousandths. A flaw counts from the start of `params`.
    pub fn q(&self) -> Result<Option<u16>, Flaw> {
        let Some(text) = self.slot(Q) else { return Ok(None) };
        let flawed = |flaw: Flaw| flaw.behind(octet::offset_in(self.params.bytes(), text));
        number::parse_q(text).map(Some).map_err(flawed)
    }

    /// The `+sip.instance` parameter (RFC 5626 §4.1) without its quotes and angle brackets, as `urn:uuid:…`.
    pub fn instance(&self) -> Option<&'a [u8]> {
        match self.slot(INSTANCE)? {
            [b'"', b'<', urn @ .., b'>', b'"'] if !urn.is_empty() => Some(urn),
            _ => None,
        }
    }

    /// The `reg-id` parameter, 1 to 2^31-1 (RFC 5626 §4.2). Others count as none.
    pub fn reg_id(&self) -> Option<u32> {
        let id = number::parse_u32(self.slot(REG_ID)?).ok()?;
        (1..1 << 31).contains(&id).then_some(id)
    }

    fn slot(&self, index: usize) -> Option<&'a [u8]> {
        let Slot { start, end } = self.slots[index];
        if end == 0 { None } else { Some(&self.params.bytes()[usize::from(start)..usize::from(end)]) }
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
        let mut address = NameAddr::default();
        match scan_address(self.value, self.at, &mut address) {
            Ok(stop) => {
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

/// The parameters that registrars and dialogs ask for, by their index in `slots`.
const SLOTS: usize = 5;
const TAG: usize = 0;
const Q: usize = 1;
const EXPIRES: usize = 2;
const INSTANCE: usize = 3;
const REG_ID: usize = 4;

/// What an `expires` parameter that is no number counts as (RFC 3261 §10.2.1.1).
const EXPIRES_MALFORMED_S: u32 = 3600;

/// Reads the address that begins at `at` into `address`, where it is not moved again, and returns the position of the comma behind it, or the
/// length of the value.
#[inline(always)]
fn scan_address<'a>(value: &'a [u8], at: usize, address: &mut NameAddr<'a>) -> Result<usize, Flaw> {
    let start = octet::skip_white(value, at);
    let (display, open) = match value.get(start) {
        None => return Err(Flaw::at(FlawKind::Empty, start)),
        Some(b',') => return Err(Flaw::at(FlawKind::EmptyElement, start)),
        Some(b'<') => (&value[start..start], start),
        Some(b'"') => {
            let end = octet::end_of_quoted(value, start).ok_or(Flaw::at(FlawKind::UnbalancedQuote, start))?;
            let open = octet::skip_white(value, end);
            if value.get(open) != Some(&b'<') {
                return Err(Flaw::at(FlawKind::DisplayName, open));
            }
            (&value[start..end], open)
        }
        Some(_) => {
            let end = octet::end_of_run(value, start, TOKEN);
            if value.get(end) == Some(&b':') && end > start {
                return scan_bare(value, start, address);
            }
            // RFC 4475 §3.1.1.6: no space is needed between the last token and the bracket.
            let open = octet::end_of_run(value, end, TOKEN | octet::WHITE);
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
    address.display = display;
    address.uri = uri;
    address.bracketed = true;
    scan_params(value, close + 1, address)
}

/// An addr-spec without brackets: it ends at white space, `;` or the end. A URI with `?` or a comma would have needed them (§20).
fn scan_bare<'a>(value: &'a [u8], start: usize, address: &mut NameAddr<'a>) -> Result<usize, Flaw> {
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
    address.display = &value[start..start];
    address.uri = &value[start..end];
    scan_params(value, end, address)
}

/// Reads the parameters of the header that begin at `at`.
#[inline(always)]
fn scan_params<'a>(value: &'a [u8], at: usize, address: &mut NameAddr<'a>) -> Result<usize, Flaw> {
    if at == value.len() {
        address.params = Params::proved(&value[at..]);
        return Ok(at);
    }
    let mut slots = [Slot::default(); SLOTS];
    let tail = params::scan_tail(&mut Runs::new(value, at), at, |name, text| {
        let index = match name.len() {
            1 if octet::is_word(name, b"q") => Q,
            3 if octet::is_word(name, b"tag") => TAG,
            6 if octet::is_word(name, b"reg-id") => REG_ID,
            7 if octet::is_word(name, b"expires") => EXPIRES,
            13 if octet::is_word(name, b"+sip.instance") => INSTANCE,
            _ => return Ok(()),
        };
        if slots[index].end != 0 {
            return Err(FlawKind::RepeatedParam);
        }
        // A tag is what dialogs are found by: there is no empty one.
        if index == TAG && text.is_none() {
            return Err(FlawKind::ParamValue);
        }
        let text = text.unwrap_or(&name[name.len()..]);
        let start = octet::offset_in(value, text) - at;
        slots[index] = Slot { start: start as u16, end: (start + text.len()) as u16 };
        Ok(())
    })?;
    address.slots = slots;
    address.params = Params::proved(&value[at..tail.end]);
    Ok(tail.stop)
}

#[cfg(test)]
mod tests;
