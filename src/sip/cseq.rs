//! The CSeq value (RFC 3261 §20.16).
