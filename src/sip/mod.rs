//! Positions to meaning and back: what a SIP message is, what its values say, and how the bytes that go out are made of those that came.
//!
//! A message is its bytes and an [`index::Index`] over them, filled in one pass; nothing is copied and nothing allocated. Values are parsed when they
//! are asked for, and forwarding is a list of edits over the original bytes.

// The message.
pub mod edit;
pub mod essentials;
pub mod framing;
pub mod header_id;
pub mod index;
pub mod malformed;
pub mod message;
pub mod method;
pub mod response;

// Header values.
pub mod aor_text;
pub mod credentials;
pub mod cseq;
pub mod date;
pub mod flaw;
pub mod host;
pub mod list;
#[cfg(test)]
mod mutation_tests;
pub mod name_addr;
pub mod number;
pub mod octet;
pub mod option_tag;
pub mod params;
pub mod reason;
pub mod runs;
pub mod transport;
pub mod uri;
pub mod uri_compare;
pub mod via;

pub use edit::{EditList, ViaSource, emit_edited};
pub use essentials::Essentials;
pub use header_id::HeaderId;
pub use index::{HeaderLine, Index};
pub use malformed::Malformed;
pub use message::{Message, Start, Value, is_keepalive};
pub use method::Method;
pub use response::{ResponseHead, emit_response};
