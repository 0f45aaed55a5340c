//! The I/O of a node: sockets, threads and the clock, around the shards that know none of them.

pub mod port;
pub mod udp;
