//! What may be asked of the table, what it says, and why it refuses.

use crate::location::{Binding, BindingId};

/// One change that a REGISTER asks for.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// A binding for a device that has none.
    Add(Binding<'a>),
    /// New values for a binding that is there.
    Refresh(BindingId, Binding<'a>),
    /// The device takes its binding back.
    Remove(BindingId),
}

/// A change that happened, with all of the binding: enough to make or remove the same row elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    Added(Binding<'a>),
    Refreshed(Binding<'a>),
    Removed(Binding<'a>, Removal),
}

/// Why a binding went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// Its time was over.
    Expired,
    /// A REGISTER took it back (expiry 0, or `*`).
    Unregistered,
    /// It was the one refreshed longest ago when another came and its AOR had no room left.
    Replaced,
}

/// Why nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The AOR would have more bindings than one may have.
    AorFull,
    /// The shard has no room for another binding.
    TableFull,
    /// AOR, Contact, Call-ID and Path together are longer than `records::TEXT_BYTES_MAX`.
    TooLong,
}
