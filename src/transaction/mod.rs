//! Transactions: RFC 3261 §17 with RFC 6026 and RFC 4320.
//!
//! Each of the four machines is one file: a picture, its states and events, and a total function from both to a step. The machines hold no
//! message, no time and no table.

pub mod branch;
pub mod invite_client;
pub mod invite_server;
pub mod key;
pub mod non_invite_client;
pub mod non_invite_server;
pub mod step;
pub mod table;
pub mod timer;
pub mod timers;
