//! Methods by name. Any token is a method (RFC 3261 §7.1); those that tine treats in their own way have a variant.

use super::octet;

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

    /// The method at the start of a line and where it ends: at the first byte that is not of a token.
    #[inline]
    pub(super) fn find(line: &[u8]) -> (Method, usize) {
        const fn word(name: &[u8; 8]) -> u64 {
            u64::from_le_bytes(*name)
        }
        const INVITE: u64 = word(b"INVITE \0") << 8 >> 8;
        const REGISTER: u64 = word(b"REGISTER");
        const OPTIONS: u64 = word(b"OPTIONS ");
        if let Some(first) = line.first_chunk() {
            // The most frequent by one comparison each.
            let first = u64::from_le_bytes(*first);
            if first << 8 >> 8 == INVITE {
                return (Method::Invite, 6);
            }
            if first == OPTIONS {
                return (Method::Options, 7);
            }
            if first == REGISTER && line.get(8) == Some(&b' ') {
                return (Method::Register, 8);
            }
        }
        let end = octet::end_of_run(line, 0, octet::TOKEN);
        (Method::from_name(&line[..end]), end)
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
            let line = format!("{} sip:a SIP/2.0", method.name());
            assert_eq!(Method::find(line.as_bytes()), (method, method.name().len()));
            let longer = format!("{}X sip:a SIP/2.0", method.name());
            assert_eq!(Method::find(longer.as_bytes()), (Method::Other, method.name().len() + 1));
            assert_eq!(Method::from_name(method.name().to_lowercase().as_bytes()), Method::Other);
        }
        assert_eq!(Method::from_name(b"INVITES"), Method::Other);
        assert_eq!(Method::from_name(b""), Method::Other);
    }
}
