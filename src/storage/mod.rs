//! Where state lives: tables, indexes and byte pools that are bounded, that grow without moving what they hold, and that
//! allocate nothing once they have reached the size that the load needs.

pub mod buffers;
pub mod chunks;
pub mod hash;
pub mod index;
pub mod table;
