//! What the keys of the file mean together. Each key, its range and its default stand at its field in `config::Config`.
//!
//! # Checking
//!
//! `tine check -c FILE` reads the file as `tine run` does, also the key file that it names, and reports every error at once as
//! `file:line:column: key: what is wrong, what is allowed`. Elements are counted from 0: `listen[1].address` is the address of the second
//! `[[listen]]`. A rule over two keys is told at the one that the file has. A key that is known, but whose feature is not there yet, is checked like any
//! other and refused as "not yet supported" when it asks for the feature. Paths are relative to the working directory.
//!
//! A key file that others than its owner can read, an open registrar on an address that is not loopback, an API without a token there, and
//! timers below what RFC 3261 wants are allowed, and warned of.
//!
//! # Listeners
//!
//! Without any `[[listen]]`, UDP and TCP on 127.0.0.1:5060. With one or more, only these. Port 0 lets the system choose; the ready line has
//! what it chose. A wildcard address (`0.0.0.0`, `[::]`) stands for every address of its family that the host has at the start, and
//! each of them is an address of its own to tine: what arrived there is answered from there, and it is the one that Via, Record-Route and
//! Path carry, unless `advertise` says otherwise. `[::]` does not take IPv4 in: list both. Two listeners of one protocol and family must not share a port,
//! unless both have addresses and these differ.
//!
//! # Local users
//!
//! `registrar.domains` says whose users register here. Empty, it is the addresses that tine listens at and advertises, whatever the port,
//! and `localhost`. These addresses remain tine's own in any case: OPTIONS to them is answered, a Route to them is taken off.
//!
//! # Keys and restarts
//!
//! With `node.key_file`, what tine wrote into Record-Route and Path stays valid over a restart for as long as the listeners stay the
//! same: calls go on, and can be hung up. Without it a key is drawn at each start, and dialogs from before get 403. The key file is 32 random bytes:
//! `head -c 32 /dev/urandom > tine.key && chmod 600 tine.key`.
//!
//! # Limits
//!
//! Limits of the node are divided by its shards, and each gets a tenth more than its part, for a hash does not spread evenly. One shard
//! gets exactly the limit. Indexes are reserved for it at the start.
//!
//! # Signals
//!
//! SIGTERM and SIGINT drain: new calls and registrations get 503, `/ready` says 503, and the process ends with 0 once nothing is in progress, or
//! after `node.drain_s`. A second one ends it at once. SIGHUP reads the file again: `log.level` holds at once, the rest at the next start, and a
//! wrong file changes nothing.
//!
//! # HTTP
//!
//! `/health` is 200 while every shard answers within a second; `/ready` while, besides, the node does not drain; `/metrics` is Prometheus text.
//! With `api.token`, everything but the first two wants `Authorization: Bearer`.
