//! The forwarded request: a list of edits over the bytes that arrived (RFC 3261 §16.6). What no edit names goes out as it came in.

use crate::flow::mac::Key;
use crate::flow::token::FlowToken;
use crate::flow::{Endpoint, Transport};
use crate::proxy::route::RoutePlan;
use crate::sip::edit::{self, EditList, ViaSource};
use crate::sip::essentials::Essentials;
use crate::sip::header_id::HeaderId;
use crate::sip::malformed::Malformed;
use crate::sip::message::Message;
use crate::sip::method::Method;

/// What a request without Max-Forwards gets (§16.6 step 3).
const MAX_FORWARDS_DEFAULT: u8 = 70;

/// A request that arrived, and what all its forks share.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    pub message: Message<'a>,
    pub essentials: &'a Essentials<'a>,
    pub source: ViaSource,
    pub plan: RoutePlan<'a>,
}

/// What is this fork's own.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    pub request_uri: &'a [u8],
    /// Path values of the binding, in their order, separated by commas; empty when there are none (RFC 3327 §5.3).
    pub path: &'a [u8],
    pub endpoint: &'a Endpoint,
    pub branch: &'a [u8],
    /// Whole Record-Route lines, or nothing.
    pub record_routes: &'a [u8],
    /// True for a stream, where Content-Length must stand (§20.14).
    pub is_stream: bool,
}

/// One side's Record-Route value.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    pub endpoint: &'a Endpoint,
    pub token: FlowToken,
}

/// Whether a request asks for Record-Route: it may make a dialog, and is not inside one (§16.6 step 4). An unknown method may make one too.
pub fn is_record_routed(method: Method, has_to_tag: bool) -> bool {
    let makes_dialogs = matches!(method, Method::Invite | Method::Subscribe | Method::Refer | Method::Other);
    makes_dialogs && !has_to_tag
}

/// Writes the edits of one fork.
///
/// # Errors
/// A Route that does not parse; `plan_route` has parsed them all before.
pub fn edit_request(
    incoming: &Incoming<'_>,
    outgoing: &Outgoing<'_>,
    edits: &mut EditList,
) -> Result<(), Malformed> {
    let message = &incoming.message;
    let plan = &incoming.plan;
    edits.clear();
    // §16.6 step 6: a next hop without `lr` is a strict router. It wants itself as the Request-URI, and the target as the last Route.
    let strict = plan.next.filter(|next| outgoing.path.is_empty() && !next.is_loose());
    let request_uri = strict.map_or(outgoing.request_uri, |next| next.bytes);
    if request_uri != message.request_uri() {
        edits.replace(message.request_uri_range(), request_uri);
    }
    let top = usize::from(message.lines().first().map_or(0, |line| line.start));
    edits.insert_with(top, |out| {
        emit_top(outgoing, message.first(HeaderId::ContentLength).is_none(), message, out)
    });
    let via_start = usize::from(incoming.essentials.via_start);
    edit::edit_top_via(&incoming.essentials.via, via_start, incoming.source, edits);
    edit_max_forwards(incoming, top, edits);
    let gone_count = plan.own_count + usize::from(strict.is_some());
    if gone_count > 0 && gone_count == plan.own_count + plan.rest_count && !plan.is_uri_from_route {
        edit::edit_remove_lines(message, HeaderId::Route, edits);
    } else if gone_count > 0 && !plan.is_uri_from_route {
        edit::edit_remove_first_values(message, HeaderId::Route, gone_count, edits)?;
    } else if plan.is_uri_from_route {
        let kept = gone_count..plan.own_count + plan.rest_count;
        let mut index = 0;
        edit::edit_remove_values(message, HeaderId::Route, edits, |_| {
            index += 1;
            !kept.contains(&(index - 1))
        })?;
    }
    if strict.is_some() {
        // Behind every other Route, so at the end of the head.
        edits.insert_with(message.head_len() - 2, |out| {
            out.extend_from_slice(b"Route: <");
            out.extend_from_slice(outgoing.request_uri);
            out.extend_from_slice(b">\r\n");
        });
    }
    Ok(())
}

/// The lines that stand before all others: our Via, and what must precede lines of the same name.
fn emit_top(outgoing: &Outgoing<'_>, lacks_length: bool, message: &Message<'_>, out: &mut Vec<u8>) {
    emit_via(outgoing.endpoint, outgoing.branch, out);
    out.extend_from_slice(outgoing.record_routes);
    if !outgoing.path.is_empty() {
        out.extend_from_slice(b"Route: ");
        out.extend_from_slice(outgoing.path);
        out.extend_from_slice(b"\r\n");
    }
    if outgoing.is_stream && lacks_length {
        out.extend_from_slice(b"Content-Length: ");
        edit::emit_number(message.body().len() as u64, out);
        out.extend_from_slice(b"\r\n");
    }
}

/// A Via line of ours.
pub fn emit_via(endpoint: &Endpoint, branch: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"Via: SIP/2.0/");
    out.extend_from_slice(endpoint.transport.via_name());
    out.push(b' ');
    out.extend_from_slice(&endpoint.advertise);
    out.extend_from_slice(b";branch=");
    out.extend_from_slice(branch);
    out.extend_from_slice(b"\r\n");
}

/// §16.6 step 3.
fn edit_max_forwards(incoming: &Incoming<'_>, top: usize, edits: &mut EditList) {
    let message = &incoming.message;
    match (message.first(HeaderId::MaxForwards), incoming.essentials.max_forwards) {
        (Some(line), Some(value)) => {
            let range = usize::from(line.value_start)..usize::from(line.value_end);
            edits.replace_with(range, |out| edit::emit_number(u64::from(value.saturating_sub(1)), out));
        }
        _ => edits.insert_with(top, |out| {
            out.extend_from_slice(b"Max-Forwards: ");
            edit::emit_number(u64::from(MAX_FORWARDS_DEFAULT), out);
            out.extend_from_slice(b"\r\n");
        }),
    }
}

/// Appends the Record-Route lines of a fork: one value when both sides are alike and none is reached by a flow of its own, else two, the
/// callee's on top, so that each side sends to the address that faces it (RFC 5658).
pub fn emit_record_routes(
    upstream: &Side<'_>,
    downstream: &Side<'_>,
    key: Key,
    epoch: u32,
    out: &mut Vec<u8>,
) {
    let is_plain = |side: &Side<'_>| matches!(side.token, FlowToken::Permission { .. });
    emit_record_route(downstream, key, epoch, out);
    if upstream.endpoint != downstream.endpoint || !is_plain(upstream) || !is_plain(downstream) {
        emit_record_route(upstream, key, epoch, out);
    }
}

fn emit_record_route(side: &Side<'_>, key: Key, epoch: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Record-Route: <sip:");
    side.token.emit(key, epoch, out);
    out.push(b'@');
    out.extend_from_slice(&side.endpoint.advertise);
    out.extend_from_slice(b";lr");
    if side.endpoint.transport != Transport::Udp {
        out.extend_from_slice(b";transport=");
        out.extend_from_slice(side.endpoint.transport.uri_name());
    }
    out.extend_from_slice(b">\r\n");
}
