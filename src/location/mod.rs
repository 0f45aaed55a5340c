//! Where the devices of an AOR are: the bindings that REGISTERs made (RFC 3261 §10), one table per shard.
//!
//! What enters: changes that the registrar decided, rows from elsewhere, time. What leaves: the bindings of an AOR, newest first, and
//! an `Event` for every change. Bounded by `Options`: bindings in all, bindings of one AOR, bytes of text.

pub mod aor;
pub mod binding;
pub mod event;
pub mod identity;
pub mod records;
pub mod table;

pub use aor::Aor;
pub use binding::{Binding, Span};
pub use event::{Change, Event, Refusal, Removal};
pub use records::BindingId;
pub use table::{Options, Table};
