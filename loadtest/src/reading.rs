//! What is read from a message, through tine's own parser, and the parts of an answer that are copied from its request.

use std::net::SocketAddr;

use tine::flow::Address;
use tine::sip::cseq::Cseq;
use tine::sip::header_id::HeaderId;
use tine::sip::message::Message;
use tine::sip::name_addr::NameAddr;
use tine::sip::uri::Uri;
use tine::sip::via::Via;

use crate::names::{Kind, Name, RunMark};
use crate::user::Contact;

/// Record-Route values of one message; no path has more hops (Max-Forwards begins at 70).
const ROUTES_MAX: usize = 70;

/// The branch of the topmost Via.
pub fn top_branch<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    Via::parse(message.first_value(HeaderId::Via)?).ok()?.branch
}

/// The name in the Call-ID, when it is one of this run.
pub fn call_id(message: &Message<'_>, mark: RunMark) -> Option<Name> {
    mark.parse(message.first_value(HeaderId::CallId)?)
}

/// The tag of From or To.
pub fn tag_of<'a>(message: &Message<'a>, id: HeaderId) -> Option<&'a [u8]> {
    NameAddr::parse(message.first_value(id)?).ok()?.tag()
}

/// The number of the CSeq.
pub fn cseq_number(message: &Message<'_>) -> Option<u32> {
    Some(Cseq::parse(message.first_value(HeaderId::Cseq)?).ok()?.number)
}

/// The device that a Request-URI names.
pub fn device_of(request_uri: &[u8]) -> Option<Contact> {
    Contact::parse(Uri::parse(request_uri).ok()?.user?)
}

/// The URI of the first Contact: the remote target of a dialog (RFC 3261 §12.1).
pub fn contact_uri<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    Some(NameAddr::parse_first(message.first_value(HeaderId::Contact)?).ok()?.0.uri)
}

/// Writes the route set of a caller, as whole Route lines: Record-Route in reverse order (RFC 3261 §12.1.2). Returns the URI of the
/// first; `Err` when there are more values than a path can have, or one that is no list element.
pub fn emit_reversed_routes<'a>(message: &Message<'a>, out: &mut Vec<u8>) -> Result<Option<&'a [u8]>, ()> {
    let mut values: [&[u8]; ROUTES_MAX] = [b""; ROUTES_MAX];
    let mut count = 0;
    for value in message.values(HeaderId::RecordRoute) {
        *values.get_mut(count).ok_or(())? = value.map_err(|_| ())?.bytes;
        count += 1;
    }
    let mut first = None;
    for value in values[..count].iter().rev() {
        if first.is_none() {
            first = Some(NameAddr::parse(value).map_err(|_| ())?.uri);
        }
        out.extend_from_slice(b"Route: ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    Ok(first)
}

/// Where a URI with an address points to; `None` for a name, which this generator does not look up.
pub fn address_of(uri: &[u8]) -> Option<Address> {
    let uri = Uri::parse(uri).ok()?;
    Some(Address::from(SocketAddr::new(uri.host?.ip()?, uri.port.unwrap_or(5060))))
}

/// Appends what an answer repeats of its request (RFC 3261 §8.2.6.2, §12.1.1): Via, Record-Route, From, To, Call-ID and CSeq as they
/// stand, with `to_tag` added where To has none.
pub fn emit_answer_head(message: &Message<'_>, mark: RunMark, to_tag: Name, out: &mut Vec<u8>) {
    emit_lines(message, out, |line, value, out| match line {
        HeaderId::Via | HeaderId::RecordRoute | HeaderId::From | HeaderId::CallId | HeaderId::Cseq => {
            Copied::Whole
        }
        HeaderId::To if NameAddr::parse(value).is_ok_and(|to| to.tag().is_some()) => Copied::Whole,
        HeaderId::To => {
            out.extend_from_slice(b"To: ");
            out.extend_from_slice(value);
            out.extend_from_slice(b";tag=");
            mark.emit(to_tag, out);
            out.extend_from_slice(b"\r\n");
            Copied::Done
        }
        _ => Copied::Done,
    });
}

/// Appends the ACK to a final answer that refuses (RFC 3261 §17.1.1.3), made of the answer alone: it goes to the URI of To, as the
/// INVITE did, with the INVITE's branch.
pub fn emit_ack_of_refusal(response: &Message<'_>, out: &mut Vec<u8>) -> Option<()> {
    let to = NameAddr::parse(response.first_value(HeaderId::To)?).ok()?;
    let cseq = cseq_number(response)?;
    out.extend_from_slice(b"ACK ");
    out.extend_from_slice(to.uri);
    out.extend_from_slice(b" SIP/2.0\r\n");
    emit_lines(response, out, |line, _, _| match line {
        HeaderId::Via | HeaderId::From | HeaderId::To | HeaderId::CallId => Copied::Whole,
        _ => Copied::Done,
    });
    out.extend_from_slice(b"Max-Forwards: 70\r\nCSeq: ");
    crate::template::emit_number(cseq, out);
    out.extend_from_slice(b" ACK\r\nContent-Length: 0\r\n\r\n");
    Some(())
}

/// Appends the head of the answer to the INVITE that a CANCEL is of: the CANCEL's, with INVITE in its CSeq.
pub fn emit_cancelled_head(cancel: &Message<'_>, mark: RunMark, to_tag: Name, out: &mut Vec<u8>) {
    let start = out.len();
    emit_answer_head(cancel, mark, to_tag, out);
    let Some(number) = cseq_number(cancel) else { return };
    let Some(place) = out[start..].windows(7).rposition(|part| part.eq_ignore_ascii_case(b"\r\nCSeq:"))
    else {
        return;
    };
    let (line, end) = {
        let line = start + place + 2;
        let end = out[line..].iter().position(|&byte| byte == b'\n').map_or(out.len(), |at| line + at + 1);
        (line, end)
    };
    out.drain(line..end);
    out.extend_from_slice(b"CSeq: ");
    crate::template::emit_number(number, out);
    out.extend_from_slice(b" INVITE\r\n");
}

/// What an emitter says about a line.
enum Copied {
    /// The line is to be copied as it stands.
    Whole,
    /// It is not, or a line of its own was written.
    Done,
}

fn emit_lines(
    message: &Message<'_>,
    out: &mut Vec<u8>,
    mut each: impl FnMut(HeaderId, &[u8], &mut Vec<u8>) -> Copied,
) {
    for line in message.lines() {
        match each(line.id, message.value(line), out) {
            Copied::Whole => {
                out.extend_from_slice(&message.bytes()[usize::from(line.start)..usize::from(line.next)])
            }
            Copied::Done => {}
        }
    }
}

/// The name of a device in a call, by its number.
pub const fn device_name(call: Name, device: u8) -> Name {
    call.with(Kind::Device, device)
}
