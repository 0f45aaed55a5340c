//! Why a request is not served, and the status code that says so.

/// A request that policy says no to. Every member is one row of `status`, `reason` and `counter_label`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The Request-URI's scheme is none that tine can route (RFC 3261 §16.3 step 2).
    UnsupportedScheme,
    /// Max-Forwards has reached zero (§16.3 step 3).
    TooManyHops,
    /// The request has passed here before and nothing that decides its way has changed (§16.3 step 4, RFC 5393).
    LoopDetected,
    /// Proxy-Require or Require names an extension that tine does not know (§16.3 step 5, §8.2.2.3).
    BadExtension,
    /// SIP-Version is not 2.0.
    VersionNotSupported,
    /// A foreign Request-URI or Route from zone access, without the permission of a token.
    ForeignDomain,
    /// A Request-URI for which zone core has no route, or a user at an address of tine that is no local domain.
    NotFound,
    /// An AOR of a local domain without bindings.
    NoBinding,
    /// A flow token that tine did not write.
    ForgedToken,
    /// A flow token whose connection is gone (RFC 5626 §5.3).
    FlowFailed,
    /// A method that tine does not answer when it is addressed itself.
    MethodNotAllowed,
    /// A CANCEL that meets no INVITE.
    NoTransaction,
    /// The node is draining.
    Draining,
    /// A table is full.
    Overload,
    /// No transport leads to the target.
    Unreachable,
    /// The message grew past `[limits].message_bytes_max` on its way through.
    TooLarge,
}

impl Refusal {
    pub const fn status(self) -> u16 {
        match self {
            Refusal::UnsupportedScheme => 416,
            Refusal::TooManyHops => 483,
            Refusal::LoopDetected => 482,
            Refusal::BadExtension => 420,
            Refusal::VersionNotSupported => 505,
            Refusal::ForeignDomain | Refusal::ForgedToken => 403,
            Refusal::NotFound => 404,
            Refusal::NoBinding => 480,
            Refusal::FlowFailed => 430,
            Refusal::MethodNotAllowed => 405,
            Refusal::NoTransaction => 481,
            Refusal::Draining | Refusal::Overload => 503,
            Refusal::Unreachable => 500,
            Refusal::TooLarge => 513,
        }
    }

    pub const fn reason(self) -> &'static [u8] {
        match self {
            Refusal::UnsupportedScheme => b"Unsupported URI Scheme",
            Refusal::TooManyHops => b"Too Many Hops",
            Refusal::LoopDetected => b"Loop Detected",
            Refusal::BadExtension => b"Bad Extension",
            Refusal::VersionNotSupported => b"Version Not Supported",
            Refusal::ForeignDomain => b"Foreign Domain",
            Refusal::ForgedToken => b"Forged Flow Token",
            Refusal::NotFound => b"Not Found",
            Refusal::NoBinding => b"Temporarily Unavailable",
            Refusal::FlowFailed => b"Flow Failed",
            Refusal::MethodNotAllowed => b"Method Not Allowed",
            Refusal::NoTransaction => b"Call/Transaction Does Not Exist",
            Refusal::Draining | Refusal::Overload => b"Service Unavailable",
            Refusal::Unreachable => b"Unreachable Target",
            Refusal::TooLarge => b"Message Too Large",
        }
    }
}
