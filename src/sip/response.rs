//! Responses that this node makes itself, from the request's own lines (RFC 3261 §8.2.6).

use super::edit::{EditList, ViaSource, edit_top_via, emit_edited, emit_number};
use super::header_id::HeaderId;
use super::index::HeaderLine;
use super::message::Message;
use super::name_addr::NameAddr;
use super::via::Via;

/// What is to be said. Everything else comes from the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseHead<'a> {
    pub status: u16,
    pub reason: &'a [u8],
    /// Put behind a To that has no tag; not for a 100.
    pub to_tag: Option<&'a [u8]>,
    /// Noted in the topmost Via, unless the request's bytes already have it.
    pub via_source: Option<ViaSource>,
    /// Copy Record-Route, as the 1xx and 2xx that make a dialog do (§12.1.1).
    pub has_record_route: bool,
    /// Whole lines with their line ends, put before Content-Length.
    pub extra: &'a [u8],
    /// Its Content-Type stands in `extra`.
    pub body: &'a [u8],
}

/// Appends a response to `request` to `out`: all Vias, From, To, Call-ID and CSeq as they came. `edits` is for its own use, and is cleared. A header that is not
/// there, or stands twice in a malformed request, is copied as far as it makes sense: see [`Message::is_answerable`].
pub fn emit_response(
    request: &Message<'_>,
    head: &ResponseHead<'_>,
    edits: &mut EditList,
    out: &mut Vec<u8>,
) {
    out.reserve(request.head_len() + head.extra.len() + head.body.len() + head.reason.len() + 128);
    out.extend_from_slice(b"SIP/2.0 ");
    emit_number(u64::from(head.status), out);
    out.push(b' ');
    out.extend_from_slice(head.reason);
    out.extend_from_slice(b"\r\n");
    for line in request.lines() {
        let is_first = || request.first(line.id).is_some_and(|first| first.start == line.start);
        match line.id {
            HeaderId::Via if is_first() => emit_top_via(request, line, head.via_source, edits, out),
            HeaderId::Via => emit_line(request, line, b"", out),
            HeaderId::From | HeaderId::CallId | HeaderId::Cseq if is_first() => {
                emit_line(request, line, b"", out)
            }
            HeaderId::To if is_first() => emit_line(request, line, missing_tag(request, line, head), out),
            HeaderId::RecordRoute if head.has_record_route => emit_line(request, line, b"", out),
            // §8.2.6.1: a 100 answers the Timestamp.
            HeaderId::Timestamp if head.status == 100 && is_first() => emit_line(request, line, b"", out),
            _ => {}
        }
    }
    out.extend_from_slice(head.extra);
    out.extend_from_slice(b"Content-Length: ");
    emit_number(head.body.len() as u64, out);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(head.body);
}

/// One line up to the end of its value, and `tag` behind that when there is one.
fn emit_line(request: &Message<'_>, line: &HeaderLine, tag: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&request.bytes()[usize::from(line.start)..usize::from(line.value_end)]);
    if !tag.is_empty() {
        out.extend_from_slice(b";tag=");
        out.extend_from_slice(tag);
    }
    out.extend_from_slice(b"\r\n");
}

/// The tag to put behind a To: none when it has one, or does not fit its grammar.
fn missing_tag<'a>(request: &Message<'_>, line: &HeaderLine, head: &ResponseHead<'a>) -> &'a [u8] {
    match (head.to_tag, NameAddr::parse(request.value(line))) {
        (Some(tag), Ok(to)) if to.tag().is_none() => tag,
        _ => b"",
    }
}

fn emit_top_via(
    request: &Message<'_>,
    line: &HeaderLine,
    source: Option<ViaSource>,
    edits: &mut EditList,
    out: &mut Vec<u8>,
) {
    edits.clear();
    let name_and_colon = usize::from(line.value_start - line.start);
    if let (Some(source), Ok(via)) = (source, Via::parse(request.value(line))) {
        edit_top_via(&via, name_and_colon, source, edits);
    }
    let bytes = &request.bytes()[usize::from(line.start)..usize::from(line.value_end)];
    emit_edited(bytes, edits, out);
    out.extend_from_slice(b"\r\n");
    edits.clear();
}

#[cfg(test)]
mod tests;
