//! What is wrong with one header value, and where.
