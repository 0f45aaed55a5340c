//! Bytes to positions of structure: where the lines of a message's head begin and end, where each header's name stops, which lines are
//! folded, and where the head ends. The body is never looked at.
//!
//! A scan is one pass over blocks of 64 bytes. Each block becomes three bitmasks (line feeds, colons, control characters), and the loop goes
//! from line feed to line feed, telling a [`Sink`] of each line as it ends. Bytes that must not be in a head show up in the third mask at almost no
//! cost; only a head that has one is walked again, byte by byte, to tell an escaped control character from a forbidden one.
//!
//! Layers: `arch` turns a block into masks with the vectors of one processor, `generic` is the loop, and `scalar` is the oracle that all
//! of them are compared with. The loop is compiled once per processor and sink, so that a message costs one dispatch.

mod arch;
mod forbidden;
mod generic;
mod scalar;
#[cfg(test)]
mod tests;
mod words;

pub use forbidden::find_forbidden;
pub use words::{WORD_BLOCK, word_stops};

/// A way to scan. Other processors than x86-64 have `Scalar` alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backend {
    Scalar,
    Sse2,
    Avx2,
    Avx512bw,
}

/// A backend that this processor has: chosen once at start and handed down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scanner {
    backend: Backend,
}

/// One line of a head, with those folded into it. Positions are offsets into the scanned bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Line {
    /// The first byte of the line.
    pub start: usize,
    /// The first colon of the line; `start` when it has none, as when nothing is before it.
    pub colon: usize,
    /// Where the content ends: the CR of the last line end.
    pub end: usize,
    /// The first byte behind the line's end.
    pub next: usize,
}

/// Who is told of each line, in order. The first is the start line.
pub trait Sink {
    /// False stops the scan.
    fn on_line(&mut self, line: Line) -> bool;
}

/// How a scan ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// At the empty line that ends the head.
    Complete,
    /// At the end of the bytes. An unfinished last line was not told.
    Truncated,
    /// By the sink.
    Stopped,
}

/// What a scan found besides the lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub end: End,
    /// Length of the head with its empty line when it is complete, else how far the scan came.
    pub len: usize,
    /// The first byte of the head that must not be there: NUL, a CR or LF alone, another control character that is not escaped in a quoted string.
    pub forbidden: Option<usize>,
}

impl Backend {
    pub const ALL: [Backend; 4] = [Backend::Scalar, Backend::Sse2, Backend::Avx2, Backend::Avx512bw];

    pub const fn name(self) -> &'static str {
        match self {
            Backend::Scalar => "scalar",
            Backend::Sse2 => "sse2",
            Backend::Avx2 => "avx2",
            Backend::Avx512bw => "avx512bw",
        }
    }

    pub fn from_name(name: &str) -> Option<Backend> {
        Backend::ALL.into_iter().find(|backend| backend.name() == name)
    }
}

impl Scanner {
    /// The fastest that this processor has.
    pub fn detect() -> Scanner {
        let best = Backend::ALL.into_iter().rev().find(|&backend| arch::is_available(backend));
        Scanner { backend: best.unwrap_or(Backend::Scalar) }
    }

    /// A given one; `None` when this processor does not have it.
    pub fn with(backend: Backend) -> Option<Scanner> {
        arch::is_available(backend).then_some(Scanner { backend })
    }

    pub fn backend(self) -> Backend {
        self.backend
    }

    /// Scans from the first byte to the end of the head, telling `sink` of each line.
    #[inline]
    pub fn scan_head<S: Sink>(self, bytes: &[u8], sink: &mut S) -> Head {
        match self.backend {
            Backend::Scalar => scalar::scan_head(bytes, sink),
            vector => arch::scan_head(vector, bytes, sink),
        }
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Scanner::detect()
    }
}
