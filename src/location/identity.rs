//! When a Contact names a device that has a binding already.

use crate::location::Binding;
use crate::sip::uri::Uri;
use crate::sip::uri_compare::equivalent;

/// True when both are the same device's same flow: by instance and reg-id where both have an instance (RFC 5626 §6), otherwise by their URIs
/// (RFC 3261 §10.3 step 7).
pub fn is_same_device(a: &Binding<'_>, b: &Binding<'_>) -> bool {
    match (a.instance(), b.instance()) {
        (Some(x), Some(y)) => a.reg_id == b.reg_id && x.eq_ignore_ascii_case(y),
        _ => are_same_uri(a.uri(), b.uri()),
    }
}

/// By RFC 3261 §19.1.4; URIs that can not be parsed are the same when their bytes are.
fn are_same_uri(a: &[u8], b: &[u8]) -> bool {
    a == b || matches!((Uri::parse(a), Uri::parse(b)), (Ok(a), Ok(b)) if equivalent(&a, &b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Address, Flow};
    use crate::ids::EndpointId;
    use crate::location::{Aor, Span};
    use crate::time::Instant;
    use core::net::{IpAddr, Ipv4Addr};

    /// The URI, the instance behind it, the reg-id.
    fn binding<'a>(contact: &'a str, instance: &str, reg_id: u32) -> Binding<'a> {
        let uri_len = contact.len() - instance.len();
        Binding {
            aor: Aor::new(b"a@h"),
            contact: contact.as_bytes(),
            uri: Span { start: 0, len: uri_len as u16 },
            expires_param: Span::default(),
            q: 1000,
            instance: Span { start: uri_len as u16, len: instance.len() as u16 },
            reg_id,
            call_id: b"c",
            cseq: 1,
            branch_hash: 0,
            flow: Flow::udp(EndpointId(0), Address::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060)),
            rings_by_flow: false,
            path: b"",
            expires: Instant::NEVER,
            refreshed_s: 0,
            node: 0,
        }
    }

    #[test]
    fn devices() {
        for (a, b, is_same) in [
            (("sip:a@x", "", 0), ("sip:%61@X", "", 0), true),
            (("sip:a@x", "", 0), ("sip:a@x:5060", "", 0), false),
            (("sip:a@x", "", 0), ("sip:a@x;transport=tcp", "", 0), false),
            (("tel:+1-2", "", 0), ("tel:+12", "", 0), true),
            (("what is this", "", 0), ("what is this", "", 0), true),
            (("what is this", "", 0), ("sip:a@x", "", 0), false),
            // The same device at another address; two devices at the same; two flows of one.
            (("sip:a@xurn:1", "urn:1", 0), ("sip:a@yURN:1", "URN:1", 0), true),
            (("sip:a@xurn:1", "urn:1", 0), ("sip:a@xurn:2", "urn:2", 0), false),
            (("sip:a@xurn:1", "urn:1", 1), ("sip:a@xurn:1", "urn:1", 2), false),
            (("sip:a@xurn:1", "urn:1", 2), ("sip:a@yurn:1", "urn:1", 2), true),
            // One that says who it is and one that does not: by the URI.
            (("sip:a@xurn:1", "urn:1", 0), ("sip:a@x", "", 0), true),
            (("sip:a@xurn:1", "urn:1", 0), ("sip:b@x", "", 0), false),
        ] {
            let (left, right) = (binding(a.0, a.1, a.2), binding(b.0, b.1, b.2));
            assert_eq!(is_same_device(&left, &right), is_same, "{a:?} {b:?}");
            assert_eq!(is_same_device(&right, &left), is_same, "{b:?} {a:?}");
        }
    }
}
