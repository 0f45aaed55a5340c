//! How the node is built: one page to hold the whole.
//!
//! # Threads
//!
//! - **A shard** for each CPU: a glommio executor pinned there, with its own sockets (every listen address, shared between shards by
//!   `SO_REUSEPORT`), its own bindings, transactions, timers and memory. On the path of a message nothing is shared, locked or
//!   counted by reference between threads. What one shard has to tell another goes over a bounded ring of the mesh.
//! - **The services**: one ordinary thread with a tokio runtime, off the path of a message, for the HTTP API. It asks the shards over
//!   bounded rings ([`crate::shard::port`] says what, `shell::port` how), and does without an answer after a second.
//! - **The first thread** starts the others, then waits for signals and for the end. A small one turns signals into its events.
//!
//! A full ring never makes its writer wait: the datagram is dropped, the question refused, and either is counted.
//!
//! # Floors
//!
//! | floor | rooms | what is there |
//! |---|---|---|
//! | 0 | [`limits`](crate::limits) [`ids`](crate::ids) [`time`](crate::time) [`storage`](crate::storage) | bounds with their reasons, handles with generations, the timer wheel, tables that never move |
//! | 1 | [`scan`](crate::scan) | bytes → positions, with the widest vectors that the processor has |
//! | 2 | [`sip`](crate::sip) | positions ↔ meaning; edits over the bytes that arrived |
//! | 3 | [`flow`](crate::flow) | who a byte came from, how to answer it, and the tokens that name it on the wire |
//! | 4 | [`transaction`](crate::transaction) | RFC 3261 §17 with RFC 6026 and RFC 4320, one machine a file |
//! | 5 | [`location`](crate::location) [`guard`](crate::guard) | address-of-record → bindings; what is refused before work is spent on it |
//! | 6 | [`registrar`](crate::registrar) [`proxy`](crate::proxy) | policy: values that say what to do |
//! | 7 | [`shard`](crate::shard) | the deterministic core, the only place that does it |
//! | 8 | `shell` `services` | sockets, threads, clocks |
//! | 9 | `config` and `main` | the file and the arguments → the options of each room |
//!
//! A room uses lower floors and itself; nothing above, nothing beside. Floors 0 to 7 know no clock, no socket, no thread, no lock, no
//! randomness, no environment and no log: time enters as `now`, bytes as an input, and everything that happens leaves by the outbox. The
//! same inputs give the same bytes. `cargo check --lib --no-default-features` builds them alone.
//!
//! What is not there, on purpose: no task and no channel for a transaction, no string and no allocation for a message in the steady
//! state, no search for what an index can name, no queue without a bound, no log line for a packet.
//!
//! # Who owns a message
//!
//! A message may arrive at any shard; [`owner`](crate::shard::owner) says which one holds the state that it needs. A response goes where its branch says,
//! for the branch names shard and slot. A REGISTER, and a request to one of our users, goes by the hash of the AOR, so that the fork runs where the
//! bindings are. Other requests go where a valid token points, or by the hash of their Call-ID. If that is another shard, the bytes are copied
//! once and handed over. Answers leave from the owner's own UDP socket, or through the shard that holds the connection.
//!
//! # Life of a REGISTER
//!
//! 1. `shell` takes a batch of datagrams from a socket and hands each, with one `now` for all, to the shard.
//! 2. `scan` finds the lines of the head, `sip` names the headers and proves those that every message must have.
//! 3. `shard::receive` asks `guard` whether the source is too fast, and finds the owner. Another one gets a copy, and the story goes on there.
//! 4. `registrar` reads all Contacts and decides on all of them together: 423, 403, 503, or changes to `location`. A binding remembers
//!    the branch of the REGISTER that made it: a repetition gets the current bindings again, an old CSeq fails.
//! 5. `location` applies the changes, arms their expiry on the wheel, and gives an event for each.
//! 6. `registrar` writes the bindings with their remaining time, `shard::answer` the rest of the 200. No transaction is opened: the
//!    answer to the same request is the same again (RFC 3261 §8.2.7).
//! 7. `shell` drains the outbox, once for the batch, and sends.
//!
//! # Life of an INVITE
//!
//! 1. It arrives like the REGISTER, and reaches the shard of the AOR that is called. A repetition ends at its server transaction.
//! 2. `proxy` checks it (§16.3), sets our own Routes aside (§16.4), and says where it goes: here, to the bindings of the AOR.
//! 3. `shard::fork` opens the server transaction, says 100, opens a response context, and makes a fork of each binding: a client
//!    transaction, a branch that names its slot, and the forwarded request, which is a list of edits over the bytes that arrived. They all leave in one
//!    batch.
//! 4. Responses come back by branch. Provisionals and 2xx go to the caller at once; other final answers are acknowledged and the best one
//!    is kept. The first 2xx (or a 6xx) makes the shard cancel the forks that still ring, each as soon as it has said anything at all.
//! 5. When every fork has ended and no 2xx went through, the best answer goes to the caller.
//! 6. What is left of a transaction is a small record that absorbs retransmissions until its last timer fires. ACK to the 2xx,
//!    BYE and all else inside the dialog find their way by the Record-Routes that the fork wrote, with no state here.
//!
//! # Faults
//!
//! What a peer sends is parsed before anything is asserted about it. If an assert fires all the same, the shell catches it, the shard gives up the
//! transaction that it was working on, the fault is counted and logged, and the rest goes on; past ten a minute the process ends with
//! exit code 70.
//!
//! # Crates
//!
//! | crate | for |
//! |---|---|
//! | memchr | the first of a few bytes, inside of values |
//! | ahash | the keyed hash of tables and owners |
//! | siphasher | the code that authenticates branches and tokens |
//! | glommio, futures-lite | one io_uring executor a shard, and the little that its tasks await |
//! | libc, socket2 | batched system calls, socket options |
//! | signal-hook | signals as events |
//! | tokio, axum | the services' thread and its HTTP |
//! | clap, toml | arguments, and the file as a tree with places |
//! | tracing, tracing-subscriber | the log |
//! | criterion | the benches |
//! | hdrhistogram, serde, serde_json | the load generator's percentiles and reports |
