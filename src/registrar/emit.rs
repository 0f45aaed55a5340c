//! The header lines that only a registrar writes.

use crate::location::{Binding, BindingId};
use crate::sip::date::emit_date;
use crate::sip::edit::emit_number;
use crate::time::Instant;

/// Bytes of Contact lines in one response. An AOR with more (a hundred devices with kilobytes of parameters each) is not told of all of them, since no message
/// could hold them.
const CONTACT_LINES_BYTES_MAX: usize = 48 << 10;

/// The Date line of one second, made once and copied.
#[derive(Debug, Default)]
pub(super) struct DateLine {
    unix_s: u64,
    line: Vec<u8>,
}

impl DateLine {
    pub fn emit(&mut self, now: Instant, lines: &mut Vec<u8>) {
        let unix_s = now.unix_s();
        if unix_s != self.unix_s || self.line.is_empty() {
            self.unix_s = unix_s;
            self.line.clear();
            self.line.extend_from_slice(b"Date: ");
            emit_date(unix_s, &mut self.line);
            self.line.extend_from_slice(b"\r\n");
        }
        lines.extend_from_slice(&self.line);
    }
}

/// One line a binding: what the device said of itself, and the seconds that are left (RFC 3261 §10.3 step 8).
pub(super) fn emit_contacts<'a>(
    now: Instant,
    bindings: impl Iterator<Item = (BindingId, Binding<'a>)>,
    lines: &mut Vec<u8>,
) {
    let end_max = lines.len() + CONTACT_LINES_BYTES_MAX;
    for (_, binding) in bindings {
        let (head, tail) = binding.contact_without_expires();
        if lines.len() + binding.contact.len() > end_max {
            continue;
        }
        lines.extend_from_slice(b"Contact: ");
        lines.extend_from_slice(head);
        lines.extend_from_slice(tail);
        lines.extend_from_slice(b";expires=");
        emit_number(u64::from(binding.remaining_s(now)), lines);
        lines.extend_from_slice(b"\r\n");
    }
}

pub(super) fn emit_path(path: &[u8], lines: &mut Vec<u8>) {
    lines.extend_from_slice(b"Path: ");
    lines.extend_from_slice(path);
    lines.extend_from_slice(b"\r\nSupported: path\r\n");
}

/// RFC 5626 §6: `Require: outbound` tells the client that its flow is what requests will come by; only one that said it supports it is told.
pub(super) fn emit_outbound(ping_s: u32, is_required: bool, lines: &mut Vec<u8>) {
    if is_required {
        lines.extend_from_slice(b"Require: outbound\r\n");
    }
    if ping_s > 0 {
        emit_number_line(b"Flow-Timer: ", ping_s, lines);
    }
}

pub(super) fn emit_number_line(name_and_colon: &[u8], number: u32, lines: &mut Vec<u8>) {
    lines.extend_from_slice(name_and_colon);
    emit_number(u64::from(number), lines);
    lines.extend_from_slice(b"\r\n");
}
