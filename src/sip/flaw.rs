//! What is wrong with one header value, and where.
//!
//! A flaw is the peer's: its bytes do not fit the grammar. Whether that costs the message (400), the header or nothing is for those
//! to decide who asked for the value.

use crate::limits::MESSAGE_BYTES_MAX;

/// What does not fit, and at which byte of the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flaw {
    pub kind: FlawKind,
    /// Of the first byte that does not fit, from the start of the bytes that were handed to the parser; their length when they end too soon.
    pub offset: u16,
}

/// The ways a value can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlawKind {
    /// Nothing where a value must be.
    Empty,
    /// No `scheme:` at the start of a URI.
    Scheme,
    /// A byte that a user part or password must escape.
    User,
    /// `%` without two hexadecimal digits.
    Escape,
    /// No host, or a byte that no host has, or an IPv6 reference that is none.
    Host,
    /// Not a number from 0 to 65535.
    Port,
    /// A parameter without a name, or a name that is no token.
    ParamName,
    /// A parameter's value that is empty or has a byte which must be quoted or escaped.
    ParamValue,
    /// A parameter that may stand once stands twice.
    RepeatedParam,
    /// The headers of a URI (`?name=value`) do not fit their grammar.
    UriHeaders,
    /// A quoted string that does not end.
    UnbalancedQuote,
    /// `<` without `>`, or the other way round.
    UnbalancedBracket,
    /// A display name that is neither tokens nor a quoted string.
    DisplayName,
    /// A URI with `?` or `,` must be in angle brackets (RFC 3261 §20).
    NeedsBrackets,
    /// Two commas with nothing between them, or a comma at an end.
    EmptyElement,
    /// Something behind the end of the value.
    Trailing,
    /// The sent-protocol of a Via is not `name/version/transport`.
    Protocol,
    /// A method, option tag or scheme name that is no token.
    Token,
    /// Not a decimal number.
    Number,
    /// A number beyond its range.
    Range,
    /// A parameter that must be there is not.
    MissingParam,
}

impl Flaw {
    /// A flaw at `offset`; messages are shorter than what 16 bits can count.
    #[cold]
    pub const fn at(kind: FlawKind, offset: usize) -> Flaw {
        let offset = if offset > MESSAGE_BYTES_MAX { MESSAGE_BYTES_MAX } else { offset };
        Flaw { kind, offset: offset as u16 }
    }

    /// The same flaw, seen from a value in which the flawed bytes begin at `base`.
    #[cold]
    pub const fn behind(self, base: usize) -> Flaw {
        Flaw::at(self.kind, self.offset as usize + base)
    }
}
