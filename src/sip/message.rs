//! A message: its bytes and where things are in them. Nothing is copied, and nothing is allocated.

use super::flaw::Flaw;
use super::header_id::HeaderId;
use super::index::{HeaderLine, Index, StartLine};
use super::list::{self, Split};
use super::malformed::Malformed;
use super::method::Method;
use super::octet;
use crate::scan;

/// A request or response whose start line and header lines are located and named. Values are parsed when they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    index: &'a Index,
}

/// The start line of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start<'a> {
    Request { method: Method, method_name: &'a [u8], uri: &'a [u8] },
    Response { status: u16, reason: &'a [u8] },
}

/// One element of a header that is a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Value<'a> {
    /// The line it stands in.
    pub line: &'a HeaderLine,
    /// Its first byte, from the start of the message.
    pub start: u16,
    /// Without white space around it.
    pub bytes: &'a [u8],
}

/// Walks the elements of all lines of one header.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    message: Message<'a>,
    id: HeaderId,
    lines: core::slice::Iter<'a, HeaderLine>,
    current: Option<(&'a HeaderLine, Split<'a>)>,
}

impl<'a> Message<'a> {
    /// Locates everything in one message: a datagram, or what `framing` cut from a stream. CR LF before the start line and bytes behind the
    /// body are not part of it.
    ///
    /// # Errors
    /// The head is not the head of a SIP message, or the body is shorter than Content-Length says. Values are not looked at.
    #[inline]
    pub fn parse(bytes: &'a [u8], index: &'a mut Index) -> Result<Message<'a>, Malformed> {
        index.fill(bytes)?;
        Ok(Message::view(bytes, index))
    }

    /// The same, and a message in any case: with what was located before the error, so that a malformed request can be answered.
    pub fn parse_lenient(bytes: &'a [u8], index: &'a mut Index) -> (Message<'a>, Result<(), Malformed>) {
        let result = index.fill(bytes);
        (Message::view(bytes, index), result)
    }

    /// The message again, from the same bytes and the index that was filled from them.
    #[inline]
    pub fn view(bytes: &'a [u8], index: &'a Index) -> Message<'a> {
        let start = usize::from(index.skipped);
        Message { bytes: &bytes[start..start + usize::from(index.len)], index }
    }

    /// Head and body as they stand.
    #[inline]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The start line, the header lines and the empty line.
    pub fn head(&self) -> &'a [u8] {
        &self.bytes[..self.head_len()]
    }

    pub fn head_len(&self) -> usize {
        usize::from(self.index.head_len)
    }

    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.head_len()..]
    }

    pub const fn index(&self) -> &'a Index {
        self.index
    }

    #[inline]
    pub fn start(&self) -> Start<'a> {
        match self.index.start {
            StartLine::Request { method, method_end, .. } => Start::Request {
                method,
                method_name: &self.bytes[..usize::from(method_end)],
                uri: self.request_uri(),
            },
            StartLine::Response { status, reason_end } => {
                let reason = self.bytes.get(12..usize::from(reason_end)).unwrap_or_default();
                Start::Response { status, reason }
            }
        }
    }

    #[inline]
    pub const fn is_request(&self) -> bool {
        matches!(self.index.start, StartLine::Request { .. })
    }

    /// The method of a request; `None` for a response.
    #[inline]
    pub const fn method(&self) -> Option<Method> {
        match self.index.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// The method's name as it stands; empty for a response.
    #[inline]
    pub fn method_name(&self) -> &'a [u8] {
        match self.index.start {
            StartLine::Request { method_end, .. } => &self.bytes[..usize::from(method_end)],
            StartLine::Response { .. } => b"",
        }
    }

    /// The status code of a response; 0 for a request.
    #[inline]
    pub const fn status(&self) -> u16 {
        match self.index.start {
            StartLine::Response { status, .. } => status,
            StartLine::Request { .. } => 0,
        }
    }

    /// The Request-URI as it stands; empty for a response.
    #[inline]
    pub fn request_uri(&self) -> &'a [u8] {
        &self.bytes[self.request_uri_range()]
    }

    /// Where the Request-URI stands, for edits.
    #[inline]
    pub fn request_uri_range(&self) -> core::ops::Range<usize> {
        match self.index.start {
            StartLine::Request { method_end, uri_end, .. } if uri_end > method_end => {
                usize::from(method_end) + 1..usize::from(uri_end)
            }
            _ => 0..0,
        }
    }

    /// All header lines in their order.
    #[inline]
    pub fn lines(&self) -> &'a [HeaderLine] {
        self.index.lines()
    }

    /// The first line of a header.
    #[inline]
    pub fn first(&self, id: HeaderId) -> Option<&'a HeaderLine> {
        self.index.first_index(id).map(|index| &self.index.lines()[index])
    }

    /// All lines of a header in their order.
    #[inline]
    pub fn all(&self, id: HeaderId) -> impl Iterator<Item = &'a HeaderLine> + Clone + use<'a> {
        self.index.lines_around(id).iter().filter(move |line| line.id == id)
    }

    /// The value of a line, without white space around it; folds stay in it.
    #[inline]
    pub fn value(&self, line: &HeaderLine) -> &'a [u8] {
        &self.bytes[usize::from(line.value_start)..usize::from(line.value_end)]
    }

    /// The name of a line as it stands.
    pub fn name(&self, line: &HeaderLine) -> &'a [u8] {
        &self.bytes[usize::from(line.start)..usize::from(line.name_end)]
    }

    /// The value of the first line of a header.
    #[inline]
    pub fn first_value(&self, id: HeaderId) -> Option<&'a [u8]> {
        self.first(id).map(|line| self.value(line))
    }

    /// The elements of a header that is a list, over all its lines: several in one line and one in each of several lines are the same (RFC 3261 §7.3.1).
    /// Not for headers whose values have commas of their own, like Date and the authorizations.
    pub fn values(&self, id: HeaderId) -> Values<'a> {
        Values { message: *self, id, lines: self.index.lines_around(id).iter(), current: None }
    }

    /// True for a request that can be answered: it says where the answer goes (Via) and to what (CSeq), and the lines of an answer have no byte that must
    /// not be sent back. What else is missing is missing in the answer too (RFC 4475 §3.3.1). An ACK is never answered. For requests that turned
    /// out malformed; others can always be answered.
    pub fn is_answerable(&self) -> bool {
        let copied = [HeaderId::Via, HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::Cseq];
        let is_clean = |line: &HeaderLine| {
            scan::find_forbidden(&self.bytes[usize::from(line.start)..usize::from(line.value_end)]).is_none()
        };
        self.method().is_some_and(|method| method != Method::Ack)
            && self.first(HeaderId::Via).is_some()
            && self.first(HeaderId::Cseq).is_some()
            && copied.iter().all(|&id| self.all(id).all(is_clean))
    }

    /// `Bad` for a flaw in the value of a line.
    #[cold]
    pub(super) fn bad(&self, line: &HeaderLine, flaw: Flaw) -> Malformed {
        Malformed::Bad { header: line.id, offset: line.value_start.saturating_add(flaw.offset) }
    }
}

impl Value<'_> {
    /// Where the element stands, from the start of the message.
    pub fn range(&self) -> core::ops::Range<usize> {
        usize::from(self.start)..usize::from(self.start) + self.bytes.len()
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Result<Value<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((line, split)) = &mut self.current {
                let line: &'a HeaderLine = line;
                if let Some(element) = split.next() {
                    return Some(match element {
                        Ok(bytes) => {
                            let start = octet::offset_in(self.message.bytes, bytes) as u16;
                            Ok(Value { line, start, bytes })
                        }
                        Err(flaw) => Err(self.message.bad(line, flaw)),
                    });
                }
            }
            let line = self.lines.find(|line| line.id == self.id)?;
            self.current = Some((line, list::split(self.message.value(line))));
        }
    }
}

/// True for a datagram that only keeps a flow alive: nothing but line ends (RFC 5626 §3.5.1), or nothing at all.
pub fn is_keepalive(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) && bytes.len() <= KEEPALIVE_BYTES_MAX
}

/// Longer runs of line ends keep nothing alive: they are malformed.
const KEEPALIVE_BYTES_MAX: usize = 8;

#[cfg(test)]
mod tests;
