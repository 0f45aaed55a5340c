//! tine: a SIP edge. The floors are declared in order; a floor may use the ones above it in this list, never those below.
//!
//! Floors 0 to 7 are pure: no clock, socket, thread, lock, randomness or environment. `manual` holds the prose.

// Floor 0: bounds with their reasons, names for things, time, storage.
pub mod ids;
pub mod limits;
pub mod random;
pub mod storage;
pub mod time;

// Floor 1: bytes to positions.
pub mod scan;

// Floor 2: positions to meaning and back.
pub mod sip;

// Floor 3: who a byte came from and how to answer it.
pub mod flow;

// Floor 4: RFC 3261 §17.
pub mod transaction;

// Floor 5: address-of-record to bindings; what is refused before work is spent on it.
pub mod guard;
pub mod location;

// Floor 6: policy.
pub mod proxy;
pub mod registrar;

// Floor 7: the deterministic core.
pub mod shard;

// Floor 8: I/O.
#[cfg(feature = "shell")]
pub mod services;
#[cfg(feature = "shell")]
pub mod shell;

// Floor 9: arguments and files to options.
#[cfg(feature = "shell")]
pub mod config;

pub mod manual;
