//! Policy of the proxy (RFC 3261 §16): what is refused, where a request goes, and which answer the caller gets. It decides; the shard performs.

pub mod best_response;
pub mod context;
pub mod hop_by_hop;
pub mod identity;
pub mod next_hop;
pub mod refusal;
pub mod request;
pub mod route;
