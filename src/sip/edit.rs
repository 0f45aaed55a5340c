//! Forwarding is a short list of edits over the bytes that came: what no edit names goes out as it came in, order, case and white space
//! included.

use core::net::IpAddr;
use core::ops::Range;

use super::header_id::HeaderId;
use super::index::HeaderLine;
use super::malformed::Malformed;
use super::message::Message;
use super::via::{Rport, Via};
use super::{list, octet};

/// Edits of one message, in the order of their positions; those at one position in the order in which they were asked for. Reused from message to
/// message: `clear` keeps the memory, so nothing is allocated in the steady state.
#[derive(Clone, Debug, Default)]
pub struct EditList {
    edits: Vec<Edit>,
    /// What the edits put in.
    inserted: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Edit {
    at: u32,
    /// Bytes of the message that fall away from `at` on.
    removed_len: u32,
    /// What comes in their place: a range of `inserted`.
    start: u32,
    end: u32,
}

/// What is known of who sent a request, to be noted in its topmost Via.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ViaSource {
    /// Written as `received` when sent-by is something else (RFC 3261 §18.2.1), or when rport asks for it (RFC 3581 §4).
    pub ip: IpAddr,
    /// Filled into an empty `rport`.
    pub port: u16,
    /// Both are written whether asked for or not, as for a client behind NAT that does not know RFC 3581.
    pub is_forced: bool,
}

impl EditList {
    pub fn new() -> EditList {
        EditList::default()
    }

    pub fn clear(&mut self) {
        self.edits.clear();
        self.inserted.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Puts `bytes` before the byte at `at`.
    pub fn insert(&mut self, at: usize, bytes: &[u8]) {
        self.replace(at..at, bytes);
    }

    /// Puts what `write` appends to its vector before the byte at `at`.
    pub fn insert_with(&mut self, at: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.replace_with(at..at, write);
    }

    pub fn remove(&mut self, range: Range<usize>) {
        self.replace(range, b"");
    }

    pub fn replace(&mut self, range: Range<usize>, bytes: &[u8]) {
        self.replace_with(range, |out| out.extend_from_slice(bytes));
    }

    /// Replaces a range of the message by what `write` appends to its vector. The vector holds other edits' bytes before that.
    pub fn replace_with(&mut self, range: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.inserted.len();
        write(&mut self.inserted);
        debug_assert!(self.inserted.len() >= start, "a writer appends");
        let edit = Edit {
            at: range.start as u32,
            removed_len: range.len() as u32,
            start: start as u32,
            end: self.inserted.len() as u32,
        };
        // Edits are few, and mostly asked for in their order.
        let place = self.edits.iter().rposition(|other| other.at <= edit.at).map_or(0, |place| place + 1);
        self.edits.insert(place, edit);
    }

    /// Length of `emit_edited`'s result for a message of `len` bytes.
    pub fn edited_len(&self, len: usize) -> usize {
        let mut at = 0;
        let mut edited = 0;
        for edit in &self.edits {
            let kept_to = (edit.at as usize).min(len);
            edited += kept_to.saturating_sub(at) + (edit.end - edit.start) as usize;
            at = at.max((edit.at + edit.removed_len) as usize);
        }
        edited + len.saturating_sub(at)
    }
}

/// Appends `bytes` with the edits applied to `out`. Ranges may overlap: what one edit removes is gone, and what another puts there stays.
pub fn emit_edited(bytes: &[u8], edits: &EditList, out: &mut Vec<u8>) {
    out.reserve(edits.edited_len(bytes.len()));
    let mut at = 0;
    for edit in &edits.edits {
        let kept_to = (edit.at as usize).min(bytes.len());
        if kept_to > at {
            out.extend_from_slice(&bytes[at..kept_to]);
        }
        out.extend_from_slice(&edits.inserted[edit.start as usize..edit.end as usize]);
        at = at.max((edit.at + edit.removed_len) as usize);
    }
    if at < bytes.len() {
        out.extend_from_slice(&bytes[at..]);
    }
}

/// Appends a part of a message with the edits applied that lie in it or at its end. `next` counts the edits that earlier parts have used up; parts
/// follow each other in the order of the message, with bytes between them.
pub(super) fn emit_edited_part(
    bytes: &[u8],
    part: Range<usize>,
    edits: &EditList,
    next: &mut usize,
    out: &mut Vec<u8>,
) {
    let mut at = part.start;
    while let Some(edit) = edits.edits.get(*next).filter(|edit| edit.at as usize <= part.end) {
        let kept_to = (edit.at as usize).max(at);
        out.extend_from_slice(&bytes[at..kept_to]);
        out.extend_from_slice(&edits.inserted[edit.start as usize..edit.end as usize]);
        at = kept_to + edit.removed_len as usize;
        *next += 1;
    }
    out.extend_from_slice(&bytes[at.min(part.end)..part.end]);
}

/// Removes the elements of a list header for which `is_removed` says so, over all its lines. A line that loses all its elements goes, one that
/// loses some stays a valid list.
///
/// # Errors
/// A line is not a list; edits made before that are in `edits`.
pub fn edit_remove_values(
    message: &Message<'_>,
    id: HeaderId,
    edits: &mut EditList,
    mut is_removed: impl FnMut(&[u8]) -> bool,
) -> Result<(), Malformed> {
    for line in message.all(id) {
        edit_line(message, line, edits, &mut is_removed)?;
    }
    Ok(())
}

/// Removes the first `count` elements of a list header, wherever its line ends fall.
///
/// # Errors
/// As [`edit_remove_values`].
pub fn edit_remove_first_values(
    message: &Message<'_>,
    id: HeaderId,
    count: usize,
    edits: &mut EditList,
) -> Result<(), Malformed> {
    let mut left = count;
    for line in message.all(id) {
        if left == 0 {
            break;
        }
        edit_line(message, line, edits, &mut |_| {
            let is_removed = left > 0;
            left -= usize::from(is_removed);
            is_removed
        })?;
    }
    Ok(())
}

/// Removes the topmost Via, as for a response that goes back (RFC 3261 §16.7 step 3). `via` is that Via; without any nothing is done.
pub fn edit_remove_top_via(message: &Message<'_>, via: &Via<'_>, edits: &mut EditList) {
    let Some(line) = message.first(HeaderId::Via) else { return };
    match via.next {
        None => edits.remove(range_of(line)),
        Some(next) => {
            let start = usize::from(line.value_start);
            let behind = octet::skip_white(message.value(line), usize::from(next));
            edits.remove(start..start + behind);
        }
    }
}

/// Removes all lines of a header.
pub fn edit_remove_lines(message: &Message<'_>, id: HeaderId, edits: &mut EditList) {
    for line in message.all(id) {
        edits.remove(range_of(line));
    }
}

/// Notes in the topmost Via where the request came from (RFC 3261 §18.2.1, RFC 3581 §4). `via` is the one at the start of the value that begins
/// at `value_start`.
pub fn edit_top_via(via: &Via<'_>, value_start: usize, source: ViaSource, edits: &mut EditList) {
    let has_rport_to_fill = matches!(via.rport, Rport::Empty { .. });
    match via.rport {
        Rport::Empty { fill_at } => edits.insert_with(value_start + usize::from(fill_at), |out| {
            out.push(b'=');
            emit_number(u64::from(source.port), out);
        }),
        Rport::Absent if source.is_forced => edits.insert_with(value_start + usize::from(via.end), |out| {
            out.extend_from_slice(b";rport=");
            emit_number(u64::from(source.port), out);
        }),
        // A client that claims to know its port is not believed, but its bytes are its own: responses go by the flow.
        Rport::Absent | Rport::Port(_) => {}
    }
    let needs_received = source.is_forced || has_rport_to_fill || via.host.ip() != Some(source.ip);
    if let Some(received) = via.received {
        // What a client says of itself counts for nothing.
        if via.received_ip() != Some(source.ip) {
            let start = value_start + octet::offset_in(via.params.bytes(), received) + usize::from(via.end)
                - via.params.bytes().len();
            edits.replace_with(start..start + received.len(), |out| emit_ip(source.ip, out));
        }
    } else if needs_received {
        edits.insert_with(value_start + usize::from(via.end), |out| {
            out.extend_from_slice(b";received=");
            emit_ip(source.ip, out);
        });
    }
}

/// Appends a decimal number.
#[inline]
pub fn emit_number(number: u64, out: &mut Vec<u8>) {
    if number < 10 {
        return out.push(b'0' + number as u8);
    }
    emit_digits(number, out);
}

fn emit_digits(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends an IP address without brackets, as in `received`; IPv4-mapped IPv6 as IPv4.
pub fn emit_ip(ip: IpAddr, out: &mut Vec<u8>) {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let mut text = [0; "255.255.255.255.".len()];
            let mut len = 0;
            for octet in v4.octets() {
                for (unit, digit) in [(100, octet / 100), (10, octet / 10 % 10), (1, octet % 10)] {
                    if octet >= unit || unit == 1 {
                        text[len] = b'0' + digit;
                        len += 1;
                    }
                }
                text[len] = b'.';
                len += 1;
            }
            out.extend_from_slice(&text[..len - 1]);
        }
        // The longest run of zeros is a search of its own, which the standard library has; it writes without allocating.
        IpAddr::V6(v6) => {
            let _ = std::io::Write::write_fmt(out, format_args!("{v6}"));
        }
    }
}

/// A whole line with its line end.
pub fn range_of(line: &HeaderLine) -> Range<usize> {
    usize::from(line.start)..usize::from(line.next)
}

fn edit_line(
    message: &Message<'_>,
    line: &HeaderLine,
    edits: &mut EditList,
    is_removed: &mut impl FnMut(&[u8]) -> bool,
) -> Result<(), Malformed> {
    let value = message.value(line);
    let base = usize::from(line.value_start);
    // From the end of the last element that stays, or from the start of the value.
    let mut gap_start = None;
    let mut kept_end = None;
    let mark = edits.edits.len();
    for element in list::split(value) {
        let element = element.map_err(|flaw| message.bad(line, flaw))?;
        let start = base + octet::offset_in(value, element);
        let end = start + element.len();
        if is_removed(element) {
            gap_start = gap_start.or(Some(kept_end.unwrap_or(start)));
            continue;
        }
        if let Some(from) = gap_start.take() {
            // Behind an element that stays, its comma stays with this one.
            let to = if kept_end.is_some() { comma_before(message.bytes(), from, start) } else { start };
            edits.remove(from..to);
        }
        kept_end = Some(end);
    }
    match (gap_start, kept_end) {
        (Some(_), None) => {
            debug_assert_eq!(mark, edits.edits.len());
            edits.remove(range_of(line));
        }
        (Some(from), Some(_)) => edits.remove(from..usize::from(line.value_end)),
        (None, _) => {}
    }
    Ok(())
}

/// The last comma in `bytes[from..to]`: between two elements there is nothing but white space around it.
fn comma_before(bytes: &[u8], from: usize, to: usize) -> usize {
    bytes[from..to].iter().rposition(|&byte| byte == b',').map_or(to, |offset| from + offset)
}

#[cfg(test)]
mod tests;
