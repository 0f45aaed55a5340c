//! Option tags of Require, Proxy-Require, Supported and Unsupported (RFC 3261 §19.2).
