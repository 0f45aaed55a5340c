//! When two URIs are the same (RFC 3261 §19.1.4, RFC 3966 §4).
