//! One Via value (RFC 3261 §20.42, RFC 3581).
