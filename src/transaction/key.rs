//! Which server transaction a request belongs to (RFC 3261 §17.2.3), as a fingerprint that a table can find.
//!
//! With the cookie in the branch: branch, sent-by and method of the topmost Via, where an ACK counts as its INVITE. Without it, or with a
//! cookie that nothing follows (RFC 4475 §3.2.1), the rule of RFC 2543: Request-URI, tags, Call-ID, CSeq and the whole topmost Via.
//!
//! The To tag is where the old rule differs by method: that of the ACK is the one of our response, not the INVITE's, and that of a CANCEL is
//! the INVITE's. Here it is left out for these three. Two INVITEs that differ in nothing else do not exist: a re-INVITE has a CSeq of its own.

use crate::storage::hash::HashKey;
use crate::transaction::branch::COOKIE;

/// What of a request takes part in the matching. All texts are as they arrived.
#[derive(Clone, Copy, Debug)]
pub struct KeyFacts<'a> {
    /// Of the topmost Via.
    pub branch: Option<&'a [u8]>,
    /// Host of the topmost Via's sent-by.
    pub host: &'a [u8],
    /// Port of the topmost Via's sent-by; without one it is 5060.
    pub port: Option<u16>,
    /// The whole topmost Via value, without what we add to it.
    pub via: &'a [u8],
    pub request_uri: &'a [u8],
    /// Empty when there is none; the same holds for `from_tag`.
    pub to_tag: &'a [u8],
    pub from_tag: &'a [u8],
    pub call_id: &'a [u8],
    pub cseq: u32,
}

/// The fingerprint of the server transaction that a request with this method belongs to, or opens. A CANCEL has a transaction of its own; an
/// ACK shares that of its INVITE.
pub fn of_request(hash: &HashKey, method: &[u8], facts: &KeyFacts<'_>) -> u128 {
    let method = if method == b"ACK" { b"INVITE" } else { method };
    if let Some(branch) = facts.branch.filter(|branch| has_cookie(branch)) {
        let port = facts.port.unwrap_or(5060).to_be_bytes();
        return hash.fingerprint(&[b"3261", method, branch, facts.host, &port]);
    }
    let to_tag = if matches!(method, b"INVITE" | b"CANCEL") { b"" } else { facts.to_tag };
    let cseq = facts.cseq.to_be_bytes();
    hash.fingerprint(&[
        b"2543",
        method,
        facts.via,
        facts.request_uri,
        to_tag,
        facts.from_tag,
        facts.call_id,
        &cseq,
    ])
}

/// The fingerprint of the INVITE transaction that a CANCEL is about (§9.2), or that an ACK ends.
pub fn of_invite(hash: &HashKey, facts: &KeyFacts<'_>) -> u128 {
    of_request(hash, b"INVITE", facts)
}

/// True when the branch was made by the rules of RFC 3261 (§8.1.1.7) and says something.
pub fn has_cookie(branch: &[u8]) -> bool {
    branch.strip_prefix(COOKIE).is_some_and(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: KeyFacts<'_> = KeyFacts {
        branch: Some(b"z9hG4bK776"),
        host: b"192.0.2.1",
        port: Some(5070),
        via: b"SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK776",
        request_uri: b"sip:bob@example.com",
        to_tag: b"",
        from_tag: b"f1",
        call_id: b"c1",
        cseq: 1,
    };

    const OLD: KeyFacts<'_> = KeyFacts { branch: None, via: b"SIP/2.0/UDP 192.0.2.1:5070", ..NEW };

    #[test]
    fn pairs_match_by_the_rule_of_their_branch() {
        let hash = HashKey::new([1, 2, 3, 4]);
        let bare = KeyFacts { branch: Some(b"z9hG4bK"), via: b"SIP/2.0/UDP h;branch=z9hG4bK", ..NEW };
        let none = KeyFacts { branch: Some(b"1"), via: b"SIP/2.0/UDP h;branch=1", ..NEW };
        let default_port = KeyFacts { port: None, ..NEW };
        // What differs, first request, second request, whether they are of one transaction.
        type Arrived = (&'static [u8], KeyFacts<'static>);
        let rows: &[(&str, Arrived, Arrived, bool)] = &[
            ("nothing", (b"INVITE", NEW), (b"INVITE", NEW), true),
            ("ACK to a non-2xx", (b"INVITE", NEW), (b"ACK", KeyFacts { to_tag: b"t", ..NEW }), true),
            ("CANCEL", (b"INVITE", NEW), (b"CANCEL", NEW), false),
            ("method", (b"OPTIONS", NEW), (b"INFO", NEW), false),
            ("case of the method", (b"ACK", NEW), (b"ack", NEW), false),
            ("branch", (b"INVITE", NEW), (b"INVITE", KeyFacts { branch: Some(b"z9hG4bK777"), ..NEW }), false),
            ("host", (b"INVITE", NEW), (b"INVITE", KeyFacts { host: b"192.0.2.2", ..NEW }), false),
            ("port", (b"INVITE", NEW), (b"INVITE", KeyFacts { port: Some(5071), ..NEW }), false),
            (
                "default port",
                (b"INVITE", default_port),
                (b"INVITE", KeyFacts { port: Some(5060), ..NEW }),
                true,
            ),
            ("what the branch replaces", (b"BYE", NEW), (b"BYE", KeyFacts { call_id: b"c2", ..NEW }), true),
            ("rule", (b"INVITE", NEW), (b"INVITE", OLD), false),
            ("nothing, old", (b"INVITE", OLD), (b"INVITE", OLD), true),
            ("ACK, old", (b"INVITE", OLD), (b"ACK", KeyFacts { to_tag: b"ours", ..OLD }), true),
            ("CANCEL, old", (b"INVITE", OLD), (b"CANCEL", OLD), false),
            ("CANCEL again, old", (b"CANCEL", OLD), (b"CANCEL", OLD), true),
            (
                "uri, old",
                (b"INVITE", OLD),
                (b"INVITE", KeyFacts { request_uri: b"sip:carol@example.com", ..OLD }),
                false,
            ),
            ("from tag, old", (b"INVITE", OLD), (b"INVITE", KeyFacts { from_tag: b"f2", ..OLD }), false),
            ("call-id, old", (b"INVITE", OLD), (b"INVITE", KeyFacts { call_id: b"c2", ..OLD }), false),
            ("cseq, old", (b"INVITE", OLD), (b"INVITE", KeyFacts { cseq: 2, ..OLD }), false),
            ("via, old", (b"INVITE", OLD), (b"INVITE", KeyFacts { via: b"SIP/2.0/UDP h", ..OLD }), false),
            ("to tag, old", (b"BYE", OLD), (b"BYE", KeyFacts { to_tag: b"t", ..OLD }), false),
            ("cookie alone", (b"BYE", bare), (b"BYE", KeyFacts { call_id: b"c2", ..bare }), false),
            ("no cookie", (b"BYE", none), (b"BYE", KeyFacts { call_id: b"c2", ..none }), false),
            ("no cookie, nothing", (b"BYE", none), (b"BYE", none), true),
        ];
        for (name, one, two, are_one) in rows {
            let (a, b) = (of_request(&hash, one.0, &one.1), of_request(&hash, two.0, &two.1));
            assert_eq!(a == b, *are_one, "{name}");
        }
    }

    #[test]
    fn a_cancel_finds_its_invite() {
        let hash = HashKey::new([1, 2, 3, 4]);
        for facts in [NEW, OLD] {
            let invite = of_request(&hash, b"INVITE", &facts);
            assert_eq!(of_invite(&hash, &facts), invite);
            assert_eq!(of_invite(&hash, &KeyFacts { to_tag: b"ours", ..facts }), invite);
        }
    }
}
