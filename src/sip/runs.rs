//! Runs of bytes of one class, found sixteen bytes at a time.
//!
//! All classes of `octet` hold the bytes of host names (letters, digits, `-`, `.`, `_`), and values are mostly made of these. So a value is cut once
//! into windows of 64 bytes, a bit for each byte that is none of them; every step of a parser then jumps from stop to stop. The
//! time for a value grows with its delimiters, and the lengths of its words do not make branches.

use super::octet::{self, HOST};
use crate::scan::{WORD_BLOCK, word_stops};

/// The stops of a value, a window at a time.
#[derive(Clone, Copy, Debug)]
pub struct Runs<'a> {
    bytes: &'a [u8],
    /// Where the window begins.
    base: usize,
    /// Bit `i` is set when byte `base + i` is no host byte, or is behind the end.
    stops: u64,
}

impl<'a> Runs<'a> {
    /// Reads the window at `at`.
    #[inline(always)]
    pub fn new(bytes: &'a [u8], at: usize) -> Runs<'a> {
        Runs { bytes, base: at, stops: stops_at(bytes, at) }
    }

    /// The value that is read.
    #[inline]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first position at or after `at` whose byte is in none of the `classes`; the length of the value when there is none.
    /// Going back is fine, and costs a window.
    #[inline(always)]
    pub fn end(&mut self, mut at: usize, classes: u8) -> usize {
        while at < self.bytes.len() {
            // A position before the window wraps round to one far behind it.
            if at.wrapping_sub(self.base) >= WINDOW {
                self.base = at;
                self.stops = next_stops_at(self.bytes, at);
            }
            let stops = self.stops >> (at - self.base);
            if stops == 0 {
                at = self.base + WINDOW;
                continue;
            }
            at += stops.trailing_zeros() as usize;
            match self.bytes.get(at) {
                Some(&byte) if octet::is(byte, classes) => at += 1,
                _ => return at,
            }
        }
        at
    }
}

/// Bytes of a window.
const WINDOW: usize = 64;

/// The windows behind the first one, which few values have.
#[inline(never)]
fn next_stops_at(bytes: &[u8], at: usize) -> u64 {
    stops_at(bytes, at)
}

#[inline(always)]
fn stops_at(bytes: &[u8], at: usize) -> u64 {
    let len = bytes.len();
    let Some(last) = len.checked_sub(WORD_BLOCK) else { return stops_of_short(bytes, at) };
    let mut stops = 0u64;
    for block in 0..WINDOW / WORD_BLOCK {
        let wanted = at + block * WORD_BLOCK;
        if wanted >= len {
            break;
        }
        // A block that would reach behind the end is read from its last sixteen bytes, and shifted to where it was wanted.
        let start = wanted.min(last);
        let piece: &[u8; WORD_BLOCK] =
            bytes[start..].first_chunk().expect("`start` is sixteen bytes before the end or earlier");
        let shift = wanted - start;
        stops |= u64::from(word_stops(piece)) >> shift << (block * WORD_BLOCK);
    }
    stops | behind_end(len, at)
}

/// The bits of positions behind the end of the value.
#[inline]
fn behind_end(len: usize, at: usize) -> u64 {
    let inside = len.saturating_sub(at);
    if inside < WINDOW { u64::MAX << inside } else { 0 }
}

#[cold]
fn stops_of_short(bytes: &[u8], at: usize) -> u64 {
    let mut stops = behind_end(bytes.len(), at);
    for (bit, &byte) in bytes.iter().skip(at).enumerate() {
        stops |= u64::from(!octet::is(byte, HOST)) << bit;
    }
    stops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_holds_the_host_bytes() {
        for byte in (0..=255u8).filter(|&byte| octet::is(byte, HOST)) {
            for class in [octet::TOKEN, octet::USER, octet::URI_PARAM, octet::URI_HEADER, octet::PARAM_VALUE]
            {
                assert!(octet::is(byte, class), "{byte} {class}");
            }
        }
    }

    #[test]
    fn runs_end_where_a_byte_by_byte_walk_ends() {
        // A stop of each kind at each place, in values of each length around the block and the window.
        for len in (0..40).chain(60..70).chain(120..140) {
            for stop in 0..=len {
                for byte in [b';', b'+', b'%', 0xff] {
                    let mut bytes = vec![b'x'; len];
                    if stop < len {
                        bytes[stop] = byte;
                    }
                    for start in [0, 1, 15, 16, 17, 63, 64, 65] {
                        let start = start.min(len);
                        for classes in [HOST, octet::TOKEN] {
                            let mut runs = Runs::new(&bytes, start);
                            let end = runs.end(start, classes);
                            assert_eq!(
                                end,
                                octet::end_of_run(&bytes, start, classes),
                                "{len} {stop} {byte} {start}"
                            );
                            if end < len {
                                let next = octet::end_of_run(&bytes, end + 1, classes);
                                assert_eq!(runs.end(end + 1, classes), next, "{len} {stop} {byte} {start}");
                            }
                        }
                    }
                }
            }
        }
    }
}
