//! The two requests that a proxy makes itself, both for a branch of an INVITE that it sent: CANCEL (RFC 3261 §9.1) and the ACK to a final
//! response other than 2xx (§17.1.1.3). They are made of the lines of that INVITE.

use crate::proxy::context::CancelReason;
use crate::sip::cseq::Cseq;
use crate::sip::edit::emit_number;
use crate::sip::header_id::HeaderId;
use crate::sip::message::Message;

/// Appends the CANCEL of `invite`, the request as it was sent. `caller_reason`: the Reason lines of the caller's CANCEL.
pub fn emit_cancel(invite: &Message<'_>, reason: CancelReason, caller_reason: &[u8], out: &mut Vec<u8>) {
    emit_start(invite, b"CANCEL", out);
    emit_lines(invite, HeaderId::To, out);
    emit_cseq(invite, b"CANCEL", out);
    match reason {
        CancelReason::CompletedElsewhere => {
            out.extend_from_slice(b"Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n");
        }
        CancelReason::CallerCancelled => out.extend_from_slice(caller_reason),
        CancelReason::Declined(status) => {
            out.extend_from_slice(b"Reason: SIP;cause=");
            emit_number(u64::from(status), out);
            out.extend_from_slice(b"\r\n");
        }
        CancelReason::TimerC => out.extend_from_slice(b"Reason: SIP;cause=408;text=\"Request Timeout\"\r\n"),
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

/// Appends the ACK to a final response to `invite`: the To is the response's.
pub fn emit_ack(invite: &Message<'_>, response: &Message<'_>, out: &mut Vec<u8>) {
    emit_start(invite, b"ACK", out);
    emit_lines(response, HeaderId::To, out);
    emit_cseq(invite, b"ACK", out);
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

/// Request line, our Via alone, and what the INVITE's way depends on.
fn emit_start(invite: &Message<'_>, method: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(invite.request_uri());
    out.extend_from_slice(b" SIP/2.0\r\n");
    if let Some(line) = invite.first(HeaderId::Via) {
        // Ours is a line of its own, and the first.
        out.extend_from_slice(&invite.bytes()[usize::from(line.start)..usize::from(line.next)]);
    }
    out.extend_from_slice(b"Max-Forwards: 70\r\n");
    emit_lines(invite, HeaderId::Route, out);
    emit_lines(invite, HeaderId::From, out);
    emit_lines(invite, HeaderId::CallId, out);
}

fn emit_lines(message: &Message<'_>, id: HeaderId, out: &mut Vec<u8>) {
    for line in message.all(id) {
        out.extend_from_slice(&message.bytes()[usize::from(line.start)..usize::from(line.next)]);
    }
}

fn emit_cseq(invite: &Message<'_>, method: &[u8], out: &mut Vec<u8>) {
    let number = invite
        .first_value(HeaderId::Cseq)
        .and_then(|value| Cseq::parse(value).ok())
        .map_or(0, |cseq| cseq.number);
    out.extend_from_slice(b"CSeq: ");
    emit_number(u64::from(number), out);
    out.push(b' ');
    out.extend_from_slice(method);
    out.extend_from_slice(b"\r\n");
}
