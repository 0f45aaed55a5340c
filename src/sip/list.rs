//! The elements of a comma separated header value (RFC 3261 §7.3).
