//! One binding as it is seen from outside: borrowed, complete.

use core::fmt;

use crate::flow::Flow;
use crate::location::Aor;
use crate::time::Instant;

/// A part of the Contact value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    pub start: u16,
    pub len: u16,
}

/// An association of an AOR with a contact. Everything that is needed to route by it, to answer a REGISTER with it, and to make it again elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    pub aor: Aor<'a>,
    /// The whole Contact value as it was received: name, URI, and every parameter.
    pub contact: &'a [u8],
    /// The URI in `contact`.
    pub uri: Span,
    /// The parameter `;expires=…` in `contact`, with its semicolon and what stands before that; empty when there is none. What a response says comes from `expires`.
    pub expires_param: Span,
    /// Thousandths; 1000 when the Contact has none.
    pub q: u16,
    /// The value of `+sip.instance` in `contact`, without quotes and angle brackets (RFC 5626 §4.1); empty when there is none.
    pub instance: Span,
    /// RFC 5626 §4.2; 0 when there is none (a reg-id is at least 1).
    pub reg_id: u32,
    /// Call-ID and CSeq of the REGISTER that made or refreshed the binding, and the hash of its topmost branch: what a later one is judged by
    /// (RFC 3261 §10.3 step 7).
    pub call_id: &'a [u8],
    pub cseq: u32,
    pub branch_hash: u64,
    /// Where the REGISTER came from.
    pub flow: Flow,
    /// Requests go to `flow`; otherwise to where the URI points.
    pub rings_by_flow: bool,
    /// Path values (RFC 3327), joined by commas, as they were received; empty when there are none.
    pub path: &'a [u8],
    /// Gone from this instant on.
    pub expires: Instant,
    /// Second of Unix time of the REGISTER that made or last refreshed it.
    pub refreshed_s: u32,
    /// The node that holds the flow.
    pub node: u16,
}

impl<'a> Binding<'a> {
    pub fn uri(&self) -> &'a [u8] {
        self.uri.of(self.contact)
    }

    pub fn instance(&self) -> Option<&'a [u8]> {
        (self.instance.len > 0).then(|| self.instance.of(self.contact))
    }

    /// The Contact value without its `expires` parameter, in two pieces.
    pub fn contact_without_expires(&self) -> (&'a [u8], &'a [u8]) {
        let (head, rest) = self.contact.split_at(self.expires_param.start as usize);
        (head, &rest[self.expires_param.len as usize..])
    }

    pub fn reg_id(&self) -> Option<u32> {
        (self.reg_id > 0).then_some(self.reg_id)
    }

    pub fn is_live(&self, now: Instant) -> bool {
        now < self.expires
    }

    /// Seconds until it expires, rounded up, so that what was granted is what is said at once.
    pub fn remaining_s(&self, now: Instant) -> u32 {
        u32::try_from(self.expires.since(now).as_micros().div_ceil(1_000_000)).unwrap_or(u32::MAX)
    }

    /// Bytes of text that the table keeps for it.
    pub(super) fn text_len(&self) -> usize {
        self.aor.text().len() + self.contact.len() + self.call_id.len() + self.path.len()
    }

    /// True when every part lies inside the text it is a part of.
    pub(super) fn has_valid_spans(&self) -> bool {
        [self.uri, self.instance]
            .iter()
            .all(|span| span.start as usize + span.len as usize <= self.contact.len())
    }
}

impl Span {
    /// The bytes of this part of `whole`; empty when it does not lie inside.
    pub fn of(self, whole: &[u8]) -> &[u8] {
        whole.get(self.start as usize..self.start as usize + self.len as usize).unwrap_or_default()
    }
}

/// Redacted: contacts and AORs name persons and their devices.
impl fmt::Debug for Binding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding")
            .field("aor", &self.aor)
            .field("contact_len", &self.contact.len())
            .field("q", &self.q)
            .field("cseq", &self.cseq)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
