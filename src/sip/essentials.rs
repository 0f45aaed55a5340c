//! What a proxy and a registrar need of every message, proved in one walk (RFC 3261 §16.3 step 1).
//!
//! What is not here is parsed when somebody asks for it, and an error there costs that header alone. Forgiven, because peers send it and
//! nothing breaks: no Max-Forwards, no From tag (RFC 2543), any Via below the topmost.

use super::cseq::Cseq;
use super::flaw::{Flaw, FlawKind};
use super::header_id::HeaderId;
use super::index::HeaderLine;
use super::malformed::Malformed;
use super::message::Message;
use super::name_addr::{Addresses, NameAddr};
use super::number;
use super::octet;
use super::uri::{Scheme, Uri};
use super::via::Via;

/// The proved values of one message.
#[derive(Clone, Copy, Debug)]
pub struct Essentials<'a> {
    /// The topmost Via.
    pub via: Via<'a>,
    /// Where its value begins in the message: offsets in `via` count from here.
    pub via_start: u16,
    pub from: NameAddr<'a>,
    pub to: NameAddr<'a>,
    pub call_id: &'a [u8],
    /// Of a request with the method of its request line.
    pub cseq: Cseq<'a>,
    /// The Request-URI, of whatever scheme; `None` in a response.
    pub uri: Option<Uri<'a>>,
    pub contacts: Contacts<'a>,
    /// The topmost Route.
    pub route: Option<NameAddr<'a>>,
    /// Elements of all Route lines; each has the form of one.
    pub route_count: u16,
    /// `None` when the header is not there, and in responses.
    pub max_forwards: Option<u8>,
    pub expires_s: Option<u32>,
}

/// The Contact headers; their elements have been proved, and are walked again with [`Contacts::of`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Contacts<'a> {
    /// Elements of all lines, `*` among them.
    pub count: u16,
    /// One of the lines is `*` (§10.2.2). Valid only alone, which is for the registrar to say.
    pub has_star: bool,
    pub first: Option<NameAddr<'a>>,
}

impl<'a> Essentials<'a> {
    /// Proves the essential headers of a message.
    ///
    /// # Errors
    /// One of them is missing, stands twice where it may not, or does not fit its grammar; or the CSeq names another method than the request line.
    #[inline]
    pub fn parse(message: &Message<'a>) -> Result<Essentials<'a>, Malformed> {
        let index = message.index();
        for header in [
            HeaderId::From,
            HeaderId::To,
            HeaderId::CallId,
            HeaderId::Cseq,
            HeaderId::MaxForwards,
            HeaderId::Expires,
        ] {
            if let Some(second) = index.second_line(header) {
                return Err(Malformed::Multiple { header, offset: second.start });
            }
        }
        let via_line = required(message, HeaderId::Via)?;
        let via = Via::parse(message.value(via_line)).map_err(|flaw| message.bad(via_line, flaw))?;
        let from = parse_required(message, HeaderId::From, NameAddr::parse)?;
        let to = parse_required(message, HeaderId::To, NameAddr::parse)?;
        let call_id = parse_required(message, HeaderId::CallId, parse_call_id)?;
        let cseq = parse_required(message, HeaderId::Cseq, Cseq::parse)?;
        let mut uri = None;
        let mut max_forwards = None;
        if message.is_request() {
            uri = Some(parse_request_uri(message)?);
            if cseq.method != message.method_name() {
                let offset = octet::offset_in(message.bytes(), cseq.method) as u16;
                return Err(Malformed::CseqMethod { offset });
            }
            max_forwards = parse_optional(message, HeaderId::MaxForwards, number::parse_max_forwards)?;
        }
        let (route, route_count) = parse_routes(message)?;
        Ok(Essentials {
            via,
            via_start: via_line.value_start,
            from,
            to,
            call_id,
            cseq,
            uri,
            contacts: Contacts::parse(message)?,
            route,
            route_count,
            max_forwards,
            expires_s: parse_optional(message, HeaderId::Expires, number::parse_delta_seconds)?,
        })
    }
}

impl<'a> Contacts<'a> {
    /// The addresses of a message's Contact lines, without a `*`. Of a message whose essentials were proved each of them is `Ok`.
    pub fn of(message: &Message<'a>) -> impl Iterator<Item = Result<NameAddr<'a>, Malformed>> + use<'a> {
        addresses(message, HeaderId::Contact)
    }

    #[inline(always)]
    fn parse(message: &Message<'a>) -> Result<Contacts<'a>, Malformed> {
        let mut contacts = Contacts::default();
        for line in message.all(HeaderId::Contact) {
            let value = message.value(line);
            if value == b"*" {
                contacts.has_star = true;
                contacts.count += 1;
                continue;
            }
            for address in NameAddr::list(value) {
                let address = address.map_err(|flaw| message.bad(line, flaw))?;
                contacts.first = contacts.first.or(Some(address));
                contacts.count += 1;
            }
        }
        Ok(contacts)
    }
}

/// The addresses of all lines of a list header, in their order: Route, Record-Route, Path, Service-Route, Contact (without `*`).
pub fn addresses<'a>(
    message: &Message<'a>,
    id: HeaderId,
) -> impl Iterator<Item = Result<NameAddr<'a>, Malformed>> + use<'a> {
    let message = *message;
    message.all(id).flat_map(move |line| {
        let value = message.value(line);
        let addresses: Addresses<'a> = NameAddr::list(if value == b"*" { b"" } else { value });
        addresses.map(move |address| address.map_err(|flaw| message.bad(line, flaw)))
    })
}

#[inline]
fn required<'a>(message: &Message<'a>, header: HeaderId) -> Result<&'a HeaderLine, Malformed> {
    message.first(header).ok_or(Malformed::Missing { header })
}

#[inline(always)]
fn parse_required<'a, T>(
    message: &Message<'a>,
    header: HeaderId,
    parse: impl FnOnce(&'a [u8]) -> Result<T, Flaw>,
) -> Result<T, Malformed> {
    let line = required(message, header)?;
    parse(message.value(line)).map_err(|flaw| message.bad(line, flaw))
}

#[inline(always)]
fn parse_optional<'a, T>(
    message: &Message<'a>,
    header: HeaderId,
    parse: impl FnOnce(&'a [u8]) -> Result<T, Flaw>,
) -> Result<Option<T>, Malformed> {
    match message.first(header) {
        Some(line) => parse(message.value(line)).map(Some).map_err(|flaw| message.bad(line, flaw)),
        None => Ok(None),
    }
}

/// Compared byte by byte ever after (§20.8), so its grammar does not matter beyond being one visible word.
#[inline]
fn parse_call_id(value: &[u8]) -> Result<&[u8], Flaw> {
    if value.is_empty() {
        return Err(Flaw::at(FlawKind::Empty, 0));
    }
    if value.iter().fold(u8::MAX, |least, &byte| least.min(byte)) <= b' ' {
        let offset = value.iter().position(|&byte| byte <= b' ').unwrap_or_default();
        return Err(Flaw::at(FlawKind::Trailing, offset));
    }
    Ok(value)
}

#[inline]
fn parse_request_uri<'a>(message: &Message<'a>) -> Result<Uri<'a>, Malformed> {
    let start = message.request_uri_range().start as u16;
    let uri = Uri::parse(message.request_uri())
        .map_err(|flaw| Malformed::RequestUri { offset: start + flaw.offset })?;
    // RFC 4475 §3.1.2.11: headers are not allowed in a Request-URI.
    if !uri.headers.is_empty() && matches!(uri.scheme, Scheme::Sip | Scheme::Sips) {
        let offset = start + octet::offset_in(uri.bytes, uri.headers) as u16;
        return Err(Malformed::RequestUri { offset });
    }
    Ok(uri)
}

#[inline(always)]
fn parse_routes<'a>(message: &Message<'a>) -> Result<(Option<NameAddr<'a>>, u16), Malformed> {
    let mut first = None;
    let mut count = 0;
    for line in message.all(HeaderId::Route) {
        for address in NameAddr::list(message.value(line)) {
            let address = address.map_err(|flaw| message.bad(line, flaw))?;
            first = first.or(Some(address));
            count += 1;
        }
    }
    Ok((first, count))
}
