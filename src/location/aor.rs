//! The name that bindings hang on.

use crate::storage::hash::HashKey;

/// An address-of-record in its canonical text, `user@host`: what `sip::aor_text` makes of a URI (RFC 3261 §10.3 step 5), so that equal AORs
/// are equal bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Aor<'a>(&'a [u8]);

impl<'a> Aor<'a> {
    pub const fn new(canonical: &'a [u8]) -> Self {
        Aor(canonical)
    }

    pub const fn text(self) -> &'a [u8] {
        self.0
    }

    /// Names the place in every shard's tables, and the shard that owns the AOR.
    pub fn hash(self, key: &HashKey) -> u64 {
        key.hash(self.0)
    }
}

/// Redacted: an AOR names a person.
impl core::fmt::Debug for Aor<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Aor({} bytes)", self.0.len())
    }
}
