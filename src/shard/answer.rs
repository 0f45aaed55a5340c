//! Responses that tine makes itself. They leave no transaction behind (RFC 3261 §8.2.7): the same request gets the same answer again, with
//! the same To tag, and that tag tells the ACK to it from others.

use crate::flow::mac::ToTagFacts;
use crate::flow::{Address, Flow, Zone};
use crate::proxy::identity::PORT_DEFAULT;
use crate::proxy::refusal::Refusal;
use crate::shard::Shard;
use crate::shard::counters::Counter;
use crate::shard::outbox::Outbox;
use crate::shard::receive::Request;
use crate::shard::request::{to_tag_facts, unknown_tags};
use crate::sip::cseq::Cseq;
use crate::sip::edit::ViaSource;
use crate::sip::header_id::HeaderId;
use crate::sip::host;
use crate::sip::malformed::Malformed;
use crate::sip::message::Message;
use crate::sip::method::Method;
use crate::sip::name_addr::NameAddr;
use crate::sip::response::{self, ResponseHead};
use crate::sip::via::{Rport, Via};

/// Seconds after which a client may try again when a table was full or the node drains.
pub(super) const RETRY_AFTER_S: &[u8] = b"Retry-After: 5\r\n";

/// What an OPTIONS to tine is told (§11.2). SDP is what passes through; nothing is encoded.
const CAPABILITIES: &[u8] = b"Allow: OPTIONS, REGISTER\r\nAccept: application/sdp\r\nAccept-Encoding: identity\r\nAccept-Language: en\r\nSupported: path, outbound\r\n";

/// Option tags that tine knows when a request is addressed to it.
pub(super) const REQUIRE_KNOWN: &[&[u8]] = &[b"path", b"outbound"];

impl Shard {
    /// A request whose Request-URI is tine itself (§11, §8.2.1).
    pub(super) fn answer_itself(&mut self, request: &Request<'_>, outbox: &mut Outbox) {
        if self.refuse_unknown_require(request, outbox) {
            return;
        }
        match request.method {
            Method::Options => self.answer(request, 200, b"OK", CAPABILITIES, outbox),
            _ => {
                self.counters.add(Counter::Refused);
                self.answer(request, 405, b"Method Not Allowed", b"Allow: OPTIONS, REGISTER\r\n", outbox);
            }
        }
    }

    /// 420 for a Require that tine does not know (§8.2.2.3); true when it was sent.
    pub(super) fn refuse_unknown_require(&mut self, request: &Request<'_>, outbox: &mut Outbox) -> bool {
        if unknown_tags(request, HeaderId::Require, REQUIRE_KNOWN).next().is_none() {
            return false;
        }
        let mut lines = core::mem::take(&mut self.scratch);
        write_unsupported(request, HeaderId::Require, &mut lines);
        self.counters.add(Counter::Refused);
        self.answer(request, 420, b"Bad Extension", &lines, outbox);
        self.scratch = lines;
        true
    }

    pub(super) fn refuse(&mut self, request: &Request<'_>, refusal: Refusal, outbox: &mut Outbox) {
        self.counters.add(Counter::Refused);
        let mut lines = core::mem::take(&mut self.scratch);
        lines.clear();
        match refusal {
            Refusal::Draining | Refusal::Overload => lines.extend_from_slice(RETRY_AFTER_S),
            Refusal::BadExtension => write_unsupported(request, HeaderId::ProxyRequire, &mut lines),
            _ => {}
        }
        self.answer(request, refusal.status(), refusal.reason(), &lines, outbox);
        self.scratch = lines;
    }

    /// A refusal of a request whose route could not be read.
    pub(super) fn refuse_unread(
        &mut self,
        flow: Flow,
        message: &Message<'_>,
        refusal: Refusal,
        outbox: &mut Outbox,
    ) {
        self.counters.add(Counter::Refused);
        if message.is_answerable() {
            self.answer_message(flow, message, refusal.status(), refusal.reason(), outbox);
        }
    }

    /// 400 with a reason that names the header; 505, 513 and others where the flaw has a status of its own.
    pub(super) fn answer_malformed(
        &mut self,
        flow: Flow,
        message: &Message<'_>,
        malformed: Malformed,
        outbox: &mut Outbox,
    ) {
        self.answer_message(flow, message, malformed.status(), malformed.reason().as_bytes(), outbox);
    }

    /// Sends a response of our own. `extra`: whole lines.
    pub(super) fn answer(
        &mut self,
        request: &Request<'_>,
        status: u16,
        reason: &[u8],
        extra: &[u8],
        outbox: &mut Outbox,
    ) {
        if request.method == Method::Ack {
            return;
        }
        let wants_tag = status > 100 && request.essentials.to.tag().is_none();
        let tag = wants_tag.then(|| self.keys.to_tag(&to_tag_facts(request)));
        let flow = self.response_flow(request.flow, &request.essentials.via);
        let start = outbox.bytes.len();
        let server_line: &[u8] = if status > 100 { &self.server_line } else { b"" };
        let head = ResponseHead {
            status,
            reason,
            to_tag: tag.as_ref().map(|tag| tag.as_slice()),
            via_source: Some(request.incoming.source),
            extra: &[extra, server_line],
            essentials: Some(request.essentials),
            ..ResponseHead::default()
        };
        response::emit_response(&request.incoming.message, &head, &mut self.edits, &mut outbox.bytes);
        self.dispatch(flow, start, None, outbox);
    }

    /// The same for a message that was not proved. Its tag is made of the same facts as far as they can be read, because the ACK to it may be
    /// without fault.
    fn answer_message(
        &mut self,
        flow: Flow,
        message: &Message<'_>,
        status: u16,
        reason: &[u8],
        outbox: &mut Outbox,
    ) {
        let value = |id| message.first_value(id);
        let via = value(HeaderId::Via).and_then(|value| Via::parse(value).ok());
        let from = value(HeaderId::From).and_then(|value| NameAddr::parse(value).ok());
        let cseq = value(HeaderId::Cseq).and_then(|value| Cseq::parse(value).ok());
        let tag = self.keys.to_tag(&ToTagFacts {
            call_id: value(HeaderId::CallId).unwrap_or_default(),
            from_tag: from.as_ref().and_then(NameAddr::tag).unwrap_or_default(),
            branch: via.and_then(|via| via.branch).unwrap_or_default(),
            cseq: cseq.map_or(0, |cseq| cseq.number),
        });
        let back = via.map_or(flow, |via| self.response_flow(flow, &via));
        let start = outbox.bytes.len();
        let head = ResponseHead {
            status,
            reason,
            to_tag: Some(&tag),
            via_source: Some(ViaSource { ip: flow.remote.ip(), port: flow.remote.port(), is_forced: false }),
            ..ResponseHead::default()
        };
        response::emit_response(message, &head, &mut self.edits, &mut outbox.bytes);
        self.dispatch(back, start, None, outbox);
    }

    /// The 100 to an INVITE (§17.2.1). It is never kept.
    pub(super) fn send_trying(&mut self, request: &Request<'_>, outbox: &mut Outbox) {
        self.answer(request, 100, b"Trying", b"", outbox);
    }

    /// Where the responses to a request go. From zone access they go back to where it came from; from zone core by the Via, as RFC 3261
    /// §18.2.2 and RFC 3581 §4 say. A stream's go by the stream.
    pub(super) fn response_flow(&self, flow: Flow, via: &Via<'_>) -> Flow {
        if flow.connection.is_some() || (self.options.nat_fix && self.zone_of(flow) == Zone::Access) {
            return flow;
        }
        let maddr = via.maddr.and_then(host::parse_ip);
        if let Some(maddr) = maddr.filter(|maddr| maddr.is_ipv4() == flow.remote.is_ipv4()) {
            return Flow { remote: Address::new(maddr, via.port.unwrap_or(PORT_DEFAULT)), ..flow };
        }
        match via.rport {
            Rport::Absent => Flow { remote: flow.remote.with_port(via.port.unwrap_or(PORT_DEFAULT)), ..flow },
            Rport::Empty { .. } | Rport::Port(_) => flow,
        }
    }
}

fn write_unsupported(request: &Request<'_>, id: HeaderId, lines: &mut Vec<u8>) {
    lines.clear();
    lines.extend_from_slice(b"Unsupported: ");
    for (index, tag) in unknown_tags(request, id, REQUIRE_KNOWN).enumerate() {
        if index > 0 {
            lines.extend_from_slice(b", ");
        }
        lines.extend_from_slice(tag);
    }
    lines.extend_from_slice(b"\r\n");
}

/// A whole line, or nothing without a name.
pub(super) fn server_line(name: &[u8]) -> Box<[u8]> {
    if name.is_empty() { Box::default() } else { [b"Server: ", name, b"\r\n"].concat().into() }
}

/// The reason phrases of the final answers that a proxy makes of silence and failure, or of a device's answer that there was no room to keep.
pub(super) fn reason_of(status: u16) -> &'static [u8] {
    match status {
        401 => b"Unauthorized",
        404 => b"Not Found",
        407 => b"Proxy Authentication Required",
        408 => b"Request Timeout",
        430 => b"Flow Failed",
        480 => b"Temporarily Unavailable",
        486 => b"Busy Here",
        487 => b"Request Terminated",
        503 => b"Service Unavailable",
        513 => b"Message Too Large",
        300..=399 => b"Redirect",
        400..=499 => b"Request Failed",
        600..=699 => b"Failed Everywhere",
        _ => b"Server Internal Error",
    }
}
