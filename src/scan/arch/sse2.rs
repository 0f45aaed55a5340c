//! Four vectors of 16 bytes a block.

use core::arch::x86_64::*;

use crate::scan::generic::{BLOCK, Masks, Vectors, scan_head as scan_generic};
use crate::scan::{Head, Sink};

/// Made in [`scan_head`] alone, where the instructions are enabled.
#[derive(Clone, Copy)]
struct Sse2(());

impl Vectors for Sse2 {
    #[inline(always)]
    fn masks(self, block: &[u8; BLOCK]) -> Masks {
        // SAFETY: `self` proves SSE2; the four unaligned loads stay inside the 64 bytes of `block`.
        unsafe {
            let (lf, colon, last_control) = (_mm_set1_epi8(0x0a), _mm_set1_epi8(0x3a), _mm_set1_epi8(0x1f));
            let mut masks = Masks::default();
            for part in 0..4 {
                let vector = _mm_loadu_si128(block.as_ptr().add(part * 16).cast());
                let bits = |matches| u64::from(_mm_movemask_epi8(matches) as u32) << (part * 16);
                masks.lf |= bits(_mm_cmpeq_epi8(vector, lf));
                masks.colon |= bits(_mm_cmpeq_epi8(vector, colon));
                masks.control |= bits(_mm_cmpeq_epi8(_mm_min_epu8(vector, last_control), vector));
            }
            masks
        }
    }
}

/// # Safety
/// The processor must have SSE2.
#[target_feature(enable = "sse2")]
pub(super) unsafe fn scan_head<S: Sink>(bytes: &[u8], sink: &mut S) -> Head {
    scan_generic(Sse2(()), bytes, sink)
}
