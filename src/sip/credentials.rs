//! Credentials and challenges (RFC 3261 §25.1, RFC 7616, RFC 8760).
