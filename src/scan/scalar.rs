//! The oracle: one byte after the other, nothing clever. Also what processors without vectors use.

use super::forbidden::find_forbidden;
use super::{End, Head, Line, Sink};

#[inline(always)]
pub(super) fn scan_head<S: Sink>(bytes: &[u8], sink: &mut S) -> Head {
    let mut is_suspect = false;
    let mut start = 0;
    let mut colon = None;
    let mut index = 0;
    let finish = |end, len, is_suspect: bool| {
        let forbidden = if is_suspect { find_forbidden(&bytes[..len]) } else { None };
        Head { end, len, forbidden }
    };
    while index < bytes.len() {
        let byte = bytes[index];
        index += 1;
        match byte {
            b':' if colon.is_none() => colon = Some(index - 1),
            b'\r' => is_suspect |= bytes.get(index) != Some(&b'\n'),
            b'\n' => {
                let has_cr = index >= 2 && bytes[index - 2] == b'\r';
                is_suspect |= !has_cr;
                let end = index - 1 - usize::from(has_cr);
                let rest = &bytes[index..];
                if matches!(rest.first(), Some(b' ' | b'\t')) {
                    continue;
                }
                let line = Line { start, colon: colon.unwrap_or(start), end, next: index };
                if !sink.on_line(line) {
                    return finish(End::Stopped, index, is_suspect);
                }
                match rest {
                    [b'\r', b'\n', ..] => return finish(End::Complete, index + 2, is_suspect),
                    [b'\n', ..] => return finish(End::Complete, index + 1, true),
                    [] | [b'\r'] => return finish(End::Truncated, bytes.len(), is_suspect),
                    _ => {}
                }
                start = index;
                colon = None;
            }
            0..=0x1f => is_suspect = true,
            _ => {}
        }
    }
    finish(End::Truncated, bytes.len(), is_suspect)
}
