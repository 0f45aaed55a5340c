//! The Reason header (RFC 3326).
