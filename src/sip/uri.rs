//! SIP, SIPS and TEL URIs (RFC 3261 §19.1, RFC 3966) as views over their bytes.
