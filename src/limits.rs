//! Every bound of the node in one place: who consumes it, why it is what it is, and what it costs.

/// Shards of one node: the field of a branch that names a shard has 8 bits, and 255 is kept for "none".
pub const SHARDS_MAX: usize = 255;

/// `[[listen]]` tables of one node: `Endpoint::listener` has 8 bits, and each costs every shard a socket.
pub const LISTENERS_MAX: usize = 64;

/// The largest message of any kind, and the range of `[limits].message_bytes_max`: a UDP datagram can not be larger,
/// and positions inside a message are 16 bits wide.
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// Header lines of one message, the upper end of `[limits].headers_max`: the index of a message has 16 bytes a line.
pub const HEADERS_MAX: usize = 1_024;

/// Header lines that a forwarded request has more than it came with: Via, two Record-Routes, two Routes, Max-Forwards, Content-Length. What is
/// kept of it is read again for its CANCEL and its ACK.
pub const HEADERS_ADDED_MAX: usize = 7;

/// Connections opened by one shard that it finds again; past it a request opens one of its own. 48 bytes each and 2 MiB of indexes, when used:
/// more than the file descriptors that a process usually has.
pub const OPENED_MAX: u32 = 65_536;

/// Bytes of one receive slot; a larger datagram runs over into an overflow buffer.
pub const DATAGRAM_SLOT_BYTES: usize = 4_096;

/// The largest payload of a UDP datagram over IPv4; a message that has grown past it on its way through can only go by a stream.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Datagrams read or written by one system call.
pub const DATAGRAM_BATCH_MAX: usize = 64;

/// Messages under way from one shard to another; past it a datagram is dropped and counted.
pub const MESH_RING_MAX: usize = 1_024;

/// Bytes that wait to be written to one stream; past it the connection counts as failed.
pub const WRITE_QUEUE_BYTES_MAX: usize = 1 << 20;

/// Questions from the services to one shard, and answers back, that nobody has taken yet; past it the question is refused, the
/// answer dropped and counted. The services ask one at a time and give up after a second, so more than a few is a shard that hangs.
pub const PORT_RING_MAX: usize = 16;

/// Sources whose rate one shard remembers when `[limits].per_source_pps` is set: 16 bytes each, 1 MiB. More addresses than that within a
/// second are a flood that no count per source stops.
pub const GUARD_SOURCES_MAX: usize = 65_536;

/// HTTP connections to the API at once; further ones wait in the system's queue. A few scrapers and browsers need no more, and a
/// flood of them must leave the shards their file descriptors.
pub const API_CONNECTIONS_MAX: usize = 64;

/// Targets of one request (`[fork].targets_max` goes to 100).
pub const TARGETS_MAX: usize = 100;

const _: () = assert!(MESSAGE_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(DATAGRAM_SLOT_BYTES < MESSAGE_BYTES_MAX);
