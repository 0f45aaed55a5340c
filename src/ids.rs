//! Names for things: small copies that point into tables. Those that outlive what they name carry a generation.

/// One of the shards of this node, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Default)]
pub struct ShardId(pub u8);

/// A concrete local address that messages arrive at and leave from: one listener at one local IP. The table is the same on every shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Default)]
pub struct EndpointId(pub u16);

/// A stream connection, held by the shell of `shard`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnectionId {
    pub slot: u32,
    pub generation: u32,
    pub shard: ShardId,
}

/// A transaction in the table of `shard`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TransactionId {
    pub slot: u32,
    pub generation: u32,
    pub shard: ShardId,
}

/// A response context in the table of its shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ContextId {
    pub slot: u32,
    pub generation: u32,
}

/// A fork of a response context, in the table of its shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ForkId {
    pub slot: u32,
    pub generation: u32,
}
