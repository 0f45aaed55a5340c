//! The only intrinsics of the crate. Each processor has one type that turns a block into masks, and one function that enables its instructions
//! and runs the generic loop inside.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512bw;
#[cfg(target_arch = "x86_64")]
mod sse2;
#[cfg(target_arch = "x86_64")]
mod words;

use super::words::WORD_BLOCK;
use super::{Backend, Head, Sink};

/// True when this processor can run `backend`.
#[cfg(target_arch = "x86_64")]
pub(super) fn is_available(backend: Backend) -> bool {
    let has_avx2 = || {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
    };
    match backend {
        Backend::Scalar | Backend::Sse2 => true,
        Backend::Avx2 => has_avx2(),
        Backend::Avx512bw => {
            has_avx2() && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn is_available(backend: Backend) -> bool {
    backend == Backend::Scalar
}

/// Scans with the vectors of `backend`, which is available: a `Scanner` is made of no other.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn scan_head<S: Sink>(backend: Backend, bytes: &[u8], sink: &mut S) -> Head {
    match backend {
        Backend::Scalar => super::scalar::scan_head(bytes, sink),
        // SAFETY: SSE2 is part of x86-64.
        Backend::Sse2 => unsafe { sse2::scan_head(bytes, sink) },
        // SAFETY: `is_available` saw AVX2, BMI1 and BMI2 before the scanner was made.
        Backend::Avx2 => unsafe { avx2::scan_head(bytes, sink) },
        // SAFETY: `is_available` saw AVX-512BW and all of AVX2's before the scanner was made.
        Backend::Avx512bw => unsafe { avx512bw::scan_head(bytes, sink) },
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn scan_head<S: Sink>(_backend: Backend, bytes: &[u8], sink: &mut S) -> Head {
    super::scalar::scan_head(bytes, sink)
}

/// The word stops of a block.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn word_stops(block: &[u8; WORD_BLOCK]) -> u16 {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { words::word_stops(block) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn word_stops(block: &[u8; WORD_BLOCK]) -> u16 {
    super::words::word_stops_by_byte(block)
}
