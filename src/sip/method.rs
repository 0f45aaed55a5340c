//! Methods by name. Any token is a method (RFC 3261 §7.1); those that tine treats in their own way have a variant.

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Register,
    Options,
    Message,
    Subscribe,
    Notify,
    Refer,
    Publish,
    Info,
    Prack,
    Update,
    /// Any other token; the name is in the request line.
    Other,
}

impl Method {
    /// All that have a name, so not `Other`.
    pub const NAMED: [Method; 14] = [
        Method::Invite,
        Method::Ack,
        Method::Bye,
        Method::Cancel,
        Method::Register,
        Method::Options,
        Method::Message,
        Method::Subscribe,
        Method::Notify,
        Method::Refer,
        Method::Publish,
        Method::Info,
        Method::Prack,
        Method::Update,
    ];

    /// The method of a name; names are case-sensitive (RFC 3261 §7.1).
    #[inline]
    pub fn from_name(name: &[u8]) -> Method {
        match name {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"REGISTER" => Method::Register,
            b"OPTIONS" => Method::Options,
            b"MESSAGE" => Method::Message,
            b"SUBSCRIBE" => Method::Subscribe,
            b"NOTIFY" => Method::Notify,
            b"REFER" => Method::Refer,
            b"PUBLISH" => Method::Publish,
            b"INFO" => Method::Info,
            b"PRACK" => Method::Prack,
            b"UPDATE" => Method::Update,
            _ => Method::Other,
        }
    }

    /// Empty for `Other`.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Register => "REGISTER",
            Method::Options => "OPTIONS",
            Method::Message => "MESSAGE",
            Method::Subscribe => "SUBSCRIBE",
            Method::Notify => "NOTIFY",
            Method::Refer => "REFER",
            Method::Publish => "PUBLISH",
            Method::Info => "INFO",
            Method::Prack => "PRACK",
            Method::Update => "UPDATE",
            Method::Other => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_and_case_matters() {
        for method in Method::NAMED {
            assert_eq!(Method::from_name(method.name().as_bytes()), method);
            assert_eq!(Method::from_name(method.name().to_lowercase().as_bytes()), Method::Other);
        }
        assert_eq!(Method::from_name(b"INVITES"), Method::Other);
        assert_eq!(Method::from_name(b""), Method::Other);
    }
}
