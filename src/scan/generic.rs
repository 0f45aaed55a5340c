//! The loop that all vectors share: from masks of blocks to lines.

use super::forbidden::find_forbidden;
use super::{End, Head, Line, Sink};

/// Bytes of one block.
pub(super) const BLOCK: usize = 64;

/// What a vector sees in a block; bit `n` stands for byte `n`.
#[derive(Clone, Copy, Default)]
pub(super) struct Masks {
    pub lf: u64,
    pub colon: u64,
    /// Bytes below 0x20, CR and LF among them.
    pub control: u64,
}

/// The vectors of one processor. A value of the type is the proof that the processor has its instructions.
pub(super) trait Vectors: Copy {
    fn masks(self, block: &[u8; BLOCK]) -> Masks;
}

/// Scans with `vectors`. Every function under here is inlined into the one in `arch` that enables the instructions.
///
/// A line is told when its end has been found, but its colon is looked for when it starts: the colons of its block and of the next
/// one, as one window of 64 bits from its first byte on. Therefore masks are made one block ahead.
#[inline(always)]
pub(super) fn scan_head<V: Vectors, S: Sink>(vectors: V, bytes: &[u8], sink: &mut S) -> Head {
    let mut start = 0;
    let mut current = masks_at(vectors, bytes, 0);
    // The colon of the current line, when it is within 64 bytes of the start.
    let mut colon = first_colon(0, current.colon);
    let mut suspect = 0;
    let mut base = 0;
    while base < bytes.len() {
        let next = masks_at(vectors, bytes, base + BLOCK);
        // Each LF has a CR before it, and nothing else below 0x20 is usual. That the byte before an LF is a CR is seen line by line.
        suspect |= current.control ^ (current.lf | current.lf >> 1 | next.lf << 63);
        let mut lf = current.lf;
        while lf != 0 {
            let bit = lf.trailing_zeros();
            lf &= lf - 1;
            let at = base + bit as usize;
            let mut end = at.wrapping_sub(1);
            let after = at + 1;
            // Mostly the line ends with CR LF, and another header begins behind it.
            let mut behind = Next::Line;
            if !matches!(bytes.get(end..).and_then(|rest| rest.first_chunk()), Some([b'\r', _, (b'!'..)])) {
                if bytes.get(end) != Some(&b'\r') {
                    suspect = 1;
                    end = at;
                }
                behind = next_is(bytes, after);
                if let Next::Fold = behind {
                    continue;
                }
            }
            if colon > end {
                colon = find_late_colon(bytes, start, end);
            }
            let is_wanted = sink.on_line(Line { start, colon, end, next: after });
            match behind {
                Next::Line if is_wanted => {}
                Next::End { len, is_suspect } if is_wanted => {
                    return finish(bytes, End::Complete, len, suspect | u64::from(is_suspect));
                }
                Next::Nothing if is_wanted => return finish(bytes, End::Truncated, bytes.len(), suspect),
                _ => return finish(bytes, End::Stopped, after, suspect),
            }
            start = after;
            colon = first_colon(start, current.colon >> bit >> 1 | next.colon << (63 - bit));
        }
        current = next;
        base += BLOCK;
    }
    finish(bytes, End::Truncated, bytes.len(), suspect)
}

/// The first colon of a window of 64 bytes from `start` on, or a place behind all others.
#[inline(always)]
fn first_colon(start: usize, window: u64) -> usize {
    if window == 0 { usize::MAX } else { start + window.trailing_zeros() as usize }
}

/// What comes behind a line feed.
enum Next {
    Line,
    Fold,
    /// The empty line; `len` is the length of the head.
    End {
        len: usize,
        is_suspect: bool,
    },
    Nothing,
}

#[inline]
fn next_is(bytes: &[u8], after: usize) -> Next {
    match &bytes[after..] {
        [b' ' | b'\t', ..] => Next::Fold,
        [b'\r', b'\n', ..] => Next::End { len: after + 2, is_suspect: false },
        [b'\n', ..] => Next::End { len: after + 1, is_suspect: true },
        [] | [b'\r'] => Next::Nothing,
        _ => Next::Line,
    }
}

/// The colon of a line that has none in its first 64 bytes; `start` when it has none at all.
#[cold]
fn find_late_colon(bytes: &[u8], start: usize, end: usize) -> usize {
    bytes[start..end].iter().position(|&byte| byte == b':').map_or(start, |offset| start + offset)
}

/// Masks of the block at `base`; bytes behind the end count as spaces.
#[inline(always)]
fn masks_at<V: Vectors>(vectors: V, bytes: &[u8], base: usize) -> Masks {
    if let Some(block) = bytes.get(base..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        return vectors.masks(block);
    }
    if base >= bytes.len() {
        return Masks::default();
    }
    match bytes.last_chunk::<BLOCK>() {
        // The last 64 bytes, of which the first `shift` belong to the block before.
        Some(block) => {
            let shift = base + BLOCK - bytes.len();
            let Masks { lf, colon, control } = vectors.masks(block);
            Masks { lf: lf >> shift, colon: colon >> shift, control: control >> shift }
        }
        None => {
            let mut block = [b' '; BLOCK];
            block[..bytes.len()].copy_from_slice(bytes);
            vectors.masks(&block)
        }
    }
}

#[inline(always)]
fn finish(bytes: &[u8], end: End, len: usize, suspect: u64) -> Head {
    let forbidden = if suspect != 0 { find_forbidden(&bytes[..len]) } else { None };
    Head { end, len, forbidden }
}
