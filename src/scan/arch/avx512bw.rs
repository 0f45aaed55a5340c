//! One vector of 64 bytes a block, compared straight into masks.

use core::arch::x86_64::*;

use crate::scan::generic::{BLOCK, Masks, Vectors, scan_head as scan_generic};
use crate::scan::{Head, Sink};

/// Made in [`scan_head`] alone, where the instructions are enabled.
#[derive(Clone, Copy)]
struct Avx512bw(());

impl Vectors for Avx512bw {
    #[inline(always)]
    fn masks(self, block: &[u8; BLOCK]) -> Masks {
        // SAFETY: `self` proves AVX-512BW; the unaligned load covers the 64 bytes of `block`.
        unsafe {
            let vector = _mm512_loadu_si512(block.as_ptr().cast());
            Masks {
                lf: _mm512_cmpeq_epi8_mask(vector, _mm512_set1_epi8(0x0a)),
                colon: _mm512_cmpeq_epi8_mask(vector, _mm512_set1_epi8(0x3a)),
                control: _mm512_cmple_epu8_mask(vector, _mm512_set1_epi8(0x1f)),
            }
        }
    }
}

/// # Safety
/// The processor must have AVX-512F, AVX-512BW, AVX2, BMI1 and BMI2.
#[target_feature(enable = "avx512f,avx512bw,avx2,bmi1,bmi2")]
pub(super) unsafe fn scan_head<S: Sink>(bytes: &[u8], sink: &mut S) -> Head {
    scan_generic(Avx512bw(()), bytes, sink)
}
