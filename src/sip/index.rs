//! Where things are in a message: the reusable part of it, filled by one scan.
//!
//! An index is made once with room for `headers_max` lines and never allocates again. It is 12 bytes a line and 2 a known header name.

use super::flaw::FlawKind;
use super::header_id::HeaderId;
use super::malformed::Malformed;
use super::method::Method;
use super::octet;
use crate::limits::{HEADERS_ADDED_MAX, HEADERS_MAX, MESSAGE_BYTES_MAX};
use crate::scan::{End, Line, Scanner, Sink};

/// One header line with those folded into it; all positions are offsets into the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeaderLine {
    pub id: HeaderId,
    /// The first byte of the name.
    pub start: u16,
    /// Behind the last byte of the name.
    pub name_end: u16,
    /// The first byte of the value that is not white space; `value_end` when the value is empty.
    pub value_start: u16,
    /// Behind the last byte of the value that is not white space.
    pub value_end: u16,
    /// Behind the CR LF: the start of the next line.
    pub next: u16,
}

/// The positions of one message. Meaningful only together with the bytes it was filled from.
#[derive(Clone, Debug)]
pub struct Index {
    scanner: Scanner,
    /// The start line, and behind it the header lines.
    lines: Box<[HeaderLine]>,
    pub(super) count: u16,
    /// The first line of each header; `NONE` where there is none.
    first: [u16; HeaderId::COUNT],
    /// Bit `id % 64` is set when a header has more than one line.
    repeated: u64,
    /// CR LF before the start line, which are not part of the message (RFC 3261 §7.5).
    pub(super) skipped: u16,
    pub(super) head_len: u16,
    /// Head and body.
    pub(super) len: u16,
    pub(super) start: StartLine,
}

/// Positions of the start line's parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StartLine {
    Request { method: Method, method_end: u16, uri_end: u16 },
    Response { status: u16, reason_end: u16 },
}

const NONE: u16 = u16::MAX;
const EMPTY: HeaderLine =
    HeaderLine { id: HeaderId::Other, start: 0, name_end: 0, value_start: 0, value_end: 0, next: 0 };
const _: () = assert!(size_of::<HeaderLine>() <= 16 && HEADERS_MAX < NONE as usize);

impl Index {
    /// An index with room for `headers_max` lines, 1 to `limits::HEADERS_MAX` and those that forwarding adds; more are refused as malformed.
    pub fn new(scanner: Scanner, headers_max: usize) -> Index {
        Index {
            scanner,
            lines: vec![EMPTY; 1 + headers_max.clamp(1, HEADERS_MAX + HEADERS_ADDED_MAX)].into_boxed_slice(),
            count: 0,
            first: [NONE; HeaderId::COUNT],
            repeated: 0,
            skipped: 0,
            head_len: 0,
            len: 0,
            start: StartLine::Response { status: 0, reason_end: 0 },
        }
    }

    /// The lines, in their order.
    #[inline]
    pub fn lines(&self) -> &[HeaderLine] {
        &self.lines[1..][..usize::from(self.count)]
    }

    /// The place among the lines of the first one with this id.
    #[inline]
    pub fn first_index(&self, id: HeaderId) -> Option<usize> {
        let index = self.first[id as usize];
        (index != NONE).then_some(usize::from(index))
    }

    /// The lines among which all those with this id are, the first of them in front: one line, where the header has no more.
    #[inline]
    pub(super) fn lines_around(&self, id: HeaderId) -> &[HeaderLine] {
        match self.first_index(id) {
            None => &[],
            Some(first) if self.may_repeat(id) => &self.lines()[first..],
            Some(first) => core::slice::from_ref(&self.lines()[first]),
        }
    }

    #[inline]
    fn may_repeat(&self, id: HeaderId) -> bool {
        self.repeated >> (id as u32 % 64) & 1 != 0
    }

    /// The second line of a header that must not have one.
    #[inline]
    pub(super) fn second_line(&self, id: HeaderId) -> Option<&HeaderLine> {
        if !self.may_repeat(id) {
            return None;
        }
        self.lines().iter().filter(|line| line.id == id).nth(1)
    }

    /// Fills the index with the positions of `bytes`. After an error it holds what was found until then: enough to answer, maybe.
    #[inline]
    pub(super) fn fill(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.count = 0;
        self.first = [NONE; HeaderId::COUNT];
        self.skipped = 0;
        self.repeated = 0;
        self.head_len = 0;
        self.len = 0;
        self.start = StartLine::Response { status: 0, reason_end: 0 };
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Malformed::TooLarge);
        }
        let message = match bytes {
            [b'\r' | b'\n', ..] => self.skip_line_ends(bytes),
            _ => bytes,
        };
        self.head_len = message.len() as u16;
        self.len = message.len() as u16;
        let mut locator = Locator { places: self.lines.iter_mut() };
        let head = self.scanner.scan_head(message, &mut locator);
        let left = locator.places.len();
        let located = self.lines.len() - left;
        if located == 0 {
            return Err(Malformed::Truncated { offset: head.len as u16 });
        }
        let start = parse_start_line(&message[..usize::from(self.lines[0].value_end)]);
        let named = self.name_lines(message, located);
        let start = match start {
            Ok(start) => {
                self.start = start;
                Ok(())
            }
            Err((start, malformed)) => {
                self.start = start;
                Err(malformed)
            }
        };
        match head.end {
            End::Complete => {}
            End::Truncated => return Err(Malformed::Truncated { offset: head.len as u16 }),
            End::Stopped => return Err(Malformed::TooManyHeaders { offset: head.len as u16 }),
        }
        self.head_len = head.len as u16;
        if let Some(offset) = head.forbidden {
            return Err(Malformed::ForbiddenByte { offset: offset as u16 });
        }
        start?;
        named?;
        self.measure_body(message)
    }

    /// Names the lines that were located, and cuts their values out. A line that is no header counts as an unknown one without a value, and the
    /// first of them is the error.
    #[inline]
    fn name_lines(&mut self, bytes: &[u8], located: usize) -> Result<(), Malformed> {
        let mut result = Ok(());
        let mut repeated = 0;
        // From the last to the first, so that what is written last into `first` is the first line.
        for (place, header) in self.lines[1..located].iter_mut().enumerate().rev() {
            let (start, colon) = (usize::from(header.start), usize::from(header.name_end));
            let mut id = HeaderId::find(bytes, start, colon - start);
            if id == HeaderId::Other {
                match find_unusual(bytes, start, colon) {
                    Some((found, name_end)) => {
                        id = found;
                        header.name_end = name_end as u16;
                    }
                    None => {
                        result = Err(Malformed::HeaderName { offset: start as u16 });
                        *header = HeaderLine {
                            id,
                            name_end: header.start,
                            value_start: header.value_end,
                            ..*header
                        };
                        continue;
                    }
                }
            }
            header.id = id;
            // Nearly always there is one space before the value, and none behind it.
            let value = bytes.get(colon + 1..usize::from(header.value_end)).unwrap_or_default();
            header.value_start = (colon + 2) as u16;
            if value.len() < 2 || value[0] != b' ' || value[1] <= b' ' || value[value.len() - 1] <= b' ' {
                let white = octet::skip_white(value, 0);
                header.value_start = (colon + 1 + white) as u16;
                header.value_end = header.value_start + octet::trim(&value[white..]).len() as u16;
            }
            let first = &mut self.first[id as usize];
            repeated |= u64::from(*first != NONE).wrapping_shl(id as u32);
            *first = place as u16;
        }
        self.count = (located - 1) as u16;
        self.repeated = repeated;
        result
    }

    /// RFC 3261 §18.3: the body is as long as Content-Length says, or what is left of the datagram without it; what is beyond is ignored.
    #[inline]
    fn measure_body(&mut self, message: &[u8]) -> Result<(), Malformed> {
        let Some(first) = self.first_index(HeaderId::ContentLength) else { return Ok(()) };
        let line = self.lines()[first];
        if let Some(second) = self.second_line(HeaderId::ContentLength) {
            return Err(Malformed::Multiple { header: HeaderId::ContentLength, offset: second.start });
        }
        let value = &message[usize::from(line.value_start)..usize::from(line.value_end)];
        let body_len = match super::number::parse_content_length(value) {
            Ok(number) => number as usize,
            // A number that is one, but too large for any message.
            Err(flaw) if flaw.kind == FlawKind::Range => usize::MAX,
            Err(flaw) => {
                let offset = line.value_start + flaw.offset;
                return Err(Malformed::Bad { header: HeaderId::ContentLength, offset });
            }
        };
        let head_len = usize::from(self.head_len);
        if body_len > message.len() - head_len {
            return Err(Malformed::BodyShort { offset: line.value_start });
        }
        self.len = (head_len + body_len) as u16;
        Ok(())
    }

    #[cold]
    fn skip_line_ends<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        while let [b'\r', b'\n', behind @ ..] = rest {
            rest = behind;
        }
        self.skipped = (bytes.len() - rest.len()) as u16;
        rest
    }
}

impl Default for Index {
    /// For tools and tests: the fastest scanner, room for 128 lines.
    fn default() -> Self {
        Index::new(Scanner::detect(), 128)
    }
}

/// Takes the lines from the scanner; inlined into its loop, and therefore as small as can be. The name ends at the colon for now.
struct Locator<'a> {
    places: core::slice::IterMut<'a, HeaderLine>,
}

impl Sink for Locator<'_> {
    #[inline(always)]
    fn on_line(&mut self, line: Line) -> bool {
        let Some(place) = self.places.next() else { return false };
        place.start = line.start as u16;
        place.name_end = line.colon as u16;
        place.value_end = line.end as u16;
        place.next = line.next as u16;
        true
    }
}

/// The id and the end of a name that was not found as it stands: it is unknown, or there is white space before its colon (RFC 3261 §7.3.1). `None` when there is
/// no name, or one that is no token.
fn find_unusual(bytes: &[u8], start: usize, colon: usize) -> Option<(HeaderId, usize)> {
    let name_end = octet::end_of_run(&bytes[..colon], start, octet::TOKEN);
    if name_end == start || octet::skip_white(&bytes[..colon], name_end) != colon {
        return None;
    }
    let id = if name_end == colon { HeaderId::Other } else { HeaderId::find(bytes, start, name_end - start) };
    Some((id, name_end))
}

/// Parses the start line, which ends where `line` does. With an error comes as much as is known.
#[inline]
fn parse_start_line(line: &[u8]) -> Result<StartLine, (StartLine, Malformed)> {
    if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        return parse_status_line(line);
    }
    let (method, method_end) = Method::find(line);
    let len = line.len();
    let request = |uri_end: usize| StartLine::Request {
        method,
        method_end: method_end as u16,
        uri_end: uri_end as u16,
    };
    let refused = |malformed| Err((request(method_end), malformed));
    if method_end == 0 || line.get(method_end) != Some(&b' ') {
        return refused(Malformed::StartLine { offset: method_end as u16 });
    }
    // RFC 4475 §3.1.2.9: one space between the parts, none behind the version. A URI with a space in it is found by its parser.
    if len < method_end + 1 + VERSION.len() || !line.last_chunk().is_some_and(is_version) {
        return refused(missing_version(line, method_end + 1));
    }
    let uri_end = len - VERSION.len();
    if uri_end <= method_end + 1 || line[method_end + 1] <= b' ' || line[uri_end - 1] <= b' ' {
        return refused(Malformed::StartLine { offset: (method_end + 1) as u16 });
    }
    Ok(request(uri_end))
}

/// What ends a request line. The version is compared without case (RFC 3261 §7.1).
const VERSION: &[u8; 8] = b" SIP/2.0";

#[inline]
fn is_version(word: &[u8; 8]) -> bool {
    // Lower case by one bit, which changes other bytes of this text only from control characters, and those are forbidden in any case.
    const LOWER: u64 = 0x2020_2020_2020_2020;
    u64::from_le_bytes(*word) | LOWER == u64::from_le_bytes(*VERSION) | LOWER
}

/// Why a request line does not end with our version: another version, or none at all.
#[cold]
fn missing_version(line: &[u8], uri_start: usize) -> Malformed {
    let offset = line.iter().rposition(|&byte| byte == b' ').map_or(0, |space| space + 1);
    match &line[offset..] {
        [name @ .., b'0'..=b'9'] if offset > uri_start && is_other_version(name) => {
            Malformed::Version { offset: offset as u16 }
        }
        _ => Malformed::StartLine { offset: offset as u16 },
    }
}

/// `SIP/` digits `.` digits, of which the last digit was cut off.
fn is_other_version(name: &[u8]) -> bool {
    name.len() > 5
        && name[..4].eq_ignore_ascii_case(b"SIP/")
        && name[4..].iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && name[4..].iter().filter(|&&byte| byte == b'.').count() == 1
}

#[inline]
fn parse_status_line(line: &[u8]) -> Result<StartLine, (StartLine, Malformed)> {
    let unknown = StartLine::Response { status: 0, reason_end: 0 };
    let len = line.len();
    if len < 8 || !line[..8].eq_ignore_ascii_case(b"SIP/2.0 ") {
        let end = line.iter().position(|&byte| byte == b' ').unwrap_or(len);
        return Err((
            unknown,
            match &line[..end] {
                [name @ .., b'0'..=b'9'] if is_other_version(name) => Malformed::Version { offset: 0 },
                _ => Malformed::StartLine { offset: 0 },
            },
        ));
    }
    // RFC 4475 §3.1.1.13: the reason phrase may be empty; that its space is missing too is forgiven.
    let status = match line[8..] {
        [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9'] | [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9', b' ', ..] => {
            line[8..11].iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'))
        }
        _ => return Err((unknown, Malformed::StartLine { offset: 8 })),
    };
    Ok(StartLine::Response { status, reason_end: len as u16 })
}
