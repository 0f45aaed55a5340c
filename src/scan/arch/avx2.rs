//! Two vectors of 32 bytes a block.

use core::arch::x86_64::*;

use crate::scan::generic::{BLOCK, Masks, Vectors, scan_head as scan_generic};
use crate::scan::{Head, Sink};

/// Made in [`scan_head`] alone, where the instructions are enabled.
#[derive(Clone, Copy)]
struct Avx2(());

impl Vectors for Avx2 {
    #[inline(always)]
    fn masks(self, block: &[u8; BLOCK]) -> Masks {
        // SAFETY: `self` proves AVX2; the two unaligned loads stay inside the 64 bytes of `block`.
        unsafe {
            let (lf, colon, last_control) =
                (_mm256_set1_epi8(0x0a), _mm256_set1_epi8(0x3a), _mm256_set1_epi8(0x1f));
            let low = _mm256_loadu_si256(block.as_ptr().cast());
            let high = _mm256_loadu_si256(block.as_ptr().add(32).cast());
            let bits = |low, high| {
                u64::from(_mm256_movemask_epi8(low) as u32)
                    | u64::from(_mm256_movemask_epi8(high) as u32) << 32
            };
            let is_control = |vector| _mm256_cmpeq_epi8(_mm256_min_epu8(vector, last_control), vector);
            Masks {
                lf: bits(_mm256_cmpeq_epi8(low, lf), _mm256_cmpeq_epi8(high, lf)),
                colon: bits(_mm256_cmpeq_epi8(low, colon), _mm256_cmpeq_epi8(high, colon)),
                control: bits(is_control(low), is_control(high)),
            }
        }
    }
}

/// # Safety
/// The processor must have AVX2, BMI1 and BMI2.
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) unsafe fn scan_head<S: Sink>(bytes: &[u8], sink: &mut S) -> Head {
    scan_generic(Avx2(()), bytes, sink)
}
