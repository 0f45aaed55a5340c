//! What is wrong with a message as a whole: the peer's bytes, never a policy of ours.

use super::header_id::HeaderId;

/// Why a message is not a SIP message, and at which byte of it. A request whose Vias and dialog headers were found can be
/// answered all the same: with [`Malformed::status`] and [`Malformed::reason`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// More bytes than positions can count (`limits::MESSAGE_BYTES_MAX`).
    TooLarge,
    /// More header lines than the index has room for.
    TooManyHeaders { offset: u16 },
    /// The head does not end within the bytes.
    Truncated { offset: u16 },
    /// NUL, a CR or LF alone, or a control character that is not escaped in a quoted string.
    ForbiddenByte { offset: u16 },
    /// Neither a request line nor a status line (RFC 3261 §7.1, §7.2).
    StartLine { offset: u16 },
    /// A version other than SIP/2.0 (RFC 3261 §21.5.6).
    Version { offset: u16 },
    /// The Request-URI does not fit its grammar. An unknown scheme does.
    RequestUri { offset: u16 },
    /// A header line without a colon, or with a name that is no token.
    HeaderName { offset: u16 },
    /// The value does not fit its grammar, or a number is out of its range.
    Bad { header: HeaderId, offset: u16 },
    /// A header that each message must have.
    Missing { header: HeaderId },
    /// A header that may stand once.
    Multiple { header: HeaderId, offset: u16 },
    /// The CSeq names another method than the request line (RFC 3261 §8.1.1.5).
    CseqMethod { offset: u16 },
    /// Content-Length promises more than there is.
    BodyShort { offset: u16 },
}

impl Malformed {
    /// Names of the kinds for counters, by [`Malformed::kind_index`].
    pub const KINDS: [&'static str; 13] = [
        "too_large",
        "too_many_headers",
        "truncated",
        "forbidden_byte",
        "start_line",
        "version",
        "request_uri",
        "header_name",
        "bad_header",
        "missing_header",
        "multiple_header",
        "cseq_method",
        "body_short",
    ];

    /// Which of [`Malformed::KINDS`] this is.
    pub const fn kind_index(self) -> usize {
        match self {
            Malformed::TooLarge => 0,
            Malformed::TooManyHeaders { .. } => 1,
            Malformed::Truncated { .. } => 2,
            Malformed::ForbiddenByte { .. } => 3,
            Malformed::StartLine { .. } => 4,
            Malformed::Version { .. } => 5,
            Malformed::RequestUri { .. } => 6,
            Malformed::HeaderName { .. } => 7,
            Malformed::Bad { .. } => 8,
            Malformed::Missing { .. } => 9,
            Malformed::Multiple { .. } => 10,
            Malformed::CseqMethod { .. } => 11,
            Malformed::BodyShort { .. } => 12,
        }
    }

    /// The status code of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Malformed::TooLarge => 513,
            Malformed::Version { .. } => 505,
            _ => 400,
        }
    }

    /// The reason phrase of the answer; it names the header where there is one.
    pub const fn reason(self) -> &'static str {
        match self {
            Malformed::TooLarge => "Message Too Large",
            Malformed::TooManyHeaders { .. } => "Too Many Headers",
            Malformed::Truncated { .. } => "Truncated Message",
            Malformed::ForbiddenByte { .. } => "Forbidden Byte",
            Malformed::StartLine { .. } => "Bad Start Line",
            Malformed::Version { .. } => "Version Not Supported",
            Malformed::RequestUri { .. } => "Bad Request-URI",
            Malformed::HeaderName { .. } => "Bad Header Name",
            Malformed::Bad { header, .. } => header.bad_reason(),
            Malformed::Missing { header } => header.missing_reason(),
            Malformed::Multiple { header, .. } => header.multiple_reason(),
            Malformed::CseqMethod { .. } => "CSeq Method Mismatch",
            Malformed::BodyShort { .. } => "Content-Length Too Large",
        }
    }

    /// The header it is about.
    pub const fn header(self) -> Option<HeaderId> {
        match self {
            Malformed::Bad { header, .. }
            | Malformed::Missing { header }
            | Malformed::Multiple { header, .. } => Some(header),
            Malformed::CseqMethod { .. } => Some(HeaderId::Cseq),
            Malformed::BodyShort { .. } => Some(HeaderId::ContentLength),
            _ => None,
        }
    }

    /// Where, from the first byte of the message; `None` for what is not at one place.
    pub const fn offset(self) -> Option<u16> {
        match self {
            Malformed::TooLarge | Malformed::Missing { .. } => None,
            Malformed::TooManyHeaders { offset }
            | Malformed::Truncated { offset }
            | Malformed::ForbiddenByte { offset }
            | Malformed::StartLine { offset }
            | Malformed::Version { offset }
            | Malformed::RequestUri { offset }
            | Malformed::HeaderName { offset }
            | Malformed::Bad { offset, .. }
            | Malformed::Multiple { offset, .. }
            | Malformed::CseqMethod { offset }
            | Malformed::BodyShort { offset } => Some(offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_name_the_header() {
        let bad = Malformed::Bad { header: HeaderId::Via, offset: 7 };
        assert_eq!((bad.status(), bad.reason(), bad.offset()), (400, "Bad Via", Some(7)));
        assert_eq!(Malformed::Missing { header: HeaderId::CallId }.reason(), "Missing Call-ID");
        assert_eq!(Malformed::Version { offset: 0 }.status(), 505);
        assert_eq!(Malformed::KINDS[Malformed::BodyShort { offset: 0 }.kind_index()], "body_short");
    }
}
