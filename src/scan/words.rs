//! Where words end: the letters, digits, `-`, `.` and `_` that values are mostly made of, sixteen bytes at a time.

use super::arch;

/// Bytes looked at by one call of [`word_stops`].
pub const WORD_BLOCK: usize = 16;

/// Bit `i` is set when byte `i` is no letter, digit, `-`, `.` or `_`.
#[inline]
pub fn word_stops(block: &[u8; WORD_BLOCK]) -> u16 {
    arch::word_stops(block)
}

/// The same, byte by byte: the oracle, and what other processors use.
#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) fn word_stops_by_byte(block: &[u8; WORD_BLOCK]) -> u16 {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    block.iter().rev().fold(0, |stops, &byte| stops << 1 | u16::from(!is_word(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_in_every_lane() {
        for byte in 0..=255u8 {
            for lane in 0..WORD_BLOCK {
                for filler in [b'a', b';'] {
                    let mut block = [filler; WORD_BLOCK];
                    block[lane] = byte;
                    assert_eq!(word_stops(&block), word_stops_by_byte(&block), "{byte} in lane {lane}");
                }
            }
        }
    }
}
