//! Word bytes by the SSE2 that every x86-64 has: values are short, so wider vectors gain nothing.

use core::arch::x86_64::*;

use crate::scan::words::WORD_BLOCK;

/// # Safety
/// The processor must have SSE2.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) unsafe fn word_stops(block: &[u8; WORD_BLOCK]) -> u16 {
    // SAFETY: the unaligned load is the 16 bytes of `block`.
    let bytes = unsafe { _mm_loadu_si128(block.as_ptr().cast()) };
    let all = |byte: u8| _mm_set1_epi8(byte as i8);
    let in_range = |bytes, first: u8, last: u8| {
        let from_first = _mm_sub_epi8(bytes, all(first));
        _mm_cmpeq_epi8(_mm_min_epu8(from_first, all(last - first)), from_first)
    };
    let letters = in_range(_mm_or_si128(bytes, all(0x20)), b'a', b'z');
    // `-`, `.` and the digits are neighbours, but for the `/` among them.
    let digits = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, all(b'/')), in_range(bytes, b'-', b'9'));
    let underscores = _mm_cmpeq_epi8(bytes, all(b'_'));
    !(_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letters, digits), underscores)) as u16)
}
