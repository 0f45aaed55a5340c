//! Responses that this node makes itself, from the request's own lines (RFC 3261 §8.2.6).

use super::edit::{EditList, ViaSource, edit_top_via, emit_edited_part, emit_number};
use super::essentials::Essentials;
use super::header_id::HeaderId;
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
    /// Whole lines with their line ends, put before Content-Length, in any number of pieces.
    pub extra: &'a [&'a [u8]],
    /// Its Content-Type stands in `extra`.
    pub body: &'a [u8],
    /// Of the request, when they were proved: spares another look at its values.
    pub essentials: Option<&'a Essentials<'a>>,
}

/// Appends a response to `request` to `out`: all Vias, From, To, Call-ID and CSeq as they came. `edits` is for its own use, and is cleared. A header that is not
/// there, or stands twice in a malformed request, is copied as far as it makes sense: see [`Message::is_answerable`].
pub fn emit_response(
    request: &Message<'_>,
    head: &ResponseHead<'_>,
    edits: &mut EditList,
    out: &mut Vec<u8>,
) {
    let extra_len: usize = head.extra.iter().map(|lines| lines.len()).sum();
    out.reserve(request.head_len() + extra_len + head.body.len() + head.reason.len() + 128);
    out.extend_from_slice(b"SIP/2.0 ");
    emit_number(u64::from(head.status), out);
    out.push(b' ');
    out.extend_from_slice(head.reason);
    out.extend_from_slice(b"\r\n");
    edit_copied_lines(request, head, edits);
    emit_copied_lines(request, head, edits, out);
    edits.clear();
    for lines in head.extra {
        out.extend_from_slice(lines);
    }
    out.extend_from_slice(b"Content-Length: ");
    emit_number(head.body.len() as u64, out);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(head.body);
}

/// What changes in the lines that are copied: the topmost Via, and a To without a tag. One that does not fit its grammar stays as it is.
fn edit_copied_lines(request: &Message<'_>, head: &ResponseHead<'_>, edits: &mut EditList) {
    edits.clear();
    if let (Some(source), Some(line)) = (head.via_source, request.first(HeaderId::Via)) {
        let value_start = usize::from(line.value_start);
        match head.essentials {
            Some(essentials) => edit_top_via(&essentials.via, value_start, source, edits),
            None => {
                if let Ok(via) = Via::parse(request.value(line)) {
                    edit_top_via(&via, value_start, source, edits);
                }
            }
        }
    }
    if let (Some(tag), Some(line)) = (head.to_tag, request.first(HeaderId::To)) {
        let is_missing = match head.essentials {
            Some(essentials) => essentials.to.tag().is_none(),
            None => NameAddr::parse(request.value(line)).is_ok_and(|to| to.tag().is_none()),
        };
        if is_missing {
            edits.insert_with(usize::from(line.value_end), |out| {
                out.extend_from_slice(b";tag=");
                out.extend_from_slice(tag);
            });
        }
    }
}

/// Appends the lines that are copied, with their edits. Lines that follow each other go in one piece.
fn emit_copied_lines(request: &Message<'_>, head: &ResponseHead<'_>, edits: &EditList, out: &mut Vec<u8>) {
    let bytes = request.bytes();
    let mut next_edit = 0;
    let mut piece = 0..0;
    for (place, line) in request.lines().iter().enumerate() {
        if !is_copied(request, head, place, line.id) {
            continue;
        }
        let (start, value_end, next) =
            (usize::from(line.start), usize::from(line.value_end), usize::from(line.next));
        if piece.end != start {
            emit_edited_part(bytes, piece, edits, &mut next_edit, out);
            piece = start..start;
        }
        piece.end = next;
        // White space behind a value is not copied.
        if bytes[value_end..next] != *b"\r\n" {
            emit_edited_part(bytes, piece.start..value_end, edits, &mut next_edit, out);
            out.extend_from_slice(b"\r\n");
            piece = next..next;
        }
    }
    emit_edited_part(bytes, piece, edits, &mut next_edit, out);
}

#[inline]
fn is_copied(request: &Message<'_>, head: &ResponseHead<'_>, place: usize, id: HeaderId) -> bool {
    let is_first = || request.index().first_index(id) == Some(place);
    match id {
        HeaderId::Via => true,
        HeaderId::From | HeaderId::To | HeaderId::CallId | HeaderId::Cseq => is_first(),
        HeaderId::RecordRoute => head.has_record_route,
        // §8.2.6.1: a 100 answers the Timestamp.
        HeaderId::Timestamp => head.status == 100 && is_first(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
