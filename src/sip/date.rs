//! The Date header (RFC 3261 §20.17).
