//! The prose of the project: pages without code. What an item does stands at the item; here is what belongs to none of them.
//!
//! - [`architecture`]: floors, threads, crates, and the life of a REGISTER and of an INVITE.
//! - [`configuration`]: what the keys of the file mean together.
//! - [`deviations`]: where tine does on purpose what an RFC does not say.

pub mod architecture;
pub mod configuration;
pub mod deviations;
