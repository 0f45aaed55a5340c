//! The `;name=value` tail of a URI or a header value.
